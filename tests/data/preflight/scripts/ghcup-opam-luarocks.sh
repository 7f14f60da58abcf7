#!/bin/bash
set -e
curl --proto '=https' -sSf https://get-ghcup.example.com | sh
. "$HOME/.ghcup/env"
ghcup install ghc 9.6.5
ghcup set ghc 9.6.5
cabal update
cabal install hlint
opam init -y --disable-sandboxing
eval "$(opam env)"
opam install -y dune ocamlformat
luarocks install busted
cpanm Mojolicious
mix local.hex --force
stack build
mix deps.get
