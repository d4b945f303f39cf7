# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# The QEMU that emulates L1. For x86-64 it is the machine's own, or that of a tree. For arm64 the version matters, as it decides about the
# CPU's features, so there are several from Debian's suites, for this machine's architecture. They are not installed:
# their own dynamic loader starts them from the cache with the libraries of their suite.

# ensure_qemu NAME: sets qemu_command (an array), qemu_version and qemu_label
ensure_qemu() {
    local name=$1 program package row directory root
    case $architecture in
    amd64) program=qemu-system-x86_64 package=qemu-system-x86 ;;
    arm64) program=qemu-system-aarch64 package=qemu-system-arm ;;
    esac
    if [ "$name" = host ]; then
        need "$program:$package"
        qemu_command=("$program")
        qemu_version=$("$program" --version | sed -nE '1s/.*version ([0-9]+\.[0-9]+).*/\1/p')
        qemu_label="$program $qemu_version"
        return
    fi
    if [ "$name" = tree ]; then
        case $architecture,$(machine_architecture) in amd64,amd64) ;; *) die "--qemu tree: for x86-64 on x86-64 only" ;; esac
        [ -x "$tree_root/usr/bin/$program" ] || die "--qemu tree: the tree $tree has no $program; forky-qemu has one"
        start_from "$tree_root" "$program"
        qemu_version=$("${qemu_command[@]}" --version | sed -nE '1s/.*version ([0-9]+\.[0-9]+).*/\1/p')
        qemu_label="the tree's $program $qemu_version"
        return
    fi
    [ "$architecture" = arm64 ] || die "--qemu $name: for x86-64 there are this machine's own (host) and the tree's (tree)"
    row=$(catalogue qemu "$name") || die "--qemu $name: not in the catalogue (there are: host $(names qemu))"
    directory=$cache/qemus/$name root=$cache/qemus/$name/root
    # shellcheck disable=SC2086 # suite and packages
    with_prepared "$directory" "$(qemu_key "$name")" "QEMU $name" prepare_qemu "$name" $row
    start_from "$root" "$program"
    qemu_version=$name qemu_label="QEMU $name"
}

# start_from ROOT PROGRAM: sets qemu_command to a QEMU that is not installed
start_from() {
    local root=$1 loader
    local -a libraries=("$1"/usr/lib/*-linux-gnu)
    for loader in "$root"/usr/lib*/ld-linux-*.so.*; do :; done
    qemu_command=(env "QEMU_MODULE_DIR=${libraries[0]}/qemu" "$loader" --library-path "${libraries[0]}"
        "$root/usr/bin/$2" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios")
}

# machine_suite SUITE: for this machine's architecture
machine_suite() { echo "$(prefix_of "$(machine_architecture)")$1"; }

qemu_key() {
    local suite
    suite=$(catalogue qemu "$1" | cut -d' ' -f1)
    digest "$(machine_architecture)" "$(catalogue qemu "$1")" "$(catalogue suite "$suite")" "$(catalogue drop)" "$(catalogue drop-qemu)"
}

# prepare_qemu NAME SUITE PACKAGE... DIRECTORY
prepare_qemu() {
    local name=$1 suite=$2 directory=${*: -1}
    local -a packages=("${@:3:$#-3}") drops
    read -ra drops <<<"$(catalogue drop) $(catalogue drop-qemu)"
    # firmware of network cards and displays, which L1 has not
    make_root "qemu-$name" "$(machine_suite "$suite")" 'ipxe-qemu seabios' "$directory" "${packages[@]}"
    compare_with_lock qemu "${directory%.partial}" "$directory/versions"
}
