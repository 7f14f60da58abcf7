# shellcheck shell=sh
# Runs a preflight script for plain sh and writes down what it exports, when it ends: `sh -c '. prelude.sh' SCRIPT`.
ar_dump_to=$AGENTS_RUNNER_DUMP
ar_hidden=${AGENTS_RUNNER_HIDDEN-}
unset AGENTS_RUNNER_DUMP AGENTS_RUNNER_HIDDEN
ar_dump() { # WHEN: in a subshell, so that secrets that came as variables can be left out
    (
        ar_ifs=$IFS IFS=' '
        for ar_name in $ar_hidden; do unset "$ar_name"; done
        IFS=$ar_ifs
        export -p >"$ar_dump_to.$1"
    )
}
ar_dump before
# shellcheck disable=SC2154  # assigned inside the trap
trap 'ar_status=$?; ar_dump after; exit "$ar_status"' EXIT
# shellcheck disable=SC1090
. "$0"
