#!/bin/bash
set -e
groupadd --gid 4000 builders
useradd --uid 4001 --gid builders --create-home --shell /bin/bash builder
echo 'builder ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/builder
chmod 440 /etc/sudoers.d/builder
install -d -o builder -g builders -m 2775 /srv/build
sudo -u builder touch /srv/build/owned
id builder
