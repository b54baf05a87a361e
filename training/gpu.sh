#!/usr/bin/env bash
# One ten-minute call on a lent CUDA machine, from the repository's root. What goes in is small enough to be carried:
# zips of faces and the teacher in training/data (ignored by git), and the checkpoint of the call before in training/run.
#   bash training/gpu.sh CONFIG MINUTES DECAY [RATE]     MINUTES of all calls together; DECAY is the share in which the rate falls
set -euo pipefail
cd "$(dirname "$0")"
python3 -c "import torch, onnx, PIL, onnxruntime" 2>/dev/null || echo "missing packages: nothing outside is reached there, see README.md" >&2
python3 train_embedder.py --data data --teacher data/mobilefacenet.onnx --out run --config "$1" --minutes "$2" \
    --decay "$3" ${4:+--rate "$4"} $([ -f data/lfw.npz ] && echo --lfw data/lfw.npz)
cp run/last.pt run/log.jsonl "$OUT"/ 2>/dev/null || cp run/last.pt "$OUT"/
