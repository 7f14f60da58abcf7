#!/bin/bash
set -euo pipefail
python3 -m venv /opt/venv
source /opt/venv/bin/activate
pip install --upgrade pip
pip install pandas numpy scikit-learn
deactivate
python3 -m venv .venv
. .venv/bin/activate
pip install -r requirements.txt
