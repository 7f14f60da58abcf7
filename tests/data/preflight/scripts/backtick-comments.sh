#!/bin/bash
set -e
apt-get install -y \
    git `# to fetch` \
    curl `# to load`
