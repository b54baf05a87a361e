"""Measures a landmark network on boxes of a detector. In: LFW, held-out scenes, ONNX files.
Out: one line per figure.

    python evaluate_landmarks.py --data ../../shared/data --landmarks ../crates/fusiform/packs/base/landmarks.onnx \\
        --detector ../crates/fusiform/packs/base/detector.onnx \\
        --yunet ../../shared/models/yunet_n_dynamic.onnx

Tilt: 200 LFW faces turned; the truth is YuNet's answer on the upright photo, turned with it. Where
the detector finds no face there, the photo is tried at quarter turns, as the program does. People:
the held-out scene faces that people labelled. Face or not: boxes on those faces against squares,
and the detector's mistakes at a low score, in held-out photos where no label is. With --embedder:
LFW pairs, the second photo turned, aligned by the refined points. Errors are in eye distances.
LFW is measured, never trained on.
"""

import argparse
import pathlib
import random

import cv2
import numpy as np

import data
import lfw
from evaluate_detector import Network, session_of, without_faces
from landmark_data import four
from landmark_views import AGAIN_HALF, frames, round_crop
from landmarks import SIDE

ANGLES = (0, 15, 30, 45, 60, 90, 180)
WAYS = ("the detector's", "one pass", "two passes")
MIN_SCORE = 0.5


class Refiner:
    """RGB photo and box x1 y1 x2 y2 → per pass: five points, sure of a face 0..1, expected error.

    Boxes and points count from the photo's corner, as YuNet's do: the first pixel's middle is at
    0.5. Warps and the network's views count from the first pixel's middle.
    """

    def __init__(self, path):
        self.session = session_of(path)

    def __call__(self, image, box, passes=2):
        middle, half, roll = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() / 2, 0.0
        found = []
        for _ in range(passes):
            found.append(self.once(image, middle, half, roll))
            eyes, middle, roll = (value[0] for value in frames(found[-1][0][None]))
            half = AGAIN_HALF * eyes
        return found

    def once(self, image, middle, half, roll):
        crop, turn = round_crop(image, middle, half, roll)
        points, face, error = self.session.run(["points", "face", "error"], {"crop": crop[None]})
        points = points.reshape(5, 2) * (SIDE / 2) @ np.linalg.inv(turn).T + middle
        return points, float(face[0, 0]), float(error[0, 0])


def boxes_at(detector, image, turns):
    """Boxes of the photo turned by quarters, in the pixels of the photo as it is."""
    h, w = image.shape[:2]
    boxes, _, points = detector(np.ascontiguousarray(np.rot90(image, turns)), None, MIN_SCORE)
    corners = np.stack([boxes[:, :2], boxes[:, 2:]], 1)
    back = (
        lambda p: p,
        lambda p: np.stack([w - p[..., 1], p[..., 0]], -1),
        lambda p: np.array([w, h]) - p,
        lambda p: np.stack([p[..., 1], h - p[..., 0]], -1),
    )[turns]
    corners = back(corners)
    return np.concatenate([corners.min(1), corners.max(1)], 1), back(points)


def subject(detector, image, middle, reach):
    """The box nearest to a point, its landmarks and the quarter turns until one was in reach."""
    for turns in (0, 1, 3, 2):
        boxes, points = boxes_at(detector, image, turns)
        off = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - middle, axis=1)
        if len(off) and off.min() < reach:
            return boxes[off.argmin()], points[off.argmin()], turns
    return None


def turned(image, angle, margin=60):
    """A photo with a repeated margin, turned about its middle, and what took its points there."""
    big = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    h, w = big.shape[:2]
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), angle, 1)
    out = cv2.warpAffine(big, matrix, (w, h), borderMode=cv2.BORDER_REPLICATE)
    # The same about corners, from which boxes and points count.
    matrix[:, 2] += matrix[:, :2] @ (margin - 0.5, margin - 0.5) + 0.5
    return out, matrix


