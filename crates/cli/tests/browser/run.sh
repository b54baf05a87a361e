#!/usr/bin/env bash
# The pages of `fusiform serve` in Debian's chromium, against the real binary and a real catalogue of
# samples/album. Usage: run.sh BINARY [FOLDER FOR SCREENSHOTS].
# Installs what is missing; prints "skipped: …" where that is not possible.
set -euo pipefail
binary=$(realpath "$1")
shots=${2:+$(realpath -m "$2")}
here=$(cd "$(dirname "$0")" && pwd)
album=$(realpath "$here/../../../../samples/album")

if ! command -v chromium >/dev/null; then
    apt-get update -qq &&
        apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null ||
        { echo "skipped: the browser tests need chromium, which cannot be installed here"; exit 0; }
fi
if ! command -v npm >/dev/null; then
    apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null ||
        { echo "skipped: the browser tests need node and npm, not to be had here"; exit 0; }
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here"/*.mjs "$work/"
(cd "$work" && npm install --silent --ignore-scripts --no-audit --no-fund --no-package-lock) ||
    { echo "skipped: the browser tests need playwright-core and axe-core from npm"; exit 0; }
cd "$work"
node pages.mjs "$binary" "$album" "$shots"
node owners.mjs "$binary" "$album" "$shots"
node faces.mjs "$binary" "$album" "$shots"
node cameras.mjs "$binary" "$album" "$shots"
node api.mjs "$binary" "$album"
