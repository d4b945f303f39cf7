/* SPDX-License-Identifier: MIT */
/*
 * The EL2 oracle: what vmm/memattr_arm64.c predicts, against what a CPU says.
 *
 *      for each FWB, S1 attribute, S1 SH, MemAttr, S2 SH:
 *          memattr_combine() ---> type, shareability --+--> equal?
 *          AT S12E1R -----------> PAR_EL1 -------------+
 *
 * The CPU is QEMU's, whose table walk (target/arm/ptw.c) was written from the manual by
 * other people: they are unlikely to make our errors. Where they err, known_quirks[]
 * (quirks.c) says so; every other difference is a failure.
 *
 * No operating system, no library: this program starts at EL2, prints to the serial port,
 * ends with a line PASS or FAIL, and switches the machine off.
 */
#include "guest/arch.h"
#include "guest/console.h"
#include "tests/oracle/arm64/machine.h"
#include "tests/oracle/arm64/quirks.h"
#include "tests/oracle/arm64/translation.h"
#include "vmm/memattr.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Called by start.S, and its way out. */
void oracle_main(void);
_Noreturn void oracle_exception(uint64_t syndrome, uint64_t address, uint64_t fault);
_Noreturn void power_off(void);

/* The attributes of stage 1: all Device types, and outer x inner cacheability. Hints:
 * allocate always. The model is not asked for the bytes, as it is under test. */
static const struct {
    uint8_t byte;
    enum memattr_type type;
} s1_attributes[] = {
    {0x00, MEMATTR_DEVICE_nGnRnE},
    {0x04, MEMATTR_DEVICE_nGnRE},
    {0x08, MEMATTR_DEVICE_nGRE},
    {0x0c, MEMATTR_DEVICE_GRE},
    {0x44, MEMATTR_NC},
    {0x4b, MEMATTR_ONC_IWT},
    {0x4f, MEMATTR_ONC_IWB},
    {0xb4, MEMATTR_OWT_INC},
    {0xbb, MEMATTR_WT},
    {0xbf, MEMATTR_OWT_IWB},
    {0xf4, MEMATTR_OWB_INC},
    {0xfb, MEMATTR_OWB_IWT},
    {0xff, MEMATTR_WB},
};

static const enum memattr_shareability shareabilities[] = {
    MEMATTR_NON_SHAREABLE,
    MEMATTR_OUTER_SHAREABLE,
    MEMATTR_INNER_SHAREABLE,
};

#define MEMATTR_ENCODINGS 16

/* The values of MemAttr that the model has to call reserved, a bit for each, by FWB
 * (DDI 0487, D8.6.5 and D8.6.6). They are not compared: QEMU's versions differ there. */
static const uint16_t reserved_encodings[] = {
    [false] = 1 << 0x4 | 1 << 0x8 | 1 << 0xc,
    [true] = 1 << 0x4 | 0x3f << 0x8,
};

/* With FWB, these mean something on a CPU with FEAT_MTE_PERM; on others bit 3 is RES0,
 * and they are not compared either. */
static const uint16_t mte_perm_encodings[] = {[true] = 0x3 << 0xe};

enum outcome { EQUAL, KNOWN, RESERVED, UNEXPLAINED, OUTCOME_COUNT };

struct oracle {
    struct console console;
    bool verbose; /* a line for each combination, whatever its outcome */
};

/* --- One combination --- */

static struct answer predict(const struct combination *combination)
{
    struct memattr_platform platform = {
        .model = combination->stages.fwb ? MEMATTR_ARM64_FWB : MEMATTR_ARM64,
    };
    struct memattr_effective effective =
        memattr_combine(&platform, MEMATTR_PAGE_RAM, combination->leaf, combination->s1);
    enum memattr_shareability sh1 = combination->stages.sh1;
    struct answer answer = {.exists = true, .type = effective.type};
    /* memattr_combine() speaks of a stage 1 like Linux', which is inner shareable. */
    answer.shareability = sh1 == MEMATTR_INNER_SHAREABLE
                              ? effective.shareability
                              : memattr_arm64_shareability(
                                    sh1, combination->leaf.shareability, effective.type);
    return answer;
}

static struct answer observe(const struct translation *translation)
{
    struct answer answer = {.shareability = translation->sh};
    answer.exists = !translation->failed &&
                    memattr_arm64_of_mair(translation->attribute, &answer.type);
    return answer;
}

static bool equal(const struct answer *a, const struct answer *b)
{
    return a->exists && b->exists && a->type == b->type &&
           a->shareability == b->shareability;
}

static enum outcome judge(struct combination *combination)
{
    const struct stages *stages = &combination->stages;
    combination->translation = translate(stages);
    combination->observed = observe(&combination->translation);
    bool is_reserved = (reserved_encodings[stages->fwb] >> stages->s2 & 1) != 0;
    if (memattr_arm64_leaf(stages->fwb ? MEMATTR_ARM64_FWB : MEMATTR_ARM64, stages->s2,
                           stages->sh2, &combination->leaf) == is_reserved)
        return UNEXPLAINED;
    bool needs_mte_perm = (mte_perm_encodings[stages->fwb] >> stages->s2 & 1) != 0;
    if (is_reserved || (needs_mte_perm && !translation_has_mte_perm()))
        return RESERVED;
    combination->predicted = predict(combination);
    if (equal(&combination->predicted, &combination->observed))
        return EQUAL;
    return quirk_of(combination) != QUIRK_NONE ? KNOWN : UNEXPLAINED;
}

