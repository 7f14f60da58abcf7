#!/bin/bash
set -euo pipefail
umask 027
mkdir -p /etc/tool.d /opt/tool/{bin,share}
cat > /etc/tool.d/main.conf <<'CONF'
# step: not a mark
path = $HOME/not-expanded
CONF
cat > /opt/tool/bin/tool <<EOF
#!/bin/sh
echo "tool from $(uname -m)"
EOF
chmod 755 /opt/tool/bin/tool
ln -s /opt/tool/bin/tool /usr/local/bin/tool
export PATH=/opt/tool/bin:$PATH TOOL_HOME=/opt/tool
umask 022
mkdir -p "$AGENTS_RUNNER_WORKSPACE/out"
tool > "$AGENTS_RUNNER_WORKSPACE/out/version"
