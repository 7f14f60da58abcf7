# shellcheck shell=sh
# Installs the desktop: what a family of base images calls its parts is in the table above this (desktop_parts).
#
# Plain POSIX sh. Run as root, or as a user with sudo that asks for no password. Its exit statuses: 96 for a base
# image of no known family, 97 where nobody here may install packages.
# shellcheck disable=SC2154,SC2086  # the table sets the variables; package names are words
set -u
UNKNOWN_BASE=96
NO_RIGHTS=97

say() {
    printf 'desktop: %s\n' "$*"
}

fail() { # STATUS SENTENCE...
    desktop_status=$1
    shift
    printf 'desktop: %s\n' "$*" >&2
    exit "$desktop_status"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

family() { # by what the image says of itself, then by its package manager
    if [ -r /etc/os-release ]; then
        desktop_ids=$(
            ID='' ID_LIKE=''
            # shellcheck disable=SC1091
            . /etc/os-release
            echo " $ID $ID_LIKE "
        )
        case $desktop_ids in
            *' arch '*) has pacman && echo arch && return ;;
            *' debian '* | *' ubuntu '*) has apt-get && echo debian && return ;;
        esac
    fi
    if has apt-get; then
        echo debian
    elif has pacman; then
        echo arch
    fi
}

missing() { # prints the programs that are not there, and novnc where its pages are not
    for desktop_program in $DESKTOP_PROGRAMS; do
        has "$desktop_program" || printf '%s ' "$desktop_program"
    done
    novnc_is_there || printf 'noVNC '
}

novnc_is_there() {
    for desktop_folder in $DESKTOP_NOVNC; do
        [ ! -r "$desktop_folder/core/rfb.js" ] || return 0
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n -- "$@"
    fi
}

check_rights() {
    [ "$(id -u)" != 0 ] || return 0
    has sudo || fail $NO_RIGHTS "The image's user $(id -un 2>/dev/null || id -u) is not root, and there is no sudo."
    sudo -n -- true 2>/dev/null ||
        fail $NO_RIGHTS "The image's user $(id -un 2>/dev/null || id -u) may not use sudo without a password."
}

# --- Debian, Ubuntu ----------------------------------------------------------------------------------------

apt() { # no sync after each file: a container that dies here is thrown away
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Options::=--force-unsafe-io "$@"
}

install_debian() {
    # A further source may be away; what counts is whether the install works.
    apt update || say 'not all package lists could be refreshed, going on'
    apt install -y --no-install-recommends $DESKTOP_PACKAGES || return 1
    apt clean
    as_root find /var/lib/apt/lists -type f -delete
    return 0
}

# --- Arch --------------------------------------------------------------------------------------------------

pacman_command() { # WORDS...: newer ones cannot drop their rights in every container
    case $(pacman -S --help 2>/dev/null) in
        *--disable-sandbox*) as_root pacman --noconfirm --disable-sandbox "$@" ;;
        *) as_root pacman --noconfirm "$@" ;;
    esac
}

yay_is_usable() { # it refuses to work as root
    [ "$(id -u)" != 0 ] && has yay
}

known_packages() { # NAME...: those that this image's package sources have
    for desktop_name; do
        if pacman -Si "$desktop_name" >/dev/null 2>&1; then
            printf '%s ' "$desktop_name"
        fi
    done
}

install_arch() {
    # The whole system is brought forward: a rolling release supports nothing in between.
    if yay_is_usable; then
        yay --noconfirm --answerdiff None --answerclean None -Syu --needed $DESKTOP_PACKAGES || return 1
        for desktop_name in $DESKTOP_EXTRAS; do
            yay --noconfirm --answerdiff None --answerclean None -S --needed "$desktop_name" ||
                say "$desktop_name could not be installed, going on without"
        done
    else
        pacman_command -Syu --needed $DESKTOP_PACKAGES || return 1
        desktop_known=$(known_packages $DESKTOP_EXTRAS)
        [ -z "$desktop_known" ] || pacman_command -S --needed $desktop_known ||
            say "$desktop_known could not be installed, going on without"
    fi
    pacman_command -Scc >/dev/null 2>&1
    return 0
}

# --- noVNC where no package has it --------------------------------------------------------------------------

fetch_novnc() { # its release from the npm registry, checked against the checksum that we ship
    desktop_temp=$(mktemp -d) || return 1
    desktop_file=$desktop_temp/novnc.tgz
    say "no package has noVNC here: fetching $DESKTOP_NOVNC_URL"
    if has curl; then
        curl -fsSL --retry 3 -o "$desktop_file" "$DESKTOP_NOVNC_URL" || return 1
    elif has wget; then
        wget -q -O "$desktop_file" "$DESKTOP_NOVNC_URL" || return 1
    else
        say 'there is neither curl nor wget'
        return 1
    fi
    echo "$DESKTOP_NOVNC_SHA256  $desktop_file" | sha256sum -c - >/dev/null || {
        say 'what came is not what was expected (its checksum is another)'
        return 1
    }
    desktop_folder=${DESKTOP_NOVNC##* }
    as_root mkdir -p "$desktop_folder" &&
        as_root tar -xzf "$desktop_file" --strip-components=1 --no-same-owner -C "$desktop_folder" &&
        rm -rf "$desktop_temp"
}

main() {
    # The table is made for a shell that knows the family's name.
    desktop_family=$(family)
    desktop_parts "$desktop_family" ||
        fail $UNKNOWN_BASE "This base image is of no family that the desktop can be installed on" \
            "(known are Debian, Ubuntu and Arch)."
    if [ -z "$(missing)" ]; then
        say 'everything is there already'
        return 0
    fi
    check_rights
    say "installing on $desktop_family (missing: $(missing))"
    "install_$desktop_family" || fail 1 'The packages could not be installed; the lines above say why.'
    novnc_is_there || fetch_novnc || fail 1 'noVNC could not be installed.'
    desktop_left=$(missing)
    [ -z "$desktop_left" ] || fail 1 "After the install these are still missing: $desktop_left"
    say 'installed'
}

main