def roll_of(points):
    across = points[1] - points[0]
    return np.degrees(np.arctan2(across[1], across[0]))


def tilt(refiner, detector, yunet, folder, say):
    files = sorted((folder / "images").glob("*/*_0001.jpg"))[::8][:200]
    known = []
    for file in files:
        image = cv2.imread(str(file))[:, :, ::-1].copy()
        boxes, _, points = yunet(image, None, 0.6)
        if len(boxes):
            off = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - 125, axis=1)
            known.append((image, points[off.argmin()]))
    for angle in ANGLES:
        rows, upright = [], 0
        for image, points in known:
            photo, matrix = turned(image, angle)
            truth = points @ matrix[:, :2].T + matrix[:, 2]
            eyes, middle, _ = (value[0] for value in frames(truth[None]))
            box = subject(detector, photo, middle, 1.5 * eyes)
            if box is None:
                continue
            upright += box[2] == 0
            one, two = refiner(photo, box[0])
            row = []
            for found in (box[1], one[0], two[0]):
                away = np.linalg.norm(found - truth, axis=1).mean()
                away /= np.linalg.norm(truth[1] - truth[0])
                row += [away, abs((roll_of(found) - roll_of(truth) + 180) % 360 - 180)]
            rows.append([*row, one[1], two[1]])
        rows = np.array(rows)
        mean = rows.mean(0)
        say(f"tilt {angle}: found {len(rows)} of {len(known)}, {upright} without a quarter turn;",
            f"not a face {(rows[:, 6] < 0.5).sum()} by one pass, {(rows[:, 7] < 0.5).sum()} by two")
        for i, name in enumerate(WAYS):
            far = (rows[:, 2 * i + 1] > 20).sum()
            say(f"    {name}: error {mean[2 * i]:.3f}, roll {mean[2 * i + 1]:.1f}°, beyond 20° {far}")


def people(refiner, detector, yunet, scenes, say):
    """Landmark error on faces that people labelled; per face found how sure each pass is of it."""
    rows, both, sure = [], [], []
    for _, image, _, human, _ in scenes:
        if not len(human):
            continue
        boxes, _, own = detector(image, 640, MIN_SCORE)
        refined = [refiner(image, box) for box in boxes]
        theirs = yunet(image, 640, 0.6)[2]
        sets = (theirs, own, [r[0][0] for r in refined], [r[1][0] for r in refined])
        for face in human:
            eyes = max(np.linalg.norm(face[1] - face[0]), 1e-3)
            row = []
            for points in sets:
                off = [four(p) - face for p in points]
                away = [np.linalg.norm(d, axis=1).mean() / eyes for d in off]
                row.append(min(away, default=np.inf))
                if row[-1] < 0.5 and len(row) == len(sets):
                    best = refined[int(np.argmin(away))]
                    both.append((best[1][2], row[-1], *(off[int(np.argmin(away))] / eyes).ravel()))
                    sure.append((best[0][1], best[1][1]))
            rows.append(row)
    rows, both, sure = np.array(rows), np.array(both), np.array(sure)
    found = rows < 0.5
    for i, name in enumerate(("YuNet's", *WAYS)):
        say(f"people: {name}: error {rows[found[:, i], i].mean():.4f},",
            f"{found[:, i].sum()} of {len(rows)} faces found")
    order = lambda v: v.argsort().argsort()
    rank = np.corrcoef(order(both[:, 0]), order(both[:, 1]))[0, 1]
    say(f"expected error {both[:, 0].mean():.3f}, true {both[:, 1].mean():.3f}, rank correlation",
        f"{rank:.2f}; mean offset of eye, eye, nose, mouth:", both[:, 2:].mean(0).round(3).tolist())
    return sure


