#!/bin/sh
set -e
curl -fsSL https://deno.example.com/install.sh | DENO_INSTALL=/usr/local sh
deno install -g --allow-net --name serve jsr:@std/http/file-server
deno cache main.ts
flatpak install -y org.example.App
nix-env -iA nixpkgs.hello
nix profile install nixpkgs#ripgrep
nix develop
snap install tool
emerge --ask=n dev-vcs/git
xbps-install -Sy git
cpan App::cpanminus
