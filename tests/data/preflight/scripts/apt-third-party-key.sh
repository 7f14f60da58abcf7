#!/bin/bash
set -euo pipefail

install -m 0755 -d /etc/apt/keyrings
curl -fsSL https://packages.example.com/gpg.key | gpg --dearmor -o /etc/apt/keyrings/example.gpg
chmod a+r /etc/apt/keyrings/example.gpg
. /etc/os-release
echo "deb [arch=$(dpkg --print-architecture) signed-by=/etc/apt/keyrings/example.gpg] https://packages.example.com/apt ${VERSION_CODENAME} main" \
  | tee /etc/apt/sources.list.d/example.list > /dev/null
cat > /etc/apt/preferences.d/example <<'EOF'
Package: *
Pin: origin packages.example.com
Pin-Priority: 900
EOF
apt-get update && apt-get install -y example-cli

example-cli login --token "$EXAMPLE_TOKEN"
