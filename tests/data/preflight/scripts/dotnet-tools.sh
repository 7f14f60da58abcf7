#!/bin/bash
set -euo pipefail
curl -fsSL https://dot.example.com/v1/dotnet-install.sh -o /opt/dotnet-install.sh
bash /opt/dotnet-install.sh --channel 8.0 --install-dir /usr/share/dotnet
ln -s /usr/share/dotnet/dotnet /usr/local/bin/dotnet
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_ROOT=/usr/share/dotnet
export PATH="$PATH:$HOME/.dotnet/tools"
dotnet tool install --global dotnet-ef
dotnet tool install -g csharpier
dotnet tool install --tool-path /usr/local/bin dotnet-trace
dotnet workload install wasm-tools
dotnet tool restore
dotnet restore
