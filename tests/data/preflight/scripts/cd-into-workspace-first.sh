#!/bin/bash
set -e
cd /workspace
npm ci
apt-get update && apt-get install -y imagemagick
touch marker
mkdir -p /opt/thing
cd
mkdir -p .cache/tool
