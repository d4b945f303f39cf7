/* SPDX-License-Identifier: MIT */
#include "guest/attribute.h"

#include <stddef.h>

#include "guest/guest.h"

// clang-format off
static const char *const words[MEMATTR_TYPE_COUNT] = {
    [MEMATTR_WB] = "wb",
    [MEMATTR_WT] = "wt",
    [MEMATTR_WP] = "wp",
    [MEMATTR_WC] = "wc",
    [MEMATTR_UC_MINUS] = "uc-",
    [MEMATTR_UC] = "uc",
    [MEMATTR_NC] = "nc",
    [MEMATTR_ONC_IWT] = "onc-iwt",
    [MEMATTR_ONC_IWB] = "onc-iwb",
    [MEMATTR_OWT_INC] = "owt-inc",
    [MEMATTR_OWT_IWB] = "owt-iwb",
    [MEMATTR_OWB_INC] = "owb-inc",
    [MEMATTR_OWB_IWT] = "owb-iwt",
    [MEMATTR_DEVICE_GRE] = "device-gre",
    [MEMATTR_DEVICE_nGRE] = "device-ngre",
    [MEMATTR_DEVICE_nGnRE] = "device-ngnre",
    [MEMATTR_DEVICE_nGnRnE] = "device-ngnrne",
};
// clang-format on

static bool word_is(const char *word, size_t length, const char *name)
{
    for (size_t i = 0; i < length; i++) {
        if (word[i] != name[i])
            return false;
    }
    return name[length] == '\0';
}

/* Takes the word at *text, up to a comma or the end, and steps behind the comma. */
static bool take_word(struct guest *guest, const char *key, const char **text,
                      enum memattr_type *type)
{
    const char *word = *text;
    size_t length = 0;
    while (word[length] != '\0' && word[length] != ',')
        length++;
    *text += length + (word[length] == ',');
    for (*type = 0; *type < MEMATTR_TYPE_COUNT; (*type)++) {
        if (mmu_has(*type) && word_is(word, length, words[*type]))
            return true;
    }
    console_printf(&guest->console, "FAIL %s: %s=%s: not an attribute here; there are",
                   guest->scenario, key, word);
    for (*type = 0; *type < MEMATTR_TYPE_COUNT; (*type)++) {
        if (mmu_has(*type))
            console_printf(&guest->console, " %s", words[*type]);
    }
    console_printf(&guest->console, "\n");
    return false;
}

bool attribute_option(struct guest *guest, const char *key, enum memattr_type fallback,
                      enum memattr_type *type)
{
    const char *text = options_text(&guest->options, key, NULL);
    *type = fallback;
    return text == NULL || take_word(guest, key, &text, type);
}

bool attribute_list_option(struct guest *guest, const char *key,
                           bool wanted[MEMATTR_TYPE_COUNT])
{
    const char *text = options_text(&guest->options, key, NULL);
    enum memattr_type type;
    for (type = 0; type < MEMATTR_TYPE_COUNT; type++)
        wanted[type] = text == NULL && mmu_has(type);
    if (text == NULL)
        return true;
    do {
        if (!take_word(guest, key, &text, &type))
            return false;
        wanted[type] = true;
    } while (*text != '\0');
    return true;
}
