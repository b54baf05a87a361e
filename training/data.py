"""Training data from its zips. In: the folder that holds them. Out: arrays in memory.

faces-*.zip hold aligned 128x128 crops whose inner 112x112 is the ArcFace frame; scenes-*.zip hold photos with
labels.json. LFW is never read here: it is for measuring only (lfw.py).
"""

import io
import json
import os
import pathlib
import queue
import threading
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

SCENES = ("scenes-1.zip", "scenes-2.zip")


def picture(archive, name):
    return np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))


def crops(files):
    """The crops of some faces-*.zip as uint8 [n, 128, 128, 3], in the order of archives and names; decoded by all cores."""
    encoded = []
    for file in files:
        with zipfile.ZipFile(file) as archive:
            encoded += [archive.read(n) for n in sorted(archive.namelist()) if n.endswith((".webp", ".jpg"))]
    found = np.empty((len(encoded), 128, 128, 3), np.uint8)

    def decode(i):
        image = Image.open(io.BytesIO(encoded[i])).convert("RGB")
        found[i] = image if image.size == (128, 128) else image.resize((128, 128), Image.Resampling.BOX)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, range(len(encoded)), chunksize=64))
    return found


class Arrivals:
    """Zips of crops in a folder, and those that arrive there while a run is under way, decoded on a thread of their own."""

    def __init__(self, folder, every_s=2.0):
        self.folder, self.known, self.decoded = pathlib.Path(folder), set(), queue.Queue()
        self.first = self.new()
        threading.Thread(target=self.watch, args=(every_s,), daemon=True).start()

    def new(self):
        """The crops of zips not seen before; `None` if there are none."""
        files = [f for f in sorted(self.folder.glob("faces-*.zip")) if f not in self.known]
        found = crops(files) if files else None
        self.known.update(files)
        return found

    def watch(self, every_s):
        while True:
            time.sleep(every_s)
            # A zip that is still being copied cannot be opened; it is tried again.
            try:
                found = self.new()
            except zipfile.BadZipFile:
                continue
            if found is not None:
                self.decoded.put(found)

    def take(self):
        """What was decoded since the last call, or `None`."""
        try:
            return self.decoded.get_nowait()
        except queue.Empty:
            return None


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
