/* SPDX-License-Identifier: MIT */
/*
 * The renderer process in a state (vmm/state.h): section RPRC.
 *
 *   u32 wire version   u32 serial of the last request
 *   64 bytes library   u32 count of capsets, each: u32 id, u32 version, u32 size
 *   descriptors: socket (none: the process has died), area, the launcher's socket (none: it is gone)
 *
 * The process keeps all else: contexts, resources, guest RAM.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "devices/gpu/renderer_remote.h"
#include "vmm/state.h"

#define SECTION "RPRC"

bool renderer_remote_save(void *context, struct state_writer *writer, struct error *error)
{
    const struct renderer_remote *remote = context;
    (void)error;
    state_begin(writer, SECTION, 0, 1);
    state_put32(writer, WIRE_VERSION);
    state_put32(writer, remote->serial);
    state_put_bytes(writer, remote->library, WIRE_NAME_SIZE);
    state_put32(writer, remote->capset_count);
    for (unsigned i = 0; i < remote->capset_count; i++) {
        state_put32(writer, remote->capsets[i].id);
        state_put32(writer, remote->capsets[i].version);
        state_put32(writer, remote->capsets[i].size);
    }
    state_put_fd(writer, remote->socket);
    state_put_fd(writer, remote->area_fd);
    state_put_fd(writer, remote->launcher.control);
    state_end(writer);
    return true;
}

static bool load_description(struct renderer_remote *remote,
                             struct state_section *section, struct error *error)
{
    uint32_t version = state_get32(section);
    if (version != WIRE_VERSION)
        return state_refuse(section, error,
                            "a renderer process that speaks version %u, and not %u",
                            version, WIRE_VERSION);
    remote->serial = state_get32(section);
    const char *library = state_get_bytes(section, WIRE_NAME_SIZE);
    if (library)
        memcpy(remote->library, library, strnlen(library, WIRE_NAME_SIZE));
    remote->capset_count = state_get32(section);
    if (remote->capset_count > WIRE_CAPSETS_MAX)
        return state_refuse(section, error, "%u capsets, and %u are the limit",
                            remote->capset_count, WIRE_CAPSETS_MAX);
    for (unsigned i = 0; i < remote->capset_count; i++) {
        remote->capsets[i].id = state_get32(section);
        remote->capsets[i].version = state_get32(section);
        remote->capsets[i].size = state_get32(section);
        if (remote->capsets[i].size > WIRE_AREA_SIZE)
            return state_refuse(section, error, "a capset of %u bytes",
                                remote->capsets[i].size);
    }
    return true;
}

/* It is mapped, and must not be cut then. */
static bool is_area(int fd)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(fd, &status) == 0 &&
           status.st_size == (off_t)WIRE_AREA_SIZE;
}

static bool load_fds(struct renderer_remote *remote, struct state_reader *reader,
                     struct state_section *section, struct error *error)
{
    if (!state_get_fd(reader, section, &remote->socket, error) ||
        !state_get_fd(reader, section, &remote->area_fd, error) ||
        !state_get_fd(reader, section, &remote->launcher.control, error))
        return false;
    return is_area(remote->area_fd) ||
           state_refuse(section, error, "no area of the renderer process");
}

bool renderer_remote_load(void *context, struct state_reader *reader, struct error *error)
{
    struct renderer_remote *remote = context;
    struct state_section *section;
    BUG_ON(!remote->awaits || !remote->started || remote->area_fd >= 0);
    return state_open(reader, SECTION, 0, 1, &section, error) &&
           load_description(remote, section, error) &&
           load_fds(remote, reader, section, error) && state_close(section, error) &&
           renderer_remote_open(remote, error);
}

/* This section and the device's are of the same moment: what the device has, the process has, if
 * it lives. A damaged state may name others; then the library may crash, in its process. */
bool renderer_remote_knows(const void *context, uint32_t id)
{
    const struct renderer_remote *remote = context;
    (void)id;
    return remote->socket >= 0;
}
