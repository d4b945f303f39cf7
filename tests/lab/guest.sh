# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# Linux kernels for s2vmm to boot in L1. From Debian's package: the distribution's own file, the uncompressed image,
# and the modules that a guest may need (the catalogue's guest rows); they are kept apart from what L1 itself boots, so that
# neither makes the other stale. The initrd is a cached archive of busybox and modules, and one of the repository's
# files, made for each run.

# ensure_guest NAME: sets guest_directory
ensure_guest() {
    local name=$1 row
    row=$(catalogue kernel "$name") ||
        die "--linux-guest=${name#arm64-}: not in the catalogue (there are: $(known kernel "$(architecture_of "$name")"))"
    guest_directory=$cache/guests/$name
    # shellcheck disable=SC2086 # suite and package
    with_prepared "$guest_directory" "$(guest_key "$name")" "the guest kernel $name" prepare_guest "$name" $row
}

guest_key() {
    local row
    row=$(catalogue kernel "$1")
    digest "$row" "$(catalogue suite "${row%% *}")" "$(catalogue guest)"
}

# prepare_guest NAME SUITE METAPACKAGE DIRECTORY
prepare_guest() {
    local name=$1 item=guest-$1 directory=$4 stage=$4/stage
    unpack_kernel "$item" "$@"
    mkdir -p "$stage"/{bin,dev,proc,sys,run,tmp,disk,root}
    # shellcheck disable=SC2046 # a list
    collect_modules "$directory/unpacked/usr/lib/modules"/* "$stage/modules" $(catalogue guest)
    mv "$directory/busybox" "$stage/bin/busybox"
    ln -s busybox "$stage/bin/sh"
    ln -s guest-init "$stage/init"
    pack "$stage" "$directory/base.cpio"
    rm -rf "$directory/unpacked"
    # arm64's may be an Image as it is
    ! cmp -s "$directory/vmlinuz" "$directory/Image" || ln -f "$directory/vmlinuz" "$directory/Image"
    note "$item: $(cat "$directory/release"), $(du -sm "$directory" | cut -f1) MB"
    compare_with_lock guest "${directory%.partial}" "$directory/versions"
}

# write_guest_initrds NAME...: in the run's folder, NAME.cpio for each
write_guest_initrds() {
    local name
    for name; do
        add_repository_files "$name" "$run_dir/own.cpio"
        cat "$cache/guests/$name/base.cpio" "$run_dir/own.cpio" >"$run_dir/$name.cpio" || die "cannot write to $run_dir"
    done
}

# add_repository_files NAME FILE: guest-init, the static programs that are built (/s2vmm), and the modules that are built
# for this kernel
add_repository_files() {
    local name=$1 stage=$run_dir/stage machine=x86_64 path module
    [ "$(architecture_of "$name")" = amd64 ] || machine=aarch64
    mkdir -p "$stage/modules" "$stage/s2vmm"
    cp "$lab_dir/guest-init" "$stage"
    chmod 755 "$stage/guest-init"
    for path in "$repository/build/$machine/guest-linux"/* "$repository/tests/linux"/*; do
        [ ! -f "$path" ] || [ ! -x "$path" ] || cp "$path" "$stage/s2vmm"
    done
    for module in $(names own-guest); do
        path=$repository/build/modules/$name/${module//-/_}.ko
        [ -f "$path" ] || continue
        cp "$path" "$stage/modules"
        echo "${module//-/_}" >"$stage/modules/$module.load"
    done
    pack "$stage" "$2"
}
