#!/bin/bash
set -e
python3 -m pip install --upgrade pip setuptools wheel
pip install 'black==24.*' "ruff>=0.5"
pip3 install --user pytest
pip3.11 install mypy
python -m pip install --no-cache-dir httpie
pip install https://downloads.example.com/wheels/tool-1.0-py3-none-any.whl
pip install -r /opt/requirements/base.txt
pip install -r requirements.txt
pip install -e .
pip install .
pip install --requirement=requirements-dev.txt
pip config set global.index-url https://pypi.example.com/simple
pip list
