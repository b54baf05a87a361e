#!/usr/bin/env bash
# Every routine of crates/kernels watched for reads and writes that it must not do. In: nothing. Out: what ran; fails on the first
# finding. Three watchers, each used where it is installed:
#   Miri               packing and plain Rust (it knows no AVX); needs `rustup component add miri --toolchain nightly`
#   AddressSanitizer   every instruction set of this CPU, property tests included; needs a nightly toolchain
#   valgrind memcheck  plain Rust and AVX2 (3.19 knows no AVX-512), uninitialised numbers too; needs valgrind
set -euo pipefail
cd "$(dirname "$0")/.."
test=(-p fusiform-kernels --test against_scalar)

if cargo +nightly miri --version >/dev/null 2>&1; then
    echo "== Miri"
    cargo +nightly miri test "${test[@]}" --target-dir target/miri -- 20
else
    echo "skipped: Miri is not installed here"
fi

if rustc +nightly --version >/dev/null 2>&1; then
    echo "== AddressSanitizer"
    RUSTFLAGS="-Zsanitizer=address" cargo +nightly test -p fusiform-kernels --lib --test against_scalar \
        --target "$(rustc -vV | sed -n 's/^host: //p')" --target-dir target/asan
else
    echo "skipped: no nightly toolchain here, which AddressSanitizer needs"
fi

if command -v valgrind >/dev/null; then
    echo "== valgrind"
    program=$(cargo test "${test[@]}" --no-run --message-format json | sed -n 's/.*"executable":"\([^"]*against_scalar[^"]*\)".*/\1/p')
    valgrind --quiet --error-exitcode=9 "$program" 60
else
    echo "skipped: valgrind is not installed here"
fi
