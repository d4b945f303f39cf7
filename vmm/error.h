/* SPDX-License-Identifier: MIT */
/*
 * Errors: a code that says whose fault it is, and one line for a person.
 *
 * A function that can fail returns bool and takes `struct error *error` as its last
 * parameter; on false the error is filled in, on true it is untouched. The text names the
 * object, the number, the cause and the way out:
 *
 *     return error_set(error, ERROR_HOST_KVM, "KVM_CREATE_VM: %s; ...", strerror(errno));
 *
 * The group of the code decides what happens next: a mistake of the guest becomes an
 * error response and a trace line, never the end of the VMM; a fault of the host or of
 * the configuration ends the run with the exit status of its group; a bug of ours aborts.
 */
#ifndef S2VMM_ERROR_H
#define S2VMM_ERROR_H

#include <stdbool.h>

enum error_code {
    ERROR_NONE = 0,

    /* The guest did it. */
    ERROR_GUEST_ADDRESS,  /* an address that is not guest memory */
    ERROR_GUEST_RING,     /* a virtqueue that breaks the rules: index, loop, length */
    ERROR_GUEST_COMMAND,  /* a command that is too short, unknown, or not for this context
                           */
    ERROR_GUEST_CONTEXT,  /* a context id that does not exist, or exists already */
    ERROR_GUEST_RESOURCE, /* a resource id that does not exist, or exists already */
    ERROR_GUEST_SCANOUT,  /* a scanout that does not exist */
    ERROR_GUEST_PARAMETER, /* a parameter outside of what the specification allows */
    ERROR_GUEST_STATE,     /* right object, wrong moment: mapped twice, unmapped twice */
    ERROR_GUEST_LIMIT,     /* more than we give one guest */

    /* Nobody's fault: no answer that we give would be right. */
    ERROR_REFUSED, /* no map_info makes all mappings of the buffer agree */

    /* The host did it. */
    ERROR_HOST_KVM,      /* a KVM ioctl failed */
    ERROR_HOST_SYSTEM,   /* another system call failed */
    ERROR_HOST_MEMORY,   /* out of memory or of address space */
    ERROR_HOST_RENDERER, /* libvirglrenderer or its server failed */
    ERROR_HOST_BUFFER,   /* an fd that is not what it was said to be */

    /* The user did it. */
    ERROR_CONFIG_USAGE, /* the command line */
    ERROR_CONFIG_FILE,  /* a file that is missing or has the wrong format */
    ERROR_CONFIG_HOST,  /* this host lacks something that was asked for */

    ERROR_CODE_COUNT
};

enum error_group {
    ERROR_GROUP_NONE,
    ERROR_GROUP_GUEST,
    ERROR_GROUP_REFUSED,
    ERROR_GROUP_HOST,
    ERROR_GROUP_CONFIG,
};

struct error {
    enum error_code code;
    char text[400];
};

/* Fills in the error and returns false, so that a caller can `return error_set(...)`. A
 * text that does not fit is cut, never overrun. */
bool error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<context>: " in front of the text of an error that is on its way up; returns
 * false. */
bool error_wrap(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Short name of a code, "guest-address"; never NULL. */
const char *error_code_name(enum error_code code);

enum error_group error_code_group(enum error_code code);

/* Ends the process with a core dump: an invariant of ours does not hold. */
_Noreturn void bug(const char *file, int line, const char *what);
#define BUG_ON(condition)                                                                \
    do {                                                                                 \
        if (condition)                                                                   \
            bug(__FILE__, __LINE__, #condition);                                         \
    } while (0)

#endif
