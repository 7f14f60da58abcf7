#!/bin/bash
set -e
mkdir -p /opt/conf
echo "base" > /opt/conf/base
echo "$AGENTS_RUNNER_ENVIRONMENT" > /opt/conf/environment
cp /opt/conf/environment /opt/conf/copy
cat /opt/conf/base /opt/conf/copy > /opt/conf/all
chmod 600 /opt/conf/all
echo "independent" > /opt/other
