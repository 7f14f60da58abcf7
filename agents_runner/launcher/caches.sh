# shellcheck shell=bash
# Package managers keep their downloads in a volume while a layer is built: sourced by plan.sh, around the scripts.
#
# Only downloads that each manager checks by itself (signature, checksum) before it uses them; what a script installs,
# and what it leaves behind for later commands (package lists, crates), is the same as without. Plain POSIX sh.
#
# shellcheck disable=SC2154  # ar_in, ar_setup, ar_home are the launcher's
ar_caches=${ar_in%/*}/caches
ar_cache_shell="$ar_loader --library-path $ar_tools/lib $ar_tools/bin/bash -p $ar_in/cache-hook.sh"
ar_apt_conf=/etc/apt/apt.conf.d/zz-agents-runner-cache
ar_pacman_conf=/etc/pacman.conf
ar_pacman_hook=/usr/share/libalpm/hooks/zz-agents-runner-cache.hook
ar_cache_ready=''

ar_caches_on() {
    ar_cache_own=$ar_caches/user-0
    [ "$ar_setup" = 0 ] || ar_cache_own=$ar_caches/user-$ar_setup
    ar_no_links
    mkdir -p "$ar_cache_own/pip" "$ar_cache_own/npm" "$ar_cache_own/cargo" "$ar_cache_own/yay" || return 0
    chmod 0755 "$ar_caches" 2>/dev/null
    if [ "$ar_setup" != 0 ]; then
        chown -h "$AR_UID:$AR_GID" "$ar_cache_own" "$ar_cache_own"/*
    fi
    ar_cache_ready=yes
    if [ -d "${ar_apt_conf%/*}" ]; then ar_apt_on; fi
    if [ -d "${ar_pacman_hook%/*}" ] && [ -f "$ar_pacman_conf" ]; then ar_pacman_on; fi
    ar_cargo=${CARGO_HOME:-$ar_home/.cargo}
    ar_cache_link "$ar_cargo/registry" cache "$ar_cache_own/cargo"
    ar_cache_link "$ar_home/.cache" yay "$ar_cache_own/yay"
}

ar_no_links() { # the folder belongs to whoever runs the scripts, and root works in it
    for ar_file in "$ar_cache_own"/*; do
        [ ! -L "$ar_file" ] || rm -f "$ar_file"
    done
}

# A script's `apt-get clean` or `pacman -Scc` empties the folder that is used, not the one that is kept; both are in
# the volume, and hold the same files under two names.
ar_fill() { # KEPT USED
    rm -rf "$2"
    mkdir -p "$1" "$2"
    for ar_file in "$1"/*; do
        [ ! -f "$ar_file" ] || ln "$ar_file" "$2/${ar_file##*/}" 2>/dev/null || cp -p "$ar_file" "$2/"
    done
}

ar_write_lines() { # its input to its output, by the shell alone
    while IFS= read -r ar_row; do printf '%s\n' "$ar_row"; done
}

ar_apt_on() {
    ar_fill "$ar_caches/apt/kept" "$ar_caches/apt/used"
    mkdir -p "$ar_caches/apt/used/partial" "$ar_caches/apt/lists"
    ar_hook=$ar_cache_shell
    ar_write_lines >"$ar_apt_conf" <<CONF
Dir::Cache::archives "$ar_caches/apt/used/";
APT::Keep-Downloaded-Packages "true";
Binary::apt::APT::Keep-Downloaded-Packages "true";
DPkg::Pre-Invoke { "$ar_hook debs || true"; };
APT::Update::Pre-Invoke { "$ar_hook lists-in || true"; };
APT::Update::Post-Invoke-Success { "$ar_hook lists-out || true"; };
CONF
}

ar_pacman_on() {
    ar_fill "$ar_caches/pacman/kept" "$ar_caches/pacman/used"
    sed -i "s|^\[options\].*|&\nCacheDir = $ar_caches/pacman/used/|" "$ar_pacman_conf"
    ar_write_lines >"$ar_pacman_hook" <<HOOK
[Trigger]
Operation = Install
Operation = Upgrade
Type = Package
Target = *
[Action]
Description = Keeping the downloads for the next build...
When = PreTransaction
Exec = $ar_cache_shell packages
HOOK
}

ar_cache_link() { # FOLDER NAME TARGET: a link for as long as the script runs, where nothing is there yet
    if [ -e "$1/$2" ] || [ -L "$1/$2" ]; then return 0; fi
    ar_made=''
    ar_folder=$1
    while [ ! -d "$ar_folder" ]; do
        ar_made="$ar_folder
$ar_made"
        ar_folder=${ar_folder%/*}
        [ -n "$ar_folder" ] || ar_folder=/
    done
    mkdir -p "$1" 2>/dev/null && ln -s "$3" "$1/$2" || return 0
    if [ "$ar_setup" != 0 ]; then
        printf '%s' "$ar_made" | while IFS= read -r ar_folder; do chown "$AR_UID:$AR_GID" "$ar_folder"; done
        chown -h "$AR_UID:$AR_GID" "$1/$2"
    fi
    ar_made_folders="$ar_made${ar_made_folders-}"
}

ar_caches_off() { # nothing of it stays in the layer
    [ -n "$ar_cache_ready" ] || return 0
    if [ -f "$ar_apt_conf" ]; then
        $ar_cache_shell debs
        rm -f "$ar_apt_conf"
    fi
    if [ -f "$ar_pacman_hook" ]; then
        $ar_cache_shell packages
        rm -f "$ar_pacman_hook"
        sed -i "\|^CacheDir = $ar_caches/|d" "$ar_pacman_conf"
    fi
    if [ -L "$ar_home/.cache/yay" ]; then rm -f "$ar_home/.cache/yay"; fi
    if [ -L "$ar_cargo/registry/cache" ]; then
        if [ "$ar_setup" = 0 ]; then
            ar_cargo_off
        else
            (ar_stage nothing cargo "$ar_cargo" "$ar_cache_own") </dev/null >/dev/null 2>&1
        fi
    fi
    ar_no_links
    # What a script built belongs to its image; only what was downloaded is kept.
    rm -rf "$ar_cache_own/pip/wheels" "$ar_cache_own/npm/_npx" "$ar_cache_own/npm/_logs"
    rm -f "$ar_cache_own"/yay/*/*.pkg.tar*
    printf '%s' "${ar_made_folders-}" | ar_reversed | while IFS= read -r ar_folder; do
        rmdir "$ar_folder" 2>/dev/null || :
    done
}

ar_reversed() {
    ar_lines=''
    while IFS= read -r ar_line; do
        ar_lines="$ar_line
$ar_lines"
    done
    printf '%s' "$ar_lines"
}

ar_cargo_off() { # the crates that were used belong into the layer, as without a cache: `cargo --offline` needs them
    rm -f "$ar_cargo/registry/cache"
    for ar_crate in "$ar_cargo"/registry/src/*/*; do
        [ -d "$ar_crate" ] || continue
        ar_index=${ar_crate%/*}
        ar_index=${ar_index##*/}
        ar_file=$ar_cache_own/cargo/$ar_index/${ar_crate##*/}.crate
        if [ -f "$ar_file" ]; then
            mkdir -p "$ar_cargo/registry/cache/$ar_index"
            cp -p "$ar_file" "$ar_cargo/registry/cache/$ar_index/"
        fi
    done
}
