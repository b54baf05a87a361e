"""The base pack's manifest. In: the two exported networks and what was measured. Out: manifest.toml beside them.

    python make_manifest.py --pack ../crates/fusiform/packs/base --accuracy "…"

Thresholds are written afterwards by `fusiform calibrate DIR --pack PACK_DIR --write`.
"""

import argparse
import hashlib
import pathlib

TEXT = '''format = 2
name = "base"
version = "{version}"
summary = "our own detector and embedder, trained by this repository; a preview: see the model card"

[[network]]
role = "detector"
name = "fusiform-detector"
file = "detector.onnx"
sha256 = "{detector}"
head = "yunet"
input = {{ channels = "bgr", multiple_of = 32 }}
min_score = {min_score}
nms_iou = 0.3
licence = "Apache-2.0 OR MIT; the training data was for research only"
training_data = "public GitHub collections of mask photos and Caltech 10k Web Faces, labelled by YuNet (research)"
source = "training/train_detector.py"

[[network]]
role = "embedder"
name = "fusiform-embedder"
file = "embedder.onnx"
sha256 = "{embedder}"
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
    parser.add_argument("--min-score", default="0.6")
    args = parser.parse_args()
    digest = lambda name: hashlib.sha256((args.pack / name).read_bytes()).hexdigest()
    text = TEXT.format(version=args.version, detector=digest("detector.onnx"), embedder=digest("embedder.onnx"),
                       accuracy=args.accuracy, min_score=args.min_score)
    (args.pack / "manifest.toml").write_text(text)


if __name__ == "__main__":
    main()
