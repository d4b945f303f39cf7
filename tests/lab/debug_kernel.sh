# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# A kernel that is built here: Debian's source with the configuration tests/lab/NAME.config, built in a root made of the
# kbuild tree. It is cached like the other kernels. What the repository's modules are built against is kept beside it,
# in root/usr/src/linux.

# source_key NAME
source_key() {
    digest "$(catalogue source "$1")" "$(catalogue suite "$(catalogue source "$1" | cut -d' ' -f1)")" "$(kbuild_key trixie)" \
        "$(catalogue base)" "$(extra_modules amd64)" "$(grep '^CONFIG' "$lab_dir/$1.config")"
}

# prepare_source NAME SUITE PACKAGE DIRECTORY
prepare_source() {
    local name=$1 suite=$2 package=$3 directory=$4 item=kernel-$1 tree=$4/root/usr/src/linux begin=$SECONDS module
    local -a in_root
    [ "$(machine_architecture)" = amd64 ] || die "--kernel $name: is built on an x86-64 machine only"
    need_space "$cache" 6000 "$item"
    ensure_kbuild
    link_root "$kbuild_root" "$directory/root"
    set_in_root "$directory/root"
    apt_root "$suite" "$item"
    apt_lists "$suite" "$item"
    fetch_debs "$item" "$suite" 'binutils xz-utils' "$package" busybox-static
    mkdir -p "$directory/unpacked" "$tree"
    unpack_debs "$directory/unpacked" --exclude=./usr/share/doc
    sed "s/^$package /linux-image /" "$directory/unpacked/versions" >"$directory/versions"
    cp "$directory/unpacked/usr/bin/busybox" "$directory/busybox"
    note "$item: unpacking the source"
    tar -x -J -C "$tree" --strip-components=1 --no-same-owner --exclude='*/Documentation/*/*' \
        -f "$directory/unpacked/usr/src/$package.tar.xz" || die "$item: cannot unpack the source; is the disk full ($cache)?"
    rm -rf "$directory/unpacked"
    configure_kernel "$item" "$tree" "$lab_dir/$name.config"
    make_kernel "$item" "$tree" -j"$(nproc)" bzImage modules
    cp "$tree/arch/x86/boot/bzImage" "$directory/bzImage" || die "$item: cannot write to $directory"
    cp "$tree/include/config/kernel.release" "$directory/release"
    cp "$tree/.config" "$directory/config"
    # shellcheck disable=SC2046 # a list
    collect_modules "$tree" "$directory/modules" $(catalogue base) $(extra_modules amd64)
    for module in $(catalogue base) $(extra_modules amd64); do
        [ -e "$directory/modules/$module.load" ] || die "$item: there is no module $module: see $lab_dir/$name.config"
    done
    keep_headers "$tree"
    ln -s linux "$directory/root/usr/src/linux-headers-$(cat "$directory/release")"
    forget_debs "$item"
    note "$item: $(cat "$directory/release") built in $((SECONDS - begin)) s, $(du -sm "$directory" | cut -f1) MB"
    compare_with_lock kernel "${directory%.partial}" "$directory/versions"
}

# configure_kernel ITEM TREE FRAGMENT: allnoconfig drops what cannot be had without a word, so each line is checked
configure_kernel() {
    local lost
    grep '^CONFIG' "$3" >"$2/fragment"
    make_kernel "$1" "$2" KCONFIG_ALLCONFIG=fragment allnoconfig
    lost=$(grep -vxFf "$2/.config" "$2/fragment" | tr '\n' ' ')
    [ -z "$lost" ] || die "$1: the configuration that results has not: $lost(a dependency is missing in $3)"
}

# make_kernel ITEM TREE ARGUMENT...: in the background, so that a signal to the lab ends it at once; says how far it is
make_kernel() {
    local item=$1 log=$cache/apt/$1.build begin=$SECONDS shown=$SECONDS on_tick=show_build
    shift 2
    if ! run_apt "$log" "${in_root[@]}" nice make -C /usr/src/linux ARCH=x86_64 CC=gcc-14 HOSTCC=gcc-14 \
        KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab LOCALVERSION=-debug "$@"; then
        grep -a -m 5 -E 'error|\*\*\*|not found' "$log" >&2
        die "$item: make ${*: -1} failed; log: $log"
    fi
    rm -f "$log"
}

# show_build: a line every half minute; reads make_kernel's variables
show_build() {
    [ "$((SECONDS - shown))" -ge 30 ] || return 0
    shown=$SECONDS
    note "$item: $(grep -c '^  \(CC\|AS\|AR\|LD\)' "$log") files, $((SECONDS - begin)) s"
}

# keep_headers TREE: leaves what modules are built with
keep_headers() {
    find "$1" -mindepth 1 -maxdepth 1 ! -name Makefile ! -name Kbuild ! -name .config ! -name Module.symvers ! -name include \
        ! -name arch ! -name scripts ! -name tools -exec rm -rf {} +
    find "$1/arch" -mindepth 1 -maxdepth 1 ! -name x86 -exec rm -rf {} +
    find "$1/tools" -mindepth 1 -maxdepth 1 ! -name objtool ! -name scripts ! -name build ! -name include -exec rm -rf {} +
    find "$1/arch" "$1/scripts" "$1/tools" -type f \( -name '*.o' -o -name '*.a' -o -name '.*.cmd' -o -name 'vmlinux*' \) -delete
}
