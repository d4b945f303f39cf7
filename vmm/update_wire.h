/* SPDX-License-Identifier: MIT */
/*
 * Messages of a live update (docs/live-update.md), over sockets that keep them apart
 * (SOCK_SEQPACKET), between processes of one user:
 *
 *   client     <-> supervisor   UPDATE;  DONE or FAILED
 *   supervisor <-> a VMM        REQUEST; DONE, or FAILED and then ENDED; RUNNING, and perhaps GO, of a
 *                               new one
 *   old VMM    <-> new VMM      HELLO, READY, STATE, LOADED, GO, RUNNING; FAILED at any time
 *
 * All are untrusted: the two ends may be of different versions, and one of them may have been taken
 * over by its guest.
 */
#ifndef S2VMM_UPDATE_WIRE_H
#define S2VMM_UPDATE_WIRE_H

#include "vmm/state.h"

#define UPDATE_VERSION     1u
#define UPDATE_PAYLOAD_MAX 512u
#define UPDATE_FDS_MAX     253u /* SCM_MAX_FD, include/net/scm.h of Linux */

enum update_kind {
    UPDATE_HELLO = 1, /* a state: what the new VMM has to know before it makes its VM */
    UPDATE_READY,     /* its VM is there */
    UPDATE_STATE,     /* a state: of the guest, which has stopped */
    UPDATE_FDS,       /* more descriptors of the state before */
    UPDATE_LOADED,    /* it could run */
    UPDATE_GO,      /* it may: the old one does not run again unless the new one fails */
    UPDATE_RUNNING, /* it does from now on */
    UPDATE_FAILED,  /* a text: why not */
    UPDATE_REQUEST, /* a socket to the new VMM */
    UPDATE_DONE,    /* struct update_times */
    UPDATE_START,   /* the file to execute */
    UPDATE_ENDED,   /* the new VMM is dead: the answer to a VMM\'s FAILED */
};

/* How long the guest stood still, in nanoseconds. */
struct update_times {
    uint64_t stop;  /* until vCPUs and devices had stopped */
    uint64_t save;  /* until the state was complete */
    uint64_t load;  /* until the new VMM had it */
    uint64_t start; /* until its vCPUs ran */
};

struct update_message {
    enum update_kind kind;
    uint32_t number; /* HELLO, STATE: descriptors that belong to it */
    size_t size;
    uint8_t payload[UPDATE_PAYLOAD_MAX + 1]; /* a 0 behind it */
    unsigned fd_count;
    int fds[UPDATE_FDS_MAX]; /* the receiver's; update_message_finish() closes them */
};

/* Without a payload or descriptors. Waits up to so many milliseconds. ERROR_HOST_SYSTEM. */
bool update_send(int socket, enum update_kind kind, int milliseconds,
                 struct error *error);

/* With a descriptor, which stays the caller's. */
bool update_send_fd(int socket, enum update_kind kind, int fd, int milliseconds,
                    struct error *error);

bool update_send_times(int socket, const struct update_times *times, int milliseconds,
                       struct error *error);

/* FAILED with a text, as far as it can be sent. */
void update_send_failed(int socket, const char *text);

/* A completed state with its descriptors. */
bool update_send_state(int socket, enum update_kind kind,
                       const struct state_writer *writer, int milliseconds,
                       struct error *error);

/* The next message. ERROR_HOST_SYSTEM: none came in this time (-1: for ever), the other end is
 * gone, or it is no message of this protocol. The message is good for update_message_finish() in
 * any case. */
bool update_receive(int socket, struct update_message *message, int milliseconds,
                    struct error *error);

/* The same, but it has to be of this kind; FAILED: its text is the error. */
bool update_expect(int socket, enum update_kind kind, struct update_message *message,
                   int milliseconds, struct error *error);

/* After an update_send() that failed: the other end may have said why before it ended. */
void update_last_words(int socket, struct error *error);

/* Expects one that has nothing but its kind. */
bool update_expect_word(int socket, enum update_kind kind, int milliseconds,
                        struct error *error);

/* Expects a state of that kind. On success the reader is the caller's to finish. Also what
 * state_reader_init_file() says. */
bool update_receive_state(int socket, enum update_kind kind, struct state_reader *reader,
                          int milliseconds, struct error *error);

/* Of a message of the kind DONE; false: it is too short. */
bool update_get_times(const struct update_message *message, struct update_times *times);

/* The text of FAILED: printable. */
const char *update_text(const struct update_message *message);

void update_message_finish(struct update_message *message);

#endif
