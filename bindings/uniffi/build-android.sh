#!/usr/bin/env bash
# Fills the Android module: native libraries for three processors, and the Kotlin source. Needs Android's NDK, `cargo ndk`,
# and the targets of rustup; docs/phones.md. Usage: build-android.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
: "${ANDROID_NDK_HOME:?names the folder of Android\'s NDK}"
main=android/src/main
cargo ndk --platform 26 -t arm64-v8a -t armeabi-v7a -t x86_64 -o "$main/jniLibs" build --release --locked --lib
./generate.sh kotlin "$main/kotlin"
