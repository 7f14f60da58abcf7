#!/bin/bash
set -euo pipefail
mkdir -p /opt/static
echo fixed > /opt/static/file
folders=(/opt/a /opt/b "/opt/with space")
folders+=(/opt/c)
# step: folders
for folder in "${folders[@]}"; do
    mkdir -p "$folder"
done
# step: files
declare -A owners=([a]=one [b]=two)
for key in "${!owners[@]}"; do
    echo "${owners[$key]}" > "/opt/$key/owner"
done
export COUNT="${#folders[@]}"
