# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# A kernel for L1: the uncompressed image (QEMU starts a vmlinux 0.5 to 1 s faster than a bzImage, and arm64 has an
# Image), the modules that the catalogue names with all that they need, and an initrd of busybox, those modules and
# the lab's init.

# ensure_kernel NAME [MODULES_DIR]: sets kernel_image, kernel_initrd, kernel_modules (what --modules can name; empty if
# not known), kernel_label and console_level
ensure_kernel() {
    local name=$1 row directory
    case $name in
    */*) own_kernel "$name" "${2-}"
        return ;;
    esac
    [ -z "${2-}" ] || die "--modules-dir goes with the path of a kernel of your own, and $name is in the catalogue"
    row=$(catalogue kernel "$name" || catalogue source "$name") ||
        die "--kernel ${name#arm64-}: not in the catalogue (there are: $(known_kernels "$(architecture_of "$name")")); a file is given with a slash"
    directory=$cache/kernels/$name
    # shellcheck disable=SC2086 # suite and package
    with_prepared "$directory" "$(kernel_key "$name")" "the kernel $name" "$(kernel_kind "$name")" "$name" $row
    kernel_label=${name#arm64-} console_level=quiet
    case $(architecture_of "$name") in
    amd64) kernel_image=$directory/vmlinux ;;
    arm64) kernel_image=$directory/Image ;;
    esac
    [ ! -e "$directory/bzImage" ] || kernel_image=$directory/bzImage
    # what lockdep says is a warning, and does not come to the console by itself
    ! catalogue source "$name" >/dev/null || console_level=loglevel=5
    kernel_modules=$(cd "$directory/modules" && echo *.load)
    # an initrd is quickly made: anew whenever the lab's init is another one
    kernel_initrd=$directory/lab-$(digest "$(cat "$lab_dir/init")").cpio
    [ -e "$kernel_initrd" ] ||
        make_initrd "$kernel_initrd" "$directory/modules" "$directory/busybox"
}

# kernel_kind NAME: how it is prepared; known_kernels ARCHITECTURE: their names
kernel_kind() { if catalogue source "$1" >/dev/null; then echo prepare_source; else echo prepare_kernel; fi; }
known_kernels() { known kernel "$1" && known source "$1"; }

kernel_key() {
    if catalogue source "$1" >/dev/null; then source_key "$1" && return; fi
    digest "$(catalogue kernel "$1")" "$(catalogue suite "$(catalogue kernel "$1" | cut -d' ' -f1)")" "$(catalogue base)" "$(packaged_modules "$(architecture_of "$1")")"
}

# extra_modules ARCHITECTURE: what --modules can name
extra_modules() { case $1 in amd64) catalogue extra ;; *) catalogue "extra-$1" ;; esac; }

# packaged_modules ARCHITECTURE: the same for a kernel that is a package
packaged_modules() {
    extra_modules "$1"
    [ "$1" != amd64 ] || catalogue extra-packaged
}

# own_kernel PATH MODULES_DIR: a vmlinux, bzImage or Image of the user's; without MODULES_DIR all must be built in
own_kernel() {
    local path=$1 modules=$2 busybox=$tree_root/usr/bin/busybox
    [ -f "$path" ] || die "--kernel $path: no such file"
    need cpio:cpio
    kernel_image=$path kernel_label=own kernel_modules='' console_level=quiet
    if [ ! -x "$busybox" ]; then
        local tree_root
        ensure_tree "$(prefix_of "$architecture")trixie"
        busybox=$tree_root/usr/bin/busybox
    fi
    mkdir -p "$run_dir/modules"
    if [ -n "$modules" ]; then
        [ -d "$modules" ] || die "--modules-dir $modules: no such folder"
        # shellcheck disable=SC2046 # a list
        collect_modules "$modules" "$run_dir/modules" $(catalogue base) $(extra_modules "$architecture")
        kernel_modules=$(cd "$run_dir/modules" && echo *.load)
    else
        note "no --modules-dir: ${path##*/} must have 9p, virtio and overlayfs (and KVM, if it is wanted) built in"
    fi
    kernel_initrd=$run_dir/initrd.cpio
    make_initrd "$kernel_initrd" "$run_dir/modules" "$busybox"
}

