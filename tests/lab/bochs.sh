# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/intel sources
# Bochs, an interpreter of x86 that has Intel's VMX and EPT, which QEMU has not. It is Debian's package, unpacked into the
# lab's cache; its suite's own dynamic loader starts it with the libraries of its suite.

# ensure_bochs: sets bochs_command (an array) and bochs_share (the folder of the BIOSes)
ensure_bochs() {
    local name=3.0 row directory root libraries
    row=$(catalogue bochs "$name") || die "no row 'bochs $name' in $lab_dir/catalogue"
    directory=$cache/bochs/$name root=$cache/bochs/$name/root
    # shellcheck disable=SC2086 # suite and packages
    with_prepared "$directory" "$(bochs_key "$name")" "Bochs $name" prepare_bochs "$name" $row
    libraries=$root/usr/lib/x86_64-linux-gnu
    bochs_share=$root/usr/share/bochs
    bochs_command=(env "LTDL_LIBRARY_PATH=$libraries/bochs/plugins" "BXSHARE=$bochs_share" TERM=xterm
        "TERMINFO=$root/usr/share/terminfo"
        "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/bochs/plugins:$libraries/pulseaudio"
        "$root/usr/bin/bochs-bin")
}

bochs_key() {
    local row
    row=$(catalogue bochs "$1")
    digest "$row" "$(catalogue suite "${row%% *}")" "$(catalogue drop)"
}

# prepare_bochs NAME SUITE PACKAGE... DIRECTORY
prepare_bochs() {
    local name=$1 suite=$2 directory=${*: -1}
    local -a packages=("${@:3:$#-3}") drops
    read -ra drops <<<"$(catalogue drop)"
    make_root "bochs-$name" "$suite" '' "$directory" "${packages[@]}"
    compare_with_lock bochs "${directory%.partial}" "$directory/versions"
}

kernel_base=0x1000000 initrd_base=0x10000000 rom_base=0xd0000 rom_size=4096 rom_copy=0x10000

sectors() { echo $((($(stat -c %s "$1") + 511) / 512)); }

# make_disk FILE: the kernel's segments as they are in memory, and the initrd
make_disk() {
    objcopy -O binary "$kernel_image" "$run_dir/kernel" || die "cannot copy $kernel_image"
    truncate -s %512 "$run_dir/kernel"
    cat "$run_dir/kernel" "$initrd" >"$1"
    truncate -s %516096 "$1" # a cylinder of 16 heads and 63 sectors
}

# make_rom FILE: tests/lab/bochs-boot.S with what it has to know
make_rom() {
    local entry sum
    # the note XEN_ELFNOTE_PHYS32_ENTRY (linux/include/xen/interface/elfnote.h: 18) has the address in its first bytes
    entry=$(LC_ALL=C readelf -nW "$kernel_image" |
        sed -nE 's/.*Xen.*\(0x0+12\).*data: (..) (..) (..) (..).*/0x\4\3\2\1/p')
    [ -n "$entry" ] || die "$kernel_image has no PVH entry"
    printf '%s' "$command_line" >"$run_dir/command_line"
    (cd "$run_dir" && gcc -E -x assembler-with-cpp "-DRAM_BASE=$rom_copy" "-DROM_SIZE=$rom_size" \
        "-DKERNEL_BASE=$kernel_base" "-DKERNEL_SECTORS=$(sectors "$run_dir/kernel")" "-DKERNEL_ENTRY=$entry" \
        "-DINITRD_BASE=$initrd_base" "-DINITRD_SECTORS=$(sectors "$initrd")" "-DINITRD_SIZE=$(stat -c %s "$initrd")" \
        "-DMEMORY_SIZE=$((memory << 20))" "$lab_dir/bochs-boot.S" | as --32 -o rom.o - &&
        ld -m elf_i386 -Ttext "$rom_copy" -e 0 --oformat binary -o "$1" rom.o) ||
        die "cannot assemble $lab_dir/bochs-boot.S"
    sum=$(od -An -v -tu1 "$1" | awk '{ for (i = 1; i <= NF; i++) sum += $i } END { print (256 - sum % 256) % 256 }')
    # shellcheck disable=SC2059 # a byte in octal
    printf "\\$(printf %o "$sum")" | dd of="$1" bs=1 seek=$((rom_size - 1)) conv=notrunc status=none
}

