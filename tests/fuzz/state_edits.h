/* SPDX-License-Identifier: MIT */
/*
 * A good state of a live update with changes in it, for the targets that load one. An input has up to
 * EDITS_MAX of these; what they do to nothing, such as a byte behind the end, they do not do.
 */
#ifndef S2VMM_TESTS_FUZZ_STATE_EDITS_H
#define S2VMM_TESTS_FUZZ_STATE_EDITS_H

#include "tests/fuzz/fuzz.h"
#include "vmm/state.h"

#define EDITS_MAX 12u

enum edit_kind {
    EDIT_XOR,     /* a byte */
    EDIT_PUT32,   /* at offset: value */
    EDIT_PUT64,   /* the same, shifted left by `shift` bits */
    EDIT_ADD32,   /* to what is there */
    EDIT_CUT,     /* the section's last bytes */
    EDIT_DELETE,  /* bytes in its middle */
    EDIT_REPEAT,  /* them once more, behind themselves */
    EDIT_APPEND,  /* bytes */
    EDIT_GROW,    /* a number at offset, and so many more of `shift` bytes behind it */
    EDIT_DROP,    /* the section */
    EDIT_TWICE,   /* a copy of it, of another instance */
    EDIT_SWAP,    /* with another one */
    EDIT_VERSION, /* another one */
    EDIT_FD,      /* a descriptor is another one: enum edit_fd in value */
    EDIT_FDS,     /* only so many descriptors come */
    EDIT_KINDS,
};

/* In place of a descriptor. */
enum edit_fd {
    EDIT_FD_OTHER,  /* another one of the state's: shift */
    EDIT_FD_PIPE,   /* what cannot be mapped */
    EDIT_FD_FOLDER, /* what cannot be read */
    EDIT_FD_EVENT,
    EDIT_FD_FILE,   /* of `shift` pages, with no seals */
    EDIT_FD_DMABUF, /* the same of the fake kernel's */
    EDIT_FD_READ,   /* the same file, open to be read */
    EDIT_FD_KINDS,
};

struct edit {
    uint8_t kind;
    uint8_t section; /* or the descriptor */
    uint8_t shift;
    uint8_t unused;
    uint32_t offset; /* in the payload */
    uint32_t value;
};

/* Reads what the input's edits have made of a good state, which is complete. False: it is no
 * state any more. *descriptors: whether they are as they were. */
bool state_edits_read(const struct state_writer *good, struct fuzz_input *input,
                      struct state_reader *reader, bool *descriptors);

/* Reads it as it is, with copies of its descriptors. */
void state_edits_read_good(const struct state_writer *good, struct state_reader *reader);

/* A reader of a state that was loaded, and a writer of what was loaded: whether each section is the
 * same. For the payloads that may differ somewhere `forgive` says how; or NULL. */
typedef void state_edits_forgive(const char *name, uint8_t *payload, size_t length);
void state_edits_check_same(const struct state_reader *reader, struct state_writer *again,
                            state_edits_forgive *forgive);

#endif
