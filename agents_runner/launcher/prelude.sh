# shellcheck shell=sh
# Runs a preflight script for plain sh and writes down what it exports, when it ends: `sh -c '. prelude.sh' SCRIPT`.
ar_dump_to=$AGENTS_RUNNER_DUMP
unset AGENTS_RUNNER_DUMP
export -p >"$ar_dump_to.before"
# shellcheck disable=SC2154  # assigned inside the trap
trap 'ar_status=$?; export -p >"$ar_dump_to.after"; exit "$ar_status"' EXIT
# shellcheck disable=SC1090
. "$0"
