# Sourced: sets `target`, the arguments of cargo that build for wasm32 with SIMD128. Stable toolchains of rustup take
# `rustup target add wasm32-unknown-unknown`; where that standard library is not there, Debian's rustc-web builds its own from
# rust-web-src, with Debian's lld. Ends the script with "skipped" where neither is to be had.
target=(--target wasm32-unknown-unknown)
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-C target-feature=+simd128"
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
    if [ ! -d /usr/lib/rustlib/src/rust/library/std ] || ! command -v wasm-ld >/dev/null; then
        (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rustc-web rust-web-src lld) >/dev/null 2>&1 ||
            { echo "skipped: no standard library for wasm32-unknown-unknown, and no rust-web-src and lld of Debian's here"; exit 0; }
    fi
    # Building the standard library is no stable feature.
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld
    target+=("-Zbuild-std=std,panic_abort")
fi
