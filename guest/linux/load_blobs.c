/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest/linux/load.h"

#define FENCE_LIMIT 60000 /* ms */

/* The type that the page table has must never be another one: neither in a mapping that stays, nor
 * in a new one. */
static bool check_type(struct load *load, const struct blob *blob)
{
    struct test *test = load->test;
    struct pte pte;
    pte_read(blob->address, &pte);
    CHECK_EQUAL(pte.known, load->type_known);
    if (pte.known)
        CHECK_EQUAL(pte.type, load->type);
    return true;
}

/* Option cached=TYPE, wc=TYPE: the type it has to be. */
static bool learn_type(struct load *load)
{
    struct test *test = load->test;
    const char *wanted = options_text(&test->options, load->kind->name, NULL);
    struct pte pte;
    pte_read(load->blob.address, &pte);
    load->type_known = pte.known;
    load->type = pte.type;
    if (pte.known)
        test_say(test, "%s: the page table has %s", load->kind->name,
                 memattr_type_name(pte.type));
    CHECK(!wanted || pte.known);
    CHECK(!wanted || strcasecmp(wanted, memattr_type_name(pte.type)) == 0);
    return true;
}

static bool start(struct load *load, enum blob_kind kind)
{
    struct test *test = load->test;
    load->blob = (struct blob){
        .kind = kind,
        .flags = blob_default_flags(kind),
        .size = blob_default_size(kind),
        .object = 1,
    };
    CHECK_DONE(gpu_open_render(&load->gpu));
    REQUIRE(blob_context(test, &load->gpu, kind));
    CHECK_DONE(blob_create(&load->gpu, &load->blob));
    CHECK_DONE(blob_map(&load->gpu, &load->blob));
    REQUIRE(learn_type(load));
    load_fill(load, load->blob.address, load->blob.size, 0);
    return true;
}

static bool start_cached(struct load *load)
{
    return start(load, BLOB_SHM);
}

static bool start_wc(struct load *load)
{
    return start(load, BLOB_VIRGL);
}

/* A life of a moment. */
static bool try_another(struct load *load, uint64_t round)
{
    struct test *test = load->test;
    struct blob blob = load->blob;
    blob.object = round + 1;
    blob.address = NULL;
    CHECK_DONE(blob_create(&load->gpu, &blob));
    CHECK_DONE(blob_map(&load->gpu, &blob));
    load_fill(load, blob.address, blob.size, round);
    REQUIRE(load_check(load, "a new blob", blob.address, blob.size, round));
    REQUIRE(check_type(load, &blob));
    CHECK_DONE(blob_destroy(&load->gpu, &blob));
    return true;
}

static bool run_round(struct load *load, uint64_t round)
{
    struct test *test = load->test;
    struct blob *blob = &load->blob;
    REQUIRE(load_check(load, "the blob", blob->address, blob->size, round - 1));
    REQUIRE(check_type(load, blob));
    load_fill(load, blob->address, blob->size, round);
    CHECK_DONE(blob_unmap(blob));
    CHECK_DONE(blob_map(&load->gpu, blob));
    REQUIRE(load_check(load, "the blob, mapped again", blob->address, blob->size, round));
    return try_another(load, round);
}

/* A virgl command of one word that does nothing (VIRGL_CCMD_NOP), and its fence. */
static bool round_of_wc(struct load *load, uint64_t round)
{
    struct test *test = load->test;
    struct stream nothing = {.size = 0};
    struct pollfd fence = {.events = POLLIN};
    stream_put32(&nothing, 0);
    CHECK_DONE(gpu_submit(&load->gpu, &nothing, 0, NULL, 0, &fence.fd));
    REQUIRE(run_round(load, round));
    CHECK_EQUAL(poll(&fence, 1, FENCE_LIMIT), 1);
    close(fence.fd);
    return true;
}

/* Host and guest see each other's writes at the addresses of now. */
static bool end(struct load *load, uint64_t last)
{
    struct test *test = load->test;
    REQUIRE(load_check(load, "the blob", load->blob.address, load->blob.size, last));
    REQUIRE(check_type(load, &load->blob));
    REQUIRE(blob_examine(test, &load->blob));
    CHECK_DONE(blob_destroy(&load->gpu, &load->blob));
    gpu_close(&load->gpu);
    return true;
}

const struct load_kind load_cached = {"cached", start_cached, run_round, end};
const struct load_kind load_wc = {"wc", start_wc, round_of_wc, end};
