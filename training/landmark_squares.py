"""Squares that are no box of a face, for the landmark network. In: scene photos, the detector,
YuNet, a landmark network. Out: squares-*.npz, `squares` [n, 112, 112, 3] and `sure` [n].

    python landmark_squares.py --data ../../shared/data --out run-landmarks/data \\
        --teacher ../../shared/models/yunet_n_dynamic.onnx --landmarks ../crates/fusiform/packs/base/landmarks.onnx \\
        --detector ../crates/fusiform/packs/base/detector.onnx

Squares of every size at random, beside faces (necks, shoulders, half heads), so wide around a face
that it is lost in them, and where the detector errs. `sure` is what the given landmark network
takes each for: all that it takes for a face are kept, and some of the others, because the errors
that count are rare among squares at random. What YuNet sees a face in, whichever way it is turned,
is left out, and so is what looks like one to the landmark network at every quarter turn in the
same place: YuNet misses masked and turned faces, and such squares would be labelled wrong.
"""

import argparse
import pathlib
import random

import cv2
import numpy as np
import torch

import data
from evaluate_detector import Network, session_of
from landmark_data import PATCH, cut
from landmark_views import AROUND, BOX_HALF, HARD
from landmarks import SIDE, circle
from teacher import YuNetOnCpu
from train_detector import cells



def usable(off, half):
    """Whether a box shows a face: how far off its middle is and half its side, in eye distances."""
    return (off <= np.maximum(1.5, half + 0.1)) & (half >= 0.6) & (half <= 4.0)


def labelled(pseudo, human):
    """Middles [n, 2] and eye distances [n] of all that is labelled, doubtful ones too."""
    middles = list(pseudo[:, :2] + pseudo[:, 2:4] / 2)
    eyes = list(pseudo[:, 2:4].max(1) / (2 * BOX_HALF))
    for face in human:
        apart = np.linalg.norm(face[1] - face[0])
        # Of a face in profile the eyes stand close: then the way down to the mouth counts.
        down = np.linalg.norm(face[3] - face[:2].mean(0)) / 1.15
        middles.append((face[:2].mean(0) + face[3]) / 2)
        eyes.append(max(apart, down, 2.0))
    return np.array(middles).reshape(-1, 2), np.array(eyes)


def windows(shape, middles, eyes, mistakes, rng, each):
    """Squares x, y, half a side: at random, beside faces, far too wide, the detector's errors."""
    h, w = shape[:2]
    found = []
    for _ in range(each):
        half = 0.5 * np.exp(rng.uniform(np.log(16), np.log(0.9 * min(h, w))))
        over = 0.3 * half
        x = rng.uniform(half - over, max(w - half + over, half))
        y = rng.uniform(half - over, max(h - half + over, half))
        found.append((x, y, half))
    for (x, y), eye in zip(middles, eyes):
        way = rng.uniform(0, 2 * np.pi)
        if rng.random() < 0.7:
            half = rng.uniform(0.8, 2.2)
            off = rng.uniform(max(1.5, half + 0.1), half + 2.5)
        else:
            half = rng.uniform(4.1, 8.0)
            off = rng.uniform(0, 0.7 * half)
        at = (x + off * eye * np.cos(way), y + off * eye * np.sin(way))
        spare = 0.3 * half * eye
        if -spare < at[0] < w + spare and -spare < at[1] < h + spare:
            found.append((*at, half * eye))
    for x, y, x1, y1 in mistakes:
        found.append(((x + x1) / 2, (y + y1) / 2, max(x1 - x, y1 - y) / 2))
    found = np.array(found)
    found = found[(found[:, 2] >= 6) & (found[:, 2] < max(h, w))]
    if len(middles):
        off = np.linalg.norm(found[:, None, :2] - middles, axis=2) / eyes
        found = found[~usable(off, found[:, 2:] / eyes).any(1)]
    return found


def squares(scenes, detector, rng, each):
    """Squares with their surroundings [n, 112, 112, 3]."""
    found = []
    for _, image, pseudo, human, _ in scenes:
        middles, eyes = labelled(pseudo, human)
        mistakes = detector(image, 640, 0.1)[0]
        for x, y, half in windows(image.shape, middles, eyes, mistakes, rng, each):
            k = PATCH / (2 * AROUND * half)
            at = np.array([[k, 0, PATCH / 2 - x * k], [0, k, PATCH / 2 - y * k]])
            found.append(cut(image, at, PATCH))
    return np.stack(found)


