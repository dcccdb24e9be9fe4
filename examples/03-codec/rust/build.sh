#!/bin/sh
# `sliphost build` runs this in the manifest's directory.
set -eu
target=${CARGO_TARGET_DIR:-rust/target}
cargo build -q --locked --release --target wasm32-unknown-unknown --manifest-path rust/Cargo.toml --target-dir "$target"
mkdir -p build
cp "$target/wasm32-unknown-unknown/release/codec.wasm" build/rust.wasm
