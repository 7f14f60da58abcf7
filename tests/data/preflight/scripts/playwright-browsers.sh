#!/bin/bash
set -e
npm install -g playwright@1.45
playwright install --with-deps chromium
npx playwright install firefox
npx -y cypress install
pip install playwright
python -m playwright install
apt-get install -y fonts-noto
fc-cache -f
