/* SPDX-License-Identifier: MIT */
/*
 * The look at a mapped blob: what the guest's page table has, and whether guest and host see each
 * other's writes (guest/experiment.h has the order of it, and why no cache is flushed).
 */
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "guest/linux/blob.h"
#include "guest/linux/pte.h"
#include "guest/linux/witness.h"

#define WORD         sizeof(uint64_t)
#define EXCHANGE_MAX (64 * KIB)

struct exchange {
    const struct witness *witness;
    const struct blob *blob;
    uint64_t guest_missed; /* words of the host that the guest did not see */
    uint64_t host_missed;  /* and the other way round */
};

/* The ranges that are looked at: the first bytes, and the last word. */
struct range {
    uint64_t offset;
    uint64_t length;
};

static struct range range_at(const struct blob *blob, unsigned index)
{
    uint64_t last = blob->size - WORD;
    return index == 0 ? (struct range){0, last < EXCHANGE_MAX ? last : EXCHANGE_MAX}
                      : (struct range){last, WORD};
}

static volatile uint64_t *words_at(const struct blob *blob, struct range range)
{
    return (volatile uint64_t *)((uintptr_t)blob->address + range.offset);
}

/* False: the witness knows no such mapped blob. */
static bool ask(const struct exchange *exchange, enum witness_operation operation,
                struct range range, uint64_t seed, uint64_t *result)
{
    struct witness_request request = {
        .operation = operation,
        .resource_id = exchange->blob->resource_id,
        .offset = range.offset,
        .length = range.length,
        .seed = seed,
    };
    bool answered = witness_ask(exchange->witness, &request);
    *result = request.result;
    return answered && request.status == WITNESS_OK;
}

static bool host_to_guest(struct exchange *exchange, uint64_t seed)
{
    for (unsigned i = 0; i < 2; i++) {
        struct range range = range_at(exchange->blob, i);
        const volatile uint64_t *words = words_at(exchange->blob, range);
        uint64_t ignored;
        if (!ask(exchange, WITNESS_WRITE, range, seed + i, &ignored))
            return false;
        for (uint64_t k = 0; k < range.length / WORD; k++)
            exchange->guest_missed += words[k] != witness_pattern(seed + i, k);
    }
    return true;
}

static bool guest_to_host(struct exchange *exchange, uint64_t seed)
{
    for (unsigned i = 0; i < 2; i++) {
        struct range range = range_at(exchange->blob, i);
        volatile uint64_t *words = words_at(exchange->blob, range);
        uint64_t missed;
        for (uint64_t k = 0; k < range.length / WORD; k++)
            words[k] = witness_pattern(seed + i, k);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (!ask(exchange, WITNESS_CHECK, range, seed + i, &missed))
            return false;
        exchange->host_missed += missed;
    }
    return true;
}

/* New at each run, so that an old pattern does not pass. */
static uint64_t new_seed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u;
}

static bool run_exchange(struct exchange *exchange)
{
    uint64_t seed = new_seed();
    return host_to_guest(exchange, seed) && guest_to_host(exchange, ~seed) &&
           host_to_guest(exchange, seed ^ 0x5555);
}

/* Tells the VMM what the page table has: it becomes its record. */
static bool tell_witness(const struct exchange *exchange, const struct pte *pte)
{
    struct witness_request request = {
        .operation = WITNESS_OBSERVE,
        .resource_id = exchange->blob->resource_id,
        .length = exchange->blob->size,
        .s1_type = pte->type,
        .observed = (exchange->guest_missed == 0 ? WITNESS_GUEST_SAW_HOST_WRITE : 0) |
                    (exchange->host_missed == 0 ? WITNESS_HOST_SAW_GUEST_WRITE : 0),
    };
    return witness_ask(exchange->witness, &request) && request.status == WITNESS_OK;
}

