#!/bin/bash
set -e
cat <<'EOF' > /etc/profile.d/tools.sh
# step: this is no mark
export TOOLS=/opt/tools
if true; then
EOF
cat <<-END | sudo tee -a /etc/sysctl.d/90-tools.conf >/dev/null
	fs.inotify.max_user_watches=524288
	END
docker_args="\
--rm \
--init"
npm install -g \
    one \
    three
python3 - <<PY
print("hello")
PY
sudo bash <<'ROOT'
mkdir -p /opt/root-tools
echo ok > /opt/root-tools/state
ROOT
sysctl -w fs.inotify.max_user_watches=524288
