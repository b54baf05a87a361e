"""Our pixels beside Pillow's (with libheif and libjxl) over any folder. In: folders of pictures. Out: how many agree.

For each file below the folders: *agree* if the sizes are equal and the mean difference of the 8-bit samples is at most 2,
*differ* otherwise; *theirs only* and *ours only* if one of the two refuses it; *both refuse*. What differs or is refused
by us alone is named. Both sides apply the orientation, convert an ICC profile to sRGB, and lay transparency on white.
Files in which Pillow sees no picture and which do not begin as one of ours are left out.

Needs Pillow, pillow-heif and pillow-jxl-plugin, and `cargo build -p fusiform-face --example pixels`:
    python bench/decode_agreement.py [--pixels PROGRAM] [--json FILE] DIR…
"""

import argparse
import collections
import io
import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401  registers JPEG XL
from PIL import Image, ImageCms, ImageFile, ImageOps

ROOT = pathlib.Path(__file__).resolve().parents[1]
AGREES = 2.0
pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = 200_000_000
warnings.simplefilter("ignore")
# Whether a file opens in a viewer, not whether it is whole: libjpeg paints what is missing grey.
ImageFile.LOAD_TRUNCATED_IMAGES = False


def to_srgb(image):
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:
        return image


def theirs(path):
    with Image.open(path) as image:
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16") or image.mode == "I":
            deep = np.asarray(image).astype(np.float64)
            eight = np.clip(np.round(deep / 257), 0, 255).astype(np.uint8)
            image = Image.fromarray(eight)
        elif image.mode == "F":
            eight = np.clip(np.round(np.asarray(image) * 255), 0, 255).astype(np.uint8)
            image = Image.fromarray(eight)
        profile = image.info.get("icc_profile")
        if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
            ground = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(ground, image).convert("RGB")
            image.info["icc_profile"] = profile
        image = to_srgb(image).convert("RGB")
        return np.asarray(image).astype(np.int16)


def ours(program, paths):
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for path in paths:
            process.stdin.write(f"{path}\n".encode())
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            pixels = None
            if "error" not in answer:
                shape = (answer["height_px"], answer["width_px"], 3)
                raw = process.stdout.read(shape[0] * shape[1] * 3)
                pixels = np.frombuffer(raw, np.uint8).reshape(shape)
            yield path, answer, pixels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--pixels", default=ROOT / "target/debug/examples/pixels", help="the example `pixels`")
    parser.add_argument("--json", type=pathlib.Path, help="one line for each file")
    options = parser.parse_args()
    paths = sorted(p for folder in options.folders for p in folder.rglob("*") if p.is_file() and "\n" not in str(p))
    lines, counts = [], collections.Counter()
    by_format = collections.defaultdict(collections.Counter)
    for path, answer, pixels in ours(options.pixels, paths):
        error = answer.get("error")
        try:
            reference, why = theirs(path), None
        except Image.UnidentifiedImageError:
            reference, why = None, "not identified"
        except Exception as e:
            reference, why = None, f"{type(e).__name__}: {e}"
        if reference is None and why == "not identified" and error and "not an image of a known format" in error:
            continue
        mean = None
        if pixels is None:
            verdict = "both refuse" if reference is None else "theirs only"
        elif reference is None:
            verdict = "ours only"
        elif reference.shape != pixels.shape:
            verdict = "differ"
        else:
            mean = float(np.abs(reference - pixels).mean())
            verdict = "agree" if mean <= AGREES else "differ"
        kind = answer.get("format") or path.suffix.lower()
        counts[verdict] += 1
        by_format[kind][verdict] += 1
        line = dict(path=str(path), verdict=verdict, mean=mean, ours=error, theirs=why, notes=answer.get("notes"))
        lines.append(line)
        if verdict in ("differ", "theirs only"):
            sizes = "" if mean is not None or pixels is None else f"{pixels.shape} {reference.shape}"
            print(f"{verdict:12} {path} {'' if mean is None else round(mean, 2)} {error or ''} {sizes}")
    if options.json:
        options.json.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for kind, of in sorted(by_format.items()):
        print(f"{kind:8}", dict(of))
    print(f"{sum(counts.values())} files:", dict(counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
