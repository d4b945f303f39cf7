# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/intel sources
# L1's root for Bochs: an initrd with all that it needs. Bochs and a stock kernel share no file system.

tree_libraries=usr/lib/x86_64-linux-gnu

# copy_program FILE STAGE PATH: with the shared libraries that it needs, which are the tree's
copy_program() {
    local library
    mkdir -p "$2/${3%/*}"
    cp "$1" "$2/$3" || die "$1 is missing: run make tests"
    while read -r library; do copy_library "$library" "$2"; done < <(libraries_of "$1")
}

# copy_library NAME STAGE: with those that it needs
copy_library() {
    local library to=$2/$tree_libraries/$1
    [ ! -e "$to" ] || return 0
    cp -L "$tree_root/$tree_libraries/$1" "$to" || die "the tree $tree_root has no library $1"
    while read -r library; do copy_library "$library" "$2"; done < <(libraries_of "$to")
}

libraries_of() { LC_ALL=C readelf -dW "$1" 2>/dev/null | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p'; }

# copy_modules STAGE: kvm-intel, those of --modules, the repository's last, and the order of loading. The type information
# for BPF and the tables for stack traces, which the kernel checks and sorts when it loads a module, are left out: half of
# the time. The module's signature goes with them.
copy_modules() {
    local from=${kernel_image%/*}/modules module
    local -a orders=()
    for module in kvm-intel ${modules//,/ }; do
        orders+=("$from/$module.load")
        [ -e "$from/$module.load" ] || die "--modules $module: not in the kernel $kernel"
    done
    awk 'NF && !seen[$0]++' "${orders[@]}" >"$1/modules/order"
    while read -r module; do
        objcopy -R .BTF -R '.orc_*' -R '.rela.orc_*' "$from/$module.ko" "$1/modules/$module.ko" ||
            die "cannot copy the module $module"
    done <"$1/modules/order"
    for module in ${own//-/_}; do
        objcopy -g -R '.orc_*' -R '.rela.orc_*' "$repository/build/modules/$kernel/$module.ko" "$1/modules/$module.ko" ||
            die "cannot copy the module $module"
        echo "$module" >>"$1/modules/order"
    done
}

# make_bochs_root INITRD STAGE
make_bochs_root() {
    local stage=$2 program
    mkdir -p "$stage"/{bin,modules,s2vmm/build,s2vmm/tests/lab,"$tree_libraries"}
    ln -s usr/lib "$stage/lib"
    ln -s "$tree_libraries" "$stage/lib64"
    cp "${kernel_image%/*}/busybox" "$stage/bin/busybox"
    cp "$lab_dir/bochs-init" "$stage/init"
    chmod 755 "$stage/init"
    cp "$run_dir/job" "$stage/job"
    copy_modules "$stage"
    copy_library ld-linux-x86-64.so.2 "$stage"
    for program in s2vmm e2e-tests; do
        copy_program "$repository/build/x86_64/$program" "$stage" "s2vmm/build/x86_64/$program"
    done
    cp "$repository/build/x86_64/guest.elf" "$stage/s2vmm/build/x86_64" || die "no guest.elf: run make tests"
    cp "$lab_dir"/intel* "$stage/s2vmm/tests/lab"
    (cd "$stage" && find . | cpio -o -H newc -R 0:0 --quiet) >"$1" || die "cannot write $1"
}
