#!/usr/bin/env bash
# Builds libfusiform, shared and static, and installs it with its header and its file for pkg-config. For Linux: needs
# GNU binutils and a C compiler.
#
#     crates/ffi/install.sh PREFIX [PROFILE]        PROFILE of Cargo: release unless given
set -euo pipefail
cd "$(dirname "$0")/../.."
prefix=${1:?usage: crates/ffi/install.sh PREFIX [PROFILE]}
profile=${2:-release}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# A program that was linked to one version runs with every later one of the same major.minor.
soname=libfusiform.so.${version%.*}
folder=$profile
[ "$profile" = dev ] && folder=debug
archive=${CARGO_TARGET_DIR:-target}/$folder/libfusiform_ffi.a

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo rustc --quiet -p fusiform-ffi --lib --profile "$profile" --crate-type staticlib -- --print native-static-libs \
    2>"$work/said" || { cat "$work/said" >&2; exit 1; }
libs=$(sed -n 's/.*native-static-libs: //p' "$work/said" | tail -1)

# One object of what our functions need, and with no symbols but theirs: a decoder inside has those of libdav1d, SQLite
# its own, and the program that links this may bring other versions of both.
wanted=$(grep -o 'fusiform_[a-z_]*(' crates/ffi/include/fusiform.h | tr -d '(' | sort -u | sed 's/^/-u /')
# shellcheck disable=SC2086
ld -r --gc-sections $wanted "$archive" -o "$work/fusiform.o"
objcopy --strip-debug --wildcard --keep-global-symbol='fusiform_*' "$work/fusiform.o"
# Without a plugin: that of an old LLVM, where one lies about, aborts on objects of a newer one.
ar --plugin /nonexistent rcs "$work/libfusiform.a" "$work/fusiform.o"
echo "FUSIFORM_${version%.*} { global: fusiform_*; local: *; };" >"$work/symbols.map"
read -ra needed <<<"$libs"
cc -shared -o "$work/libfusiform.so" "$work/fusiform.o" -Wl,-soname,"$soname" -Wl,--version-script,"$work/symbols.map" \
    -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,defs -Wl,-s "${needed[@]}"

install -d "$prefix/include" "$prefix/lib/pkgconfig"
install -m 644 crates/ffi/include/fusiform.h "$prefix/include/"
install -m 755 "$work/libfusiform.so" "$prefix/lib/libfusiform.so.$version"
install -m 644 "$work/libfusiform.a" "$prefix/lib/"
ln -sf "libfusiform.so.$version" "$prefix/lib/$soname"
ln -sf "$soname" "$prefix/lib/libfusiform.so"
sed -e "s|@PREFIX@|$(cd "$prefix" && pwd)|" -e "s|@VERSION@|$version|" -e "s|@STATIC_LIBS@|$libs|" \
    crates/ffi/fusiform.pc.in >"$prefix/lib/pkgconfig/fusiform.pc"
