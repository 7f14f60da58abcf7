#!/bin/bash
set -euo pipefail
git clone --branch v2.3 --depth 1 https://git.example/lib.git /usr/src/lib
cd /usr/src/lib
./autogen.sh
./configure --prefix=/usr/local
make -j"$(nproc)"
sudo make install
sudo ldconfig
cd - >/dev/null
rm -rf /usr/src/lib
cmake -S /opt/other -B /opt/other/build
make -C "$AGENTS_RUNNER_WORKSPACE/native"
