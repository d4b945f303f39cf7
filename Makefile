# SPDX-License-Identifier: MIT
#
# One non-recursive Makefile. Objects and results go to build/.
#
#   make            the VMM and the tiny guest
#   make help       all targets
#
# Variables: ARCH=arm64|x86 (default: this machine's), CC=gcc|clang, SAN=1 (ASan and UBSan),
# COVERAGE=1, WERROR=0, V=1.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

HOST_MACHINE := $(shell uname -m)
ARCH := $(HOST_MACHINE)
MACHINE := $(patsubst x86,x86_64,$(patsubst arm64,aarch64,$(ARCH)))
ARCH_DIR := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(MACHINE)))
CC := $(if $(FUZZ),clang,$(if $(filter default,$(origin CC)),gcc,$(CC)))
AR := ar

# Each flavour has its own folder, so that they never mix objects.
FLAVOUR := $(if $(FUZZ),-fuzz,$(if $(findstring clang,$(CC)),-clang)$(if $(SAN),-san)$(if $(COVERAGE),-coverage))
BUILD := build/$(MACHINE)$(FLAVOUR)

# For another architecture: the cross compiler, and the headers and libraries of the oldest
# Debian that is supported, in the lab's cache.
ifneq ($(MACHINE),$(HOST_MACHINE))
SYSROOT := build/sysroot-$(MACHINE)
COMPILE = $(if $(findstring clang,$(CC)),$(CC) --target=$(MACHINE)-linux-gnu,$(MACHINE)-linux-gnu-$(CC))
CROSS = --sysroot=$(CURDIR)/$(SYSROOT)
PKG_CONFIG = PKG_CONFIG_SYSROOT_DIR=$(CURDIR)/$(SYSROOT) \
             PKG_CONFIG_LIBDIR=$(CURDIR)/$(SYSROOT)/usr/lib/$(MACHINE)-linux-gnu/pkgconfig:$(CURDIR)/$(SYSROOT)/usr/share/pkgconfig \
             pkg-config
else
COMPILE = $(CC)
PKG_CONFIG = pkg-config
endif

Q := $(if $(V),,@)
say = @printf '  %-7s %s\n' '$(1)' '$(2)'

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wvla -Wundef -Wcast-qual -Wimplicit-fallthrough \
            -Wswitch-enum -Wformat=2 $(if $(filter 0,$(WERROR)),,-Werror)
# gcc's runtimes statically, as clang has them anyway: no lab machine has the libraries.
STATIC_RUNTIME := $(if $(findstring clang,$(CC))$(FUZZ),,-static-libasan -static-libubsan)
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
PACKAGES := libdrm virglrenderer
CPPFLAGS = -I. -D_GNU_SOURCE $(CROSS) $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
CFLAGS = -std=c17 -O2 -g -pthread $(WARNINGS) $(if $(SAN)$(FUZZ),$(SANITIZERS)) $(if $(FUZZ),-fsanitize=fuzzer-no-link) $(if $(COVERAGE),-O0 --coverage)
LDFLAGS = -pthread $(CROSS) $(if $(SAN)$(FUZZ),$(SANITIZERS) $(STATIC_RUNTIME)) $(if $(COVERAGE),--coverage)
# Statically what the lab's user spaces, where the program also runs, may lack.
LDLIBS = $(shell $(PKG_CONFIG) --libs libdrm 2>/dev/null) -l:libfdt.a -l:libzstd.a -l:libz.a -l:libseccomp.a -ldl

