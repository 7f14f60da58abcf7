# shellcheck shell=sh
# Runs a preflight script for plain sh and writes down what it exports, when it ends: `sh -c '. prelude.sh' SCRIPT`.
ar_dump_to=$AGENTS_RUNNER_DUMP
ar_hidden=${AGENTS_RUNNER_HIDDEN-}
ar_tools=${1%/*}/tools
unset AGENTS_RUNNER_DUMP AGENTS_RUNNER_HIDDEN
ar_dump() { # WHEN: by a shell of ours, which is not to load what the script lets its own programs load
    (
        for ar_name in LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT; do
            eval "if [ \"\${$ar_name+x}\" ]; then export AGENTS_RUNNER_KEPT_$ar_name=\"\$$ar_name\"; unset $ar_name; fi"
        done
        exec "$ar_tools/ld.so" --library-path "$ar_tools/lib" "$ar_tools/bin/bash" \
            -p "${ar_tools%/*}/dump.bash" "$ar_dump_to" "$1" "$ar_hidden"
    )
}
ar_dump before
# shellcheck disable=SC2154  # assigned inside the trap
trap 'ar_status=$?; ar_dump after; exit "$ar_status"' EXIT
shift
# shellcheck disable=SC1090
. "$0"
