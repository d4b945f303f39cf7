/* SPDX-License-Identifier: MIT */
#include "devices/gpu/exporters/lab.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const backings[] = {
    [DMABUF_LAB_PAGES] = "pages",
    [DMABUF_LAB_BLOCKS] = "blocks",
    [DMABUF_LAB_BAR] = "bar",
};
static const char *const vmas[] = {
    [DMABUF_LAB_PFNMAP] = "pfnmap", [DMABUF_LAB_FAULT] = "fault",
    [DMABUF_LAB_MIXED] = "mixed",   [DMABUF_LAB_STRUCT_PAGES] = "struct-pages",
    [DMABUF_LAB_TTM] = "ttm",
};
static const char *const attributes[] = {
    [DMABUF_LAB_WB] = "wb",
    [DMABUF_LAB_WC] = "wc",
    [DMABUF_LAB_WC_WISHED] = "wc-wished",
    [DMABUF_LAB_UC] = "uc",
    [DMABUF_LAB_DEVICE] = "device",
};
static const struct {
    const char *word;
    uint32_t flag;
} flags[] = {
    {"needs-sync", DMABUF_LAB_NEEDS_SYNC},
    {"may-change", DMABUF_LAB_MAY_CHANGE},
    {"naive", DMABUF_LAB_NAIVE},
    {"any-uncached", DMABUF_LAB_ANY_UNCACHED},
};
static_assert(ARRAY_SIZE(backings) == DMABUF_LAB_BACKING_COUNT,
              "a word for each backing");
static_assert(ARRAY_SIZE(vmas) == DMABUF_LAB_VMA_COUNT,
              "a word for each kind of mapping");
static_assert(ARRAY_SIZE(attributes) == DMABUF_LAB_ATTRIBUTE_COUNT,
              "a word for each attribute");

/* --- words --- */

#define WORD_MAX 16

/* The next word, up to a comma; *at moves behind it. A word that is too long is none. */
static void next_word(const char **at, char word[WORD_MAX])
{
    size_t length = strcspn(*at, ",");
    snprintf(word, WORD_MAX, "%.*s", length < WORD_MAX ? (int)length : 0, *at);
    *at += length;
    if (**at == ',')
        ++*at;
}

static bool find(const char *what, const char *word, const char *const *names,
                 size_t count, uint32_t *value, struct error *error)
{
    char all[120] = "";
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i], word) == 0) {
            *value = i;
            return true;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    return error_set(error, ERROR_CONFIG_USAGE,
                     "dmabuf-lab: the %s \"%s\": expected one of %s", what, word, all);
}

static bool find_flag(const char *word, uint32_t *value, struct error *error)
{
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        if (strcmp(flags[i].word, word) == 0) {
            *value |= flags[i].flag;
            return true;
        }
    }
    return error_set(
        error, ERROR_CONFIG_USAGE,
        "dmabuf-lab: the flag \"%s\": expected one of needs-sync, may-change, "
        "naive, any-uncached",
        word);
}

bool lab_parse_attribute(const char *word, uint32_t *attribute, struct error *error)
{
    return find("attribute", word, attributes, ARRAY_SIZE(attributes), attribute, error);
}

bool lab_is_possible(const struct dmabuf_lab_create *create)
{
    return create->vma != DMABUF_LAB_STRUCT_PAGES || create->backing == DMABUF_LAB_PAGES;
}

bool lab_parse(const char *words, struct dmabuf_lab_create *create, struct error *error)
{
    char word[WORD_MAX];
    const char *at = words;
    *create = (struct dmabuf_lab_create){0};
    next_word(&at, word);
    if (!find("backing", word, backings, ARRAY_SIZE(backings), &create->backing, error))
        return false;
    next_word(&at, word);
    if (!find("kind of mapping", word, vmas, ARRAY_SIZE(vmas), &create->vma, error))
        return false;
    next_word(&at, word);
    if (!lab_parse_attribute(word, &create->attribute, error))
        return false;
    while (*at) {
        next_word(&at, word);
        if (!find_flag(word, &create->flags, error))
            return false;
    }
    return lab_is_possible(create) ||
           error_set(
               error, ERROR_CONFIG_USAGE,
               "dmabuf-lab:%s: only a buffer of `pages` can be mapped by `struct-pages`",
               words);
}

