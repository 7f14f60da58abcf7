#!/bin/bash
set -e
export DEBIAN_FRONTEND=noninteractive
export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
apt-get update
apt-get install -y --no-install-recommends npm
npm config set --global fund false
npm install -g is-number@7.0.0
export NODE_PATH="$(npm root -g)"
node -e 'console.log(require("is-number")(7))'
date > /tmp/started
