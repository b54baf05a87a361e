"""Writes detections.json: what OpenCV's FaceDetectorYN finds in ../shared/data/groups.

The photo is laid out as our detector lays it out (longest side 640, triangle filter, padded right
and below to a multiple of 32), so that the comparison is of the network and its head alone. Needs
opencv-python-headless, Pillow.
Run: python3 detections.py
"""

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[3] / "shared"
MODEL = SHARED / "models/yunet_n_dynamic.onnx"


def laid_out(photo):
    scale = min(640 / max(photo.size), 1)
    width, height = (max(1, round(side * scale)) for side in photo.size)
    copy = np.asarray(photo.resize((width, height), Image.BILINEAR))[:, :, ::-1]
    padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.uint8)
    padded[:height, :width] = copy
    return padded, (photo.width / width, photo.height / height)


def detect(photo):
    padded, (step_x, step_y) = laid_out(photo)
    height, width = padded.shape[:2]
    detector = cv2.FaceDetectorYN.create(str(MODEL), "", (width, height), 0.6, 0.3)
    _, rows = detector.detect(padded)
    faces = []
    for row in [] if rows is None else rows:
        x, y, w, h = row[:4]
        steps = np.tile([step_x, step_y], 7)
        values = np.concatenate([[x, y, x + w, y + h], row[4:14]]) * steps
        faces.append({
            "score": round(float(row[14]), 4),
            "bbox": [round(float(v), 2) for v in values[:4]],
            "landmarks": [round(float(v), 2) for v in values[4:]],
        })
    return sorted(faces, key=lambda face: -face["score"])


def main():
    photos = sorted((SHARED / "data/groups").glob("*.jpg"))
    found = {p.name: detect(ImageOps.exif_transpose(Image.open(p)).convert("RGB")) for p in photos}
    lines = [f"  {json.dumps(name)}: {json.dumps(faces)}" for name, faces in found.items()]
    (HERE / "detections.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
