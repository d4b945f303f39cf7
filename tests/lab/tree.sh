# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# Roots made from a suite's packages without running any of their scripts. A tree is the root that L1 runs in; it is
# shared with L1 read-only, under an overlay, so all labs can use one tree at the same time. A sysroot is what a cross
# compiler builds with.

# make_root ITEM SUITE "PRESENT..." DIRECTORY PACKAGE...: DIRECTORY/root and DIRECTORY/versions, less what the array
# drops (shell patterns) says and the packages that only PRESENT needs
make_root() {
    local item=$1 suite=$2 present=$3 directory=$4 root=$4/root link target begin drop
    local -a exclude=()
    shift 4
    for drop in "${drops[@]}"; do exclude+=("--exclude=$drop"); done
    apt_root "$suite" "$item"
    apt_lists "$suite" "$item"
    fetch_debs "$item" "$suite" "$present" "$@"
    begin=$SECONDS
    mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
    for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
    unpack_debs "$root" "${exclude[@]}"
    mv "$root/versions" "$directory/versions"
    # a link to /lib/... would lead out of the root
    find "$root" -type l -lname '/*' | while IFS= read -r link; do
        target=$(realpath -ms --relative-to="${link%/*}" "$root$(readlink "$link")")
        ln -sfn "$target" "$link"
    done
    forget_debs "$item"
    note "$item: unpacked in $((SECONDS - begin)) s, $(du -sm "$root" | cut -f1) MB"
}

# ensure_tree NAME: sets tree_root
ensure_tree() {
    local name=$1 suite
    case $name in
    */*)
        [ -d "$name" ] || die "--tree $name: no such folder"
        tree_root=$(cd "$name" && pwd)
        return ;;
    esac
    suite=$(catalogue tree "$name") ||
        die "--tree ${name#arm64-}: not in the catalogue (there are: $(known tree "$(architecture_of "$name")")); a folder is given with a slash"
    suite=${suite%% *}
    tree_root=$cache/trees/$name
    with_prepared "$tree_root" "$(tree_key "$name")" "the tree $name" prepare_tree "$name" "$suite"
    tree_root=$cache/trees/$name/root
}

tree_key() { digest "$(catalogue tree "$1")" "$(catalogue suite "$(catalogue tree "$1" | cut -d' ' -f1)")" "$(catalogue package)" "$(tree_drops "$1")"; }

tree_drops() {
    catalogue drop
    [ "$(architecture_of "$1")" = amd64 ] || catalogue "drop-$(architecture_of "$1")"
}

# prepare_tree NAME SUITE DIRECTORY
prepare_tree() {
    local directory=$3 root=$3/root
    local -a packages drops
    read -ra packages <<<"$(catalogue tree "$1" | cut -s -d' ' -f2-) $(catalogue package)"
    read -ra drops <<<"$(tree_drops "$1")"
    make_root "tree-$1" "$2" '' "$directory" "${packages[@]}"
    # links that the packages' scripts would have made
    [ -e "$root/usr/bin/sh" ] || ln -s bash "$root/usr/bin/sh"
    [ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
    compare_with_lock tree "${directory%.partial}" "$directory/versions"
}

# ensure_sysroot ARCHITECTURE: sets sysroot
ensure_sysroot() {
    local row
    row=$(catalogue sysroot "$1") || die "--sysroot $1: not in the catalogue (there are: $(names sysroot))"
    sysroot=$cache/sysroots/$1
    # shellcheck disable=SC2086 # suite and packages
    with_prepared "$sysroot" "$(sysroot_key "$1")" "the sysroot $1" prepare_sysroot "$1" $row
    sysroot+=/root
}

sysroot_key() { digest "$(catalogue sysroot "$1")" "$(catalogue suite "$(catalogue sysroot "$1" | cut -d' ' -f1)")" "$(catalogue drop)"; }

# prepare_sysroot ARCHITECTURE SUITE PACKAGE... DIRECTORY
prepare_sysroot() {
    local architecture=$1 suite=$2 directory=${*: -1}
    local -a drops packages=("${@:3:$#-3}")
    read -ra drops <<<"$(catalogue drop) ./bin ./sbin ./usr/bin ./usr/sbin ./etc ./var"
    # the linker needs a library's libraries, but none of the drivers that those load
    make_root "sysroot-$architecture" "$suite" 'libgl1-mesa-dri mawk' "$directory" "${packages[@]}"
    compare_with_lock sysroot "${directory%.partial}" "$directory/versions"
}
