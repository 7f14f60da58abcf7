set -e
curl https://sh.rust.example.com -sSf | sh -s -- -y
. "$HOME/.cargo/env"
cargo install sccache
export RUSTC_WRAPPER=sccache
cd "$AGENTS_RUNNER_WORKSPACE"
cargo build
