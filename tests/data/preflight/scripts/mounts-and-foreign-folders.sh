#!/bin/bash
set -e
mkdir -p /data/cache
ln -s /data/cache "$HOME/.cache/big"
cp /fixtures/config.yml /etc/app.yml
mkdir -p /opt/app
rsync -a /mnt/shared/ /opt/app/
touch /run/app.pid
chmod 777 /var/lib/app
