# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# Boots L1 in QEMU and relays the command's output and status. QEMU writes to four files of the run's folder
# build/lab/TREE-KERNEL-PID/: the pipes out and err, which two cats relay at once, status, and alive. The kernel's console
# goes to build/lab/TREE-KERNEL-PID.console, which is kept; the newest $consoles_kept of them are.
#
# QEMU can lose an interrupt of an x86 machine that runs VMs (docs/lab.md, "Traps"), and an L1 that waits for it waits for ever. Any
# other interrupt brings both, so L1 gets a key stroke every five seconds. Should it stop for good all the same, nothing in
# it can tell: it writes to `alive` every ten seconds (tests/lab/session), and one that does not for $silence_limit s is asked
# for its registers, and ended: status 75.
#
# An x86 L1 that boots while this machine is busy can take its TSC for a slow one, and its clock then runs up to 25 times too
# fast: it notices (tests/lab/session), powers off, and is booted again.

consoles_kept=40
silence_limit=120
wrong_clock="L1's clock is wrong"

# quoted WORD...: for a POSIX shell
quoted() {
    local word
    for word in "$@"; do printf "'%s' " "${word//\'/\'\\\'\'}"; done
}

# write_job COMMAND...: what tests/lab/session sources
write_job() {
    local i=0 share variable module
    {
        for share in "${shares[@]}"; do
            echo "mount_share share$i $(quoted "${share%:rw}") $(share_mode "$share")"
            i=$((i + 1))
        done
        # shellcheck disable=SC2086 # a list
        [ -z "$guests" ] || echo "mount_linux_guests $(quoted "${run_dir##*/}" $guests)"
        # shellcheck disable=SC2086 # a list
        [ -z "$images" ] || echo "mount_images $(quoted $images)"
        for module in $own; do echo "load_own $(quoted "$kernel" "${module//-/_}")"; done
        for variable in "${variables[@]}"; do echo "export $(quoted "$variable")"; done
        echo "shader_cache=$(quoted "/s2vmm/build/lab/shaders-$(digest "$tree_root").tar")"
        echo "set -- $(quoted "$@")"
    } >"$run_dir/job"
}

share_mode() { case $1 in *:rw) echo rw ;; *) echo ro ;; esac; }

# add_9p TAG DIRECTORY ro|rw: appends to qemu_arguments. The security model 'none' needs no privileges: a file made in
# L1 belongs on the host to the user who runs the lab.
add_9p() {
    local options="local,id=$1,security_model=none,multidevs=remap,path=${2//,/,,}"
    [ "$3" = rw ] || options+=",readonly=on"
    qemu_arguments+=(-fsdev "$options" -device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

# add_device NAME
add_device() {
    local -a words
    read -ra words <<<"$(catalogue device "$1")"
    [ ${#words[@]} -gt 0 ] || die "--device $1: not in the catalogue (there are: $(names device))"
    qemu_arguments+=("${words[@]}")
}

# check_modules LIST: a module that this kernel has not is found before the boot
check_modules() {
    local module
    [ -n "$kernel_modules" ] || return 0
    for module in ${1//,/ }; do
        case " $kernel_modules " in
        *" $module.load "*) ;;
        *) die "--modules $module: not in the kernel $kernel_label (there are: ${kernel_modules//.load/})" ;;
        esac
    done
}

# cpu_model: QEMU's model for --cpu
cpu_model() {
    local row name
    name=$(prefix_of "$architecture")$cpu
    row=$(catalogue cpu "$name@$qemu_version" || catalogue cpu "$name") || row=$cpu
    row=${row%% *}
    [ "$row" != - ] || die "--cpu $cpu: $qemu_label has no such CPU; choose another --qemu (there are: $(names qemu))"
    echo "$row"
}

# machine_amd64, machine_arm64: set machine (for -machine) and console_argument (for the kernel's command line)
machine_amd64() {
    machine=q35,sata=off,smbus=off,vmport=off
    console_argument='console=ttyS0 tsc=reliable no_timer_check'
    # an IOMMU, for which the machine has to be told before its devices
    case ,$modules, in *,vfio-pci,*)
        machine+=,kernel-irqchip=split
        # shellcheck disable=SC2054 # the comma is QEMU's
        iommu_arguments=(-device intel-iommu,intremap=on)
        console_argument+=' intel_iommu=on'
        ;;
    esac
}

machine_arm64() {
    machine=virt,gic-version=$gic
    [ "$cpu" = none ] || machine+=,virtualization=on
    # an IOMMU group for each device; the virtio devices' own accesses do not go through it
    case ,$modules, in *,vfio-pci,*) machine+=,iommu=smmuv3 ;; esac
    console_argument='console=ttyAMA0'
}

# set_qemu_arguments: all of them; the run's folder is theirs
set_qemu_arguments() {
    local model machine console_argument i=0 share base device
    local -a clock_arguments=() iommu_arguments=()
    model=$(cpu_model) || exit
    "machine_$architecture"
    base=$(catalogue base)
    base=${base% }
    # shellcheck disable=SC2054 # the comma is QEMU's
    [ -z "$clock" ] || clock_arguments=(-icount shift=1,sleep=on)
    # shellcheck disable=SC2054 # the commas are QEMU's
    qemu_arguments=(
        -accel tcg,thread="$threads",tb-size=512 -machine "$machine" -cpu "$model" -smp "$cpus" -m "$memory"
        -nodefaults -no-user-config -display none -vga none -no-reboot "${clock_arguments[@]}" "${iommu_arguments[@]}"
        -kernel "$kernel_image" -initrd "$kernel_initrd"
        -append "$console_argument $console_level panic=-1 lab.run=${run_dir##*/} lab.base=${base// /,} lab.modules=$modules"
        -chardev "file,id=console,path=$console" -serial chardev:console
        -chardev "pipe,id=monitor,path=$run_dir/monitor" -mon chardev=monitor,mode=readline
        -device virtio-serial-pci
    )
    for port in out err status alive; do
        i=$((i + 1))
        qemu_arguments+=(-chardev "file,id=$port,path=$run_dir/$port" -device "virtserialport,chardev=$port,nr=$i,name=lab.$port")
    done
    add_9p tree "$tree_root" ro
    add_9p repository "$repository" ro
    add_9p build "$repository/build" rw
    i=0
    for share in "${shares[@]}"; do
        add_9p "share$i" "${share%:rw}" "$(share_mode "$share")"
        i=$((i + 1))
    done
    [ -z "$guests" ] || add_9p guests "$cache/guests" ro
    [ -z "$images" ] || add_9p images "$cache/images" ro
    # devices that a module is of no use without
    case ,$modules, in *,virtio-gpu,*) qemu_arguments+=(-device virtio-gpu-pci) ;; esac
    case ,$modules, in *,bochs,*) qemu_arguments+=(-device bochs-display) ;; esac
    for device in ${devices//,/ }; do add_device "$device"; done
}

