#!/bin/bash
set -euo pipefail
GO_VERSION=1.22.5
ARCH=$(dpkg --print-architecture)
curl -fsSL "https://go.example.com/dl/go${GO_VERSION}.linux-${ARCH}.tar.gz" | tar -C /usr/local -xz
export PATH=$PATH:/usr/local/go/bin:$HOME/go/bin
go env -w GOFLAGS=-buildvcs=false
go install golang.example.com/x/tools/gopls@latest
go install git.example/lint/cmd/golint@v1.59.1
go install ./cmd/...
go mod download
go build ./...
go version
