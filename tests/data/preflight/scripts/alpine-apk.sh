#!/bin/sh
set -eu
apk update
apk add --no-cache bash curl git python3 py3-pip
apk add --no-cache --virtual .build-deps gcc musl-dev linux-headers
pip3 install --break-system-packages uvloop httptools
apk del .build-deps
adduser -D -s /bin/bash worker
addgroup worker wheel
echo "task $AGENTS_RUNNER_TASK_ID on $(uname -m)"