# watch_l1: wakes L1, and ends it when it has stopped. With --count-time its seconds are not ours.
watch_l1() {
    local size before='' silent=0
    cat "$run_dir/monitor.out" >"$run_dir/monitor" &
    while [ -n "$clock" ] || [ "$silent" -lt "$silence_limit" ]; do
        sleep 5
        [ "$architecture" = arm64 ] || tell_monitor 'sendkey shift'
        size=$(stat -c %s "$run_dir/alive")
        [ "$size" = "$before" ] && silent=$((silent + 5)) || silent=0
        before=$size
    done
    : >"$run_dir/stopped"
    tell_monitor 'info registers -a' 'info lapic' 'info pic'
    sleep 1
    tr -d '\r' <"$run_dir/monitor" | tail -n 150 >>"$console"
    kill "$qemu"
}

# tell_monitor COMMAND...
tell_monitor() { printf '%s\n' "$@" >"$run_dir/monitor.in"; }

# stop: on Ctrl-C and at the end; timeout passes the signal on to QEMU
stop() {
    [ -z "${watcher:-}" ] || kill "$watcher" 2>/dev/null
    [ -z "${qemu:-}" ] || kill "$qemu" 2>/dev/null
    rm -rf "$run_dir"
}

# why_no_status STATUS_OF_QEMU: L1 ended without the command's status
why_no_status() {
    local reason
    if [ -e "$run_dir/stopped" ]; then
        warn "L1 gave no sign of life for $silence_limit s: the emulated machine has stopped; its registers are at the end of $console"
        exit 75
    fi
    case $1 in
    0) ;;
    124 | 137)
        warn "timed out after $time_limit s (--timeout); console: $console"
        exit 124 ;;
    *)
        reason=$(grep -v 'warning:' "$run_dir/qemu" | head -n 1)
        die "QEMU failed with status $1: ${reason:-no message}; console: $console" ;;
    esac
    reason=$(tr -d '\r' <"$console" | grep -m 1 -a -oE 'lab-init: .*|Kernel panic.*')
    die "L1 ended without a status: ${reason:-it was powered off or reset}; console: $console"
}

# run_qemu: until L1 has ended; its status is QEMU's
run_qemu() {
    local status relays
    cat "$run_dir/out" &
    relays=$!
    cat "$run_dir/err" >&2 &
    relays+=" $!"
    timeout -k 5 "$time_limit" "${qemu_command[@]}" "${qemu_arguments[@]}" </dev/null >"$run_dir/qemu" 2>&1 &
    qemu=$!
    watch_l1 </dev/null >/dev/null 2>&1 &
    watcher=$!
    wait "$qemu"
    status=$?
    qemu=
    kill "$watcher" 2>/dev/null
    # if QEMU failed early nobody opened the pipes: let the relays see their end
    : <>"$run_dir/out" <>"$run_dir/err" <>"$run_dir/monitor.out"
    # shellcheck disable=SC2086 # a list
    wait $relays
    return "$status"
}

# boot COMMAND...: exits with the command's status
boot() {
    local status tries=1 begin=$EPOCHREALTIME
    check_modules "$modules"
    set_qemu_arguments
    # shellcheck disable=SC2086 # a list
    write_guest_initrds $guests
    write_job "$@"
    mkfifo "$run_dir/out" "$run_dir/err" "$run_dir/monitor.in" "$run_dir/monitor.out"
    run_qemu
    status=$?
    while grep -qa "^lab-init: $wrong_clock" "$console" && [ "$tries" -lt 10 ]; do
        note "$wrong_clock (this machine is busy): booting again"
        tries=$((tries + 1))
        run_qemu
        status=$?
    done
    [ -s "$run_dir/status" ] || why_no_status "$status"
    status=$(tr -d '\n' <"$run_dir/status")
    note "status $status after $(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }') s; console: ${console#"$repository"/}"
    exit "$status"
}

# prepare_run: the run's folder, which ends with the lab
prepare_run() {
    local old
    local name=${tree%/}
    name=${name##*/}-${kernel##*/}
    name=${name/-arm64-/-}
    run_dir=$repository/build/lab/${name// /_}-$$
    console=$run_dir.console
    mkdir -p "$run_dir" || die "cannot write to $repository/build/lab"
    trap stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    # shellcheck disable=SC2012 # names of our own making
    for old in $(cd "$repository/build/lab" && ls -t -- *.console 2>/dev/null | tail -n "+$consoles_kept"); do
        rm -f "$repository/build/lab/$old"
    done
}
