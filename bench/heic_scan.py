"""HEIC photos to embeddings: libheif, OpenCV and ONNX Runtime in Python beside `fusiform scan`. In: HEIC photos, or JPEGs to be written as such.
Out: photos a second.

As `bench/pipeline.py`, on one thread, CPU time, alternating rounds: the same two networks, YuNet and MobileFaceNet, on the same files. Theirs
decodes with libheif 1.x (pillow-heif, with its orientation applied), ours with the decoder in the binary. Needs opencv-python-headless,
onnxruntime, numpy, Pillow, pillow-heif, `cargo build --release`, and the pack of both networks:
    python bench/heic_scan.py PACK DIR [N_PHOTOS [MEGAPIXELS,…]]
HEIC files of DIR are taken as they are. Where there are none, JPEGs are written as HEIC of quality 80 (4:2:0, as phones do), enlarged to the
sizes in turn; without sizes they keep theirs.
"""

import pathlib
import shutil
import sys
import tempfile
import time

import cv2
import numpy as np
import pillow_heif
from PIL import Image, ImageOps

import pipeline

pillow_heif.register_heif_opener(thumbnails=False)
pillow_heif.options.DECODE_THREADS = 1


class Theirs(pipeline.Theirs):
    def read(self, path):
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image).convert("RGB")
            return np.ascontiguousarray(np.asarray(image)[..., ::-1])


def write_heic(photo, factor, to):
    with Image.open(photo) as image:
        image = ImageOps.exif_transpose(image).convert("RGB")
        if factor != 1:
            image = image.resize((round(image.width * factor), round(image.height * factor)), Image.BICUBIC)
        image.save(to, format="HEIF", quality=80, chroma=420)


def main():
    pack, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 10**9
    megapixels = [float(m) for m in sys.argv[4].split(",")] if len(sys.argv) > 4 else []
    photos = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".heic", ".heif"))
    made = not photos
    if made:
        photos = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    photos = photos[:: max(1, len(photos) // n)][:n]
    cv2.setNumThreads(1)
    theirs, name = Theirs(), "libheif + OpenCV + ONNX Runtime"
    times, faces, pixels = {name: [], "fusiform scan": []}, {}, 0
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(work, "photos").mkdir()
        for i, photo in enumerate(photos):
            copy = pathlib.Path(work, "photos", f"{i:05}.heic")
            if not made:
                shutil.copy(photo, copy)
            else:
                with Image.open(photo) as image:
                    size = image.width * image.height
                factor = (megapixels[i % len(megapixels)] * 1e6 / size) ** 0.5 if megapixels else 1
                write_heic(photo, factor, copy)
            with Image.open(copy) as image:
                pixels += image.width * image.height
        copies = sorted(map(str, pathlib.Path(work, "photos").iterdir()))
        theirs.faces(copies[0])
        for _ in range(pipeline.ROUNDS):
            # libheif decodes on threads of its own, so the time of the whole process counts.
            start = time.process_time()
            faces[name] = sum(theirs.faces(p) for p in copies)
            times[name].append(time.process_time() - start)
            cpu, faces["fusiform scan"] = pipeline.ours(pack, f"{work}/photos", work)
            times["fusiform scan"].append(cpu)
    print(f"{len(copies)} HEIC photos of {pixels / 1e6 / len(copies):.1f} megapixels, libheif {pillow_heif.libheif_version()}")
    print("| pipeline | faces | CPU ms per photo | photos/s |")
    print("|---|---|---|---|")
    for who, all_times in times.items():
        each = np.median(all_times) / len(copies)
        print(f"| {who} | {faces[who]} | {each * 1e3:.1f} | {1 / each:.1f} |")
    ratios = np.array(times[name]) / np.array(times["fusiform scan"])
    print(f"photos/s of Fusiform over theirs: {np.median(ratios):.2f}")


if __name__ == "__main__":
    main()
