"""A folder of 1,000 mixed files, scanned: is each one read, or named? In: the command, photos. Out: counts by kind.

Every format that is read, in several layouts; formats that are not read; films; photos without their extension; files that
are cut, empty, or text under the name of a photo; and what is no picture at all. Needs Pillow 11.3 or newer, pillow-heif,
pillow-jxl-plugin and tifffile:
    python bench/mixed_folder.py PROGRAM PHOTOS/ FOLDER/ [N]
FOLDER is made, with N files (1,000), those that are there already left as they are; further files for it, such as image suites, can be put below it before.
"""

import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import pillow_heif
import pillow_jxl  # noqa: F401  registers JPEG XL
import tifffile
from PIL import Image

pillow_heif.register_heif_opener()


def writers():
    """For each kind: the extension, and what writes a photo to a path."""
    def pil(**how):
        return lambda image, path: image.save(path, **how)

    def raw(image, path):
        # A TIFF-style raw file: sensor samples behind a colour filter, and the photo as its preview.
        image.save(path.with_suffix(".jpg_"), format="JPEG", quality=90)
        preview = path.with_suffix(".jpg_").read_bytes()
        path.with_suffix(".jpg_").unlink()
        head = b"II*\0\x08\0\0\0\x01\0\x06\x01\x03\0\x01\0\0\0\x23\x80\0\0\0\0\0\0"
        path.write_bytes(head + bytes(64) + preview)

    def tiff(**how):
        import numpy as np
        return lambda image, path: tifffile.imwrite(path, np.asarray(image), photometric="rgb", metadata=None, **how)

    read = {
        "JPEG": (".jpg", pil(quality=88)),
        "JPEG, progressive": (".JPG", pil(quality=88, progressive=True)),
        "JPEG, grey": (".jpeg", lambda i, p: i.convert("L").save(p, quality=88)),
        "JPEG, inks": (".jpe", lambda i, p: i.convert("CMYK").save(p, format="JPEG", quality=88)),
        "PNG": (".png", pil()),
        "PNG, palette": (".png", lambda i, p: i.quantize(64).save(p)),
        "WebP": (".webp", pil(quality=88)),
        "GIF": (".gif", lambda i, p: i.quantize(128).save(p)),
        "BMP": (".bmp", pil()),
        "TIFF": (".tif", pil(compression="tiff_lzw")),
        "TIFF, JPEG in tiles": (".tiff", tiff(compression="jpeg", tile=(64, 64))),
        "TIFF, Zstandard": (".tif", tiff(compression="zstd")),
        "HEIC": (".HEIC", pil(format="HEIF", quality=80)),
        "HEIF": (".heif", pil(quality=80)),
        "AVIF": (".avif", pil(quality=80)),
        "JPEG XL": (".jxl", pil(quality=88)),
        "raw, TIFF style": (".NEF", raw),
        "raw, DNG": (".dng", raw),
        "MPO": (".mpo.jpg", lambda i, p: i.save(p, format="MPO", save_all=True, append_images=[i])),
    }
    unread = {
        "JPEG 2000": (".jp2", pil()),
        "Targa": (".tga", pil()),
        "icon": (".ico", pil()),
        "Netpbm": (".ppm", pil()),
        "PCX": (".pcx", pil()),
        "without extension": ("", pil(format="JPEG", quality=88)),
        "film, MOV": (".MOV", lambda i, p: p.write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(4096))),
        "film, MP4": (".mp4", lambda i, p: p.write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(4096))),
        "drawing": (".svg", lambda i, p: p.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")),
        "Photoshop": (".psd", lambda i, p: p.write_bytes(b"8BPS\0\x01" + bytes(64))),
    }
    def cut(extension, **how):
        def write(image, path):
            image.save(path, **how)
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 7])
        return extension, write
    broken = {
        "cut JPEG": cut(".jpg", quality=88),
        "cut PNG": cut(".png"),
        "cut HEIC": cut(".heic", quality=80),
        "cut AVIF": cut(".avif", quality=80),
        "cut JPEG XL": cut(".jxl", quality=88),
        "empty": (".jpg", lambda i, p: p.write_bytes(b"")),
        "text as JPEG": (".jpg", lambda i, p: p.write_text("Dear aunt,\nthank you for the photos.\n")),
        "zeros": (".png", lambda i, p: p.write_bytes(bytes(5000))),
    }
    no_picture = {
        "text": (".txt", lambda i, p: p.write_text("notes")),
        "sidecar": (".xmp", lambda i, p: p.write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")),
        "table": (".json", lambda i, p: p.write_text("{}")),
    }
    return read, unread, broken, no_picture


def main():
    program, photos, folder = map(pathlib.Path, sys.argv[1:4])
    n_files = int(sys.argv[4]) if len(sys.argv) > 4 else 1000
    originals = sorted(p for p in photos.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    draw = random.Random(15)
    read, unread, broken, no_picture = writers()
    kinds = [("read", *k) for k in read.items()] * 4 + [("unread", *k) for k in unread.items()] * 2
    kinds += [("broken", *k) for k in broken.items()] + [("no picture", *k) for k in no_picture.items()]
    expected = collections.defaultdict(dict)
    for number in range(n_files):
        group, kind, (extension, write) = kinds[number % len(kinds)]
        path = folder / f"{number // 100:02}" / f"{number:04} {kind}{extension}".replace(", ", " ")
        path.parent.mkdir(parents=True, exist_ok=True)
        original = draw.choice(originals)
        expected[group][str(path.resolve())] = kind
        if path.exists():
            continue
        with Image.open(original) as image:
            image = image.convert("RGB")
            image.thumbnail((480, 480))
            image.putpixel((0, 0), (number & 255, number >> 8, 0))
            write(image, path)
    with tempfile.TemporaryDirectory() as home:
        run = subprocess.run([program, "scan", "--no-videos", folder, "--json"], capture_output=True, text=True,
                             env={"HOME": home, "FUSIFORM_HOME": home, "XDG_DATA_HOME": home, "PATH": "/usr/bin"})
    if not run.stdout:
        sys.exit(run.stderr)
    answer = json.loads(run.stdout)
    named = {p["file"]: p["problem"] for p in answer["problems"]}
    left = {u["file"]: u["kind"] for u in answer["unread"]}
    noted = {n["file"]: n["note"] for n in answer["notes"]}
    silent = 0
    for group, files in expected.items():
        counts = collections.Counter()
        for path, kind in files.items():
            what = "named as broken" if path in named else "named as unread" if path in left else "with a note" if path in noted else "taken"
            counts[kind, what] += 1
            wrong = {"read": what in ("named as broken", "named as unread"), "unread": what != "named as unread",
                     "broken": what == "taken", "no picture": what != "taken"}[group]
            if wrong:
                silent += 1
                print(f"unexpected: {path}: {what}: {named.get(path) or left.get(path) or ''}")
        print(group, sum(counts.values()))
        for (kind, what), n in sorted(counts.items()):
            print(f"  {kind:22} {what:16} {n}")
    print(f"{answer['photos']} photos, {answer['new_photos']} new, {len(named)} problems, {len(left)} unread "
          f"{answer['unread_by_kind']}, exit code {run.returncode}, {silent} unexpected")
    return int(silent > 0 or run.returncode != 3)


if __name__ == "__main__":
    sys.exit(main())
