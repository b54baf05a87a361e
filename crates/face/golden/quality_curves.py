"""Prints the curves behind the constants of src/quality.rs: how much a genuine LFW pair loses in
similarity when one photo is blurred, shrunk, darkened, brightened or rotated, and what each measure
reads there.

Needs opencv-python-headless, onnxruntime, numpy, and ../shared.
Run: python3 quality_curves.py [pairs]
"""

import random
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

SHARED = Path(__file__).resolve().parents[4] / "shared"
REFERENCE = np.array([
    (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366),
    (41.5493, 92.3655), (70.7299, 92.2041)])
ort.set_default_logger_severity(3)
detector = cv2.FaceDetectorYN.create(
    str(SHARED / "models/yunet_n_dynamic.onnx"), "", (256, 256), 0.6, 0.3)
options = ort.SessionOptions()
options.intra_op_num_threads = 1
embedder = ort.InferenceSession(str(SHARED / "models/mobilefacenet.onnx"), options)


def landmarks(photo):
    padded = np.zeros((256, 256, 3), np.uint8)
    padded[:250, :250] = photo
    _, rows = detector.detect(padded)
    if rows is None:
        return None
    middle = [np.hypot(r[0] + r[2] / 2 - 125, r[1] + r[3] / 2 - 125) for r in rows]
    return rows[int(np.argmin(middle))][4:14].reshape(5, 2).astype(float)


def similarity(points):
    p, q = points - points.mean(0), REFERENCE - REFERENCE.mean(0)
    z = (np.conj(p @ [1, 1j]) @ (q @ [1, 1j])) / (p ** 2).sum()
    turn = np.array([[z.real, -z.imag], [z.imag, z.real]])
    return np.c_[turn, REFERENCE.mean(0) - turn @ points.mean(0)]


def crop(photo, points):
    # OpenCV's pixel centres are whole numbers, the landmarks' and the reference's are at .5.
    m = similarity(points)
    m[:, 2] += m[:, :2] @ [0.5, 0.5] - 0.5
    return cv2.warpAffine(photo, m, (112, 112))


def embed(crops):
    x = np.stack([c[:, :, ::-1].transpose(2, 0, 1) for c in crops]).astype(np.float32)
    e = embedder.run(None, {"data": x})[0]
    return e / np.linalg.norm(e, axis=1, keepdims=True)


def measures(c, points):
    luma = c[:, :, ::-1].astype(float) @ [0.299, 0.587, 0.114]
    inner = luma[28:108, 22:90]
    lap = (4 * inner[1:-1, 1:-1] - inner[:-2, 1:-1] - inner[2:, 1:-1]
           - inner[1:-1, :-2] - inner[1:-1, 2:])
    spread = inner.std()
    return {
        "detail": np.sqrt(max(lap.var() - 0.447 * 20 / 12, 0)) / max(spread, 1),
        "mean": inner.mean(), "spread": spread,
        "clipped": ((inner < 4) | (inner > 251)).mean(),
        "eyes": np.hypot(*(points[1] - points[0])),
    }


def blurred(sigma):
    return lambda photo, points: (crop(photo, points) if sigma == 0 else
                                  cv2.GaussianBlur(crop(photo, points), (0, 0), sigma), points)


def shrunk(eyes):
    def apply(photo, points):
        s = eyes / np.hypot(*(points[1] - points[0]))
        if s > 1:
            return crop(photo, points), points
        side = max(8, round(250 * s))
        small = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
        return crop(small, points * side / 250), points * side / 250
    return apply


def lit(gain, offset=0):
    return lambda photo, points: (
        np.clip(crop(photo, points) * float(gain) + offset, 0, 255).round().astype(np.uint8),
        points)


def genuine_pairs(n):
    lines = (SHARED / "data/lfw-dev/pairs.txt").read_text().splitlines()[1:]
    pairs = [l.split("\t") for l in lines]
    same = [p for p in pairs if len(p) == 3]
    random.Random(0).shuffle(same)
    for name, a, b in same[:n]:
        paths = [f"data/lfw-dev/images/{name}/{name}_{int(i):04d}.jpg" for i in (a, b)]
        photos = [cv2.imread(str(SHARED / path)) for path in paths]
        points = [landmarks(p) for p in photos]
        if all(p is not None for p in points):
            yield photos[0], points[0], photos[1], points[1]


def main():
    pairs = list(genuine_pairs(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
    probes = np.concatenate([embed([crop(p, q)]) for _, _, p, q in pairs])
    series = {
        "blur sigma": {s: blurred(s) for s in (0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6)},
        "eye distance px": {e: shrunk(e) for e in (99, 35, 28, 22, 18, 14, 11, 9, 7, 5, 4)},
        "gain": {g: lit(g) for g in (1, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03)},
        "brighter": {o: lit(1, o) for o in (0, 40, 80, 100, 120, 140, 160, 180)},
    }
    for title, steps in series.items():
        for step, degrade in steps.items():
            done = [degrade(p, q) for p, q, _, _ in pairs]
            found = np.concatenate([embed([c]) for c, _ in done])
            genuine = (found * probes).sum(1)
            rows = [measures(c, q) for c, q in done]
            reads = " ".join(
                f"{k} " + "/".join(
                    f"{v:.3g}" for v in np.percentile([r[k] for r in rows], [5, 50, 95]))
                for k in rows[0])
            above = (genuine > 0.35).mean()
            print(f"{title:16s} {step:5g} similarity {genuine.mean():.3f} "
                  f"above 0.35: {above:.3f}  {reads}")
    genuine = (np.concatenate([embed([crop(p, q)]) for p, q, _, _ in pairs]) * probes).sum(1)
    aside = [max(abs(turned(q)[0]), abs(turned(r)[0])) for _, q, _, r in pairs]
    edges = [0, 0.06, 0.12, 0.18, 0.25, 0.33, 0.45, 2]
    for low, high in zip(edges, edges[1:]):
        inside = np.array([low <= a < high for a in aside])
        if inside.any():
            print(f"nose aside {low} to {high}: n {inside.sum()} "
                  f"similarity {genuine[inside].mean():.3f}")
    shapes = np.stack([turned(q) for pair in pairs for q in (pair[1], pair[3])])
    for name, v in zip(["nose aside", "nose down", "mouth below"], shapes.T):
        print(name, np.percentile(v, [2, 10, 25, 50, 75, 90, 98]).round(3))


def turned(points):
    """Nose aside of the middle line, nose below the eyes as part of the mouth's, mouth below the
    eyes; in eye distances."""
    right, left, nose, mouth = points[0], points[1], points[2], points[3:].mean(0)
    eyes, middle = np.hypot(*(left - right)), (left + right) / 2
    x = (left - right) / eyes
    y = np.array([-x[1], x[0]])
    tall = (mouth - middle) @ y
    return (nose - (middle + mouth) / 2) @ x / eyes, (nose - middle) @ y / tall, tall / eyes


if __name__ == "__main__":
    main()
