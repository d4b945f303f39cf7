/* SPDX-License-Identifier: MIT */
/*
 * The command stream of a context whose blobs come from dmabuf-lab
 * (devices/gpu/renderer_exporter.h): what SUBMIT_3D carries, for experiments. One or more of
 * these commands, each about one buffer of the host, which does what an exporter may do at any
 * time. Included by the VMM and by the guest.
 */
#ifndef S2VMM_RENDERER_EXPORTER_ABI_H
#define S2VMM_RENDERER_EXPORTER_ABI_H

#include <stdint.h>

enum exporter_operation {
    EXPORTER_MOVE = 1,          /* the buffer gets new pages, with the same content */
    EXPORTER_SET_ATTRIBUTE = 2, /* argument: enum exporter_attribute */
    EXPORTER_REVOKE = 3,        /* its pages are taken away, for ever */
};

enum exporter_attribute {
    EXPORTER_WB = 0,
    EXPORTER_WC = 1,
    EXPORTER_UC = 2,
};

struct exporter_command {
    uint32_t operation; /* enum exporter_operation */
    uint32_t resource_id;
    uint32_t argument; /* 0 if the operation has none */
    uint32_t reserved; /* 0 */
};

_Static_assert(sizeof(struct exporter_command) == 16, "wire layout");

#endif
