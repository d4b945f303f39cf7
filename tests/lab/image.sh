# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# Disk images for Linux guests of s2vmm: an ext4 file system with a user space made from a suite's packages, as trees are,
# but with the drivers that a guest of virtio-gpu needs, and programs that use them. mke2fs fills it, so no root is
# needed; features that only matter to a file system that is written are left out.

# ensure_image NAME: sets image_file
ensure_image() {
    local name=$1 row
    row=$(catalogue image "$name") ||
        die "guest image ${name#arm64-}: not in the catalogue (there are: $(known image "$(architecture_of "$name")"))"
    # shellcheck disable=SC2086 # suite and packages
    with_prepared "$cache/images/$name" "$(image_key "$name")" "the guest image $name" prepare_image "$name" $row
    image_file=$cache/images/$name/disk.img
}

image_row() { echo "$(catalogue image "$1")$(catalogue image-package)"; }

# image_drops NAME: what trees leave out, less the Vulkan driver that is the guest's
image_drops() {
    { tree_drops "$1" && catalogue drop-image; } | tr ' ' '\n' | grep -v virtio | tr '\n' ' '
}

image_key() {
    local row
    row=$(image_row "$1")
    digest "$row" "$(catalogue suite "${row%% *}")" "$(image_drops "$1")"
}

# prepare_image NAME SUITE PACKAGE... DIRECTORY
prepare_image() {
    local name=$1 suite=$2 directory=${*: -1} root=${*: -1}/root begin megabytes
    local -a packages drops
    need mke2fs:e2fsprogs
    read -ra packages <<<"${*:3:$#-3} $(catalogue image-package)"
    read -ra drops <<<"$(image_drops "$name")"
    make_root "image-$name" "$suite" 'debconf dpkg' "$directory" "${packages[@]}"
    begin=$SECONDS
    [ -e "$root/usr/bin/sh" ] || ln -s bash "$root/usr/bin/sh"
    [ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
    mkdir -p "$root"/{dev,etc,proc,root,run,s2vmm,sys,tmp}
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    megabytes=$(du -sm --apparent-size "$root" | cut -f1)
    need_space "$cache" $((megabytes * 3 / 2)) "image-$name"
    mke2fs -q -t ext4 -O none,extent,filetype,dir_index,sparse_super,large_file,flex_bg -m 0 -b 4096 -L "$name" \
        -E root_owner=0:0 -d "$root" "$directory/disk.img" $((megabytes * 5 / 4 + 32))M >/dev/null ||
        die "image-$name: mke2fs failed; is the disk full ($cache)?"
    chmod -R u+rwX "$root" && rm -rf "$root"
    note "image-$name: written in $((SECONDS - begin)) s, $(du -sm "$directory/disk.img" | cut -f1) MB"
    compare_with_lock image "${directory%.partial}" "$directory/versions"
}
