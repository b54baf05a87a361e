"""Training data from its zips. In: the folder that holds them. Out: arrays in memory.

faces-*.zip hold aligned 128x128 crops whose inner 112x112 is the ArcFace frame; scenes-*.zip hold photos with
labels.json. LFW is never read here: it is for measuring only (lfw.py).
"""

import io
import json
import pathlib
import zipfile
import zlib

import numpy as np
from PIL import Image

FACES = ("faces-utk.zip", "faces-scenes.zip", "faces-web.zip")
SCENES = ("scenes-1.zip", "scenes-2.zip")


def picture(archive, name):
    return np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))


def crops(folder):
    """All crops as uint8 [n, 128, 128, 3], in the order of archives and names."""
    parts = []
    for file in FACES:
        with zipfile.ZipFile(pathlib.Path(folder) / file) as archive:
            names = sorted(n for n in archive.namelist() if n.endswith(".webp"))
            part = np.empty((len(names), 128, 128, 3), np.uint8)
            for i, name in enumerate(names):
                part[i] = picture(archive, name)
            parts.append(part)
    return np.concatenate(parts)


def held_out(name):
    """One photo in ten, by its name, so that it stays the same photo whatever else changes."""
    return zlib.crc32(name.encode()) % 10 == 0


def scenes(folder):
    """Per photo: name, RGB array, pseudo-labels [n, 15] (x, y, w, h, five points, score), human points [m, 4, 2], held out."""
    found = []
    for file in SCENES:
        with zipfile.ZipFile(pathlib.Path(folder) / file) as archive:
            for name, label in sorted(json.loads(archive.read("labels.json")).items()):
                both = label if isinstance(label, dict) else {"pseudo": label, "human": []}
                key = f"{file.removesuffix('.zip')}/{name}"
                pseudo = np.array(both["pseudo"], np.float32).reshape(-1, 15)
                human = np.array(both["human"], np.float32).reshape(-1, 4, 2)
                found.append((key, picture(archive, name), pseudo, human, held_out(key)))
    return found
