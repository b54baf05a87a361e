"""Measures a detector beside YuNet. In: held-out scenes, groups/, two ONNX files of YuNet's form. Out: one line per figure.

    python evaluate_detector.py --data ../../shared/data --detector detector.onnx --yunet ../../shared/models/yunet_n_dynamic.onnx

AP at IoU 0.5 against pseudo-labels of score 0.6 and more (lower ones are neither right nor wrong), at the photos' own
size; recall and mean landmark error (in eye distances) on faces labelled by people; false boxes on face-free crops. Both
detectors at the same least score for recall and false boxes, unless --yunet-min-score says otherwise.
"""

import argparse
import pathlib
import random

import cv2
import numpy as np
import onnxruntime

import data

STRIDES = (8, 16, 32)
NMS_IOU = 0.3
# Where faces of one size end and those of the next begin.
EYES_PX = (10, 20, 40, 80, 160)


def session_of(path):
    """A network on one thread: measuring must not crowd out what else the machine does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


class Network:
    """RGB photo, longest side to resize to or None, least score → boxes x1 y1 x2 y2, scores, landmarks, best first."""

    def __init__(self, path):
        self.session = session_of(path)
        self.names = [output.name for output in self.session.get_outputs()]

    def __call__(self, image, side=None, min_score=0.02):
        h, w = image.shape[:2]
        factor = 1.0 if side is None else side / max(h, w)
        if factor != 1:
            how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
            image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=how)
            h, w = image.shape[:2]
        photo = np.zeros((-(-h // 32) * 32, -(-w // 32) * 32, 3), np.float32)
        photo[:h, :w] = image[:, :, ::-1]
        feed = {self.session.get_inputs()[0].name: photo.transpose(2, 0, 1)[None]}
        found = dict(zip(self.names, self.session.run(None, feed)))
        boxes, scores, points = [], [], []
        for stride in STRIDES:
            score = np.sqrt(np.clip(found[f"cls_{stride}"], 0, 1) * np.clip(found[f"obj_{stride}"], 0, 1)).ravel()
            keep = score >= min_score
            columns = photo.shape[1] // stride
            cell = np.stack([np.arange(len(score)) % columns, np.arange(len(score)) // columns], 1)[keep]
            box = found[f"bbox_{stride}"].reshape(-1, 4)[keep]
            centre, size = (cell + box[:, :2]) * stride, np.exp(np.clip(box[:, 2:], -6, 6)) * stride
            boxes.append(np.concatenate([centre - size / 2, centre + size / 2], 1))
            points.append((found[f"kps_{stride}"].reshape(-1, 5, 2)[keep] + cell[:, None]) * stride)
            scores.append(score[keep])
        boxes, scores, points = map(np.concatenate, (boxes, scores, points))
        best = suppressed(boxes, scores)
        return boxes[best] / factor, scores[best], points[best] / factor


def iou(a, b):
    corner = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    overlap = np.clip(corner, 0, None).prod(2)
    areas = (a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None]
    return overlap / np.maximum(areas - overlap, 1e-6)


def suppressed(boxes, scores):
    """Indices that greedy non-maximum suppression keeps, best first."""
    order, kept = scores.argsort()[::-1], []
    while len(order):
        kept.append(order[0])
        order = order[iou(boxes[order[:1]], boxes[order])[0] < NMS_IOU]
    return kept


def average_precision(detector, scenes):
    """Area under the interpolated precision curve, and how many faces it is over."""
    found, total = [], 0
    for _, image, pseudo, _, _ in scenes:
        boxes, scores, _ = detector(image)
        faces = np.concatenate([pseudo[:, :2], pseudo[:, :2] + pseudo[:, 2:4]], 1)
        sure = pseudo[:, 14] >= 0.6
        total += sure.sum()
        overlap = iou(boxes, faces)
        used = np.zeros(len(faces), bool)
        for score, row in zip(scores, overlap):
            free = np.where(used, 0, row)
            j = free.argmax() if len(free) and free.max() >= 0.5 else None
            if j is not None:
                used[j] = True
                if sure[j]:
                    found.append((score, True))
            elif not (len(row) and row.max() >= 0.5 and not sure[row.argmax()]):
                found.append((score, False))
    found.sort(key=lambda f: -f[0])
    right = np.cumsum([r for _, r in found])
    precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
    return np.sum(np.diff(np.concatenate([[0], right / total])) * precision), total


def against_people(detector, scenes, min_score):
    """Of each face that people labelled: pixels between the eyes at 640 px, and the landmarks' error in eye distances."""
    faces = []
    for _, image, _, human, _ in scenes:
        if not len(human):
            continue
        _, _, points = detector(image, 640, min_score)
        four = np.concatenate([points[:, :3], points[:, 3:].mean(1, keepdims=True)], 1)
        for face in human:
            eyes = max(np.linalg.norm(face[1] - face[0]), 1e-3)
            error = np.linalg.norm(four - face[None], axis=2).mean(1).min(initial=np.inf) / eyes
            faces.append((eyes * 640 / max(image.shape[:2]), error))
    return np.array(faces).T


