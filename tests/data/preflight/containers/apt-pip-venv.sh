#!/bin/bash
set -e
apt-get update -qq && apt-get install -y -qq python3-venv
python3 -m venv /opt/tools
/opt/tools/bin/pip install --quiet --no-compile idna==3.7
export PATH="/opt/tools/bin:$PATH"
ln -sf /opt/tools/bin/python /usr/local/bin/tools-python
tools-python -c 'import idna; print(idna.__version__)'
cd "$AGENTS_RUNNER_WORKSPACE"
echo "idna" > requirements.txt
pip install --quiet --no-compile -r requirements.txt
