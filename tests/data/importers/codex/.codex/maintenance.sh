#!/bin/bash
set -e
uv sync --all-extras
pnpm install
