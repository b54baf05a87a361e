"""The base pack's manifest. In: the exported networks and what was measured. Out: manifest.toml
beside them.

    python make_manifest.py --pack ../crates/fusiform/packs/base --version … --accuracy "…"

Thresholds are written afterwards by `fusiform calibrate DIR --pack PACK_DIR --write`.
"""

import argparse
import hashlib
import pathlib

TEXT = '''format = 2
name = "base"
version = "{version}"
summary = "our own detector, landmark network and embedder, trained by this repository"

[[network]]
role = "detector"
name = "fusiform-detector"
file = "detector.onnx"
sha256 = "{detector}"
precision = "int8"
head = "yunet"
input = {{ channels = "bgr", multiple_of = 32 }}
min_score = {min_score}
nms_iou = 0.3
licence = "Apache-2.0 OR MIT; the training data was for research only"
training_data = "public GitHub collections of mask photos and Caltech 10k Web Faces, labelled by YuNet (research)"
source = "training/train_detector.py"

[[network]]
role = "landmarks"
name = "fusiform-landmarks"
file = "landmarks.onnx"
sha256 = "{landmarks}"
input = {{ channels = "rgb", width_px = 64, height_px = 64 }}
crop_scale = 1.0
second_crop_scale = 2.9
min_score = 0.5
points = 5
licence = "Apache-2.0 OR MIT; the training data was for research only"
training_data = "UTKFace, crops of public photo collections, Caltech 10k Web Faces; points by YuNet and by people (research)"
source = "training/train_landmarks.py, training/train_boxes.py"

[[network]]
role = "embedder"
name = "fusiform-embedder"
file = "embedder.onnx"
sha256 = "{embedder}"
precision = "int8"
input = {{ channels = "rgb", width_px = 112, height_px = 112 }}
dimensions = 128
licence = "Apache-2.0 OR MIT; the training data and the teacher were for non-commercial research only"
training_data = "UTKFace and crops of public photo collections, distilled from MobileFaceNet (non-commercial research)"
source = "training/train_embedder.py"
accuracy = "{accuracy}"
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", required=True, type=pathlib.Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--accuracy", required=True)
    parser.add_argument("--min-score", default="0.5")
    args = parser.parse_args()
    digest = lambda name: hashlib.sha256((args.pack / f"{name}.onnx").read_bytes()).hexdigest()
    hashes = {name: digest(name) for name in ("detector", "landmarks", "embedder")}
    text = TEXT.format(
        version=args.version, accuracy=args.accuracy, min_score=args.min_score, **hashes
    )
    (args.pack / "manifest.toml").write_text(text)


if __name__ == "__main__":
    main()
