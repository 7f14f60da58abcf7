#!/bin/sh
# Runs the prompt as a script in the workspace: by its own #! program, else by bash where there is one, else by sh.
#
#   sh shell.sh FILE
prompt=$1
IFS= read -r first <"$prompt" || :

# As the kernel reads it: the program, and all that follows as one argument.
program=bash argument=''
case $first in
    '#!'*)
        line=${first#'#!'}
        line=${line#"${line%%[![:blank:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        program=${line%%[[:blank:]]*}
        argument=${line#"$program"}
        argument=${argument#"${argument%%[![:blank:]]*}"}
        ;;
esac

# A shell may lie elsewhere in this image; where there is no bash, its scripts often run in sh as well.
if ! command -v "$program" >/dev/null 2>&1; then
    name=${program##*/}
    case $name in
        bash | sh | dash | ash | '')
            program='sh'
            if [ "$name" = bash ] && command -v bash >/dev/null 2>&1; then program='bash'; fi
            ;;
        *)
            echo "The script asks for $program, which this image does not have." >&2
            exit 127
            ;;
    esac
fi
# The script's own input is empty: what stands there for an agent is the prompt.
exec "$program" ${argument:+"$argument"} "$prompt" </dev/null
