# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# What all parts of the lab share: messages, the catalogue, locks, and the checks for tools and disk space.
# Sourced by tests/lab/lab. Everything below writes to stderr only: stdout belongs to the command in L1.

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$lab_dir/../.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?neither XDG_CACHE_HOME nor HOME is set}/.cache}/s2vmm/lab
quiet=${quiet:-}

note() { [ -n "$quiet" ] || printf 'lab: %s\n' "$*" >&2; }
warn() { printf 'lab: %s\n' "$*" >&2; }

# The lab's own failures: one line that says what, why, and what to do; status 125, as env and timeout do it.
die() {
    printf 'lab: %s\n' "$*" >&2
    exit 125
}

# catalogue KIND [NAME]: the fields after KIND (and NAME) of the matching rows, joined; fails if there are none
catalogue() {
    awk -v kind="$1" -v name="${2-}" '
        $1 == kind && (name == "" || $2 == name) {
            for (i = (name == "" ? 2 : 3); i <= NF; i++) printf "%s ", $i
            found = 1
        }
        END { exit !found }' "$lab_dir/catalogue"
}

# names KIND: the names of all rows of that kind
names() { awk -v kind="$1" '$1 == kind { printf "%s ", $2 }' "$lab_dir/catalogue"; }

# known KIND ARCHITECTURE: the names as they are given on the command line
known() {
    local name
    for name in $(names "$1"); do
        [ "$(architecture_of "$name")" != "$2" ] || printf '%s ' "${name#arm64-}"
    done
}

# canonical ARCHITECTURE: amd64 or arm64, which are Debian's names
canonical() {
    case $1 in
    amd64 | x86 | x86-64 | x86_64) echo amd64 ;;
    arm64 | aarch64) echo arm64 ;;
    *) die "$1: no architecture of the lab; there are x86-64 and arm64" ;;
    esac
}

machine_architecture() { canonical "$(uname -m)"; }

# prefix_of ARCHITECTURE, architecture_of NAME: names in the catalogue, the cache and the lock file begin with arm64- if
# the thing is one for arm64
prefix_of() { case $1 in arm64) echo arm64- ;; esac; }
architecture_of() { case $1 in arm64*) echo arm64 ;; *) echo amd64 ;; esac; }

# digest TEXT...: a short name for what TEXT says; a prepared thing that was made from another TEXT is stale
digest() { printf '%s\n' "$@" | sha256sum | cut -c1-12; }

# need TOOL:PACKAGE...: names all missing tools at once, with the command that installs them
need() {
    local pair tools='' packages=''
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null && continue
        tools+=" ${pair%%:*}"
        packages+=" ${pair#*:}"
    done
    [ -z "$tools" ] || die "not found:$tools; install with: apt-get install --no-install-recommends$packages"
}

# need_space DIRECTORY MB WHAT
need_space() {
    local free
    free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$2" ] ||
        die "$3 needs about $2 MB below $1, and $free MB are free: make room, or set XDG_CACHE_HOME to another disk"
}

# with_prepared DIRECTORY KEY WHAT PREPARE [ARGUMENT...]
# Sees to it that DIRECTORY is there and made from KEY, and keeps it from being replaced as long as this process (or
# QEMU, which inherits the lock) lives. PREPARE fills DIRECTORY.partial, which is renamed when it has succeeded, so a
# DIRECTORY is always complete. Two labs that want the same thing wait for each other.
with_prepared() {
    local directory=$1 key=$2 what=$3 lock
    shift 3
    mkdir -p "$(dirname "$directory")" || die "cannot write to $(dirname "$directory"): set XDG_CACHE_HOME"
    exec {lock}>>"$directory.lock" || die "cannot write $directory.lock: set XDG_CACHE_HOME"
    flock -s -n "$lock" || { note "waiting for another lab that prepares $what"; flock -s "$lock"; }
    [ "$(cat "$directory/key" 2>/dev/null)" = "$key" ] && return

    flock -x -n "$lock" || { note "waiting for labs that use $what"; flock -x "$lock"; }
    if [ "$(cat "$directory/key" 2>/dev/null)" != "$key" ]; then
        rm -rf "$directory.partial"
        mkdir "$directory.partial"
        "$@" "$directory.partial" || exit
        printf '%s\n' "$key" >"$directory.partial/key"
        rm -rf "$directory"
        mv "$directory.partial" "$directory"
    fi
    flock -s "$lock"
}
