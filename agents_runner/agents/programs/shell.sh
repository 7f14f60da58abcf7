#!/bin/sh
# Runs the prompt as a script in the workspace: by its own #! program, else by bash where there is one, else by sh.
prompt=$1
IFS= read -r first <"$prompt" || :
case $first in
    '#!'*)
        line=${first#'#!'}
        # shellcheck disable=SC2086  # the kernel splits this line at white space as well
        set -- $line
        ;;
    *) set -- bash ;;
esac
if ! command -v "$1" >/dev/null 2>&1 && [ "${1##*/}" = bash ]; then
    set -- sh
fi
exec "$@" "$prompt" </dev/null
