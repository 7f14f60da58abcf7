#!/bin/bash
set -e
BUILD_DATE=$(date +%F)
tmp=$(mktemp -d)
curl -fsSL https://downloads.example.com/tool.tar.gz -o "$tmp/tool.tar.gz"
tar -xzf "$tmp/tool.tar.gz" -C /usr/local/bin tool
rm -rf "$tmp"
openssl rand -hex 16 > /etc/tool.key
SEED=$RANDOM
echo "built $BUILD_DATE" > /etc/tool.built
uuidgen > "$HOME/.machine-id"
mkdir -p /tmp/work
apt-get install -y tree
