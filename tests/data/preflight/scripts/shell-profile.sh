#!/bin/bash
set -e
curl -fsSL https://get.example.com/tool.sh | bash
echo 'export PATH="$HOME/.tool/bin:$PATH"' >> ~/.bashrc
source ~/.bashrc
tool-cli --version
cargo install bat
alias ll='ls -la'
ls /opt
