#!/bin/bash
set -euo pipefail
VERSION=1.29.0
case "$(uname -m)" in
  x86_64) ARCH=amd64 ;;
  aarch64) ARCH=arm64 ;;
  *) echo "unsupported: $(uname -m)" >&2; exit 1 ;;
esac
curl -fsSLo /usr/local/bin/kubectl "https://dl.example.com/release/v${VERSION}/bin/linux/${ARCH}/kubectl"
chmod +x /usr/local/bin/kubectl
wget -qO /usr/local/bin/yq "https://dl.example.com/yq_linux_${ARCH}"
chmod 755 /usr/local/bin/yq
wget -P /opt/downloads https://dl.example.com/file.zip
unzip -q /opt/downloads/file.zip -d /opt/tool
ln -sfn /opt/tool/bin/tool /usr/local/bin/tool
cd /opt && curl -fLO https://dl.example.com/extra.tgz && tar xzf extra.tgz && rm extra.tgz
echo "$VERSION" > "$AGENTS_RUNNER_WORKSPACE/.kube-version"
