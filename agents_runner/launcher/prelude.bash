# shellcheck shell=bash
# Sourced by bash before a preflight script (through BASH_ENV): writes down what the script exports, when it ends.
#
# The script itself runs as `bash SCRIPT`, so its name, line numbers and exit status are its own.
__ar_bash_dir=${BASH_SOURCE[0]%/*}
__ar_dump_to=$AGENTS_RUNNER_DUMP
__ar_hidden=${AGENTS_RUNNER_HIDDEN-}
unset AGENTS_RUNNER_DUMP AGENTS_RUNNER_HIDDEN BASH_ENV

__ar_write() { # WHEN: -p keeps the child from reading BASH_ENV and from the script's exported functions
    "$BASH" -p "$__ar_bash_dir/dump.bash" "$__ar_dump_to" "$1" "$__ar_hidden" || :
}

__ar_dump() { # keeps the script's own status for whatever runs next
    local status=$?
    __ar_write after
    return "$status"
}

# A script's own EXIT trap must not replace ours: it is put behind it. In `A && :; B` a failing A neither
# trips `set -e` nor hides its status from B.
trap() {
    local argument handler rest=()
    if ((BASH_SUBSHELL > 0 || $# < 2)) || [[ $1 == -[lp]* ]]; then
        # shellcheck disable=SC2064  # handed on as they came
        builtin trap "$@"
        return
    fi
    [[ $1 != -- ]] || shift
    handler=$1
    shift
    for argument; do
        if [[ $argument == EXIT || $argument == 0 || $argument == SIGEXIT ]]; then
            if [[ $handler == - ]]; then
                builtin trap -- '__ar_dump && :' EXIT
            else
                builtin trap -- "__ar_dump && :"$'\n'"$handler" EXIT
            fi
        else
            rest+=("$argument")
        fi
    done
    ((${#rest[@]} == 0)) || builtin trap -- "$handler" "${rest[@]}"
}

for __ar_file in /etc/agents-runner "${__ar_dump_to%/*}"; do
    # Functions that an earlier script exported: a plain sh in between cannot carry them.
    # shellcheck disable=SC1091
    [[ ! -f $__ar_file/functions.bash ]] || source "$__ar_file/functions.bash"
done
unset __ar_file
if [[ ${AGENTS_RUNNER_BASH_ENV+x} ]]; then
    export BASH_ENV=$AGENTS_RUNNER_BASH_ENV
    unset AGENTS_RUNNER_BASH_ENV
fi
__ar_write before
builtin trap -- '__ar_dump && :' EXIT
# shellcheck disable=SC1090
[[ ! -r ${BASH_ENV-} ]] || source "$BASH_ENV"
