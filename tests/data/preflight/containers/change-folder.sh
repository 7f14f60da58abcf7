#!/bin/bash
set -e
mkdir -p /opt/build/sub
cd /opt/build
echo one > one
cd sub
echo two > two
cd ..
cp -r sub copy
cd "$AGENTS_RUNNER_WORKSPACE"
mkdir -p notes
echo here > notes/here
cd - >/dev/null
echo three > three
export WHERE="$PWD"
