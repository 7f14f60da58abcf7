#!/usr/bin/env bash
# Brings what Agents Runner needs on this machine: system packages and a virtual environment in .venv.
#
#   bash scripts/setup.sh          to run it
#   bash scripts/setup.sh --dev    to test it as well
#
# On Debian and Ubuntu, as root or with sudo, what is missing is installed; elsewhere it is named, and the
# exit status is 1. What is there already is left alone, so that a second run changes nothing. The Python packages are
# exactly those that a lock file names, with their hashes (requirements/, renewed by scripts/lock.sh).
set -euo pipefail

# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/engine.sh
source "$ROOT/scripts/engine.sh"

# What PySide6's modules, its X11 and its Wayland plugin load from the system, each with Debian's package.
QT_LIBRARIES="
libGL.so.1|libgl1
libEGL.so.1|libegl1
libX11.so.6|libx11-6
libX11-xcb.so.1|libx11-xcb1
libdbus-1.so.3|libdbus-1-3
libfontconfig.so.1|libfontconfig1
libfreetype.so.6|libfreetype6
libglib-2.0.so.0|libglib2.0-0
libgssapi_krb5.so.2|libgssapi-krb5-2
libwayland-client.so.0|libwayland-client0
libwayland-cursor.so.0|libwayland-cursor0
libwayland-egl.so.1|libwayland-egl1
libxcb-cursor.so.0|libxcb-cursor0
libxcb-icccm.so.4|libxcb-icccm4
libxcb-image.so.0|libxcb-image0
libxcb-keysyms.so.1|libxcb-keysyms1
libxcb-randr.so.0|libxcb-randr0
libxcb-render-util.so.0|libxcb-render-util0
libxcb-render.so.0|libxcb-render0
libxcb-shape.so.0|libxcb-shape0
libxcb-shm.so.0|libxcb-shm0
libxcb-sync.so.1|libxcb-sync1
libxcb-xfixes.so.0|libxcb-xfixes0
libxcb-xkb.so.1|libxcb-xkb1
libxkbcommon-x11.so.0|libxkbcommon-x11-0
libxkbcommon.so.0|libxkbcommon0
"

# What the browser engine of the extra `desktop` loads beyond those; its tests need it. Sound comes with Chromium.
WEB_ENGINE_LIBRARIES="
libXcomposite.so.1|libxcomposite1
libXdamage.so.1|libxdamage1
libXext.so.6|libxext6
libXfixes.so.3|libxfixes3
libXrandr.so.2|libxrandr2
libXrender.so.1|libxrender1
libXtst.so.6|libxtst6
libdrm.so.2|libdrm2
libexpat.so.1|libexpat1
libgbm.so.1|libgbm1
libnspr4.so|libnspr4
libnss3.so|libnss3
libxkbfile.so.1|libxkbfile1
"

DEV=""
PYTHON=""

main() {
    case "${1:-}" in
        "") ;;
        --dev) DEV=1 ;;
        *) fail "Unknown option $1." "Use: bash scripts/setup.sh [--dev]" ;;
    esac
    system_packages
    PYTHON="$(find_python)" || fail_python
    virtual_environment
}

fail_python() {
    local found="no python3 at all"
    ! have python3 || found="$(python3 --version 2>&1)"
    fail "Python 3.11 or newer is needed; this machine has $found." \
        "Install one (Debian 12 and Ubuntu 24.04 have it), or set AGENTS_RUNNER_PYTHON to its path."
}

# --- system packages ---------------------------------------------------------------------------------

system_packages() {
    local missing
    PYTHON="$(find_python)" || PYTHON=""
    missing="$(missing_things)"
    if [[ -z $missing ]]; then
        say "system packages: already there"
    elif have apt-get && can_be_root; then
        # shellcheck disable=SC2046  # package names are words
        install_packages $(cut -d'|' -f2 <<<"$missing" | sort -u)
    else
        explain_missing "$missing"
    fi
}

# Print what is missing, one `thing|Debian package` a line.
missing_things() {
    have git || echo "git|git"
    missing_python
    missing_libraries
    missing_engine
    if [[ -n $DEV ]]; then
        have Xvfb || echo "Xvfb|xvfb"
        have xdotool || echo "xdotool|xdotool"
        has_chromium || echo "Chromium|chromium"
        have debootstrap || echo "debootstrap|debootstrap"
        have dbus-run-session || echo "dbus-run-session|dbus"
        have gnome-keyring-daemon || echo "GNOME Keyring|gnome-keyring"
    fi
}

missing_python() {
    local version
    if [[ -z $PYTHON ]]; then
        echo "Python 3.11 or newer|python3"
        echo "Python's venv module|python3-venv"
    elif ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        version="$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
        echo "Python's venv module|python$version-venv"
    fi
}

# Asks the loader itself: a library may come from elsewhere than a package of the usual name.
missing_libraries() {
    local line libraries="$QT_LIBRARIES"
    [[ -z $DEV ]] || libraries+="$WEB_ENGINE_LIBRARIES"
    if [[ -n $PYTHON ]]; then
        "$PYTHON" - "$libraries" <<'PY'
import ctypes, sys

for line in sys.argv[1].split():
    try:
        ctypes.CDLL(line.partition("|")[0])
    except OSError:
        print(line)
PY
    else
        for line in $libraries; do echo "$line"; done
    fi
    has_fonts || echo "a TrueType font|fonts-dejavu-core"
}

