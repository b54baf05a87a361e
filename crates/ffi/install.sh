#!/usr/bin/env bash
# Builds libfusiform, shared and static, and installs it with its header and its file for pkg-config.
#
#     crates/ffi/install.sh PREFIX [PROFILE]        PROFILE of Cargo: release unless given
set -euo pipefail
cd "$(dirname "$0")/../.."
prefix=${1:?usage: crates/ffi/install.sh PREFIX [PROFILE]}
profile=${2:-release}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# A program that was linked to one version runs with every later one of the same major.minor.
soname=libfusiform.so.${version%.*}
target=${CARGO_TARGET_DIR:-target}
folder=$profile
[ "$profile" = dev ] && folder=debug

said=$(mktemp)
trap 'rm -f "$said"' EXIT
build() { cargo rustc --quiet -p fusiform-ffi --lib --profile "$profile" --crate-type "$1" -- "${@:2}"; }
build cdylib -C "link-arg=-Wl,-soname,$soname"
build staticlib --print native-static-libs 2>"$said" || { cat "$said" >&2; exit 1; }
static_libs=$(sed -n 's/.*native-static-libs: //p' "$said" | tail -1)

install -d "$prefix/include" "$prefix/lib/pkgconfig"
install -m 644 crates/ffi/include/fusiform.h "$prefix/include/"
install -m 755 "$target/$folder/libfusiform_ffi.so" "$prefix/lib/libfusiform.so.$version"
install -m 644 "$target/$folder/libfusiform_ffi.a" "$prefix/lib/libfusiform.a"
ln -sf "libfusiform.so.$version" "$prefix/lib/$soname"
ln -sf "$soname" "$prefix/lib/libfusiform.so"
sed -e "s|@PREFIX@|$(cd "$prefix" && pwd)|" -e "s|@VERSION@|$version|" \
    -e "s|@STATIC_LIBS@|${static_libs:--lm -lpthread -ldl}|" \
    crates/ffi/fusiform.pc.in >"$prefix/lib/pkgconfig/fusiform.pc"