def judged(refiner, detector, scenes, sure, say):
    """How often a face is refused, and how often what is none passes, by pass."""
    rng, random_, mistakes = random.Random(0), [], []
    free = without_faces(scenes)
    for image in free:
        h, w = image.shape[:2]
        for _ in range(5):
            side = np.exp(rng.uniform(np.log(24), np.log(0.8 * min(h, w))))
            x, y = rng.uniform(0, w - side), rng.uniform(0, h - side)
            box = np.array([x, y, x + side, y + side])
            random_.append([r[1] for r in refiner(image, box)])
        boxes, scores, _ = detector(image, None, 0.1)
        for box, score in zip(boxes, scores):
            mistakes.append((score, *(r[1] for r in refiner(image, box))))
    random_, mistakes = np.array(random_), np.array(mistakes).reshape(-1, 3)
    worst = mistakes[mistakes[:, 0] >= MIN_SCORE]
    for i, name in enumerate(WAYS[1:]):
        say(f"face or not, {name}: refused {(sure[:, i] < 0.5).sum()} of {len(sure)} faces;",
            f"passed {(random_[:, i] >= 0.5).sum()} of {len(random_)} squares,",
            f"{(mistakes[:, i + 1] >= 0.5).sum()} of {len(mistakes)} mistakes of 0.1 and more,",
            f"{(worst[:, i + 1] >= 0.5).sum()} of {len(worst)} of {MIN_SCORE} and more",
            f"(in {len(free)} face-free crops)")


def recognised(refiner, detector, embedder, folder, angles, say):
    """LFW pairs, second photo turned; aligned by the detector's points and by the refined ones."""
    session = session_of(embedder)
    rows = lfw.pairs(folder)
    kept = {}

    def embedded(name, angle):
        if (name, angle) not in kept:
            image = cv2.imread(str(folder / "images" / name))[:, :, ::-1].copy()
            photo, matrix = turned(image, angle)
            box = subject(detector, photo, matrix @ (125, 125, 1), 60)
            if box is None:
                # Where a face stands in a deep-funnelled photo.
                middle = matrix @ (125, 125, 1)
                points = (lfw.REFERENCE * 1.1 + 65) @ matrix[:, :2].T + matrix[:, 2]
                box = (np.concatenate([middle - 50, middle + 50]), points, 0)
            ways = (box[1], *(r[0] for r in refiner(photo, box[0])))
            warps = (lfw.similarity(p.astype(np.float64), lfw.REFERENCE) for p in ways)
            crops = np.stack([cv2.warpAffine(photo, warp, (112, 112)) for warp in warps])
            feed = {session.get_inputs()[0].name: crops.transpose(0, 3, 1, 2).astype(np.float32)}
            kept[name, angle] = session.run(None, feed)[0]
        return kept[name, angle]

    for angle in angles:
        both = np.array([[embedded(a, 0), embedded(b, angle)] for _, _, a, b in rows])
        both = both.reshape(2 * len(rows), len(WAYS), -1)
        pairs = np.array([(row[0], row[1], 2 * i, 2 * i + 1) for i, row in enumerate(rows)])
        for i, name in enumerate(WAYS):
            figures = {k: round(v, 4) for k, v in lfw.score(both[:, i], pairs).items()}
            say(f"LFW, second photo turned by {angle}: {name}:", figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--landmarks", required=True)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--yunet", required=True)
    parser.add_argument("--embedder", help="measure recognition by it as well: minutes")
    parser.add_argument("--angles", type=int, nargs="+", default=[0, 30, 90, 180])
    args = parser.parse_args()
    cv2.setNumThreads(1)
    say = lambda *what: print(*what, flush=True)
    refiner, detector, yunet = Refiner(args.landmarks), Network(args.detector), Network(args.yunet)
    scenes = [scene for scene in data.scenes(args.data) if scene[4]]
    sure = people(refiner, detector, yunet, scenes, say)
    judged(refiner, detector, scenes, sure, say)
    folder = args.data / "lfw-dev"
    tilt(refiner, detector, yunet, folder, say)
    if args.embedder:
        recognised(refiner, detector, args.embedder, folder, args.angles, say)


if __name__ == "__main__":
    main()