class Judge:
    """How sure a landmark network is of squares [n, 112, 112, 3], and points in pixels."""

    def __init__(self, path):
        self.session, self.round = session_of(path), circle().numpy()

    def __call__(self, patches):
        side = round(PATCH / AROUND)
        low = (PATCH - side) // 2
        middles = patches[:, low : low + side, low : low + side]
        views = np.stack([cv2.resize(m, (SIDE, SIDE)) for m in middles]).transpose(0, 3, 1, 2)
        crop = (views.astype(np.float32) - 127.5) * self.round + 127.5
        points, face, _ = self.session.run(["points", "face", "error"], {"crop": crop})
        return face[:, 0], points.reshape(-1, 5, 2) * side / 2


def consistent(judge, patches):
    """Squares taken for a face at all four quarter turns with the points in the same places."""
    turns = []
    sure = np.ones(len(patches))
    for turn in range(4):
        face, points = judge(np.ascontiguousarray(np.rot90(patches, turn, (1, 2))))
        # Back by the quarter turns: a turn of the picture takes (x, y) to (y, -x).
        for _ in range(turn):
            points = np.stack([-points[..., 1], points[..., 0]], -1)
        sure = np.minimum(sure, face)
        turns.append(points)
    turns = np.stack(turns)
    eyes = np.linalg.norm(turns[:, :, 1] - turns[:, :, 0], axis=-1).mean(0)
    spread = np.linalg.norm(turns - turns.mean(0), axis=-1).mean((0, 2)) / np.maximum(eyes, 1)
    return (sure > 0.5) & (spread < 0.12)


def seen_by(teacher, patches):
    """Squares in which YuNet sees a face, at any quarter turn, that they are a usable box of."""
    side, pad, found = 80, 8, np.zeros(len(patches), bool)
    half = side / (2 * AROUND)
    small = np.stack([cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in patches])
    small = np.pad(small, ((0, 0), (pad, pad), (pad, pad), (0, 0)), "edge")
    for turn in range(4):
        photos = np.rot90(small, turn, (1, 2))[..., ::-1]
        photos = photos.transpose(0, 3, 1, 2)
        out = teacher(torch.from_numpy(np.ascontiguousarray(photos, np.float32))).numpy()
        at = cells(side + 2 * pad).numpy()
        score = np.sqrt(np.clip(out[..., 0], 0, 1) * np.clip(out[..., 1], 0, 1))
        middle = at[:, :2] + out[..., 2:4] * at[:, None, 2]
        eyes = np.exp(out[..., 4:6].clip(-4, 6)).max(-1) * at[:, 2] / (2 * BOX_HALF)
        off = np.linalg.norm(middle - (side / 2 + pad), axis=-1) / eyes
        found |= ((score > 0.3) & usable(off, half / eyes)).any(1)
    return found


def in_parts(function, patches, size=128):
    parts = [function(patches[i : i + size]) for i in range(0, len(patches), size)]
    return np.concatenate(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--teacher", required=True, help="YuNet as ONNX")
    parser.add_argument("--detector", required=True, help="whose mistakes are squares")
    parser.add_argument("--landmarks", required=True, help="a network whose mistakes are kept")
    parser.add_argument("--each", type=int, default=10, help="squares at random per photo")
    parser.add_argument("--parts", type=int, default=10, help="files to share photos among")
    parser.add_argument("--share", type=float, default=0.1, help="of the easy squares kept")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    say = lambda *what, **how: print(*what, flush=True, **how)
    rng, judge, teacher = random.Random(0), Judge(args.landmarks), YuNetOnCpu(args.teacher)
    scenes = [scene for scene in data.scenes(args.data) if not scene[4]]
    detector, total = Network(args.detector), 0
    # In parts: all squares of all photos would not fit into memory.
    for i in range(args.parts):
        patches = squares(scenes[i :: args.parts], detector, rng, args.each)
        sure = in_parts(lambda p: judge(p)[0], patches)
        keep = (sure > HARD) | (np.random.default_rng(i).random(len(sure)) < args.share)
        say("part", i, ":", len(patches), "squares, hard", int((sure > HARD).sum()), end="; ")
        patches, sure = patches[keep], sure[keep]
        face = in_parts(lambda p: seen_by(teacher, p), patches)
        alike = np.zeros(len(patches), bool)
        doubt = np.flatnonzero(~face & (sure > 0.5))
        alike[doubt] = in_parts(lambda p: consistent(judge, p), patches[doubt])
        say("faces to YuNet", face.sum(), "and to the network alone", alike.sum(), end="; ")
        patches, sure = patches[~face & ~alike], sure[~face & ~alike]
        total += len(patches)
        say("kept", total)
        file = args.out / f"squares-{i:02}.npz"
        np.savez(file.with_suffix(".part"), squares=patches, sure=sure)
        file.with_suffix(".part.npz").rename(file)


if __name__ == "__main__":
    main()
