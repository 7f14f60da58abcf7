#!/bin/bash
set -Eeuo pipefail
trap 'echo "failed at line $LINENO" >&2' ERR

retry() {
    local attempt
    for attempt in 1 2 3; do
        if "$@"; then
            return 0
        fi
        sleep "$attempt"
    done
    return 1
}

retry apt-get update
retry apt-get install -y postgresql-client redis-tools
retry npm ci
