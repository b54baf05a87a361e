"""Faces and non-faces for the landmark network. In: the training data's folder, YuNet, the detector. Out: a cache of arrays.

    python landmark_data.py --data ../../shared/data --teacher ../../shared/models/yunet_n_dynamic.onnx \\
        --detector ../crates/fusiform/packs/base/detector.onnx --out run-landmarks/data

Chips are upright faces of 160 pixels whose ArcFace points lie at TEMPLATE: all aligned crops, and the faces of the scene
photos with their surroundings. Their landmarks are YuNet's, the mean of four answers on two sizes and mirrored, and on
faces that people labelled the mean of YuNet's and theirs. Points here count from the middle of the first pixel, as
cv2's warps do: YuNet counts from its corner, half a pixel more, and people's labels are a whole pixel more. Beyond that
the two disagree by a constant share of the face: people put the nose 0.19 eye distances lower and the mouth 0.08
(APART). The embedder knows crops aligned by YuNet's points, so its meaning of a nose stands, and people's labels move.

Non-faces are squares of scene photos that touch no label, at random and where the detector errs, and in which YuNet sees
nothing whichever way they are turned. Photos of the held-out tenth give neither, nor do aligned crops made from them.
"""

import argparse
import pathlib
import random

import cv2
import numpy as np

import data
from evaluate_detector import Network
from lfw import REFERENCE, similarity
from train_detector import Teacher, cells

CHIP, PATCH = 160, 112
# Pixels between the eyes, the unit of every error; the middle of eyes and mouth is the middle of a chip.
EYES = float(REFERENCE[1, 0] - REFERENCE[0, 0])
TEMPLATE = REFERENCE + (24, 8)
MIRRORED = [1, 0, 2, 4, 3]
# How far down from YuNet's points people put eye, eye, nose and mouth, in eye distances: medians of 7,000 faces.
APART = np.array([0.018, 0.018, 0.191, 0.078])
# Least height of a face in a scene.
LEAST = 20


def four(points):
    """Five points as people label them: eye, eye, nose, middle of the mouth."""
    return np.concatenate([points[..., :3, :], points[..., 3:, :].mean(-2, keepdims=True)], -2)


def cut(image, matrix, side):
    """A square by the similarity photo → square, shrunk first where sampling alone would alias."""
    scale = np.hypot(*matrix[:, 0])
    if scale < 0.6:
        small = cv2.resize(image, None, fx=scale * 1.2, fy=scale * 1.2, interpolation=cv2.INTER_AREA)
        factor = [image.shape[1] / small.shape[1], image.shape[0] / small.shape[0], 1.0]
        image, matrix = small, matrix @ np.diag(factor)
    how = cv2.INTER_CUBIC if scale > 1.5 else cv2.INTER_LINEAR
    return cv2.warpAffine(image, matrix, (side, side), flags=how, borderMode=cv2.BORDER_REPLICATE)


def scene_faces(scenes):
    """Chips, points of the photo's own labels and people's four (or nan), in chip pixels, and whether held out."""
    chips, points, people, held = [], [], [], []
    for _, image, pseudo, human, out in scenes:
        rows = [(p[4:14].reshape(5, 2) - 0.5, None) for p in pseudo if p[14] >= 0.5 and p[3] >= LEAST]
        for face in human - 1:
            eyes = max(np.linalg.norm(face[1] - face[0]), 1e-3)
            off = [np.linalg.norm(four(p) - face, axis=1).mean() / eyes for p, _ in rows]
            if off and min(off) < 0.5:
                rows[int(np.argmin(off))] = (rows[int(np.argmin(off))][0], face)
            elif eyes * 2.2 >= LEAST:
                # No box to take the mouth's corners from: as far apart as on a mean face.
                aside = 0.414 * (face[1] - face[0])
                rows.append((np.stack([*face[:3], face[3] - aside, face[3] + aside]), face))
        for five, face in rows:
            matrix = similarity(five.astype(np.float64), TEMPLATE)
            to = lambda p: p @ matrix[:, :2].T + matrix[:, 2]
            chips.append(cut(image, matrix, CHIP))
            points.append(to(five))
            people.append(np.full((4, 2), np.nan) if face is None else to(face))
            held.append(out)
    return np.stack(chips), np.stack(points), np.stack(people), np.array(held)


def answers(teacher, chips):
    """YuNet's points on a face in the middle of each chip, mean of four answers; nan where it gives fewer than two."""
    found = np.full((4, len(chips), 5, 2), np.nan)
    for turn, (side, mirror) in enumerate(((160, False), (160, True), (224, False), (224, True))):
        photos = np.stack([c if side == CHIP else cv2.resize(c, (side, side)) for c in chips])[..., ::-1]
        photos = np.ascontiguousarray((photos[:, :, ::-1] if mirror else photos).transpose(0, 3, 1, 2), np.float32)
        out, at = teacher(photos).numpy(), cells(side).numpy()
        score = np.sqrt(np.clip(out[..., 0], 0, 1) * np.clip(out[..., 1], 0, 1))
        points = out[..., 6:].reshape(*score.shape, 5, 2) * at[:, None, 2:] + at[:, None, :2]
        if mirror:
            points[..., 0] = side - points[..., 0]
            points = points[..., MIRRORED, :]
        points = points * CHIP / side - 0.5
        off = np.linalg.norm(points - TEMPLATE, axis=-1).mean(-1) / EYES
        score = np.where(off < 0.35, score, 0)
        best = score.argmax(1)
        rows = np.arange(len(chips))
        found[turn] = np.where((score[rows, best] > 0.5)[:, None, None], points[rows, best], np.nan)
    enough = np.isfinite(found[..., 0, 0]).sum(0) >= 2
    with np.errstate(all="ignore"):
        return np.where(enough[:, None, None], np.nanmean(found, 0), np.nan)


