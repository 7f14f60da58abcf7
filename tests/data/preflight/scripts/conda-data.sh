#!/bin/bash
set -eo pipefail
INSTALLER=Miniforge3-Linux-$(uname -m).sh
curl -fsSL "https://conda.example.com/$INSTALLER" -o /opt/miniforge.sh
bash /opt/miniforge.sh -b -p /opt/conda
rm /opt/miniforge.sh
/opt/conda/bin/conda config --set auto_update_conda false
source /opt/conda/etc/profile.d/conda.sh
conda create -y -n work python=3.11 numpy pandas
mamba install -y -n work -c conda-forge geopandas
conda clean -afy
conda activate work
conda env update -f environment.yml
python analyse.py --check