static void print_pte(const struct test *test, const struct blob *blob,
                      const struct pte *pte)
{
    if (!pte->known) {
        test_say(test, "resource %u: %" PRIu64 " bytes, PTE not known (no %s?)",
                 blob->resource_id, blob->size, "/dev/s2vmm-pte");
        return;
    }
    test_say(test,
             "resource %u: %" PRIu64 " bytes, PTE %s, entry %#" PRIx64 " (%" PRIu64
             " KiB), GPA %#" PRIx64 ", %s%s, pat_memtype_list %s",
             blob->resource_id, blob->size, memattr_type_name(pte->type), pte->entry,
             ((uint64_t)1 << pte->shift) / KIB, pte->physical,
             pte->is_ram ? "RAM" : "no RAM", pte->is_pfnmap ? ", pfnmap" : "", pte->list);
}

static void print_json(const struct test *test, const struct blob *blob,
                       const struct pte *pte, const struct exchange *exchange)
{
    printf("{\"s2guest\":\"%s\",\"resource\":%u,\"bytes\":%" PRIu64, test->scenario,
           blob->resource_id, blob->size);
    if (pte->known)
        printf(",\"pte_type\":\"%s\",\"pte\":\"%#" PRIx64 "\",\"pte_bytes\":%" PRIu64
               ",\"gpa\":\"%#" PRIx64 "\",\"registers\":\"%#" PRIx64
               "\",\"ram\":%s,\"pfnmap\":%s,\"pat_memtype_list\":\"%s\"",
               memattr_type_name(pte->type), pte->entry, (uint64_t)1 << pte->shift,
               pte->physical, pte->registers, pte->is_ram ? "true" : "false",
               pte->is_pfnmap ? "true" : "false", pte->list);
    if (exchange)
        printf(",\"guest_missed\":%" PRIu64 ",\"host_missed\":%" PRIu64,
               exchange->guest_missed, exchange->host_missed);
    printf("}\n");
}

static bool check_type(struct test *test, const struct pte *pte)
{
    const char *wanted = options_text(&test->options, "s1", NULL);
    if (!wanted)
        return true;
    CHECK(pte->known);
    if (strcasecmp(wanted, memattr_type_name(pte->type)) == 0)
        return true;
    printf("FAIL %s: the page table has %s, and s1=%s is wanted\n", test->scenario,
           memattr_type_name(pte->type), wanted);
    return false;
}

static bool exchange_with_host(struct test *test, const struct witness *witness,
                               const struct blob *blob, const struct pte *pte)
{
    struct exchange exchange = {.witness = witness, .blob = blob};
    CHECK(run_exchange(&exchange));
    test_say(test, "resource %u: guest missed %" PRIu64 " words, host missed %" PRIu64,
             blob->resource_id, exchange.guest_missed, exchange.host_missed);
    if (test->json)
        print_json(test, blob, pte, &exchange);
    if (pte->known)
        CHECK(tell_witness(&exchange, pte));
    CHECK_EQUAL(exchange.guest_missed, 0);
    CHECK_EQUAL(exchange.host_missed, 0);
    return true;
}

bool blob_examine(struct test *test, const struct blob *blob)
{
    struct witness witness;
    struct pte pte;
    uint64_t seed = new_seed();
    bool with_witness;
    bool is_host_memory = blob->kind != BLOB_GUEST && blob->kind != BLOB_HOST3D_GUEST;
    REQUIRE(test_flag(test, "witness", true, &with_witness));
    blob_fill(blob, seed);
    CHECK(blob_holds(blob, seed));
    pte_read(blob->address, &pte);
    print_pte(test, blob, &pte);
    REQUIRE(check_type(test, &pte));
    const char *why_not = !is_host_memory ? "these are the guest's own pages"
                          : !with_witness ? "witness=no"
                                          : NULL;
    if (!why_not) {
        why_not = witness_open(&witness);
        bool works = why_not || exchange_with_host(test, &witness, blob, &pte);
        witness_close(&witness);
        REQUIRE(works);
    }
    if (why_not) {
        test_say(test, "resource %u: no exchange with the host: %s", blob->resource_id,
                 why_not);
        if (test->json)
            print_json(test, blob, &pte, NULL);
    }
    return true;
}
