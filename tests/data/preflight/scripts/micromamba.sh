#!/bin/bash
set -e
export MAMBA_ROOT_PREFIX=/opt/mamba
curl -Ls https://micro.example.com/api/linux-64/latest | tar -xj -C /usr/local/bin --strip-components=1 bin/micromamba
micromamba create -y -p /opt/mamba/envs/base python=3.12
micromamba install -y -p /opt/mamba/envs/base -f /etc/mamba/base.yml
eval "$(micromamba shell hook --shell bash)"
micromamba run -n base python --version
