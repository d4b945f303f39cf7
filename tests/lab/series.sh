# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# Patches for a kernel that is built here: those of the folder that its row in the catalogue names, and on top of them those
# of --series. A folder has a file `series` with the names of its patches in order, as quilt's has; without one they are
# taken in the order of their names.

# series_folders NAME: the folders with patches for this kernel, one in a line; none: it is built as it is
series_folders() {
    local folder
    folder=$(catalogue source "$1" | cut -s -d' ' -f3)
    [ -z "$folder" ] || printf '%s\n' "$lab_dir/$folder" ${series_dir:+"$series_dir"}
}

# patches FOLDER: their names in order
patches() {
    if [ -e "$1/series" ]; then
        sed 's/[[:space:]]*#.*//; /^$/d' "$1/series"
    else
        (cd "$1" && ls -- *.patch 2>/dev/null)
    fi
}

series_digest() {
    local folder patch
    series_folders "$1" | while IFS= read -r folder; do
        for patch in $(patches "$folder"); do echo "$patch" && cat "$folder/$patch"; done
    done 2>&1 | sha256sum
}

# files_of PATCH: the files that it changes, makes or removes
files_of() { sed -nE 's,^(---|\+\+\+) [^/[:space:]]+/([^[:space:]]+).*,\2,p' "$1" | sort -u; }

# apply_series ITEM TREE NAME: on the source as it was unpacked, whatever was applied before. TREE/.originals keeps the files
# that any series has changed, TREE/.made the names of those that the last one made. Only a file whose contents change is
# written, so that make builds no more than it must.
apply_series() {
    local item=$1 tree=$2 work=$2/.work originals=$2/.originals folder patch file count=0
    local -a folders
    need patch:patch
    mapfile -t folders < <(series_folders "$3")
    rm -rf "$work"
    mkdir -p "$originals"
    cp -a "$originals" "$work" || die "$item: cannot write to $tree"
    for folder in "${folders[@]}"; do
        for patch in $(patches "$folder"); do
            for file in $(files_of "$folder/$patch"); do keep_original "$file"; done
            patch -s -f -p1 --fuzz=0 -r - --no-backup-if-mismatch -d "$work" <"$folder/$patch" >"$work.log" 2>&1 ||
                die "$item: $folder/$patch does not apply: $(head -n 1 "$work.log")"
            count=$((count + 1))
        done
    done
    [ "$count" -gt 0 ] || die "$item: there is no patch in ${folders[*]}"
    {
        (cd "$originals" && find . -type f)
        cat "$tree/.made" 2>/dev/null
    } | while read -r file; do [ -e "$work/$file" ] || rm -f "${tree:?}/$file"; done
    (cd "$work" && find . -type f) | while read -r file; do
        [ -e "$originals/$file" ] || echo "$file"
        cmp -s "$work/$file" "$tree/$file" || { mkdir -p "$(dirname "$tree/$file")" && cat "$work/$file" >"$tree/$file"; }
    done >"$tree/.made"
    rm -rf "$work" "$work.log"
    note "$item: $count patches applied"
}

# keep_original FILE: reads apply_series' variables
keep_original() {
    [ ! -e "$originals/$1" ] && [ -e "$tree/$1" ] && ! grep -qxF "./$1" "$tree/.made" 2>/dev/null || return 0
    mkdir -p "$(dirname "$work/$1")" "$(dirname "$originals/$1")"
    cp -p "$tree/$1" "$work/$1" || die "cannot write to $tree"
    cp -p "$tree/$1" "$originals/$1" || die "cannot write to $tree"
}