def without_faces(scenes, most=400):
    """Crops of photos that touch no label."""
    rng, free = random.Random(0), []
    for _, image, pseudo, human, _ in scenes:
        h, w = image.shape[:2]
        boxes = [(l[0], l[1], l[0] + l[2], l[1] + l[3]) for l in pseudo]
        boxes += [(*(p.min(0) - 40), p[:, 0].max() + 40, p[:, 1].max() + 60) for p in human]
        for _ in range(6):
            side = rng.randint(96, max(97, min(h, w) - 1))
            x, y = rng.randint(0, max(0, w - side)), rng.randint(0, max(0, h - side))
            if not any(b[0] < x + side and b[2] > x and b[1] < y + side and b[3] > y for b in boxes):
                free.append(image[y : y + side, x : x + side])
                break
    return free[:most]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--yunet", required=True)
    parser.add_argument("--min-score", type=float, default=0.6)
    parser.add_argument("--yunet-min-score", type=float)
    parser.add_argument("--every", type=int, default=1, help="only each n-th held-out photo, except for false boxes")
    args = parser.parse_args()
    detectors = {
        "ours": (Network(args.detector), args.min_score),
        "yunet": (Network(args.yunet), args.yunet_min_score or args.min_score),
    }
    held = [scene for scene in data.scenes(args.data) if scene[4]]
    some, free = held[:: args.every], without_faces(held)
    for name, (detector, min_score) in detectors.items():
        area, faces = average_precision(detector, some)
        eyes, errors = against_people(detector, some, min_score)
        found = errors < 0.5
        false = 100 * sum(len(detector(crop, None, min_score)[0]) for crop in free) / len(free)
        print(f"{name}: AP@0.5 {area:.4f} of {faces} faces; least score {min_score}:", end=" ")
        print(f"recall at 640 {found.mean():.4f}, landmark error {errors[found].mean():.4f} of {len(eyes)} faces labelled by people;", end=" ")
        print(f"false boxes {false:.2f} per 100 of {len(free)} face-free crops", flush=True)
        sizes = np.digitize(eyes, EYES_PX)
        spans = zip((0, *EYES_PX), (*EYES_PX, "any"))
        by_size = (f"{low} to {high}: {found[sizes == i].mean():.3f} of {(sizes == i).sum()}" for i, (low, high) in enumerate(spans))
        print(f"{name}: recall by pixels between the eyes at 640:", ", ".join(by_size), flush=True)
    for path in sorted((pathlib.Path(args.data) / "groups").glob("*.jpg")):
        image = cv2.imread(str(path))[:, :, ::-1]
        counts = [f"{name} {len(d(image, 640, s)[0])}" for name, (d, s) in detectors.items()]
        print(path.name, *counts)


if __name__ == "__main__":
    main()
