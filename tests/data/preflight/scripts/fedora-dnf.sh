#!/bin/bash
set -euxo pipefail
dnf -y upgrade --refresh
dnf install -y 'dnf-command(config-manager)'
dnf config-manager --add-repo https://packages.example.com/example.repo
dnf -y groupinstall "Development Tools"
dnf --setopt=install_weak_deps=False install -y gcc-c++ cmake ninja-build
dnf clean all
rpm --import https://packages.example.com/RPM-GPG-KEY
rpm -q cmake
alternatives --set python /usr/bin/python3
yum -y install epel-release
microdnf install -y tar gzip
if [ -f package.json ]; then
    npm install
fi
