#!/usr/bin/env bash
# Grouping beside peers, on the same embeddings: ours with the setting fixed beforehand, each peer at its best one.
# Needs a Python with scikit-learn. In: a folder with a folder of photos per person, and the flags of a pack.
#   python3 -m venv /tmp/peers && /tmp/peers/bin/pip install scikit-learn 'numpy<2.3'
#   PYTHON=/tmp/peers/bin/python bench/grouping.sh ../shared/data/lfw-dev/images [--pack /path/to/pack/]
set -euo pipefail
photos=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${FUSIFORM:-target/release/fusiform}" eval cluster --images "$photos" "$@" --export "$work" --quiet
"${PYTHON:-python3}" "$(dirname "$0")/cluster_peers.py" "$work" "$photos"