# --- the VMM -----------------------------------------------------------------------------
VMM_SOURCES := $(wildcard vmm/*.c vmm/arch/$(ARCH_DIR)/*.c vmm/matrix/*.c vmm/experiments/*.c virtio/*.c devices/*.c \
                          devices/gpu/*.c devices/gpu/exporters/*.c firmware/*.c firmware/$(ARCH_DIR)/*.c)
LIB_SOURCES := $(filter-out vmm/main.c,$(VMM_SOURCES))
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
LIB := $(BUILD)/libs2vmm.a
S2VMM := $(BUILD)/s2vmm

# --- the tiny guest ----------------------------------------------------------------------
GUEST_SOURCES := $(wildcard guest/*.c guest/scenarios/*.c guest/arch/$(ARCH_DIR)/*.c)
GUEST_ASM := $(wildcard guest/arch/$(ARCH_DIR)/*.S)
GUEST_OBJECTS := $(GUEST_SOURCES:%.c=$(BUILD)/%.guest.o) $(GUEST_ASM:%.S=$(BUILD)/%.guest.o) \
                 $(patsubst %.c,$(BUILD)/%.guest.o,$(wildcard vmm/memattr*.c))
GUEST := $(BUILD)/guest.elf
GUEST_CFLAGS_arm64 := -mgeneral-regs-only -mstrict-align
GUEST_CFLAGS_x86 := -mgeneral-regs-only -mno-red-zone -mcmodel=small
GUEST_CFLAGS = -std=c17 -Os -g -ffunction-sections -fdata-sections $(WARNINGS) -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
               -fno-asynchronous-unwind-tables -fno-strict-aliasing $(GUEST_CFLAGS_$(ARCH_DIR))
GUEST_LDFLAGS = -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--gc-sections -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
                $(if $(findstring clang,$(CC)),-Wno-unused-command-line-argument)

# --- programs for a Linux guest: static, over the kernel's own interfaces ------------------
LINUX_GUEST := $(BUILD)/guest-linux/s2guest
LINUX_GUEST_OBJECTS := $(patsubst %.c,$(BUILD)/%.linux.o,$(wildcard guest/linux/*.c vmm/memattr*.c) guest/options.c guest/venus.c guest/virgl.c)

# Programs that draw through Mesa in a Linux guest, with the libraries of its own user space.
GLES_PICTURE := $(BUILD)/guest-linux/gles-picture
VULKAN_PICTURE := $(BUILD)/guest-linux/vulkan-picture
PICTURE_OBJECTS := $(patsubst %,$(BUILD)/%.linux.o,tests/linux/picture guest/linux/drm guest/linux/screen)

# --- tests -------------------------------------------------------------------------------
# Static, as the test programs also run in the lab's user spaces, which have no Check.
CHECK_LIBS = $(patsubst -lsubunit,-l:libsubunit.a,$(shell $(PKG_CONFIG) --libs check 2>/dev/null))
UNIT_SOURCES := $(wildcard tests/unit/*.c tests/unit/$(ARCH_DIR)/*.c)
UNIT_OBJECTS := $(UNIT_SOURCES:%.c=$(BUILD)/%.o)
UNIT := $(BUILD)/unit-tests
E2E_SOURCES := $(wildcard tests/e2e/*.c)
E2E_OBJECTS := $(E2E_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/tests/unit/png_reader.o
E2E := $(BUILD)/e2e-tests
# Let a system call of a program fail: tests/faults/run, tests/faults/update.
INJECT := $(BUILD)/inject $(BUILD)/inject-update
BENCH := $(BUILD)/bench-map $(BUILD)/bench-boot $(BUILD)/bench-init $(BUILD)/minimal-kvm $(BUILD)/first.elf
# What tries the host modules in a running kernel; they use nothing of the VMM.
MODULE_TESTS := $(BUILD)/module-stress $(BUILD)/module-lab-check $(BUILD)/series-table \
                $(if $(filter arm64,$(ARCH_DIR)),$(BUILD)/stage2-check)
# The bare-metal program that compares the attribute model with an arm64 CPU: tests/oracle/run.
ORACLE_OBJECTS := $(patsubst %,$(BUILD)/%.guest.o,guest/console guest/string \
                    $(basename $(wildcard tests/oracle/arm64/*.[cS] vmm/memattr*.c)))
ORACLE := $(if $(filter arm64,$(ARCH_DIR)),$(BUILD)/oracle.elf)

.PHONY: all
all: $(S2VMM) $(GUEST) $(if $(LINUX_GUEST_OBJECTS),$(LINUX_GUEST))

$(S2VMM): $(BUILD)/vmm/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(LIB): $(LIB_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(UNIT): $(UNIT_OBJECTS) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LDLIBS)

$(E2E): $(E2E_OBJECTS) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LDLIBS)

$(BUILD)/module-stress: $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/modules/lab_%,$(wildcard tests/modules/*.c)))
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^

$(BUILD)/module-lab-check: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/modules/lab_*.c) tests/modules/checks.c tests/modules/buffers.c)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^

$(BUILD)/series-table: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/series/*.c) $(addprefix tests/modules/,checks.c buffers.c lab_buffer.c))
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^

$(BUILD)/stage2-check: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/series/arm64/*.c) tests/series/heap.c $(addprefix tests/modules/,checks.c buffers.c))
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^

$(GUEST): $(GUEST_OBJECTS) guest/arch/$(ARCH_DIR)/guest.ld
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(GUEST_LDFLAGS) -T guest/arch/$(ARCH_DIR)/guest.ld -o $@ $(GUEST_OBJECTS)

$(LINUX_GUEST): $(LINUX_GUEST_OBJECTS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -pthread $(CROSS) -static -o $@ $^

$(GLES_PICTURE): $(BUILD)/tests/linux/gles_picture.linux.o $(PICTURE_OBJECTS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(CROSS) -o $@ $^ -lEGL -lGLESv2 -lgbm

$(VULKAN_PICTURE): $(patsubst %,$(BUILD)/tests/linux/%.linux.o,vulkan_picture vulkan_device) $(PICTURE_OBJECTS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(CROSS) -o $@ $^ -lvulkan

$(BUILD)/oracle.elf: $(ORACLE_OBJECTS) tests/oracle/arm64/oracle.ld
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(GUEST_LDFLAGS) -T tests/oracle/arm64/oracle.ld -o $@ $(ORACLE_OBJECTS)

$(BUILD)/%.o: %.c Makefile | $(SYSROOT)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.linux.o: %.c Makefile | $(SYSROOT)
	$(call say,CC,$< (Linux guest))
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(CPPFLAGS) -std=c17 -Os -g -pthread $(WARNINGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.guest.o: %.c Makefile | $(SYSROOT)
	$(call say,CC,$< (guest))
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(CROSS) -I. $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.guest.o: %.S Makefile | $(SYSROOT)
	$(call say,AS,$< (guest))
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -I. -g -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

ifdef SYSROOT
# The catalogue says what is in it.
$(SYSROOT): tests/lab/catalogue
	@mkdir -p $(@D)
	$(Q)path=$$(tests/lab/lab --sysroot $(ARCH_DIR)) && ln -sfn "$$path" $@ && touch $@
endif

# --- what a user calls -------------------------------------------------------------------
CROSS_BUILD := $(if $(SYSROOT),cross)
LAB_GROUP := $(if $(filter arm64,$(ARCH_DIR)),lab-arm64,lab)

.PHONY: demo
demo:
	$(Q)tests/setup build $(CROSS_BUILD) $(if $(NATIVE),,$(LAB_GROUP))
	@echo 'Building s2vmm and the tiny guest'
	+$(Q)$(MAKE) --no-print-directory -s -j2 say= all
	$(Q)tests/demo$(if $(LINUX),-linux) $(if $(NATIVE),--native) --arch $(ARCH_DIR) --build $(BUILD)

.PHONY: check
check:
	$(Q)tests/setup build cross test lab
	+$(Q)tests/check unit native lab

.PHONY: check-unit check-native check-lab check-lab-x86 check-lab-arm64 check-more check-all check-debug check-series
check-unit check-native check-lab check-lab-x86 check-lab-arm64 check-more check-all check-debug check-series: check-%:
	$(Q)tests/setup build cross test $(if $(findstring unit,$*)$(findstring native,$*),,lab)
	+$(Q)$(if $(SERIES),S2VMM_SERIES='$(SERIES)') tests/check $*

# The test suite of Linux' DRM drivers, in a Linux guest: docs/mesa.md.
.PHONY: check-igt
check-igt:
	$(Q)tests/setup build lab
	+$(Q)$(MAKE) --no-print-directory -s -j2 say= all
	$(Q)tests/linux/igt --kernel 7.2

# Every system call of s2vmm fails once, natively: docs/faults.md. It takes its time.
.PHONY: faults
faults:
	$(Q)tests/setup build
	+$(Q)$(MAKE) --no-print-directory -s -j2 say= all $(INJECT)
	$(Q)tests/faults/run --build $(BUILD)
	$(Q)tests/faults/update --build $(BUILD)

.PHONY: bench
bench:
	$(Q)tests/setup build lab
	+$(Q)$(MAKE) --no-print-directory -j2 all $(BENCH)
	$(Q)tests/bench/run --build $(BUILD)

# The programs that tests/check runs.
.PHONY: tests
tests: all $(UNIT) $(E2E) $(INJECT) $(MODULE_TESTS) $(ORACLE) $(GLES_PICTURE) $(VULKAN_PICTURE)

# --- fuzz targets ------------------------------------------------------------------------
# Built with FUZZ=1, into a flavour of their own; tests/fuzz/run builds and runs them. They use
# the unit tests' fakes.
FUZZ_SHARED := tests/fuzz/fuzz.c tests/fuzz/state_edits.c
FUZZ_SOURCES := $(filter-out $(FUZZ_SHARED),$(wildcard tests/fuzz/*.c))
FUZZ_TARGETS := $(patsubst %.c,$(BUILD)/fuzz-%,$(notdir $(FUZZ_SOURCES)))
FUZZ_FAKES := virtqueue_mock gpu_driver gpu_pair gpu_pair_guest fake_gpu fake_renderer fake_kernel fake_events lifetime_model lifetime_driver
FUZZ_OBJECTS := $(FUZZ_SHARED:%.c=$(BUILD)/%.o) $(FUZZ_FAKES:%=$(BUILD)/tests/unit/%.o)

.PHONY: fuzz-targets
fuzz-targets: $(FUZZ_TARGETS)

# All of them, for a minute each: docs/fuzzing.md.
.PHONY: fuzz
fuzz:
	$(Q)tests/setup build
	$(Q)tests/fuzz/run --seconds 60

.SECONDARY: $(FUZZ_SOURCES:%.c=$(BUILD)/%.o)

$(BUILD)/libfuzzfakes.a: $(FUZZ_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/fuzz-%: $(BUILD)/tests/fuzz/%.o $(BUILD)/libfuzzfakes.a $(LIB)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

# --- house rules -------------------------------------------------------------------------
C_FILES := $(shell find vmm virtio devices firmware guest tests -name '*.[ch]' 2>/dev/null)
SHELL_FILES = $(shell grep -rlE '^\#!/bin/(ba)?sh' tests .ci 2>/dev/null) $(wildcard tests/lab/*.sh)

# The other architecture is linted as well.
OTHER_ARCH := $(if $(filter x86_64,$(HOST_MACHINE)),arm64,x86)
OTHER_MACHINE := $(if $(filter x86_64,$(HOST_MACHINE)),aarch64,x86_64)
OTHER_FLAGS := --target=$(OTHER_MACHINE)-linux-gnu --sysroot=$(CURDIR)/build/sysroot-$(OTHER_MACHINE)

.PHONY: lint
lint:
	$(Q)tests/setup build cross test lab-arm64 lint
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	$(Q)tests/lint-includes
	$(Q)tests/lint-spdx
	$(Q)tests/lint-docs
	$(Q)shellcheck -x -P SCRIPTDIR $(SHELL_FILES)
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -I. \
		--enable=warning,performance,portability --suppress=missingIncludeSystem \
		--suppress=unknownMacro --suppress=comparePointers:guest/* \
		-idevices/dmabuf-info -idevices/dmabuf-lab -iguest/linux/pte-reader vmm virtio devices firmware guest
	+$(Q)$(MAKE) --no-print-directory -s -j2 say= CC=clang tests
	$(Q)tests/lint-tidy $(LIB_SOURCES) vmm/main.c $(wildcard guest/linux/*.c)
	+$(Q)$(MAKE) --no-print-directory -s -j2 say= ARCH=$(OTHER_ARCH) CC=clang tests
	$(Q)TIDY_FLAGS='$(OTHER_FLAGS)' tests/lint-tidy $(wildcard vmm/arch/$(OTHER_ARCH)/*.c firmware/$(OTHER_ARCH)/*.c)
	+$(Q)$(MAKE) --no-print-directory $(BUILD)/print-memattr
	$(Q)$(BUILD)/print-memattr --check docs/memory-attributes.md
	$(Q)$(BUILD)/print-memattr --check docs/refusals.md
	@echo 'lint: clean'

.PHONY: format
format:
	$(Q)clang-format -i $(C_FILES)

$(BUILD)/inject: $(patsubst %,$(BUILD)/tests/faults/%.o,inject calls filtered)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^

$(BUILD)/inject-update: $(patsubst %,$(BUILD)/tests/faults/%.o,inject_update faulty_guest update_calls calls filtered)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^

$(BUILD)/bench-map: $(BUILD)/tests/bench/bench_map.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/bench-boot: $(BUILD)/tests/bench/bench_boot.o
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^

$(BUILD)/minimal-kvm: $(BUILD)/tests/bench/minimal_kvm.o
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^

# A guest of a few instructions.
$(BUILD)/first.elf: $(BUILD)/tests/bench/first.guest.o guest/arch/$(ARCH_DIR)/guest.ld
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(GUEST_LDFLAGS) -T guest/arch/$(ARCH_DIR)/guest.ld -o $@ $<

# The first process of a guest: no C library, a few kB.
$(BUILD)/bench-init: tests/bench/init.c Makefile
	$(call say,CC,$< (static))
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(CROSS) -std=c17 -Os $(WARNINGS) -ffreestanding -fno-stack-protector -static -nostdlib -Wl,--build-id=none -o $@ $<

$(BUILD)/print-memattr: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/golden/*.c)) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Rewrites the tables of docs/memory-attributes.md and docs/refusals.md from vmm/memattr*.c.
.PHONY: docs
docs: $(BUILD)/print-memattr
	$(Q)$< --update docs/memory-attributes.md
	$(Q)$< --update docs/refusals.md

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
	@echo 'make               build the VMM and the tiny guest ($(BUILD)/)'
	@echo 'make demo          the main job, in the lab; NATIVE=1: on this machine; LINUX=1: a stock kernel as the guest'
	@echo 'make check         all tests; check-unit, -native, -lab, -lab-x86, -lab-arm64: a part of them'
	@echo 'make check-more    the same cases on further machines, which are slow'
	@echo 'make fuzz          all fuzz targets, a minute each (docs/fuzzing.md)'
	@echo 'make check-debug   the modules on a kernel with lockdep and KASAN, which is built first'
	@echo 'make check-series  kernels with patches that answer DMA_BUF_IOCTL_INFO; SERIES=FOLDER: your own on top'
	@echo 'make check-igt     IGT, the test suite of DRM drivers, in a Linux guest'
	@echo 'make bench         measure; text and JSON'
	@echo 'make lint          format, includes, SPDX, shellcheck, cppcheck, clang, clang-tidy'
	@echo 'make format        run clang-format'
	@echo 'make docs          write the generated tables of docs/'
	@echo 'make lib           the attribute model as a library: docs/use-the-model.md'
	@echo 'make install       to $$(DESTDIR)$$(PREFIX), default /usr/local'
	@echo 'make clean         remove build/ (the lab cache stays: tests/lab/lab --list)'
	@echo
	@echo 'variables: ARCH=arm64 or x86 (cross build, demo), CC=clang, SAN=1 (ASan, UBSan), COVERAGE=1, WERROR=0, V=1'

# --- the model as a library --------------------------------------------------------------
# The attribute model for other VMMs: no system call, no library, C17 freestanding, both
# architectures' tables for either architecture. docs/use-the-model.md.
MODEL_SOURCES := $(wildcard vmm/memattr*.c)
MODEL := $(BUILD)/libs2memattr.a
MODEL_VERSION = $(shell sed -n 's/.*S2VMM_VERSION "\(.*\)"/\1/p' vmm/version.h)

$(BUILD)/%.lib.o: %.c Makefile
	$(call say,CC,$< (library))
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -I. -std=c17 -O2 $(WARNINGS) -ffreestanding -fPIC -MMD -MP -c -o $@ $<

$(MODEL): $(MODEL_SOURCES:%.c=$(BUILD)/%.lib.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

MODEL_TESTS := $(BUILD)/model-tests
$(MODEL_TESTS): $(BUILD)/tests/model/main.o $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/unit/test_memattr*.c)) $(MODEL)
	$(call say,LINK,$@)
	$(Q)$(COMPILE) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS)

.PHONY: lib model-tests
lib: $(MODEL)
model-tests: $(MODEL_TESTS)

.PHONY: install-lib
install-lib: lib
	install -D -m 644 $(MODEL) $(DESTDIR)$(PREFIX)/lib/libs2memattr.a
	install -D -m 644 vmm/memattr.h $(DESTDIR)$(PREFIX)/include/s2vmm/memattr.h
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: s2memattr' \
		'Description: what memory type a KVM guest'\''s access gets, and what to tell the guest' \
		'Version: $(MODEL_VERSION)' 'Cflags: -I$${prefix}/include' \
		'Libs: -L$${prefix}/lib -ls2memattr' >$(DESTDIR)$(PREFIX)/lib/pkgconfig/s2memattr.pc

install: install-lib
