# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# A kernel that is built here from Debian's source, in a root made of the kbuild tree, and cached like the other kernels.
# What the repository's modules are built against is kept beside it, in root/usr/src/linux. If its row in the catalogue
# names a series of patches, the source is kept whole with all that was built in it (source-trees/NAME), so that a change
# of a patch takes seconds: tests/lab/series.sh.

# source_key NAME
source_key() {
    local series=''
    [ -z "$(series_folders "$1")" ] || series=$(series_digest "$1")
    digest "$(catalogue source "$1")" "$(catalogue suite "$(catalogue source "$1" | cut -d' ' -f1)")" "$(kbuild_key trixie)" \
        "$(catalogue base)" "$(extra_modules "$(architecture_of "$1")")" "$(fragment "$1")" ${series:+"$series"}
}

# fragment NAME: the lines of NAME.config, and of NAME-ARCHITECTURE.config where there is one
fragment() {
    local name=${1#arm64-}
    cat "$lab_dir/$name.config" "$lab_dir/$name-$(architecture_of "$1").config" 2>/dev/null | grep '^CONFIG'
}

# prepare_source NAME SUITE PACKAGE [SERIES] DIRECTORY
prepare_source() {
    local name=$1 suite=$2 package=$3 directory=${*: -1} item=kernel-$1 begin=$SECONDS tree source wanted module
    wanted="$(catalogue base) $(extra_modules "$(architecture_of "$1")")"
    [ "$(machine_architecture)" = amd64 ] || die "--kernel ${name#arm64-}: is built on an x86-64 machine only"
    need_space "$cache" 6000 "$item"
    if [ -z "$(series_folders "$name")" ]; then
        source=$directory
        unpack_source "$name" "$suite" "$package" "$directory"
    else
        source=$cache/source-trees/$name
        with_prepared "$source" "$(tree_source_key "$name")" "the source of ${name#arm64-}" unpack_source "$name" "$suite" "$package"
        cp "$source/versions" "$source/busybox" "$directory"
        ln -s "../../source-trees/$name/root" "$directory/root"
    fi
    tree=$source/root/usr/src/linux
    set_in_root "$source/root"
    [ "$source" = "$directory" ] || apply_series "$item" "$tree" "$name"
    configure_kernel "$item" "$name" "$tree"
    build_image "$item" "$name" "$tree" "$directory"
    cp "$tree/include/config/kernel.release" "$directory/release"
    cp "$tree/.config" "$directory/config"
    # shellcheck disable=SC2086 # a list
    collect_modules "$tree" "$directory/modules" $wanted
    for module in $wanted; do
        [ -e "$directory/modules/$module.load" ] || die "$item: there is no module $module: see $lab_dir/${name#arm64-}.config"
    done
    [ "$source" != "$directory" ] || keep_headers "$tree"
    ln -sfn linux "$source/root/usr/src/linux-headers-$(cat "$directory/release")"
    note "$item: $(cat "$directory/release") built in $((SECONDS - begin)) s, $(du -sm "$directory/" | cut -f1) MB"
    compare_with_lock kernel "${directory%.partial}" "$directory/versions"
}

# tree_source_key NAME: what a source that is kept was unpacked from, and what builds it
tree_source_key() {
    local tools
    tools=$(catalogue source-package "$1")
    digest "$(catalogue source "$1")" "$(kbuild_key trixie)" ${tools:+"$tools"}
}

# add_tools ITEM ROOT PACKAGE...: for this machine, as the rest of ROOT is
add_tools() {
    local item=$1 root=$2 suite
    shift 2
    suite=$(machine_suite trixie)
    apt_root "$suite" "$item"
    apt_lists "$suite" "$item"
    fetch_debs "$item" "$suite" libc6 "$@"
    unpack_debs "$root" --exclude=./usr/share/doc --exclude=./usr/share/man
    rm "$root/versions"
    forget_debs "$item"
}

# unpack_source NAME SUITE PACKAGE DIRECTORY: root/usr/src/linux, busybox, versions
unpack_source() {
    local item=kernel-$1 suite=$2 package=$3 directory=$4 tree=$4/root/usr/src/linux
    local -a tools
    ensure_kbuild
    link_root "$kbuild_root" "$directory/root"
    read -ra tools <<<"$(catalogue source-package "$1")"
    [ ${#tools[@]} -eq 0 ] || add_tools "$item-tools" "$directory/root" "${tools[@]}"
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
    forget_debs "$item"
}

# configure_kernel ITEM NAME TREE: allnoconfig drops what cannot be had without a word, so each line is checked
configure_kernel() {
    local lost
    fragment "$2" >"$3/fragment"
    make_kernel "$1" "$2" KCONFIG_ALLCONFIG=fragment allnoconfig
    lost=$(grep -vxFf "$3/.config" "$3/fragment" | tr '\n' ' ')
    [ -z "$lost" ] || die "$1: the configuration that results has not: $lost(a dependency is missing in $lab_dir/${2#arm64-}*.config)"
}

# build_image ITEM NAME TREE DIRECTORY: builds all, and copies the image: arm64's Image; a vmlinux if QEMU can start it, which
# takes an entry for PVH; else a bzImage
build_image() {
    local image=bzImage file=arch/x86/boot/bzImage
    case $(architecture_of "$2") in
    arm64) image=Image file=arch/arm64/boot/Image ;;
    *) ! grep -qx CONFIG_PVH=y "$3/.config" || image=vmlinux file=vmlinux ;;
    esac
    make_kernel "$1" "$2" -j"$(nproc)" "$image" modules
    cp "$3/$file" "$4/$image" || die "$1: cannot write to $4"
}

# make_kernel ITEM NAME ARGUMENT...: in the background, so that a signal to the lab ends it at once; says how far it is
make_kernel() {
    local item=$1 name=$2 log=$cache/apt/$1.build begin=$SECONDS shown=$SECONDS on_tick=show_build cross='' arch=x86_64
    shift 2
    case $(architecture_of "$name") in arm64) arch=arm64 cross=aarch64-linux-gnu- ;; esac
    if ! run_apt "$log" "${in_root[@]}" nice make -C /usr/src/linux ARCH="$arch" CROSS_COMPILE="$cross" CC="${cross}gcc-14" \
        HOSTCC=gcc-14 KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab LOCALVERSION="-${name#arm64-}" "$@"; then
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
