#!/bin/bash
set -e
zypper --non-interactive refresh
zypper --non-interactive install --no-recommends git-core gcc make
zypper -n in nodejs20
zypper ar -f https://packages.example.com/repo example
zypper --gpg-auto-import-keys ref
zypper -n dup
zypper clean -a
zypper se nodejs
localectl set-locale LANG=en_US.UTF-8
