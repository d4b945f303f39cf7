# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by the files that tests/lab/lab sources
# Gets verified Debian packages with apt, as any user, without touching the machine's own package state: apt works in
# a private root below the cache, with the archive that the machine's own apt sources name. apt checks signatures and
# checksums and resumes an interrupted download; packages are only unpacked, and their scripts never run.

keyring=${S2VMM_DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
lists_max_age_minutes=720

# archives: sets main_archive and security_archive (maybe empty)
archives() {
    local origin label release uri
    main_archive='' security_archive=''
    if [ -n "${S2VMM_DEBIAN_MIRROR:-}" ]; then
        main_archive=${S2VMM_DEBIAN_MIRROR%/}
        security_archive=${S2VMM_DEBIAN_SECURITY_MIRROR:-$main_archive-security}
        [ "$security_archive" != none ] || security_archive=
        return
    fi
    # shellcheck disable=SC2016 # apt's own variables
    while IFS='|' read -r origin label release uri; do
        # a machine that never ran 'apt-get update' knows no origin: then the release's name has to do
        case $origin,$label,$release in
        Debian,Debian-Security,* | ,,*-security) [ -n "$security_archive" ] || security_archive=${uri%/} ;;
        Debian,Debian,* | ,,oldstable | ,,stable | ,,testing | ,,unstable | ,,sid | ,,bookworm | ,,trixie | ,,forky | ,,duke)
            case $uri in cdrom:*) ;; *) [ -n "$main_archive" ] || main_archive=${uri%/} ;; esac ;;
        esac
    done < <(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(RELEASE)|$(REPO_URI)' 'Created-By: Packages')
    [ -n "$main_archive" ] ||
        die "this machine's apt sources name no Debian archive: set S2VMM_DEBIAN_MIRROR to the URI of one"
    [ -n "$security_archive" ] || security_archive=$main_archive-security
}

# apt_failed LOG WHAT: the one line about why apt did not succeed
apt_failed() {
    local line
    line=$(grep -E '^ *(E:|Err|W:)|^   ' "$1" | grep -iE \
        'resolve|connect|unreachable|timed out|refused|no space|NO_PUBKEY|not signed|404|E:' | head -n 1 | sed 's/^ *//')
    case $line in
    *[Nn]o\ space*) die "$2: the disk is full ($cache): make room, or set XDG_CACHE_HOME to another disk" ;;
    *PUBKEY* | *not\ signed*)
        die "$2: the archive's signature is unknown to $keyring: apt-get install debian-archive-keyring (log: $1)" ;;
    *resolve* | *connect* | *unreachable* | *timed\ out* | *refused*)
        die "$2: cannot reach $main_archive (${line}): check the network, or set S2VMM_DEBIAN_MIRROR to another Debian archive" ;;
    esac
    die "$2: apt failed: ${line:-see the log}; log: $1"
}

# apt_root SUITE ITEM: writes the private configuration to $apt/ITEM.conf; the package lists belong to the suite. Its
# name says for which architecture packages are wanted, whatever this machine's is: nothing of theirs is run.
apt_root() {
    local suite=$1 item=$2 lists=$cache/apt/$1 work=$cache/apt/$2.work release uri architecture
    architecture=$(architecture_of "$suite")
    [ -r "$keyring" ] || die "$keyring not found; install with: apt-get install debian-archive-keyring"
    archives
    mkdir -p "$lists/lists/partial" "$work/archives/partial" "$work/etc/apt.conf.d" "$work/etc/preferences.d" ||
        die "cannot write to $cache: set XDG_CACHE_HOME to a folder of yours"
    : >"$work/sources.list"
    for release in $(catalogue suite "$suite"); do
        case $release in *-security) uri=$security_archive ;; *) uri=$main_archive ;; esac
        [ -n "$uri" ] && echo "deb [signed-by=$keyring] $uri $release main" >>"$work/sources.list"
    done
    {
        # the machine's proxy and TLS settings go along; its hooks and pins do not
        apt-config dump | grep -E '^Acquire::(http|https)::'
        cat <<CONF
Dir::State "$work";
Dir::State::lists "$lists/lists";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Cache::archives "$work/archives";
Dir::Etc "$work/etc";
Dir::Etc::netrc "/etc/apt/auth.conf";
Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::Log "$work";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
CONF
        # of a backports suite its own packages are wanted; elsewhere the newest, be it from the security archive
        case $suite in *-backports) echo "APT::Default-Release \"${suite#arm64-}\";" ;; esac
    } >"$cache/apt/$item.conf"
    : >"$work/status"
}

