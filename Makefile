# SPDX-License-Identifier: MIT
#
# One non-recursive Makefile. Objects and results go to build/.
#
#   make            the VMM and the tiny guest
#   make help       all targets
#
# Variables: CC=gcc|clang, SAN=1 (ASan and UBSan), COVERAGE=1, WERROR=0, V=1.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ARCH := $(shell uname -m)
ARCH_DIR := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(ARCH)))
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
AR := ar

# Each flavour has its own folder, so that they never mix objects.
FLAVOUR := $(if $(findstring clang,$(CC)),-clang)$(if $(SAN),-san)$(if $(COVERAGE),-coverage)
BUILD := build/$(ARCH)$(FLAVOUR)

Q := $(if $(V),,@)
say = @printf '  %-7s %s\n' '$(1)' '$(2)'

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wvla -Wundef -Wcast-qual -Wimplicit-fallthrough \
            -Wswitch-enum -Wformat=2 $(if $(filter 0,$(WERROR)),,-Werror)
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
PACKAGES := libdrm virglrenderer
CPPFLAGS = -I. -D_GNU_SOURCE $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
CFLAGS = -std=c17 -O2 -g -pthread $(WARNINGS) $(if $(SAN),$(SANITIZERS)) $(if $(COVERAGE),-O0 --coverage)
LDFLAGS = -pthread $(if $(SAN),$(SANITIZERS)) $(if $(COVERAGE),--coverage)
LDLIBS = $(shell pkg-config --libs libdrm 2>/dev/null) -ldl

