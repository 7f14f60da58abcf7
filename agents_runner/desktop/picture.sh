#!/bin/sh
# Takes a picture of the desktop: a PNG into the file named, or to standard output for `-`.
set -eu
folder=/tmp/agents-runner-desktop
if [ ! -r "$folder/display" ]; then
    echo 'There is no desktop in this container.' >&2
    exit 3
fi
read -r DISPLAY <"$folder/display"
export DISPLAY
limit=''
if command -v timeout >/dev/null 2>&1; then
    limit='timeout 10'
fi
# shellcheck disable=SC2086  # two words or none
exec $limit import -silent -window root -define png:compression-level=3 "png:${1:--}"
