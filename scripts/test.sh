#!/usr/bin/env bash
# Runs the tests, all of them or those that pytest's arguments choose.
#
#   bash scripts/test.sh [PYTEST ARGUMENTS]
#   bash scripts/test.sh --fast             those that need no engine and no display, for daily work
#
# Without arguments the tests that need no engine run first, on all cores; then the rest, one after the other, since they
# share the engine. It sets up what is missing and starts an engine if none is there (and stops that one at the end, see
# engine.sh). The exit status is pytest's. What a killed test run left in the engine is removed.
set -euo pipefail

# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/engine.sh
source "$ROOT/scripts/engine.sh"

STATE=""

clean_up() {
    if [[ -n $STATE ]]; then
        (cd "$ROOT" && "$VENV/bin/python" -m tests.support.sweep "$STATE") || true
        rm -rf -- "$STATE"
    fi
    engine_down
}

# run_tests NAME ARGUMENT...: NAME is that of its temporary folder.
run_tests() {
    local name="$1"
    shift
    "$VENV/bin/python" -m pytest --basetemp="$STATE/$name" "$@"
}

run_all() {
    local status=0
    run_tests apart --numprocesses=auto --dist=loadfile tests/unit tests/ui || status=$?
    run_tests engine --ignore=tests/unit --ignore=tests/ui || status=$?
    return "$status"
}

run_fast() {
    local status=0
    run_tests fast --numprocesses=auto --dist=loadfile tests/unit tests/ui || status=$?
    # The engine's contract as well, as far as it is the fake engine that keeps it.
    run_tests contract --numprocesses=auto --dist=loadfile tests/contract -k fake || status=$?
    return "$status"
}

main() {
    local status=0 started=$SECONDS
    bash "$ROOT/scripts/setup.sh" --dev
    STATE="$(mktemp -d "${TMPDIR:-/tmp}/agents-runner-tests.XXXXXX")"
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    STEP="test"
    cd "$ROOT"
    export AGENTS_RUNNER_TEST_STATE="$STATE" QT_QPA_PLATFORM=offscreen
    if [[ ${1:-} == --fast ]]; then
        (($# == 1)) || fail "--fast takes no arguments." "Choose tests without it: bash scripts/test.sh tests/unit/core"
        # An engine that is there is not asked either.
        DOCKER_HOST="unix://$STATE/no-engine" run_fast || status=$?
    else
        engine_up
        if (($# == 0)); then run_all || status=$?; else run_tests chosen "$@" || status=$?; fi
    fi
    if ((status == 0)); then
        say "all passed, in $((SECONDS - started)) s"
    else
        say "not passed (pytest's exit status $status), after $((SECONDS - started)) s"
    fi
    return "$status"
}

main "$@"
