#!/bin/bash
set -euo pipefail
export RUSTUP_HOME=/opt/rustup CARGO_HOME=/opt/cargo
curl --proto '=https' --tlsv1.2 -sSf https://sh.rust.example.com | sh -s -- -y --no-modify-path --profile minimal
export PATH="/opt/cargo/bin:$PATH"
rustup default stable
rustup component add clippy rustfmt
rustup target add wasm32-unknown-unknown
rustup toolchain install nightly --profile minimal
cargo install cargo-nextest --locked
cargo install --git https://git.example/tools/xtask --tag v1.0 xtask
cargo +nightly install cargo-udeps
cargo binstall -y just
cargo install --path .
cargo fetch --locked
cargo build --release
