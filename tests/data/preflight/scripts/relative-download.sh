#!/bin/bash
set -e
curl -LO https://dl.example.com/tool.tgz
tar xzf tool.tgz
cp tool/bin/* /usr/local/bin/
chmod +x /usr/local/bin/tool
wget https://dl.example.com/data.json
apt-get install -y libfoo
