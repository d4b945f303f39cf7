/* SPDX-License-Identifier: MIT */
/*
 * The words that name a buffer of dmabuf-lab, and what they mean on this architecture.
 *
 *     "blocks,fault,wc,may-change" --lab_parse()--> dmabuf_lab_create --lab_facts()--> facts
 */
#ifndef S2VMM_EXPORTERS_LAB_H
#define S2VMM_EXPORTERS_LAB_H

#include "devices/dmabuf-lab/dmabuf_lab.h"
#include "devices/gpu/exporters/target.h"

/* Backing, VMA, attribute, in this order, then flags; the size and the place of a BAR are the
 * caller's. ERROR_CONFIG_USAGE: a word that is not known, or a combination that cannot be. */
bool lab_parse(const char *words, struct dmabuf_lab_create *create, struct error *error);

/* The attribute of this name. ERROR_CONFIG_USAGE. */
bool lab_parse_attribute(const char *word, uint32_t *attribute, struct error *error);

/* Fills in target->buffer, ->says, ->is_unreferenced: what the words mean for this model. */
void lab_facts(const struct dmabuf_lab_create *create, enum memattr_model model,
               struct target *target);

/* The words of a buffer, as lab_parse() takes them: "bar,ttm,wc-wished,any-uncached". */
void lab_words(const struct dmabuf_lab_create *create, char *words, size_t size);

/* Whether there can be such a buffer: struct pages belong to single pages of RAM. */
bool lab_is_possible(const struct dmabuf_lab_create *create);

#endif
