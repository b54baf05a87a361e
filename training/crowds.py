"""Crowds for the detector: aligned crops pasted onto photos without faces. In: photos and their
faces as scenes.py lays them out, crops [n, 128, 128, 3]. Out: more photos in that form.

Small faces are few in the scene photos and their labels are YuNet's guesses; a pasted face of 8
pixels has its landmarks at known places. The photos' own faces are blurred away first.
"""

import math
import os
import random
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from lfw import REFERENCE

# What a detector's box is around a face in an aligned crop of 128 pixels: middle, width, height.
MIDDLE, WIDTH, HEIGHT = np.array([64.0, 62.0]), 68.0, 88.0
POINTS = REFERENCE + 8
# How many a crowd is at most, and between which heights in pixels its faces are on the whole.
COUNTS, HEIGHTS = (3, 8, 15, 30, 60), (8.0, 70.0)


def window():
    """What of a crop is pasted: an ellipse with a soft edge, float [128, 128]."""
    y, x = np.mgrid[:128, :128]
    away = np.sqrt(((x - 64) / 50) ** 2 + ((y - 62) / 60) ** 2)
    return np.clip((1.6 - 1.6 * away) / 0.55, 0, 1).astype(np.float32)


def without_faces(photo, faces):
    """The photo with every labelled face, doubtful ones too, as two by two blurred spots."""
    photo, (h, w) = photo.copy(), photo.shape[:2]
    for x, y, fw, fh in faces[:, :4]:
        x0, y0 = max(0, int(x - 0.4 * fw)), max(0, int(y - 0.5 * fh))
        x1, y1 = min(w, int(x + 1.4 * fw)), min(h, int(y + 1.3 * fh))
        if x1 > x0 and y1 > y0:
            spots = cv2.resize(photo[y0:y1, x0:x1], (2, 2), interpolation=cv2.INTER_AREA)
            photo[y0:y1, x0:x1] = cv2.resize(spots, (x1 - x0, y1 - y0))
    return photo


def upright(width, height, angle):
    """Width and height of the upright bounds of an ellipse turned by `angle` in degrees."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.hypot(width * c, height * s), np.hypot(height * c, width * s)


def crowd(canvas, crops, most, rng):
    """Pastes faces onto `canvas`, float32; their rows of 16."""
    side, soft, placed, rows = canvas.shape[0], window(), [], []
    usual = math.exp(rng.uniform(*np.log(HEIGHTS)))
    for _ in range(rng.choice(COUNTS)):
        height = usual * math.exp(rng.uniform(-0.5, 0.5))
        scale = height / HEIGHT
        angle = rng.gauss(0, 12) if rng.random() < 0.7 else rng.uniform(-60, 60)
        x, y = rng.uniform(-0.02, 1.02) * side, rng.uniform(-0.02, 1.02) * side
        near = lambda a, b, other: max(abs(x - a), abs(y - b)) < 0.42 * (height + other)
        if len(rows) == most or any(near(*one) for one in placed):
            continue
        reach = 80 * scale
        x0, y0 = max(0, int(x - reach)), max(0, int(y - reach))
        x1, y1 = min(side, int(x + reach) + 1), min(side, int(y + reach) + 1)
        if min(x1 - x0, y1 - y0) < 3:
            continue
        crop = crops[rng.randrange(len(crops))][:, :, ::-1]
        shrunk = min(1.0, max(1.5 * scale, 4 / 128))
        if scale < 0.5:
            # Sampling one pixel in two would alias.
            crop = cv2.resize(crop, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
        to = cv2.getRotationMatrix2D((64.0, 64.0), angle, scale)
        to[:, 2] += (x - 64, y - 64)
        here = to - [[0, 0, x0], [0, 0, y0]]
        of_crop = here.copy()
        of_crop[:, :2] *= 128 / crop.shape[0]
        face = cv2.warpAffine(crop, of_crop, (x1 - x0, y1 - y0), borderMode=cv2.BORDER_REPLICATE)
        mix = cv2.warpAffine(soft, here, (x1 - x0, y1 - y0))[..., None]
        face = np.clip(face * np.float32(rng.uniform(0.75, 1.2)), 0, 255)
        canvas[y0:y1, x0:x1] = canvas[y0:y1, x0:x1] * (1 - mix) + face * mix
        size = np.array(upright(WIDTH * scale, HEIGHT * scale, angle))
        # Warps count from the first pixel's middle, labels from its corner.
        middle = to[:, :2] @ MIDDLE + to[:, 2] + 0.5
        points = POINTS @ to[:, :2].T + to[:, 2] + 0.5
        placed.append((x, y, height))
        rows.append([*(middle - size / 2), *size, *points.ravel(), 1.0, 1.0])
    return np.array(rows, np.float32).reshape(-1, 16)


def crowds(photos, sizes, faces, crops, count, seed=0):
    """`count` photos of the same side with pasted faces, their sizes and faces."""
    side, most = photos.shape[1], faces.shape[1]
    made = np.empty((count, side, side, 3), np.uint8)
    rows = np.zeros((count, most, 16), np.float32)

    def make(i):
        rng = random.Random(seed * 100_003 + i)
        k = rng.randrange(len(photos))
        h, w = map(int, sizes[k])
        canvas = without_faces(photos[k, :h, :w], faces[k][faces[k, :, 14] > 0])
        canvas = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
        canvas = canvas.astype(np.float32)
        found = crowd(canvas, crops, most, rng)
        made[i], rows[i, : len(found)] = np.clip(canvas, 0, 255), found

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(make, range(count), chunksize=8))
    return made, np.full((count, 2), side, np.float32), rows
