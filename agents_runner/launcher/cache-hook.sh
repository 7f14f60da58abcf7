#!/bin/bash
# shellcheck shell=bash
# Called by a package manager's hooks while a layer is built with a package cache: keeps what was downloaded.
set -u
caches=${0%/*}
caches=${caches%/*}/caches
lists=/var/lib/apt/lists
# shellcheck disable=SC2034  # in the functions
tools=${0%/*}/tools

for tool in mkdir ln cp rm; do
    eval "$tool() { \"\$tools/ld.so\" --library-path \"\$tools/lib\" \"\$tools/bin/$tool\" \"\$@\"; }"
done

keep() { # USED KEPT
    mkdir -p "$2"
    for file in "$1"/*; do
        if [ -f "$file" ] && [ ! -e "$2/${file##*/}" ]; then
            ln "$file" "$2/${file##*/}" 2>/dev/null || cp -p "$file" "$2/"
        fi
    done
}

case $1 in
    debs) keep "$caches/apt/used" "$caches/apt/kept" && rm -f "$caches/apt/kept/lock" ;;
    packages) keep "$caches/pacman/used" "$caches/pacman/kept" ;;
    lists-in)
        # Before an update: it asks for what has changed since. What is not of these sources it removes itself.
        for file in "$caches"/apt/lists/*; do
            if [ -f "$file" ] && [ ! -e "$lists/${file##*/}" ]; then cp -p "$file" "$lists/"; fi
        done
        ;;
    lists-out)
        rm -f "$caches"/apt/lists/*
        for file in "$lists"/*; do
            case $file in */lock) continue ;; esac
            if [ -f "$file" ]; then cp -p "$file" "$caches/apt/lists/"; fi
        done
        ;;
esac
exit 0