# --- the VMM -----------------------------------------------------------------------------
VMM_SOURCES := $(wildcard vmm/*.c vmm/arch/$(ARCH_DIR)/*.c virtio/*.c devices/*.c \
                          devices/gpu/*.c firmware/*.c firmware/$(ARCH_DIR)/*.c)
LIB_SOURCES := $(filter-out vmm/main.c,$(VMM_SOURCES))
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
LIB := $(BUILD)/libs2vmm.a
S2VMM := $(BUILD)/s2vmm

# --- the tiny guest ----------------------------------------------------------------------
GUEST_SOURCES := $(wildcard guest/*.c guest/scenarios/*.c guest/arch/$(ARCH_DIR)/*.c)
GUEST_ASM := $(wildcard guest/arch/$(ARCH_DIR)/*.S)
GUEST_OBJECTS := $(GUEST_SOURCES:%.c=$(BUILD)/%.guest.o) $(GUEST_ASM:%.S=$(BUILD)/%.guest.o) \
                 $(BUILD)/vmm/memattr.guest.o
GUEST := $(BUILD)/guest.elf
GUEST_CFLAGS_x86 := -mgeneral-regs-only -mno-red-zone -mcmodel=small
GUEST_CFLAGS = -std=c17 -Os -g -ffunction-sections -fdata-sections $(WARNINGS) -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
               -fno-asynchronous-unwind-tables -fno-strict-aliasing $(GUEST_CFLAGS_$(ARCH_DIR))

# --- tests -------------------------------------------------------------------------------
# Static, as the test programs also run in the lab's user spaces, which have no Check.
CHECK_LIBS = $(patsubst -lsubunit,-l:libsubunit.a,$(shell pkg-config --libs check 2>/dev/null))
UNIT_SOURCES := $(wildcard tests/unit/*.c)
UNIT_OBJECTS := $(UNIT_SOURCES:%.c=$(BUILD)/%.o)
UNIT := $(BUILD)/unit-tests
E2E_SOURCES := $(wildcard tests/e2e/*.c)
E2E_OBJECTS := $(E2E_SOURCES:%.c=$(BUILD)/%.o)
E2E := $(BUILD)/e2e-tests
BENCH := $(BUILD)/bench-map

.PHONY: all
all: $(S2VMM) $(GUEST)

$(S2VMM): $(BUILD)/vmm/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(LIB): $(LIB_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(UNIT): $(UNIT_OBJECTS) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LDLIBS)

$(E2E): $(E2E_OBJECTS) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LDLIBS)

$(GUEST): $(GUEST_OBJECTS) guest/arch/$(ARCH_DIR)/guest.ld
	$(call say,LINK,$@)
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--gc-sections -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
		-T guest/arch/$(ARCH_DIR)/guest.ld $(if $(findstring clang,$(CC)),-Wno-unused-command-line-argument) -o $@ $(GUEST_OBJECTS)

$(BUILD)/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.guest.o: %.c Makefile
	$(call say,CC,$< (guest))
	@mkdir -p $(@D)
	$(Q)$(CC) -I. $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.guest.o: %.S Makefile
	$(call say,AS,$< (guest))
	@mkdir -p $(@D)
	$(Q)$(CC) -I. -g -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# --- what a user calls -------------------------------------------------------------------
.PHONY: demo
demo:
	$(Q)tests/setup build $(if $(NATIVE),,lab)
	@echo 'Building s2vmm and the tiny guest'
	+$(Q)$(MAKE) --no-print-directory -s -j2 say= all
	$(Q)tests/demo $(if $(NATIVE),--native) --build $(BUILD)

.PHONY: check
check:
	$(Q)tests/setup build test lab
	+$(Q)tests/check unit native lab

.PHONY: check-unit check-native check-lab
check-unit check-native check-lab: check-%:
	$(Q)tests/setup build test $(filter lab,$*)
	+$(Q)tests/check $*

.PHONY: bench
bench:
	$(Q)tests/setup build lab
	+$(Q)$(MAKE) --no-print-directory -j2 all $(BENCH)
	$(Q)tests/bench/run --build $(BUILD)

# The programs that tests/check runs.
.PHONY: tests
tests: all $(UNIT) $(E2E)

# --- house rules -------------------------------------------------------------------------
C_FILES := $(shell find vmm virtio devices firmware guest tests -name '*.[ch]' 2>/dev/null)
SHELL_FILES = $(shell grep -rlE '^\#!/bin/(ba)?sh' tests .ci 2>/dev/null) $(wildcard tests/lab/*.sh)

.PHONY: lint
lint:
	$(Q)tests/setup build test lint
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	$(Q)tests/lint-includes
	$(Q)tests/lint-spdx
	$(Q)tests/lint-docs
	$(Q)shellcheck -x -P SCRIPTDIR $(SHELL_FILES)
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -I. \
		--enable=warning,performance,portability --suppress=missingIncludeSystem \
		--suppress=unknownMacro --suppress=comparePointers:guest/* vmm virtio devices firmware guest
	+$(Q)$(MAKE) --no-print-directory -j2 CC=clang tests
	$(Q)tests/lint-tidy $(LIB_SOURCES) vmm/main.c
	+$(Q)$(MAKE) --no-print-directory $(BUILD)/print-memattr
	$(Q)$(BUILD)/print-memattr --check docs/memory-attributes.md
	@echo 'lint: clean'

.PHONY: format
format:
	$(Q)clang-format -i $(C_FILES)

$(BENCH): $(BUILD)/tests/bench/bench_map.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/print-memattr: $(BUILD)/tests/golden/print_memattr.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Rewrites the tables of docs/memory-attributes.md from those in vmm/memattr.c.
.PHONY: docs
docs: $(BUILD)/print-memattr
	$(Q)$< --update docs/memory-attributes.md

PREFIX ?= /usr/local
.PHONY: install
install: all
	install -D -m 755 $(S2VMM) $(DESTDIR)$(PREFIX)/bin/s2vmm
	install -D -m 644 $(GUEST) $(DESTDIR)$(PREFIX)/lib/s2vmm/guest.elf
	install -D -m 644 docs/s2vmm.1 $(DESTDIR)$(PREFIX)/share/man/man1/s2vmm.1

.PHONY: clean
clean:
	rm -rf build

.PHONY: help
help:
	@echo 'make               build the VMM and the tiny guest (build/$(ARCH)/)'
	@echo 'make demo          the main job, in the lab; NATIVE=1: on this machine'
	@echo 'make check         all tests; check-unit, check-native, check-lab: a part of them'
	@echo 'make bench         measure; text and JSON'
	@echo 'make lint          format, includes, SPDX, shellcheck, cppcheck, clang, clang-tidy'
	@echo 'make format        run clang-format'
	@echo 'make docs          write the generated tables of docs/'
	@echo 'make install       to $$(DESTDIR)$$(PREFIX), default /usr/local'
	@echo 'make clean         remove build/ (the lab cache stays: tests/lab/lab --list)'
	@echo
	@echo 'variables: CC=clang, SAN=1 (ASan, UBSan), COVERAGE=1, WERROR=0, V=1'
