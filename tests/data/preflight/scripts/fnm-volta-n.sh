#!/bin/bash
set -e
curl -fsSL https://fnm.example.com/install | bash -s -- --install-dir /opt/fnm --skip-shell
ln -sf /opt/fnm/fnm /usr/local/bin/fnm
fnm install 22
fnm default 22
curl https://get.volta.example.com | bash
export VOLTA_HOME="$HOME/.volta"
export PATH="$VOLTA_HOME/bin:$PATH"
volta install node@20 yarn@1
npx n 18
n lts
volta pin node@20
