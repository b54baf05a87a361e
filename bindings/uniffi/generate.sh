#!/usr/bin/env bash
# Writes the source of a language for the library as it is built for this machine.
# Usage: generate.sh kotlin|swift FOLDER [PROFILE]
set -euo pipefail
language=${1:?usage: generate.sh kotlin|swift FOLDER [PROFILE]}
folder=$(realpath -m "${2:?usage: generate.sh kotlin|swift FOLDER [PROFILE]}")
profile=${3:-release}
cd "$(dirname "$0")"
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
built=$CARGO_TARGET_DIR/$profile
[ "$profile" = dev ] && built=$CARGO_TARGET_DIR/debug
cargo build --quiet --locked --profile "$profile" --lib
library=$built/libfusiform_uniffi.so
[ -e "$library" ] || library=$built/libfusiform_uniffi.dylib
cargo run --quiet --locked --profile generate --package fusiform-uniffi-bindgen -- \
    generate --library "$library" --language "$language" --out-dir "$folder" --no-format