# write_configuration: of Bochs, in $run_dir/bochsrc
write_configuration() {
    cat >"$run_dir/bochsrc" <<RC
config_interface: textconfig
display_library: term
cpu: model=corei7_skylake_x, count=1, ips=$bochs_ips, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=$memory, host=$memory
romimage: file=$bochs_share/BIOS-bochs-latest
vgaromimage: file=$bochs_share/VGABIOS-lgpl-latest
optromimage1: file=$run_dir/rom, address=$rom_base
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=$run_dir/disk, mode=flat
pci: enabled=1, chipset=i440fx, slot1=pcivga
vga: extension=vbe, update_freq=1
boot: floppy
com1: enabled=1, mode=file, dev=$console
com2: enabled=1, mode=file, dev=$run_dir/out
com3: enabled=1, mode=file, dev=$run_dir/err
com4: enabled=1, mode=file, dev=$run_dir/files
clock: sync=none, time0=utc
mouse: enabled=0
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
log: $run_dir/log
speaker: enabled=0
RC
}

# quoted WORD...: for a POSIX shell
quoted() {
    local word
    for word in "$@"; do printf "'%s' " "${word//\'/\'\\\'\'}"; done
}

write_job() {
    local variable
    {
        for variable in "${variables[@]}"; do echo "export $(quoted "$variable")"; done
        echo "set -- $(quoted "$@")"
    } >"$run_dir/job"
}

stop_bochs() {
    [ -z "${bochs:-}" ] || kill "$bochs" 2>/dev/null
    rm -rf "$run_dir"
}

# Instructions in a second of L1's time, which is how many a host interprets in about one of its own. The kernel would
# believe the CPU's word about its frequency, and its timers would fire at another one.
bochs_ips=100000000

# What L1 does not need and what takes an interpreter long: self-tests, certificates, tables for BPF, the protection of the
# kernel's text, grace periods
bochs_blacklist=jent_mod_init,load_system_certificate_list,bpf_tcp_ca_kfunc_init,bpf_dummy_struct_ops_init
command_line="console=ttyS0,115200 quiet panic=-1 mitigations=off tsc=reliable tsc_early_khz=$((bochs_ips / 1000))"
command_line+=" no_timer_check rodata=off cryptomgr.notests rcupdate.rcu_expedited=1 initcall_blacklist=$bochs_blacklist"

# why_no_status STATUS_OF_BOCHS: L1 ended without the command's status, or with half an archive, which ends with a checksum
why_no_status() {
    local reason
    reason=$(tr -d '\r' <"$console" | grep -m 1 -a -oE 'lab-init: .*|Kernel panic.*')
    [ -n "$reason" ] || reason=$(grep -a -oE '>>PANIC<< .*' "$run_dir/log" | grep -m 1 -v 'soft power off')
    cp "$run_dir/log" "${console%.console}-bochs.console"
    die "L1 ended without a status: ${reason:-Bochs ended with status $1}; console: $console and ${console%.console}-bochs.console"
}

# boot_bochs COMMAND...: exits with the command's status
boot_bochs() {
    local relays begin=$EPOCHREALTIME
    run_dir=$repository/build/lab/intel-$kernel-$$
    console=$run_dir.console initrd=$run_dir/initrd
    mkdir -p "$run_dir" || die "cannot write to $repository/build/lab"
    trap stop_bochs EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    write_job "$@"
    make_bochs_root "$initrd" "$run_dir/root"
    make_disk "$run_dir/disk"
    make_rom "$run_dir/rom"
    write_configuration
    mkfifo "$run_dir/out" "$run_dir/err" "$run_dir/keys"
    cat "$run_dir/out" &
    relays=$!
    cat "$run_dir/err" >&2 &
    relays+=" $!"
    exec {keys}<>"$run_dir/keys"
    timeout -k 5 "$time_limit" script -qec "$(quoted "${bochs_command[@]}" -q -f "$run_dir/bochsrc")" /dev/null \
        <&"$keys" >"$run_dir/screen" 2>&1 &
    bochs=$!
    wait "$bochs"
    status=$?
    bochs=
    : <>"$run_dir/out" <>"$run_dir/err"
    # shellcheck disable=SC2086 # a list
    wait $relays
    [ "$status" -ne 124 ] || { warn "timed out after $time_limit s (--timeout); console: $console"; exit 124; }
    tar -xz -C "$run_dir" --no-same-owner -m -f "$run_dir/files" 2>/dev/null ||
        why_no_status "$status"
    status=$(cat "$run_dir/run/status")
    [ ! -d "$run_dir/s2vmm/build" ] || cp -r "$run_dir/s2vmm/build/." "$repository/build" ||
        die "cannot write to $repository/build"
    note "status $status after $(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }') s; console: ${console#"$repository"/}"
    exit "$status"
}