def labelled(yunet, own, people):
    """What the network learns: YuNet's points, or the photo's own where it is silent, and the mean of them and people's."""
    five = np.where(np.isfinite(yunet), yunet, own)
    theirs = people - np.stack([np.zeros(4), APART * EYES], 1)
    move = np.where(np.isfinite(theirs), (theirs - four(five)) / 2, 0)
    return five + move[:, [0, 1, 2, 3, 3]]


def thumbnails(images, left):
    """The middle of each face as a vector of 256 greys, mean 0 and length 1; `left` is where it begins."""
    parts = [cv2.resize(i[32:128, left : left + 96], (16, 16), interpolation=cv2.INTER_AREA) for i in images]
    grey = np.stack(parts).mean(3).reshape(len(images), -1)
    grey = grey - grey.mean(1, keepdims=True)
    return grey / np.maximum(np.linalg.norm(grey, axis=1, keepdims=True), 1e-6)


def squares(scenes, detector, rng, each=3):
    """Squares around places without a label: `each` at random per photo, and wherever the detector is mistaken."""
    found = []
    for _, image, pseudo, human, _ in scenes:
        h, w = image.shape[:2]
        boxes = [(p[0] - p[2] / 3, p[1] - p[3] / 3, p[0] + 4 * p[2] / 3, p[1] + 4 * p[3] / 3) for p in pseudo]
        for p in human:
            reach = 1.2 * max(np.linalg.norm(p[1] - p[0]), 8.0)
            boxes.append((*(p.min(0) - reach), *(p.max(0) + reach)))
        windows = []
        for _ in range(each):
            side = np.exp(rng.uniform(np.log(24), np.log(0.7 * min(h, w))))
            windows.append((rng.uniform(side / 3, w - side / 3), rng.uniform(side / 3, h - side / 3), side))
        for x, y, x1, y1 in detector(image, 640, 0.15)[0]:
            # 1.7 is what a view takes of a box, wide of its 1.2, for shifts and turns.
            windows.append(((x + x1) / 2, (y + y1) / 2, 1.7 * max(x1 - x, y1 - y)))
        for x, y, side in windows:
            half = side / 2
            if side >= 12 and not any(b[0] < x + half and b[2] > x - half and b[1] < y + half and b[3] > y - half for b in boxes):
                k = PATCH / side
                found.append(cut(image, np.array([[k, 0, half * k - x * k], [0, k, half * k - y * k]]), PATCH))
    return np.stack(found)


def without_faces(teacher, patches):
    """Patches in which YuNet sees no face at any quarter turn."""
    most = np.zeros(len(patches))
    for turn in range(4):
        for i in range(0, len(patches), 128):
            some = np.rot90(patches[i : i + 128], turn, (1, 2))[..., ::-1]
            some = np.pad(some, ((0, 0), (8, 8), (8, 8), (0, 0)), "edge").transpose(0, 3, 1, 2)
            out = teacher(np.ascontiguousarray(some, np.float32)).numpy()
            score = np.sqrt(np.clip(out[..., 0], 0, 1) * np.clip(out[..., 1], 0, 1)).max(1)
            most[i : i + 128] = np.maximum(most[i : i + 128], score)
    return patches[most < 0.3]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--teacher", required=True, help="YuNet as ONNX")
    parser.add_argument("--detector", required=True, help="whose mistakes become non-faces")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(args.teacher)
    scenes = data.scenes(args.data)
    faces, own, people, held = scene_faces(scenes)
    print(len(faces), "faces in scenes,", int(np.isfinite(people[:, 0, 0]).sum()), "labelled by people", flush=True)
    crops = data.crops(args.data)
    # A crop of a held-out photo is known by its picture, for its name says nothing.
    known = (thumbnails(crops, 16) @ thumbnails(faces[held], 32).T).max(1) > 0.9
    print(len(crops), "aligned crops, of which", int(known.sum()), "show held-out faces and are left out", flush=True)
    mine, theirs = np.flatnonzero(~held), np.flatnonzero(~known)
    total = len(mine) + len(theirs)
    chips = np.lib.format.open_memmap(out / "chips.npy", "w+", np.uint8, (total, CHIP, CHIP, 3))
    for i, j in enumerate(mine):
        chips[i] = faces[j]
    for i, j in enumerate(theirs, len(mine)):
        chips[i] = cv2.copyMakeBorder(crops[j], 0, 32, 16, 16, cv2.BORDER_REPLICATE)
    del faces, crops
    own = np.concatenate([own[mine], np.broadcast_to(TEMPLATE, (len(theirs), 5, 2))])
    people = np.concatenate([people[mine], np.full((len(theirs), 4, 2), np.nan)])
    seen = np.concatenate([answers(teacher, chips[i : i + 128]) for i in range(0, total, 128)])
    print("YuNet silent on", int(np.isnan(seen[:, 0, 0]).sum()), "of", total, flush=True)
    # The first `whole` chips have surroundings, the rest are padded crops.
    np.savez(out / "faces.npz", yunet=seen, own=own, people=people, whole=len(mine))
    del chips
    rng = random.Random(0)
    patches = squares([s for s in scenes if not s[4]], Network(args.detector), rng)
    print(len(patches), "squares without a label", flush=True)
    patches = without_faces(teacher, patches)
    print(len(patches), "of them without a face to YuNet", flush=True)
    np.save(out / "patches.npy", patches)


if __name__ == "__main__":
    main()