# find_image NAME METAPACKAGE ITEM: prints the name of the image's package, or packages
find_image() {
    local name=${1#arm64-} architecture candidate newest
    architecture=$(architecture_of "$1")
    export APT_CONFIG=$cache/apt/$3.conf
    candidate=$(apt-cache depends "$2" | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
    case $candidate in linux-image-"$name"[.+]*) echo "$candidate" && return ;; esac
    newest=$(apt-cache pkgnames "linux-image-$name" | grep -F -e "linux-image-$name." -e "linux-image-$name+" |
        grep -E "^linux-image-[0-9.]+([+-][^-]+)?-$architecture(-unsigned)?\$" | sort -V | tail -n 1)
    if [ -z "$newest" ]; then
        # an unsigned image has no linux-image package, which would ask for the modules as well
        newest=$(apt-cache pkgnames "linux-binary-unsigned-$name." |
            grep -E "^linux-binary-unsigned-[0-9.]+([+-][^-]+)?-$architecture\$" | sort -V | tail -n 1)
        newest=${newest:+$newest linux-modules-${newest#linux-binary-unsigned-}}
    fi
    if [ -z "$newest" ] && [ -n "$candidate" ]; then
        warn "kernel $name: the suite has no such version any more, taking ${candidate#linux-image-}"
        newest=$candidate
    fi
    echo "$newest"
}

# prepare_kernel NAME SUITE METAPACKAGE DIRECTORY
prepare_kernel() {
    local name=$1 item=kernel-$1 directory=$4 module begin
    unpack_kernel "$item" "$@"
    begin=$SECONDS
    # shellcheck disable=SC2046 # a list
    collect_modules "$directory/unpacked/usr/lib/modules"/* "$directory/modules" \
        $(catalogue base) $(packaged_modules "$(architecture_of "$name")")
    for module in $(catalogue base); do
        [ -e "$directory/modules/$module.load" ] || die "kernel $name: its package has no module $module"
    done
    rm -rf "$directory/unpacked" "$directory/vmlinuz"
    note "$item: $(cat "$directory/release") prepared in $((SECONDS - begin)) s, $(du -sm "$directory" | cut -f1) MB"
    compare_with_lock kernel "${directory%.partial}" "$directory/versions"
}

# unpack_kernel ITEM NAME SUITE METAPACKAGE DIRECTORY: what a kernel's package has, as it is (unpacked/, vmlinuz, config),
# the uncompressed image (vmlinux or Image), busybox, release, versions
unpack_kernel() {
    local item=$1 name=$2 suite=$3 directory=$5 unpacked=$5/unpacked image release file path
    apt_root "$suite" "$item"
    apt_lists "$suite" "$item"
    image=$(find_image "$name" "$4" "$item")
    [ -n "$image" ] || die "kernel $name: the suite $suite has no image of this version; choose another one in $lab_dir/catalogue"
    # what an image asks for on a machine that it is installed on, and not here
    # shellcheck disable=SC2086 # one package, or two
    fetch_debs "$item" "$suite" 'kmod linux-base initramfs-tools' $image busybox-static
    mkdir -p "$unpacked/usr/lib" "$unpacked/usr/bin"
    ln -s usr/lib "$unpacked/lib"
    ln -s usr/bin "$unpacked/bin"
    unpack_debs "$unpacked" --exclude=./usr/share/doc
    forget_debs "$item"
    sed -E "s/^linux-(image|binary-unsigned)-[0-9][^ ]*/linux-image/" "$unpacked/versions" >"$directory/versions"
    release=$(cd "$unpacked/usr/lib/modules" && echo *)
    echo "$release" >"$directory/release"
    cp "$unpacked/usr/bin/busybox" "$directory/busybox"
    # newer packages have the image and the configuration in the modules' folder
    for file in vmlinuz config; do
        for path in "$unpacked/boot/$file-$release" "$unpacked/usr/lib/modules/$release/$file"{,.unsigned}; do
            [ ! -f "$path" ] || cp "$path" "$directory/$file"
        done
    done
    case $(architecture_of "$name") in
    amd64) uncompress_bzimage "$directory/vmlinuz" "$directory/vmlinux" ;;
    arm64) uncompress_image "$directory/vmlinuz" "$directory/Image" ;;
    esac
}

# uncompress_bzimage BZIMAGE VMLINUX: the payload's place is in the boot protocol's header (offsets 0x1f1, 0x248, 0x24c);
# its last four bytes are its uncompressed size, which is not part of the compressed stream
uncompress_bzimage() {
    local sectors payload length
    sectors=$(od -An -tu1 -j497 -N1 "$1")
    read -r payload length < <(od -An -tu4 -j584 -N8 "$1")
    tail -c "+$(((sectors + 1) * 512 + payload + 1))" "$1" | head -c $((length - 4)) >"$2.payload"
    uncompress "$2.payload" "$2"
    [ "$(head -c 4 "$2" | tail -c 3)" = ELF ] || die "cannot uncompress $1: its payload has a format that is not known here"
}

# uncompress_image VMLINUZ IMAGE: VMLINUZ is an Image, a compressed one, or an EFI application with a compressed one as
# its payload (linux/drivers/firmware/efi/libstub/zboot-header.S: "zimg" at 4, the payload's offset at 8, size at 12)
uncompress_image() {
    local offset length
    if [ "$(tail -c +5 "$1" | head -c 4 | tr -d '\0')" = zimg ]; then
        read -r offset length < <(od -An -tu4 -j8 -N8 "$1")
        tail -c "+$((offset + 1))" "$1" | head -c "$length" >"$2.payload"
    else
        cp "$1" "$2.payload"
    fi
    uncompress "$2.payload" "$2"
    [ "$(tail -c +57 "$2" | head -c 3)" = ARM ] || die "cannot uncompress $1: its payload has a format that is not known here"
}

# uncompress FROM TO: by FROM's magic number; FROM is removed
uncompress() {
    case $(od -An -tx4 -N4 "$1") in
    *fd2fb528) zstd -dcq <"$1" >"$2" ;;
    *587a37fd) xz -dc <"$1" >"$2" ;;
    *8b1f) gzip -dc <"$1" >"$2" ;;
    *) cp "$1" "$2" ;;
    esac
    rm "$1"
}

