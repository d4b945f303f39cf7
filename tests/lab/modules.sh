# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# The repository's own kernel modules, built for a kernel of the catalogue against Debian's headers of its exact
# version. The tools (gcc, make, for this machine and across) are a root made from packages, the kbuild tree; the root
# that a module is built in is made of hard links to it, and of the kernel's headers. make runs in it by chroot, so
# nothing of this machine's is used but its kernel.

# own_modules: those of the repository, in the order in which they are loaded
own_modules() { names own; }

# split_modules LIST: sets modules to the kernel's of LIST, and own to the repository's in their order, each with those
# before it that it needs
split_modules() {
    local module
    local -a rest=()
    own=''
    for module in ${1//,/ }; do
        case " $(own_modules)" in *" $module "*) own+=" $module" ;; *) rest+=("$module") ;; esac
    done
    modules=$(IFS=, && echo "${rest[*]}")
    case "$own " in *\ dmabuf-lab\ *) own=' dmabuf-info dmabuf-lab' ;; esac
}

# ensure_kbuild: sets kbuild_root, the tools
ensure_kbuild() {
    kbuild_root=$cache/kbuilds/trixie
    # shellcheck disable=SC2046 # suite and packages
    with_prepared "$kbuild_root" "$(kbuild_key trixie)" 'the tools that build kernel modules' prepare_kbuild $(kbuild_row trixie)
    kbuild_root+=/root
}

kbuild_row() { echo "$(catalogue kbuild "$1")$(catalogue kbuild-package)$(catalogue "kbuild-$(machine_architecture)")"; }

kbuild_key() {
    local row
    row=$(kbuild_row "$1")
    digest "$(machine_architecture)" "$row" "$(catalogue suite "${row%% *}")" "$(catalogue drop)" "$(catalogue drop-kbuild)"
}

# prepare_kbuild SUITE PACKAGE... DIRECTORY
prepare_kbuild() {
    local suite=$1 directory=${*: -1} root=${*: -1}/root
    local -a packages=("${@:2:$#-2}") drops
    read -ra drops <<<"$(catalogue drop) $(catalogue drop-kbuild)"
    # what packages ask for and no build does: configuration, and the libraries of sanitizers
    make_root kbuild "$(machine_suite "$suite")" \
        'libpam0g debconf login.defs openssl-provider-legacy libc-l10n libasan8 liblsan0 libtsan2 libubsan1 libhwasan0 libgprofng0' \
        "$directory" "${packages[@]}"
    [ -e "$root/usr/bin/sh" ] || ln -s dash "$root/usr/bin/sh"
    [ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
    mkdir -p "$root"/{dev,tmp,proc/self}
    compare_with_lock kbuild "${directory%.partial}" "$directory/versions"
}

# ensure_headers KERNEL: sets headers_root, where KERNEL's modules are built, and kernel_release
ensure_headers() {
    local kernel=$1 revision
    kernel_release=$(cat "$cache/kernels/$kernel/release")
    if catalogue source "$kernel" >/dev/null; then
        headers_root=$cache/kernels/$kernel/root
        return
    fi
    revision=$(sed -n 's/^linux-image //p' "$cache/kernels/$kernel/versions")
    headers_root=$cache/build-roots/$kernel
    with_prepared "$headers_root" "$(digest "$kernel_release $revision" "$(kbuild_key trixie)")" "the headers of $kernel_release" \
        prepare_headers "$kernel" "$kernel_release" "$revision"
    headers_root+=/root
}

# link_root FROM ROOT: a root of hard links to FROM's files, which nobody writes to
link_root() {
    mkdir "$2"
    cp -al "$1/." "$2" 2>/dev/null || cp -a "$1/." "$2" ||
        die "cannot write to $2: make room, or set XDG_CACHE_HOME to another disk"
}

# prepare_headers KERNEL RELEASE REVISION DIRECTORY: RELEASE is 6.12.117+deb13-amd64, REVISION its package's version
prepare_headers() {
    local kernel=$1 release=$2 revision=$3 directory=$4 item=headers-$1 suite present kbuild
    suite=$(catalogue kernel "$kernel" | cut -d' ' -f1)
    ensure_kbuild
    link_root "$kbuild_root" "$directory/root"
    kbuild=linux-kbuild-${release%-*}
    case $release in 6.1.*) kbuild=linux-kbuild-6.1 ;; esac
    # the headers are for the kernel's architecture, the programs in linux-kbuild for this machine's; 6.1 asks for the
    # compiler that it was built with
    present="linux-image-$release=$revision linux-base-$release=$revision linux-base $kbuild gcc-14 gcc-14-for-host"
    present+=' linux-compiler-gcc-12-x86 gcc-12'
    add_headers "$item" "$suite" "$present" "$directory" "linux-headers-$release" "linux-headers-${release%-*}-common"
    suite=$(machine_suite "${suite#arm64-}")
    add_headers "$item" "$suite" 'libc6 libelf1 libelf1t64 libssl3 libssl3t64 zlib1g pahole' "$directory" "$kbuild"
    note "$item: $release, $(du -sm "$directory/root/usr/src" | cut -f1) MB"
}

