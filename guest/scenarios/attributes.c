/* SPDX-License-Identifier: MIT */
/*
 * Host memory, which is not of a device, through every S1 attribute in turn: the guest's
 * half of `s2vmm matrix --measure`. What is seen is reported, and not judged here.
 * Options:
 *
 *   s1=TYPE,...    only these attributes
 *   unaligned=yes  also reads a word that is not aligned; see arch_unaligned_read()
 */
#include "guest/attribute.h"
#include "guest/check.h"
#include "guest/experiment.h"
#include "guest/scenarios.h"
#include "guest/string.h"

bool scenario_attributes(struct guest *guest)
{
    const struct boot_device *target = guest_device(guest, BOOT_DEVICE_TARGET);
    const char *unaligned = options_text(&guest->options, "unaligned", "no");
    bool wanted[MEMATTR_TYPE_COUNT];
    CHECK(target != NULL);
    CHECK(string_equal(unaligned, "yes") || string_equal(unaligned, "no"));
    REQUIRE(attribute_list_option(guest, "s1", wanted));
    for (enum memattr_type type = 0; type < MEMATTR_TYPE_COUNT; type++) {
        const struct experiment experiment = {
            .resource_id = BOOT_TARGET_RESOURCE,
            .address = target->base,
            .size = target->size,
            .s1 = type,
            .try_unaligned = string_equal(unaligned, "yes"),
        };
        struct experiment_result result;
        if (wanted[type])
            REQUIRE(experiment_run(guest, &experiment, &result));
    }
    return true;
}
