/* SPDX-License-Identifier: MIT */
#include "tests/unit/find_fact.h"

#include <check.h>
#include <string.h>

const struct platform_fact *find_fact(const struct platform *platform, const char *name)
{
    for (unsigned i = 0; i < platform->fact_count; i++)
        if (strcmp(platform->facts[i].name, name) == 0)
            return &platform->facts[i];
    return NULL;
}

void check_fact(const struct platform *platform, const char *name, const char *text)
{
    const struct platform_fact *fact = find_fact(platform, name);
    ck_assert_msg(fact != NULL, "no fact \"%s\"", name);
    ck_assert_msg(strstr(fact->value, text) != NULL, "%s is \"%s\", not \"%s\"", name,
                  fact->value, text);
}
