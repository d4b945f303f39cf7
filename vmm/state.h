/* SPDX-License-Identifier: MIT */
/*
 * The format in which one s2vmm leaves the state of a VM to another: a header, then sections.
 * docs/live-update.md has the bytes.
 *
 *   header    magic, format version, architecture, total length
 *   section   name (four letters), instance, version, length, payload
 *   ...
 *
 * A name and an instance occur once. Integers are little-endian. What we define is written field
 * by field; a struct is written as it is only where it is one of KVM's interface to user space,
 * which does not change.
 *
 * A section's version grows when its payload changes; who reads takes its own and older ones.
 *
 * Writing cannot fail until the end: what did not fit into memory is remembered. Nor can taking a
 * field: one that is not there reads 0, and state_close() says that the section is too short.
 * Everything that is read is untrusted.
 */
#ifndef S2VMM_STATE_H
#define S2VMM_STATE_H

#include "vmm/error.h"
#include "vmm/types.h"

#define STATE_MAGIC          "S2VMSTAT"
#define STATE_FORMAT_VERSION 1u
#define STATE_SECTIONS_MAX   1024u
#define STATE_FDS_MAX        65536u
#define STATE_SIZE_MAX       (64 * MIB)
#define STATE_HEADER_SIZE    24u /* 8 magic, 4 version, 4 architecture, 8 total length */
#define STATE_SECTION_SIZE   20u /* 4 name, 4 instance, 4 version, 8 length */

/* --- writing --- */

struct state_writer {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    size_t section; /* where the open section's payload begins; 0: none is open */
    bool failed;    /* no memory, or too large */
    int *fds;       /* they go beside the state */
    unsigned fd_count;
};

/* Writes the header. state_writer_finish() frees all; a zeroed object is fine. */
void state_writer_init(struct state_writer *writer);
void state_writer_finish(struct state_writer *writer);

/* A section, from its begin to its end; name: four letters. One at a time. */
void state_begin(struct state_writer *writer, const char *name, uint32_t instance,
                 uint32_t version);
void state_put32(struct state_writer *writer, uint32_t value);
void state_put64(struct state_writer *writer, uint64_t value);
void state_put_bytes(struct state_writer *writer, const void *bytes, size_t size);
void state_end(struct state_writer *writer);
/* A descriptor, which stays the caller's, and open until the state has been sent; -1: none. */
void state_put_fd(struct state_writer *writer, int fd);

/* After the last section: the length goes into the header. ERROR_HOST_MEMORY if something did
 * not fit, now or before. */
bool state_complete(struct state_writer *writer, struct error *error);

/* A complete state as a sealed memfd, for a file descriptor that another process gets; the
 * caller closes it. ERROR_HOST_SYSTEM. */
bool state_make_file(const struct state_writer *writer, int *fd, struct error *error);

/* --- reading --- */

struct state_section {
    char name[5];
    uint32_t instance;
    uint32_t version;
    const uint8_t *payload;
    size_t length;
    size_t taken;   /* bytes of the payload */
    bool opened;    /* somebody knows this section */
    bool too_short; /* a field was not there */
};

struct state_reader {
    uint8_t *bytes; /* a copy: nobody else can change it */
    size_t size;
    struct state_section *sections;
    unsigned count;
    int *fds; /* what has been taken is -1 */
    unsigned fd_count;
};

/* Copies the state and checks all but the payloads: ERROR_CONFIG_FILE, with what is wrong, or
 * ERROR_HOST_MEMORY. From a file: from its first byte to its end; also ERROR_HOST_SYSTEM. */
bool state_reader_init(struct state_reader *reader, const void *bytes, size_t size,
                       struct error *error);
bool state_reader_init_file(struct state_reader *reader, int fd, struct error *error);

/* The descriptors that came with it, in the order in which they were put; they are the reader's
 * from then on, also after ERROR_HOST_MEMORY. */
bool state_reader_add_fds(struct state_reader *reader, const int *fds, unsigned count,
                          struct error *error);

/* Closes what nobody took. A zeroed object is fine. */
void state_reader_finish(struct state_reader *reader);

/* Finds a section, in any order, but each only once. ERROR_CONFIG_FILE if there is none, or if it
 * has a version that is 0 or newer than `newest`. */
bool state_open(struct state_reader *reader, const char *name, uint32_t instance,
                uint32_t newest, struct state_section **section, struct error *error);

/* The next field. */
uint32_t state_get32(struct state_section *section);
uint64_t state_get64(struct state_section *section);
/* The next bytes, not aligned, as long as the reader lives; NULL: there are not so many. */
const void *state_get_bytes(struct state_section *section, size_t size);
/* The next field is a descriptor, which is the caller's then; -1: none was put.
 * ERROR_CONFIG_FILE if it did not come, or was taken before. */
bool state_get_fd(struct state_reader *reader, struct state_section *section, int *fd,
                  struct error *error);
/* What has not been taken yet, in bytes. */
size_t state_left(const struct state_section *section);

/* ERROR_CONFIG_FILE unless exactly all of the section was taken. */
bool state_close(const struct state_section *section, struct error *error);

/* A value that cannot be; returns false, with an ERROR_CONFIG_FILE that begins with the section. */
bool state_refuse(const struct state_section *section, struct error *error,
                  const char *format, ...) __attribute__((format(printf, 3, 4)));

/* After the last section was opened: ERROR_CONFIG_FILE if one is left that nobody knows. */
bool state_reader_check(const struct state_reader *reader, struct error *error);

#endif
