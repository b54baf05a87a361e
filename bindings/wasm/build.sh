#!/usr/bin/env bash
# Builds the module and lays out the page: FOLDER holds everything that a web server, which needs to be no more than one of
# static files, hands out. Usage: build.sh FOLDER
#
set -euo pipefail
folder=$(realpath -m "${1:?usage: build.sh FOLDER}")
here=$(cd "$(dirname "$0")" && pwd)
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-$here/target}")
export CARGO_TARGET_DIR
# shellcheck disable=SC1091
. "$here/target.sh"
cargo build --quiet --release --locked --lib --manifest-path "$here/Cargo.toml" "${target[@]}"
mkdir -p "$folder"
cp "$CARGO_TARGET_DIR/wasm32-unknown-unknown/release/fusiform_wasm.wasm" "$folder/fusiform.wasm"
cp "$here/fusiform.js" "$here"/../../examples/browser/* "$folder/"