has_fonts() {
    local folder
    for folder in /usr/share/fonts /usr/local/share/fonts "${HOME:-/root}/.fonts" "${HOME:-/root}/.local/share/fonts"; do
        [[ ! -d $folder ]] || [[ -z "$(find -L "$folder" -name '*.[to]t[fc]' -print -quit 2>/dev/null)" ]] || return 0
    done
    return 1
}

has_chromium() {
    local name
    for name in chromium chromium-browser google-chrome-stable google-chrome; do
        ! have "$name" || return 0
    done
    return 1
}

missing_engine() {
    local endpoint
    endpoint="$(engine_endpoint)"
    if engine_is_default "$endpoint" && ! have dockerd && [[ "$(engine_state "$endpoint")" == down ]]; then
        echo "Docker Engine|docker.io"
        # A kernel with AppArmor makes the engine load a profile for each container, with this program.
        if [[ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" == Y ]] && ! have apparmor_parser; then
            echo "apparmor_parser|apparmor"
        fi
    fi
}

install_packages() {
    local log
    log="$(mktemp "${TMPDIR:-/tmp}/agents-runner-apt.XXXXXX")"
    say "system packages: installing $*"
    # A machine's further package sources may be unreachable; what counts is whether the install works.
    try 3 quietly "$log" apt update || say "system packages: the package lists could not all be refreshed, going on"
    if ! try 3 quietly "$log" apt install -y --no-install-recommends "$@"; then
        show_tail "$log"
        fail "The packages could not be installed." \
            "Look at $log, or install them yourself:  apt-get install --no-install-recommends $*"
    fi
    rm -f -- "$log"
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@"
}

explain_missing() {
    local names thing package lines=()
    if have apt-get; then
        names="$(cut -d'|' -f2 <<<"$1" | sort -u | tr '\n' ' ')"
        fail "Packages are missing, and installing them takes root (or sudo)." \
            "As root, run:  apt-get update && apt-get install -y --no-install-recommends ${names% }" \
            "then run this again."
    fi
    while IFS='|' read -r thing package; do lines+=("- $thing (on Debian: $package)"); done <<<"$1"
    fail "Install these with this system's package manager, then run this again:" "${lines[@]}"
}

# --- virtual environment -----------------------------------------------------------------------------

virtual_environment() {
    local what="." stamp="$VENV/agents-runner-run.stamp" want
    if [[ -n $DEV ]]; then what=".[dev,desktop]" stamp="$VENV/agents-runner-dev.stamp"; fi
    want="$(fingerprint)"
    if [[ -r $stamp && "$(<"$stamp")" == "$want" ]] && is_recent_python "$VENV/bin/python"; then
        say "virtual environment: already there"
        return
    fi
    make_venv
    install_package "$what"
    printf '%s\n' "$want" >"$VENV/agents-runner-run.stamp"
    printf '%s\n' "$want" >"$stamp"
}

# What the installed packages depend on: the project file, the locks, the Python, and where the checkout is.
fingerprint() {
    "$PYTHON" - "$ROOT" <<'PY'
import hashlib, pathlib, sys

root = pathlib.Path(sys.argv[1])
files = (root / name for name in ("pyproject.toml", "requirements/run.txt", "requirements/dev.txt"))
text = b"".join(file.read_bytes() for file in files) + f"{sys.version} {sys.executable} {root}".encode()
print(hashlib.sha256(text).hexdigest())
PY
}

make_venv() {
    local base
    if is_recent_python "$VENV/bin/python" && "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        base="$("$VENV/bin/python" -c 'import sys; print(sys.base_prefix)')"
        [[ $base != "$("$PYTHON" -c 'import sys; print(sys.base_prefix)')" ]] || return 0
    fi
    say "virtual environment: making $VENV with $("$PYTHON" --version)"
    "$PYTHON" -m venv --clear "$VENV" ||
        fail "The virtual environment $VENV could not be made." "The lines above say why."
}

# install_package WHAT: the package in its folder ("." or ".[dev,desktop]"), and what the lock names for it.
install_package() {
    local log lock="$ROOT/requirements/run.txt"
    [[ $1 == . ]] || lock="$ROOT/requirements/dev.txt"
    log="$(mktemp "${TMPDIR:-/tmp}/agents-runner-pip.XXXXXX")"
    say "virtual environment: installing the package and what it needs (this can take a minute)"
    if ! try 3 quietly "$log" pip install --require-hashes -r "$lock" ||
        # Nothing more is asked of any index: what builds the package is in the lock as well.
        ! quietly "$log" pip install --no-index --no-deps --no-build-isolation -e "$ROOT" ||
        ! quietly "$log" remove_others || ! quietly "$log" pip check; then
        show_tail "$log"
        fail "The Python packages could not be installed." "Look at $log."
    fi
    rm -f -- "$log"
}

pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

# Take out what no lock names: left from an older one, or of a person's own making.
remove_others() {
    local names
    names="$("$VENV/bin/python" - "$ROOT/requirements/dev.txt" <<'PY'
import importlib.metadata, pathlib, re, sys

def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

lines = pathlib.Path(sys.argv[1]).read_text().splitlines()
kept = {plain(line.partition("==")[0]) for line in lines if "==" in line} | {"pip", "setuptools", "agents-runner"}
print("\n".join(sorted({plain(one.name) for one in importlib.metadata.distributions()} - kept)))
PY
)"
    # shellcheck disable=SC2086  # names are words
    [[ -z $names ]] || pip uninstall --yes $names
}

main "$@"