void lab_words(const struct dmabuf_lab_create *create, char *words, size_t size)
{
    snprintf(words, size, "%s,%s,%s", backings[create->backing], vmas[create->vma],
             attributes[create->attribute]);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        size_t used = strlen(words);
        if (create->flags & flags[i].flag)
            snprintf(words + used, size - used, ",%s", flags[i].word);
    }
}

/* --- what they mean --- */

static enum memattr_map_info wish_of(uint32_t attribute)
{
    switch ((enum dmabuf_lab_attribute)attribute) {
    case DMABUF_LAB_WB:
        return MEMATTR_MAP_CACHED;
    case DMABUF_LAB_WC:
    case DMABUF_LAB_WC_WISHED:
        return MEMATTR_MAP_WC;
    case DMABUF_LAB_UC:
    case DMABUF_LAB_DEVICE:
    case DMABUF_LAB_ATTRIBUTE_COUNT:
        break;
    }
    return MEMATTR_MAP_UNCACHED;
}

/* arm64 gives every mapping what is asked for. x86 gives a page of RAM that is mapped by its
 * frame number the type that is on record for it (arch/x86/mm/pat/memtype.c, lookup_memtype),
 * and a BAR never WB, where the MTRR is not (pat_x_mtrr_type). */
static enum memattr_type host_of(const struct dmabuf_lab_create *create,
                                 enum memattr_model model)
{
    bool is_arm64 = model == MEMATTR_ARM64 || model == MEMATTR_ARM64_FWB;
    enum memattr_map_info wish = wish_of(create->attribute);
    if (is_arm64)
        return create->attribute == DMABUF_LAB_DEVICE
                   ? MEMATTR_DEVICE_nGnRE
                   : memattr_s1_of_map_info(model, wish);
    if (create->backing == DMABUF_LAB_BAR && wish == MEMATTR_MAP_CACHED)
        wish = MEMATTR_MAP_UNCACHED;
    else if (create->backing != DMABUF_LAB_BAR &&
             create->attribute == DMABUF_LAB_WC_WISHED &&
             create->vma != DMABUF_LAB_STRUCT_PAGES)
        wish = MEMATTR_MAP_CACHED;
    return memattr_s1_of_map_info(model, wish);
}

static enum memattr_vma vma_of(const struct dmabuf_lab_create *create)
{
    if (create->vma == DMABUF_LAB_STRUCT_PAGES)
        return MEMATTR_VMA_PLAIN;
    if (create->vma == DMABUF_LAB_MIXED)
        return MEMATTR_VMA_MIXED;
    return create->flags & DMABUF_LAB_ANY_UNCACHED ? MEMATTR_VMA_VFIO
                                                   : MEMATTR_VMA_PFNMAP;
}

void lab_facts(const struct dmabuf_lab_create *create, enum memattr_model model,
               struct target *target)
{
    target->buffer = (struct memattr_buffer){
        .page = create->backing == DMABUF_LAB_BAR ? MEMATTR_PAGE_MMIO : MEMATTR_PAGE_RAM,
        .host = host_of(create, model),
        .vma = vma_of(create),
        .vma_is_uncacheable =
            create->vma != DMABUF_LAB_TTM && create->attribute != DMABUF_LAB_WB,
        .needs_sync = (create->flags & DMABUF_LAB_NEEDS_SYNC) != 0,
        .may_change = (create->flags & DMABUF_LAB_MAY_CHANGE) != 0,
    };
    target->is_unreferenced = create->backing == DMABUF_LAB_BLOCKS;
    target->says =
        create->flags & DMABUF_LAB_NAIVE ? wish_of(create->attribute) : MEMATTR_MAP_NONE;
}
