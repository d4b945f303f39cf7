# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# A tree: the root that L1 runs in, made from a suite's packages without running any of their scripts. It is shared
# with L1 read-only, under an overlay, so all labs can use one tree at the same time.

# ensure_tree NAME: sets tree_root
ensure_tree() {
    local name=$1 suite
    case $name in
    */*)
        [ -d "$name" ] || die "--tree $name: no such folder"
        tree_root=$(cd "$name" && pwd)
        return ;;
    esac
    suite=$(catalogue tree "$name") || die "--tree $name: not in the catalogue (there are: $(names tree)); a folder is given with a slash"
    suite=${suite%% *}
    tree_root=$cache/trees/$name
    with_prepared "$tree_root" "$(tree_key "$name")" "the tree $name" prepare_tree "$name" "$suite"
    tree_root=$cache/trees/$name/root
}

tree_key() { digest "$(catalogue tree "$1")" "$(catalogue suite "$(catalogue tree "$1" | cut -d' ' -f1)")" "$(catalogue package)" "$(catalogue drop)"; }

# prepare_tree NAME SUITE DIRECTORY
prepare_tree() {
    local item=tree-$1 suite=$2 directory=$3 root=$3/root drop begin=$SECONDS link
    local -a packages patterns exclude=()
    read -ra packages <<<"$(catalogue package)"
    read -ra patterns <<<"$(catalogue drop)"
    for drop in "${patterns[@]}"; do exclude+=("--exclude=$drop"); done
    apt_root "$suite" "$item"
    apt_lists "$suite" "$item"
    fetch_debs "$item" "$suite" '' "${packages[@]}"
    begin=$SECONDS
    mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
    for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
    unpack_debs "$root" "${exclude[@]}"
    mv "$root/versions" "$directory/versions"
    # links that the packages' scripts would have made
    [ -e "$root/usr/bin/sh" ] || ln -s bash "$root/usr/bin/sh"
    [ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
    forget_debs "$item"
    note "$item: unpacked in $((SECONDS - begin)) s, $(du -sm "$root" | cut -f1) MB"
    compare_with_lock tree "${directory%.partial}" "$directory/versions"
}
