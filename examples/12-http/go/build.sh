#!/bin/sh
# `sliphost build` runs this in the manifest's directory, for wasip1/wasm.
set -eu
exec go build -trimpath -buildvcs=false -buildmode=c-shared -ldflags="-s -w" -o build/go.wasm ./go
