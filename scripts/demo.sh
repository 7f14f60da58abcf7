#!/usr/bin/env bash
# Shows the main job: an agent's task in a container, cold and then from the cached image, then the window.
#
#   bash scripts/demo.sh
#
# It sets up what is missing, starts an engine if none is there (and stops that one at the end, see
# engine.sh), and needs neither an account nor an image registry. Without a display it writes a picture of
# the window instead of opening it. All files are below AGENTS_RUNNER_HOME, if that is set.
set -euo pipefail

# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/engine.sh
source "$ROOT/scripts/engine.sh"

has_display() { [[ -n ${DISPLAY:-} || -n ${WAYLAND_DISPLAY:-} ]]; }

picture_path() { printf '%s/demo.png\n' "${AGENTS_RUNNER_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/agents-runner}"; }

show_window() {
    say "opening the window on the environment Demo (close it to end)"
    "$VENV/bin/agents-runner" window --environment demo
}

run_with_picture() {
    local picture
    picture="$(picture_path)"
    mkdir -p -- "$(dirname "$picture")"
    QT_QPA_PLATFORM=offscreen "$VENV/bin/agents-runner" demo --picture "$picture"
    say "no display here, so there is a picture of the window: $picture"
}

main() {
    bash "$ROOT/scripts/setup.sh"
    trap 'engine_down --unless-busy' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    STEP="demo"
    engine_up
    if has_display; then
        "$VENV/bin/agents-runner" demo
        show_window
    else
        run_with_picture
    fi
}

main "$@"
