/* SPDX-License-Identifier: MIT */
#include "vmm/btf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/types.h"

#define FILE_SIZE_MAX ((size_t)256 * MIB)
#define NESTING_MAX   8 /* of anonymous structs */

/* --- reading the file --- */

/* Files in sysfs may say any size: read until the end. */
static bool read_file(struct btf *btf, int fd)
{
    size_t room = 0;
    for (;;) {
        if (btf->size == room) {
            room = room ? 2 * room : 4 * MIB;
            char *larger = room <= FILE_SIZE_MAX ? realloc(btf->data, room) : NULL;
            if (!larger)
                return false;
            btf->data = larger;
        }
        ssize_t count = read(fd, btf->data + btf->size, room - btf->size);
        if (count <= 0)
            return count == 0;
        btf->size += (size_t)count;
    }
}

/* Bytes behind the struct btf_type of each kind: some, and some for each of `vlen`. */
static bool size_of_record(const struct btf_type *type, size_t *size)
{
    static const struct {
        bool known;
        size_t fixed;
        size_t each;
    } kinds[] = {
        [BTF_KIND_INT] = {true, 4, 0},
        [BTF_KIND_PTR] = {true, 0, 0},
        [BTF_KIND_ARRAY] = {true, sizeof(struct btf_array), 0},
        [BTF_KIND_STRUCT] = {true, 0, sizeof(struct btf_member)},
        [BTF_KIND_UNION] = {true, 0, sizeof(struct btf_member)},
        [BTF_KIND_ENUM] = {true, 0, sizeof(struct btf_enum)},
        [BTF_KIND_FWD] = {true, 0, 0},
        [BTF_KIND_TYPEDEF] = {true, 0, 0},
        [BTF_KIND_VOLATILE] = {true, 0, 0},
        [BTF_KIND_CONST] = {true, 0, 0},
        [BTF_KIND_RESTRICT] = {true, 0, 0},
        [BTF_KIND_FUNC] = {true, 0, 0},
        [BTF_KIND_FUNC_PROTO] = {true, 0, sizeof(struct btf_param)},
        [BTF_KIND_VAR] = {true, sizeof(struct btf_var), 0},
        [BTF_KIND_DATASEC] = {true, 0, sizeof(struct btf_var_secinfo)},
        [BTF_KIND_FLOAT] = {true, 0, 0},
        [BTF_KIND_DECL_TAG] = {true, sizeof(struct btf_decl_tag), 0},
        [BTF_KIND_TYPE_TAG] = {true, 0, 0},
        [BTF_KIND_ENUM64] = {true, 0, sizeof(struct btf_enum64)},
    };
    size_t kind = BTF_INFO_KIND(type->info);
    if (kind >= ARRAY_SIZE(kinds) || !kinds[kind].known)
        return false;
    *size =
        sizeof *type + kinds[kind].fixed + kinds[kind].each * BTF_INFO_VLEN(type->info);
    return true;
}

/* One pass over the records; fills in the index when there is one. False: the records do not
 * add up to the section. Every size is a multiple of 4, and so is the section's place. */
static bool index_types(struct btf *btf, const char *section, size_t size)
{
    size_t at = 0;
    size_t record;
    for (btf->type_count = 0; at < size; btf->type_count++, at += record) {
        const struct btf_type *type = (const void *)(section + at);
        if (size - at < sizeof *type || !size_of_record(type, &record) ||
            size - at < record)
            return false;
        if (btf->types)
            btf->types[btf->type_count] = type;
    }
    return true;
}

/* The sections are inside of the file, the types aligned, the strings end with a NUL. */
static bool check_header(const struct btf *btf, struct btf_header *header)
{
    if (btf->size < sizeof *header)
        return false;
    memcpy(header, btf->data, sizeof *header);
    uint64_t types_end = (uint64_t)header->hdr_len + header->type_off + header->type_len;
    uint64_t strings_end = (uint64_t)header->hdr_len + header->str_off + header->str_len;
    return header->magic == BTF_MAGIC && header->version == BTF_VERSION &&
           types_end <= btf->size && strings_end <= btf->size && header->str_len > 0 &&
           ((header->hdr_len + header->type_off) & 3) == 0 &&
           btf->data[strings_end - 1] == '\0';
}

static bool parse(struct btf *btf)
{
    struct btf_header header;
    if (!check_header(btf, &header))
        return false;
    btf->strings = btf->data + header.hdr_len + header.str_off;
    btf->strings_size = header.str_len;
    const char *section = btf->data + header.hdr_len + header.type_off;
    if (!index_types(btf, section, header.type_len))
        return false;
    btf->types = calloc(btf->type_count + 1, sizeof(const struct btf_type *));
    return btf->types && index_types(btf, section, header.type_len);
}

bool btf_open(struct btf *btf, const char *path, struct error *error)
{
    *btf = (struct btf){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, ERROR_CONFIG_HOST,
                         "%s: %s; it needs a kernel with CONFIG_DEBUG_INFO_BTF", path,
                         strerror(errno));
    bool done = read_file(btf, fd);
    close(fd);
    if (done && parse(btf))
        return true;
    btf_close(btf);
    return error_set(error, ERROR_CONFIG_HOST,
                     "%s cannot be read, or has types of a kind that is newer than this "
                     "s2vmm",
                     path);
}

void btf_close(struct btf *btf)
{
    free(btf->data);
    free(btf->types);
    *btf = (struct btf){0};
}

/* --- looking things up --- */

static bool is_named(const struct btf *btf, uint32_t name, const char *text)
{
    return name < btf->strings_size && strcmp(btf->strings + name, text) == 0;
}

static bool is_compound(const struct btf_type *type)
{
    uint32_t kind = BTF_INFO_KIND(type->info);
    return kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION;
}

static bool find_member(const struct btf *btf, const struct btf_type *type,
                        const char *name, unsigned nesting, unsigned *offset)
{
    const struct btf_member *members = (const void *)(type + 1);
    for (unsigned i = 0; i < BTF_INFO_VLEN(type->info); i++) {
        const struct btf_member *member = &members[i];
        unsigned bits = BTF_INFO_KFLAG(type->info) ? BTF_MEMBER_BIT_OFFSET(member->offset)
                                                   : member->offset;
        if (member->name_off != 0 && is_named(btf, member->name_off, name)) {
            *offset = bits / 8;
            return true;
        }
        if (member->name_off != 0 || member->type == 0 ||
            member->type > btf->type_count || nesting == NESTING_MAX)
            continue;
        const struct btf_type *inner = btf->types[member->type - 1];
        if (is_compound(inner) && find_member(btf, inner, name, nesting + 1, offset)) {
            *offset += bits / 8;
            return true;
        }
    }
    return false;
}

bool btf_offset(const struct btf *btf, const char *structure, const char *member,
                unsigned *offset)
{
    for (size_t i = 0; i < btf->type_count; i++) {
        const struct btf_type *type = btf->types[i];
        if (BTF_INFO_KIND(type->info) == BTF_KIND_STRUCT &&
            is_named(btf, type->name_off, structure) &&
            find_member(btf, type, member, 0, offset))
            return true;
    }
    return false;
}
