#!/bin/bash
set -e
apt-get update
if [ "${SKIP_SETUP:-0}" = 1 ]; then
  echo "skipped"
  exit 0
fi
apt-get install -y nodejs
npm ci