# collect_modules MODULES_DIR DIRECTORY MODULE...: the modules and what they need, uncompressed; for each NAME a file
# NAME.load with the module files in the order of loading (empty: it is built in)
collect_modules() {
    local from=$1 to=$2 module path
    local -A module_path=()
    shift 2
    mkdir -p "$to"
    while IFS= read -r path; do
        module=${path##*/}
        module=${module%%.ko*}
        module_path[${module//-/_}]=$path
    done < <(find "$from" -name '[!.]*.ko*' -type f)
    for module; do
        load_order=()
        if add_module "${module//-/_}" "$to"; then
            printf '%s\n' "${load_order[@]}" >"$to/$module.load"
        elif grep -q "/${module//[-_]/[-_]}\.ko" "$from/modules.builtin" 2>/dev/null; then
            : >"$to/$module.load"
        fi
    done
}

# add_module NAME DIRECTORY: appends NAME to load_order after the modules that its .modinfo says it depends on
add_module() {
    local name=$1 path=${module_path[$1]-} needed
    [ -n "$path" ] || return 1
    if [ ! -e "$2/$name.ko" ]; then
        case $path in
        *.xz) xz -dc "$path" ;;
        *.zst) zstd -dcq "$path" ;;
        *.gz) gzip -dc "$path" ;;
        *) cat "$path" ;;
        esac >"$2/$name.ko"
    fi
    for needed in $(tr '\0' '\n' <"$2/$name.ko" | sed -n 's/^depends=//p' | tr ',-' ' _'); do
        add_module "$needed" "$2"
    done
    case " ${load_order[*]} " in *" $name "*) ;; *) load_order+=("$name") ;; esac
}

# make_initrd FILE MODULES_DIR BUSYBOX
make_initrd() {
    local stage
    stage=$(mktemp -d "${1%/*}/stage.XXXXXX") || die "cannot write to ${1%/*}"
    mkdir -p "$stage"/{bin,dev,proc,sys,tree,rw,new,modules}
    cp "$3" "$stage/bin/busybox"
    cp "$lab_dir/init" "$stage"
    chmod 755 "$stage/init" "$stage/bin/busybox"
    find "$2" -type f -exec cp -t "$stage/modules" {} +
    pack "$stage" "$1"
    find "${1%/*}" -maxdepth 1 -name 'lab-*.cpio' ! -path "$1" -delete
}

# pack STAGE FILE: FILE is a cpio archive of STAGE, which is removed
pack() {
    (cd "$1" && find . | cpio -o -H newc -R 0:0 --quiet) >"$1.cpio" || die "cannot write $1.cpio"
    mv "$1.cpio" "$2"
    rm -rf "$1"
}
