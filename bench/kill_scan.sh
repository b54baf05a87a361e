#!/usr/bin/env bash
# A scan killed with SIGKILL at random instants and run again must end with the catalogue of an undisturbed run.
# Needs sqlite3, bc and GNU time. In: a folder of photos, and the flags of a pack. Prints times, peak memory, and whether the catalogues are equal.
#   bench/kill_scan.sh ../shared/data/lfw-dev/images --pack /path/to/pack/
set -euo pipefail
photos=$1
shift
fusiform=${FUSIFORM:-target/release/fusiform}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

peak() { awk '/Maximum resident/ { printf "%.0f MB", $6 / 1024 }' "$1"; }

start=$(date +%s.%N)
/usr/bin/time -v -o "$work/time" "$fusiform" scan "$photos" "$@" --catalogue "$work/whole.db" --quiet
took=$(echo "$(date +%s.%N) - $start" | bc)
echo "undisturbed: $took s, peak memory $(peak "$work/time")"

killed=0
for _ in 1 2 3 4 5; do
    "$fusiform" scan "$photos" "$@" --catalogue "$work/killed.db" --quiet >/dev/null 2>&1 &
    sleep "$(echo "scale=2; 1 + $took * $((RANDOM % 100)) / 600" | bc)"
    kill -9 $! 2>/dev/null && killed=$((killed + 1))
    wait $! 2>/dev/null || true
done
"$fusiform" scan "$photos" "$@" --catalogue "$work/killed.db" --quiet
"$fusiform" doctor "$@" --catalogue "$work/killed.db"
for name in whole killed; do
    sqlite3 "$work/$name.db" .dump > "$work/$name.txt"
done
if cmp -s "$work/whole.txt" "$work/killed.txt"; then
    echo "killed $killed times: the catalogues are equal ($(wc -l < "$work/whole.txt") rows)"
else
    echo "killed $killed times: THE CATALOGUES DIFFER"
    exit 1
fi
