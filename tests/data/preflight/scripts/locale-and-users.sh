#!/bin/bash
set -e
sed -i 's/# en_US.UTF-8/en_US.UTF-8/' /etc/locale.gen
locale-gen
update-locale LANG=en_US.UTF-8
ln -snf /usr/share/zoneinfo/Europe/Berlin /etc/localtime
echo Europe/Berlin > /etc/timezone
groupadd --gid 1500 devs
useradd --uid 1500 --gid devs --create-home --shell /bin/bash dev
usermod -aG sudo dev
echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev
chmod 0440 /etc/sudoers.d/dev
mkdir -p /home/dev/.config/tool
chown -R dev:devs /home/dev
update-alternatives --set editor /usr/bin/vim.basic
ldconfig
echo "127.0.0.1 db.internal" >> /etc/hosts