# apt_lists SUITE ITEM [force]: brings the suite's package lists up to date if they are old
apt_lists() {
    local suite=$1 item=$2 stamp=$cache/apt/$1/stamp lock age=$lists_max_age_minutes
    [ -z "${3-}" ] || age=0
    exec {lock}>>"$cache/apt/$suite/lock"
    flock "$lock"
    # what failed for one of this lab's jobs fails for the others, and has been said
    [ "$(cat "$cache/apt/$suite/failed" 2>/dev/null)" != $$ ] || exit 125
    if [ ! -e "$stamp" ] || ! cmp -s "$stamp" "$cache/apt/$item.work/sources.list" ||
        [ -n "$(find "$stamp" -mmin "+$age")" ]; then
        note "$item: package lists of $suite"
        APT_CONFIG=$cache/apt/$item.conf run_apt "$cache/apt/$item.log" apt-get update || {
            echo $$ >"$cache/apt/$suite/failed"
            apt_failed "$cache/apt/$item.log" "$item"
        }
        cp "$cache/apt/$item.work/sources.list" "$stamp"
    fi
    exec {lock}>&-
}

# run_apt LOG COMMAND...: in the background, so that a signal to the lab ends it at once; in a session of its own, so
# that a Ctrl-C comes to it only through the lab
run_apt() {
    local log=$1 pid
    shift
    LC_ALL=C setsid "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    # shellcheck disable=SC2064 # this pid
    trap "kill $pid 2>/dev/null; exit 130" INT TERM HUP
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.3
        [ -z "${on_tick:-}" ] || "$on_tick"
    done
    trap - INT TERM HUP
    wait "$pid"
}

# show_progress: a line every few seconds; reads fetch_debs' variables
show_progress() {
    [ "$((SECONDS - shown))" -ge 5 ] || return 0
    shown=$SECONDS
    note "$item: $(du -sm --apparent-size "$work/archives" | cut -f1) of $total MB, $((SECONDS - begin)) s"
}

# fetch_debs ITEM SUITE "PRESENT..." PACKAGE...
# Downloads PACKAGEs and all that they depend on, less what is only needed by PRESENT, which apt takes for installed (as
# PACKAGE=VERSION, where a version is asked for).
# Sets debs_dir, and debs to the names of the files in it.
fetch_debs() {
    local item=$1 suite=$2 present=$3 work=$cache/apt/$1.work package total begin=$SECONDS shown=$SECONDS try on_tick
    shift 3
    for package in $present; do
        case $package in *=*) ;; *) package+='=1:9999' ;; esac
        printf 'Package: %s\nStatus: install ok installed\nVersion: %s\nArchitecture: %s\nMaintainer: -\nDescription: -\n\n' \
            "${package%%=*}" "${package#*=}" "$(architecture_of "$suite")"
    done >"$work/status"
    debs_dir=$work/archives
    for try in 1 2; do
        # asked against an empty folder, or apt would leave out what it has already
        mkdir -p "$work/empty/partial"
        APT_CONFIG=$cache/apt/$item.conf apt-get install -qq --print-uris -o Dir::Cache::archives="$work/empty" "$@" \
            >"$work/uris" 2>"$cache/apt/$item.log" || apt_failed "$cache/apt/$item.log" "$item"
        mapfile -t debs < <(cut -d' ' -f2 "$work/uris")
        total=$(awk '{ n += $3 } END { print int(n / 1048576) + 1 }' "$work/uris")
        need_space "$cache" $((total * 6)) "$item"
        note "$item: ${#debs[@]} packages, $total MB to download"
        on_tick=show_progress
        if APT_CONFIG=$cache/apt/$item.conf run_apt "$cache/apt/$item.log" apt-get install -qq --download-only "$@"; then
            note "$item: downloaded in $((SECONDS - begin)) s"
            return
        fi
        on_tick=
        # lists older than the archive's last change name files that are gone: once more with new lists
        if [ "$try" = 2 ] || ! grep -q '404 ' "$cache/apt/$item.log"; then break; fi
        apt_lists "$suite" "$item" force
    done
    apt_failed "$cache/apt/$item.log" "$item"
}

# unpack_debs DIRECTORY TAR_OPTION...: unpacks what fetch_debs got, and writes DIRECTORY/versions (name and version)
unpack_debs() {
    local directory=$1 deb name version
    shift
    for deb in "${debs[@]}"; do
        dpkg-deb --fsys-tarfile "$debs_dir/$deb" |
            tar -x -C "$directory" --keep-directory-symlink --no-same-owner --delay-directory-restore "$@" ||
            die "cannot unpack $debs_dir/$deb (disk full, or a broken file: remove it and try again)"
        IFS=_ read -r name version _ <<<"$deb"
        printf '%s %s\n' "$name" "${version//%3a/:}"
    done >"$directory/versions"
}

# forget_debs ITEM: what was needed only to prepare ITEM
forget_debs() { rm -rf "$cache/apt/$1.work" "$cache/apt/$1.conf" "$cache/apt/$1.log"; }