# add_headers ITEM SUITE "PRESENT..." DIRECTORY PACKAGE...
add_headers() {
    local item=$1 suite=$2 present=$3 directory=$4 root=$4/root link package
    shift 4
    apt_root "$suite" "$item"
    apt_lists "$suite" "$item"
    for package; do
        APT_CONFIG=$cache/apt/$item.conf apt-cache show "$package" >/dev/null 2>&1 ||
            die "$item: the suite ${suite#arm64-} has no $package any more: remove $cache/kernels/${item#headers-} to get a newer kernel"
    done
    fetch_debs "$item" "$suite" "$present" "$@"
    unpack_debs "$root" --exclude=./usr/share/doc --exclude=./usr/share/lintian
    cat "$root/versions" >>"$directory/versions"
    rm "$root/versions"
    find "$root/usr/src" "$root/usr/lib/modules" "$root/usr/lib/linux-kbuild"* -type l -lname '/*' 2>/dev/null |
        while IFS= read -r link; do
            ln -sfn "$(realpath -ms --relative-to="${link%/*}" "$root$(readlink "$link")")" "$link"
        done
    forget_debs "$item"
}

# set_in_root ROOT: sets in_root, the beginning of a command that has ROOT as its root and nothing of this machine's
# environment: as root by chroot, else in a user namespace
set_in_root() {
    local root=$1
    local -a clean=(env -i PATH=/usr/bin:/usr/sbin HOME=/ LC_ALL=C)
    # there is no /proc in ROOT, and objtool of 7.x looks for a stack there, which it needs only to report a crash of its own
    cat /proc/self/maps >"$root/proc/self/maps" || die "cannot write to $root"
    if [ "$(id -u)" -eq 0 ]; then
        [ -c "$root/dev/null" ] || { rm -f "$root/dev/null" && mknod -m 666 "$root/dev/null" c 1 3; } ||
            die "cannot make $root/dev/null: root may make no device nodes here; run the lab as a user"
        in_root=("${clean[@]}" chroot "$root")
        return
    fi
    [ -e "$root/dev/null" ] || : >"$root/dev/null"
    unshare --map-root-user --mount true 2>/dev/null ||
        die "building for a kernel needs root, or user namespaces, which this system refuses (kernel.unprivileged_userns_clone" \
            "or kernel.apparmor_restrict_unprivileged_userns): run 'tests/lab/lab --build-modules' as root"
    # shellcheck disable=SC2016 # for the inner shell
    in_root=(unshare --map-root-user --mount sh -c 'mount --bind /dev/null "$0/dev/null" && exec "$@"' "$root"
        "${clean[@]}" chroot "$root")
}

# modules_for KERNEL: those of the repository's modules that can be built for it
modules_for() {
    local module oldest release
    release=$(cat "$cache/kernels/$1/release")
    for module in $(own_modules); do
        oldest=$(catalogue own "$module" | cut -d' ' -f2)
        [ "$(printf '%s\n' "$oldest" "$release" | sort -V | head -n 1)" != "$oldest" ] || echo "$module"
    done
}

# module_sources KERNEL: the folders of the modules that can be built for it
module_sources() {
    local module folder
    for module in $(modules_for "$1"); do
        folder=$(catalogue own "$module" | cut -d' ' -f1)
        [ ! -e "$repository/$folder/Kbuild" ] || echo "$folder"
    done
}

# ensure_modules KERNEL: build/modules/KERNEL/NAME.ko of every module of the repository, for a kernel that is cached
ensure_modules() {
    local kernel=$1 directory=$repository/build/modules/$1 key sources
    sources=$(module_sources "$kernel")
    [ -n "$sources" ] || die "kernel $kernel: $repository has none of the modules that can be built for it: $(modules_for "$kernel")"
    ensure_headers "$kernel"
    # shellcheck disable=SC2086 # a list
    key=$(digest "$(cat "${headers_root%/root}/key")" \
        "$(cd "$repository" && find $sources -type f \( -name '*.[ch]' -o -name Kbuild \) -print0 | sort -z | xargs -0 sha256sum)" \
        "$(cat "$lab_dir/modules.sh")")
    with_prepared "$directory" "$key" "the modules for $kernel" build_modules "$kernel" "$sources"
    for sources in "$directory"/*.ko; do
        note "${sources#"$repository"/}: $(modinfo_of "$sources" vermagic | cut -d' ' -f1), $(stat -c %s "$sources") bytes"
    done
}

# modinfo_of FILE FIELD
modinfo_of() { tr '\0' '\n' <"$1" | sed -n "s/^$2=//p"; }

# build_modules KERNEL "SOURCES" DIRECTORY: all modules in one external tree, so that modpost knows the symbols of each
build_modules() {
    local kernel=$1 sources=$2 directory=$3 work log=$3.log source begin=$SECONDS compiler=gcc-14 cross=''
    local -a arguments in_root
    work=$(mktemp -d "$headers_root/tmp/modules.XXXXXX") || die "cannot write to $headers_root/tmp"
    for source in $sources; do
        cp -r "$repository/$source" "$work" || die "cannot copy $source"
        echo "obj-m += ${source##*/}/"
    done >"$work/Kbuild"
    if [ "$(architecture_of "$kernel")" != "$(machine_architecture)" ]; then
        case $(architecture_of "$kernel") in amd64) cross=x86_64-linux-gnu- ;; arm64) cross=aarch64-linux-gnu- ;; esac
    fi
    case $(architecture_of "$kernel") in amd64) arguments=(ARCH=x86_64) ;; arm64) arguments=(ARCH=arm64) ;; esac
    # W=1 without the check of comments, a script that the headers lack; no BTF, which needs the whole vmlinux
    # shellcheck disable=SC2016 # make's variable: no pahole differs from none
    arguments+=(CROSS_COMPILE="$cross" CC="$cross$compiler" HOSTCC="$compiler" W=1 KCFLAGS=-Werror
        CONFIG_DEBUG_INFO_BTF_MODULES= PAHOLE_VERSION='$(CONFIG_PAHOLE_VERSION)' cmd_checkdoc= M="${work#"$headers_root"}")
    # 6.1 was built with gcc 12; gcc 14 does as well, and make would only warn
    # shellcheck disable=SC2016 # make's variable
    case $kernel_release in 6.1.*) arguments+=(CC_VERSION_TEXT='$(CONFIG_CC_VERSION_TEXT)') ;; esac
    set_in_root "$headers_root"
    if ! "${in_root[@]}" make -s -j2 -C "/usr/src/linux-headers-$kernel_release" "${arguments[@]}" \
        modules >"$log" 2>&1 || grep -qi 'warning' "$log"; then
        cat "$log" >&2
        rm -rf "$work"
        die "kernel $kernel: the modules cannot be built without an error or a warning; log: $log"
    fi
    cp "$work"/*/*.ko "$directory" || die "cannot write to $directory"
    rm -rf "$work" "$log"
    note "modules for $kernel: built in $((SECONDS - begin)) s"
}
