# shellcheck shell=bash
# What the scripts share: talking to the person, root rights, finding Python. To be sourced.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck disable=SC2034  # for those who source this
VENV="$ROOT/.venv"

# Debian keeps dockerd, debootstrap and others where ordinary users do not look.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

say() { printf '[%s] %s\n' "${STEP:-setup}" "$*"; }

# fail MESSAGE [LINE...]: one sentence, then what to do about it.
fail() {
    printf '[%s] %s\n' "${STEP:-setup}" "$1" >&2
    shift
    (($# == 0)) || printf '    %s\n' "$@" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { ((EUID == 0)); }

# True if root rights can be had; without a terminal sudo must not need to ask for a password.
can_be_root() {
    is_root && return 0
    have sudo || return 1
    sudo -n true 2>/dev/null || [[ -t 0 && -t 2 ]]
}

as_root() {
    if is_root; then "$@"; else sudo -- "$@"; fi
}

# quietly LOG COMMAND...: its output goes into LOG.
quietly() {
    local log="$1"
    shift
    "$@" </dev/null >>"$log" 2>&1
}

# try TIMES COMMAND...: again after a pause, for what fails because a network hiccups.
try() {
    local times="$1" at
    shift
    for ((at = 1; at <= times; at++)); do
        "$@" && return 0
        ((at == times)) || sleep $((at * 3))
    done
    return 1
}

show_tail() {
    printf '    the last lines of %s:\n' "$1" >&2
    tail -n "${2:-30}" "$1" | sed 's/^/    | /' >&2 || true
}

is_recent_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Print the path of the first Python 3.11 or newer; AGENTS_RUNNER_PYTHON names one to try first.
find_python() {
    local name
    for name in "${AGENTS_RUNNER_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        if [[ -n $name ]] && have "$name" && is_recent_python "$name"; then
            # The real program, not a version manager's stand-in, which depends on the current folder.
            "$name" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    return 1
}
