#!/bin/sh
set -e
sed -i 's/^# deb-src/deb-src/' /etc/apt/sources.list
apt-get update
apt-get build-dep -y python3
dpkg --add-architecture i386
apt-get update
apt-get install -y libc6:i386
dpkg -i /opt/packages/tool.deb || apt-get install -fy
dpkg -i ./dist/app.deb
