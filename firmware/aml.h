/* SPDX-License-Identifier: MIT */
/*
 * Writes AML, the byte code of ACPI's definition blocks, as far as a list of devices needs it
 * (ACPI Specification 6.5, chapter 20; resource descriptors: 6.4).
 *
 *   size_t device = aml_device_begin(w, "COM0");
 *   aml_name_eisa_id(w, "_HID", "PNP0501");
 *   aml_end(w, device);
 *
 * What does not fit into the buffer is dropped, and `full` says so at the end: the functions
 * cannot fail.
 */
#ifndef S2VMM_FIRMWARE_AML_H
#define S2VMM_FIRMWARE_AML_H

#include "vmm/types.h"

/* Bytes, one after the other; also for tables that are not AML. */
struct aml_writer {
    uint8_t *bytes;
    size_t capacity;
    size_t length;
    bool full;
};

void aml_put(struct aml_writer *writer, const void *bytes, size_t length);
/* A little-endian number of 1 to 8 bytes. */
void aml_put_number(struct aml_writer *writer, uint64_t value, size_t size);

/* Things with a length in front (PkgLength, 20.2.4): *_begin() gives what aml_end() takes.
 * Names have four characters. */
size_t aml_scope_begin(struct aml_writer *writer, const char *name); /* below the root */
size_t aml_device_begin(struct aml_writer *writer, const char *name);
/* The value of `name`; name NULL: an element of another package. At most 255 elements. */
size_t aml_package_begin(struct aml_writer *writer, const char *name, unsigned count);
/* Of resource descriptors; name: _CRS. Ended by aml_resources_end(). */
size_t aml_resources_begin(struct aml_writer *writer, const char *name);
void aml_end(struct aml_writer *writer, size_t begin);
void aml_resources_end(struct aml_writer *writer, size_t begin);

/* Values. */
void aml_integer(struct aml_writer *writer, uint64_t value);
void aml_name_integer(struct aml_writer *writer, const char *name, uint64_t value);
void aml_name_string(struct aml_writer *writer, const char *name, const char *value);
/* "PNP0501", as the number that such an id is. */
void aml_name_eisa_id(struct aml_writer *writer, const char *name, const char *id);

/* Resource descriptors. Memory: read and write. */
void aml_io(struct aml_writer *writer, uint16_t port, uint8_t count);
void aml_memory32(struct aml_writer *writer, uint32_t start, uint32_t size);
/* An edge, active high, not shared: as irqfds are. */
void aml_interrupt(struct aml_writer *writer, uint32_t number);
/* What a bridge passes on; ranges are not empty. */
void aml_window_buses(struct aml_writer *writer, uint16_t first, uint16_t last);
void aml_window_memory32(struct aml_writer *writer, struct gpa_range range);
void aml_window_memory64(struct aml_writer *writer, struct gpa_range range);

#endif
