# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# Which versions a result was got with: versions.lock holds those that the project was last tested with. Suites move
# on; the lab then takes what there is, and says where it differs.

lock_file=$lab_dir/versions.lock

# is_cached KIND NAME: kind is tree, kernel, guest, image, qemu, sysroot or kbuild; what is not in the catalogue is always there
is_cached() {
    case $2 in */* | host | tree) return 0 ;; esac
    [ "$(cat "$cache/${1}s/$2/key" 2>/dev/null)" = "$("$1_key" "$2")" ]
}

# notable: the packages whose versions are recorded: those of the catalogue, and what decides about their behaviour
notable() {
    { catalogue package; echo linux-image libc6 mesa-libgallium libepoxy0 qemu-system-arm gcc-14; catalogue sysroot; catalogue image; catalogue image-package; } | tr ' ' '\n' | grep -v '^$' | sort -u
}

# recorded KIND NAME FILE: lock lines from a versions file
recorded() {
    notable | awk -v what="$1 $2" 'NR == FNR { keep[$1]; next } $1 in keep || $1 ~ /^libllvm/ { print what, $1, $2 }' - "$3" | sort
}

# compare_with_lock KIND DIRECTORY VERSIONS: one line for each package that has moved on
compare_with_lock() {
    local name=${2##*/} line
    [ -r "$lock_file" ] || return 0
    while IFS= read -r line; do warn "$line"; done < <(recorded "$1" "$name" "$3" |
        awk -v file="$lock_file" 'BEGIN { while ((getline line < file) > 0) { split(line, f, " "); locked[f[1] " " f[2] " " f[3]] = f[4] } }
            { k = $1 " " $2 " " $3 }
            k in locked && locked[k] != $4 { print $1 " " $2 ": " $3 " " locked[k] " locked, " $4 " fetched" }')
}

write_lock() {
    local kind name
    {
        echo '# SPDX-License-Identifier: MIT'
        echo "# What the project was last tested with; written by 'tests/lab/lab --lock'. kind, name, package, version"
        for kind in kernel guest tree image qemu sysroot kbuild; do
            for name in $(names_of $kind); do
                if is_cached $kind "$name"; then
                    recorded $kind "$name" "$cache/${kind}s/$name/versions"
                else
                    grep -s "^$kind $name " "$lock_file" || :
                fi
            done
        done
    } >"$lock_file.new" || die "cannot write $lock_file.new"
    mv "$lock_file.new" "$lock_file"
    note "wrote $lock_file"
}

# names_of KIND: kernels have rows of two kinds
names_of() { case $1 in kernel) names kernel && names source ;; guest) names kernel ;; *) names "$1" ;; esac; }

# list: a table for people
list() {
    local architecture name
    for architecture in amd64 arm64; do
        echo "kernels, --arch $architecture:"
        list_kind kernel "$(prefix_of $architecture)" "$(known_kernels $architecture)"
        echo "Linux guests of s2vmm (--linux-guest), --arch $architecture:"
        list_kind guest "$(prefix_of $architecture)" "$(known kernel $architecture)"
        echo "disks for them (--guest-disk), --arch $architecture:"
        list_kind image "$(prefix_of $architecture)" "$(known image $architecture)"
        echo "trees, --arch $architecture:"
        list_kind tree "$(prefix_of $architecture)" "$(known tree $architecture)"
    done
    echo "qemus, --arch arm64:"
    list_kind qemu '' "$(names qemu)"
    echo "sysroots:"
    list_kind sysroot '' "$(names sysroot)"
    echo "what builds kernels and modules:"
    list_kind kbuild '' "$(names kbuild)"
    for architecture in amd64 arm64; do
        echo "cpus, --arch $architecture:"
        list_cpus "$architecture"
    done
    for architecture in amd64 arm64; do
        echo "modules, --arch $architecture:"
        echo "  $(packaged_modules $architecture)"
    done
    echo "modules of the repository, and the oldest kernel that they are built for:"
    for name in $(own_modules); do printf '  %-12s %s\n' "$name" "$(catalogue own "$name" | cut -d' ' -f2)"; done
    echo "devices:"
    echo "  $(names device)"
    echo "cache: $cache"
}

# list_kind KIND PREFIX "NAME...": a line for each
list_kind() {
    local kind=$1 name shown package packages suite state versions
    for shown in $3; do
        name=$2$shown
        suite=$(catalogue "${kind/guest/kernel}" "$name" || catalogue source "$name")
        suite=${suite%% *}
        state='not cached'
        versions=$lock_file
        if is_cached "$kind" "$name"; then
            state="cached, $(du -sm "$cache/${kind}s/$name" | cut -f1) MB"
            versions=$cache/${kind}s/$name/versions
        fi
        case $kind in
        kernel | guest) packages=linux-image ;;
        image) packages=mesa-vulkan-drivers ;;
        tree) packages='libvirglrenderer1 mesa-vulkan-drivers' ;;
        qemu) packages=qemu-system-arm ;;
        sysroot) packages='libc6-dev linux-libc-dev' ;;
        kbuild) packages=gcc-14 ;;
        esac
        printf '  %-9s %-17s %-17s %s\n' "$shown" "${suite#arm64-}" "$state" \
            "$(for package in $packages; do
                sed -n "s/^\($kind $name \)\{0,1\}$package /$package /p" "$versions" 2>/dev/null
            done | tr '\n' ' ')"
    done
}

# list_cpus ARCHITECTURE: NAME@VERSION is what NAME is with that QEMU
list_cpus() {
    local name model text
    for name in $(known cpu "$1"); do
        read -r model text <<<"$(catalogue cpu "$(prefix_of "$1")$name")"
        printf '  %-11s %-24s %s\n' "$name" "$model" "$text"
    done
}
