#!/usr/bin/env bash
set -e
sudo apt-get -qq update
sudo DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Options::="--force-confold" install jq ripgrep fd-find
sudo -E apt -y full-upgrade
sudo apt-get -y autoremove --purge
ln -sf "$(command -v fdfind)" "$HOME/.local/bin/fd"
sudo apt-mark hold nodejs
sudo add-apt-repository -y ppa:example/tools
echo "tools ready"
git -C "$AGENTS_RUNNER_WORKSPACE" status --short
