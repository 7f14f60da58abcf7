#!/bin/bash
set -e
# An AUR helper, built once.
git clone https://aur.example.com/yay-bin.git /opt/build/yay
cd /opt/build/yay
makepkg -si --noconfirm
cd /
rm -rf /opt/build/yay
yay -Syu --noconfirm
yay -S --noconfirm --needed opencv python-numpy
paru -S --noconfirm visual-editor
paru --sync --refresh --sysupgrade --noconfirm
paru -Ss something
sudo systemctl enable --now docker
