"""Faces for the landmark network. In: the training data's folder, YuNet. Out: a cache of arrays.

    python landmark_data.py --data ../../shared/data --out run-landmarks/data \\
        --teacher ../../shared/models/yunet_n_dynamic.onnx

Chips are upright faces of 160 pixels whose ArcFace points lie at TEMPLATE: all aligned crops, and
the faces of the scene photos with their surroundings. Their landmarks are YuNet's, the mean of
four answers on two sizes and mirrored, and on faces that people labelled the mean of YuNet's and
theirs. Points here count from the middle of the first pixel, as cv2's warps do: YuNet counts from
its corner, half a pixel more, and people's labels are a whole pixel more. Beyond that the two
disagree by a constant share of the face: people put the nose 0.19 eye distances lower and the
mouth 0.08 (APART). The embedder knows crops aligned by YuNet's points, so its meaning of a nose
stands, and people's labels move.

Photos of the held-out tenth give none, nor do aligned crops made from them.
"""

import argparse
import pathlib

import cv2
import numpy as np
import torch

import data
from lfw import REFERENCE, similarity
from teacher import YuNetOnCpu
from train_detector import cells

CHIP, PATCH = 160, 112
# Pixels between the eyes, the unit of every error. The middle of eyes and mouth is a chip's middle.
EYES = float(REFERENCE[1, 0] - REFERENCE[0, 0])
TEMPLATE = REFERENCE + (24, 8)
MIRRORED = [1, 0, 2, 4, 3]
# How far below YuNet's points people put eye, eye, nose and mouth, in eye distances: medians of
# 7,000 faces.
APART = np.array([0.018, 0.018, 0.191, 0.078])
# Least height of a face in a scene.
LEAST = 20


def four(points):
    """Five points as people label them: eye, eye, nose, middle of the mouth."""
    return np.concatenate([points[..., :3, :], points[..., 3:, :].mean(-2, keepdims=True)], -2)


def cut(image, matrix, side):
    """A square by the similarity photo → square; shrunk first where sampling would alias."""
    scale = np.hypot(*matrix[:, 0])
    if scale < 0.6:
        k = scale * 1.2
        small = cv2.resize(image, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
        x, y = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        # The first pixel of the small photo has its middle in the middle of many.
        back = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
        image, matrix = small, matrix @ back
    how = cv2.INTER_CUBIC if scale > 1.5 else cv2.INTER_LINEAR
    return cv2.warpAffine(image, matrix, (side, side), flags=how, borderMode=cv2.BORDER_REPLICATE)


def scene_faces(scenes):
    """Chips; in their pixels the photo's own labels and people's four (or nan); if held out."""
    chips, points, people, held = [], [], [], []
    for _, image, pseudo, human, out in scenes:
        sure = [p for p in pseudo if p[14] >= 0.5 and p[3] >= LEAST]
        rows = [(p[4:14].reshape(5, 2) - 0.5, None) for p in sure]
        for face in human - 1:
            eyes = max(np.linalg.norm(face[1] - face[0]), 1e-3)
            off = [np.linalg.norm(four(p) - face, axis=1).mean() / eyes for p, _ in rows]
            if off and min(off) < 0.5:
                best = int(np.argmin(off))
                rows[best] = (rows[best][0], face)
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
    """YuNet's points on the middle of each chip, mean of four answers; nan for fewer than two."""
    found = np.full((4, len(chips), 5, 2), np.nan)
    for turn, (side, mirror) in enumerate(((160, False), (160, True), (224, False), (224, True))):
        photos = np.stack([cv2.resize(c, (side, side)) for c in chips])[..., ::-1]
        photos = (photos[:, :, ::-1] if mirror else photos).transpose(0, 3, 1, 2)
        out, at = teacher(torch.from_numpy(np.ascontiguousarray(photos, np.float32))).numpy(), cells(side).numpy()
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
    """What is learnt: YuNet's points, or the photo's own where it is silent; met by people's."""
    five = np.where(np.isfinite(yunet), yunet, own)
    theirs = people - np.stack([np.zeros(4), APART * EYES], 1)
    move = np.where(np.isfinite(theirs), (theirs - four(five)) / 2, 0)
    return five + move[:, [0, 1, 2, 3, 3]]


def thumbnails(images, left):
    """The middle of each face, from column `left` on, as 256 greys of mean 0 and length 1."""
    middles = (i[32:128, left : left + 96] for i in images)
    parts = [cv2.resize(m, (16, 16), interpolation=cv2.INTER_AREA) for m in middles]
    grey = np.stack(parts).mean(3).reshape(len(images), -1)
    grey = grey - grey.mean(1, keepdims=True)
    return grey / np.maximum(np.linalg.norm(grey, axis=1, keepdims=True), 1e-6)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--teacher", required=True, help="YuNet as ONNX")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    teacher = YuNetOnCpu(args.teacher)
    scenes = data.scenes(args.data)
    faces, own, people, held = scene_faces(scenes)
    say = lambda *what: print(*what, flush=True)
    say(len(faces), "faces in scenes, by people", int(np.isfinite(people[:, 0, 0]).sum()))
    crops = data.crops(sorted(pathlib.Path(args.data).glob("faces-*.zip")))
    # A crop of a held-out photo is known by its picture, for its name says nothing.
    known = (thumbnails(crops, 16) @ thumbnails(faces[held], 32).T).max(1) > 0.9
    say(len(crops), "aligned crops; left out, for they show held-out faces:", int(known.sum()))
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
    say("YuNet silent on", int(np.isnan(seen[:, 0, 0]).sum()), "of", total)
    # The first `whole` chips have surroundings, the rest are padded crops.
    np.savez(out / "faces.npz", yunet=seen, own=own, people=people, whole=len(mine))


if __name__ == "__main__":
    main()