static void print(struct console *console, const struct combination *combination,
                  enum outcome outcome)
{
    static const char *const outcomes[OUTCOME_COUNT] = {
        [EQUAL] = "equal",
        [KNOWN] = "known quirk",
        [RESERVED] = "reserved by the architecture",
        [UNEXPLAINED] = "UNEXPLAINED",
    };
    const struct stages *stages = &combination->stages;
    const struct translation *translation = &combination->translation;

    console_printf(console, "FWB=%u S1=0x%x SH=%u MemAttr=0x%x SH=%u: ", stages->fwb,
                   stages->s1, stages->sh1, stages->s2, stages->sh2);
    if (translation->failed)
        console_printf(console, "PAR F=1 FST=0x%x", translation->status);
    else
        console_printf(console, "PAR ATTR=0x%x SH=%u", translation->attribute,
                       translation->sh);
    if (combination->predicted.exists)
        console_printf(console, ", predicted %s, %s",
                       memattr_type_name(combination->predicted.type),
                       memattr_shareability_name(combination->predicted.shareability));
    console_printf(console, ": %s\n", outcomes[outcome]);
}

/* --- All of them --- */

/* True if the CPU and the model agree, known quirks apart. */
static bool compare_all(struct oracle *oracle, bool fwb)
{
    unsigned counts[OUTCOME_COUNT] = {0}, total = 0;
    unsigned explained[QUIRK_COUNT] = {0};

    for (size_t s1 = 0; s1 < COUNT(s1_attributes); s1++)
        for (uint8_t s2 = 0; s2 < MEMATTR_ENCODINGS; s2++)
            for (size_t sh = 0; sh < COUNT(shareabilities) * COUNT(shareabilities);
                 sh++) {
                struct combination combination = {
                    .s1 = s1_attributes[s1].type,
                    .stages = {
                        .fwb = fwb,
                        .s1 = s1_attributes[s1].byte,
                        .sh1 = shareabilities[sh / COUNT(shareabilities)],
                        .s2 = s2,
                        .sh2 = shareabilities[sh % COUNT(shareabilities)],
                    }};
                enum outcome outcome = judge(&combination);
                counts[outcome]++;
                total++;
                if (outcome == KNOWN)
                    explained[quirk_of(&combination)]++;
                if (oracle->verbose || outcome == UNEXPLAINED)
                    print(&oracle->console, &combination, outcome);
            }
    for (enum quirk_name quirk = 0; quirk < QUIRK_COUNT; quirk++)
        if (explained[quirk] != 0)
            console_printf(&oracle->console, "known quirk, %u times: %s (%s)\n",
                           explained[quirk], known_quirks[quirk].why,
                           known_quirks[quirk].where);
    console_printf(&oracle->console,
                   "oracle: FWB=%u: %u combinations, %u equal, %u differ as listed, "
                   "%u reserved by the architecture, %u unexplained\n",
                   fwb, total, counts[EQUAL], counts[KNOWN], counts[RESERVED],
                   counts[UNEXPLAINED]);
    return counts[UNEXPLAINED] == 0;
}

/* --- The machine --- */

void arch_serial_write(uint64_t base, const char *bytes, size_t count)
{
    volatile uint32_t *data = (volatile uint32_t *)(uintptr_t)base;
    const volatile uint32_t *flags = data + PL011_FLAGS / sizeof *data;
    for (size_t i = 0; i < count; i++) {
        while ((*flags & PL011_FLAG_FULL) != 0)
            ;
        *data = (uint8_t)bytes[i];
    }
}

static uint64_t current_el(void)
{
    uint64_t el;
    __asm__("mrs %0, CurrentEL" : "=r"(el));
    return el;
}

void oracle_main(void)
{
    struct oracle oracle = {
        .console.port = PL011_BASE,
        .verbose = *(const volatile uint32_t *)VERBOSE_FLAG != 0,
    };
    bool passed = false;

    if (current_el() != CURRENT_EL_2) {
        console_printf(&oracle.console,
                       "oracle: needs EL2: -machine virtualization=on\n");
    } else {
        translation_init();
        passed = compare_all(&oracle, false);
        if (translation_has_fwb())
            passed = compare_all(&oracle, true) && passed;
        else
            console_printf(&oracle.console,
                           "oracle: FWB=1: this CPU has no FEAT_S2FWB\n");
    }
    console_printf(&oracle.console, passed ? "PASS\n" : "FAIL\n");
}

void oracle_exception(uint64_t syndrome, uint64_t address, uint64_t fault)
{
    struct console console = {.port = PL011_BASE};
    console_printf(
        &console,
        "oracle: exception: ESR_EL2 0x%lx, ELR_EL2 0x%lx, FAR_EL2 0x%lx\nFAIL\n",
        syndrome, address, fault);
    power_off();
}
