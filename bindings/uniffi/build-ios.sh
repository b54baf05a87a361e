#!/usr/bin/env bash
# Fills the Swift package: Fusiform.xcframework for phones, simulators and Macs, and the Swift source. Runs on macOS with
# Xcode and the targets of rustup; docs/phones.md. Usage: build-ios.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
target=${CARGO_TARGET_DIR:-target}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
for triple in aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin; do
    cargo build --release --locked --lib --target "$triple"
done
library=libfusiform_uniffi.a
mkdir "$made/simulator"
lipo -create "$target/aarch64-apple-ios-sim/release/$library" "$target/x86_64-apple-ios/release/$library" -output "$made/simulator/$library"
./generate.sh swift "$made/sources"
mkdir -p "$made/headers" swift/Sources/Fusiform
mv "$made"/sources/*.h "$made/headers/"
mv "$made"/sources/*.modulemap "$made/headers/module.modulemap"
mv "$made"/sources/*.swift swift/Sources/Fusiform/
rm -rf swift/FusiformFFI.xcframework
xcodebuild -create-xcframework \
    -library "$target/aarch64-apple-ios/release/$library" -headers "$made/headers" \
    -library "$made/simulator/$library" -headers "$made/headers" \
    -library "$target/aarch64-apple-darwin/release/$library" -headers "$made/headers" \
    -output swift/FusiformFFI.xcframework
