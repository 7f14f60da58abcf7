#!/usr/bin/env bash
# Renews the lock files: which version of each Python package setup.sh installs, with the hashes of its archives.
#
#   bash scripts/lock.sh              what pyproject.toml asks for now; versions that still fit stay
#   bash scripts/lock.sh --upgrade    the newest of everything that fits
#
# requirements/dev.txt is for the tests, requirements/run.txt is the part of it that running takes. Both hold for every
# Python and system that the project knows, and name no address: which index and folders are asked is this machine's affair.
set -euo pipefail

# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

STEP="lock"
WORK=""
UPGRADE=()

main() {
    local python
    case "${1:-}" in
        "") ;;
        --upgrade) UPGRADE=(--upgrade) ;;
        *) fail "Unknown option $1." "Use: bash scripts/lock.sh [--upgrade]" ;;
    esac
    python="$(find_python)" || fail "Python 3.11 or newer is needed."
    WORK="$(mktemp -d "${TMPDIR:-/tmp}/agents-runner-lock.XXXXXX")"
    trap 'rm -rf -- "$WORK"' EXIT
    have_uv "$python"
    build_needs "$python" >"$WORK/build.in"
    mkdir -p "$ROOT/requirements"
    resolve dev --extra dev --extra desktop
    # Of the same versions: who runs it and who tests it have the same bytes.
    resolve run --constraint "$ROOT/requirements/dev.txt"
}

# uv is needed here only, so it is no part of what everybody installs.
have_uv() {
    ! have uv || return 0
    say "uv: installing it for this once"
    "$1" -m venv "$WORK/venv"
    try 3 quietly "$WORK/log" "$WORK/venv/bin/python" -m pip install --disable-pip-version-check uv || {
        show_tail "$WORK/log"
        fail "uv could not be installed." "The lines above say why."
    }
    PATH="$WORK/venv/bin:$PATH"
}

# Print what building the package takes; hatchling asks for `editables` itself where the package stays in its folder.
build_needs() {
    "$1" - "$ROOT/pyproject.toml" <<'PY'
import sys, tomllib

with open(sys.argv[1], "rb") as file:
    print("\n".join(tomllib.load(file)["build-system"]["requires"]))
print("editables~=0.3")
PY
}

# resolve NAME OPTION...: write requirements/NAME.txt.
resolve() {
    local name="$1"
    shift
    say "requirements/$name.txt"
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links ${UPGRADE[@]+"${UPGRADE[@]}"} "$@" \
        --output-file "$ROOT/requirements/$name.txt" "$ROOT/pyproject.toml" "$WORK/build.in" ||
        fail "requirements/$name.txt could not be renewed." "The lines above say why."
}

main "$@"
