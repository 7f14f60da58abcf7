#!/bin/bash
set -euo pipefail
apt-get update
apt-get install -y postgresql redis-server xvfb
mkdir -p /etc/tool
cat <<EOF > /etc/tool/tool.conf
listen = 127.0.0.1
EOF
service postgresql start
until pg_isready -q; do sleep 1; done
sudo -u postgres createuser --superuser root
createdb app_test
redis-server --daemonize yes
Xvfb :99 -screen 0 1280x800x24 &
export DISPLAY=:99
nohup tool serve > /var/log/tool.log 2>&1 &
systemctl enable nginx
docker compose up -d
curl -fsS http://localhost:8080/health
