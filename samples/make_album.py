"""The sample album: photos of people who do not exist.

In:  a folder with faces-utk.zip (aligned 128x128 crops, see training/README.md) and an ONNX embedder that groups
     look-alikes. Out: album/*.jpg, each a drawn scene with one or more composite faces.
Each person is the weighted mean of eight aligned faces of different people (composite portraiture, Galton 1878):
nobody's face, the same from photo to photo, with other weights, light, pose and surroundings each time.

    python samples/make_album.py --data ../shared/data --embedder crates/fusiform/packs/base/embedder.onnx
"""

import argparse
import io
import pathlib
import zipfile

import cv2
import numpy as np
import onnxruntime
from PIL import Image

PARENTS, PEOPLE, EVERY = 8, 8, 4
SOLO = [4, 3, 3, 3, 2, 2, 2, 2]
GROUPS = [(0, 1), (2, 3, 4), (0, 2, 5), (5, 6, 7, 1)]


def load(data, rng):
    with zipfile.ZipFile(pathlib.Path(data) / "faces-utk.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".webp"))[::EVERY]
        crops = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in names])
    grey = crops.mean(3).astype(np.float32)
    sharpness = np.array([cv2.Laplacian(g, cv2.CV_32F).var() for g in grey])
    return crops[(sharpness > 150) & (sharpness < 1500)]


def embed(crops, model):
    session = onnxruntime.InferenceSession(model)
    name = session.get_inputs()[0].name
    inner = crops[:, 8:120, 8:120].transpose(0, 3, 1, 2)
    parts = [session.run(None, {name: inner[i : i + 64].astype(np.float32)})[0] for i in range(0, len(inner), 64)]
    vectors = np.concatenate(parts)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def families(vectors, composite, rng):
    """Groups of look-alikes whose `composite` faces are far from one another: a mean of faces is
    nearer to every other face than a face is."""
    found = []
    for first in rng.permutation(len(vectors)):
        likeness = vectors @ vectors[first]
        near = [j for j in np.argsort(-likeness)[1:60] if 0.2 < likeness[j] < 0.62][: PARENTS - 1]
        if len(near) < PARENTS - 1:
            continue
        group = np.array([first, *near])
        mean = composite(group)
        if all(mean @ other < 0.1 for _, other in found):
            found.append((group, mean))
        if len(found) == PEOPLE:
            return [group for group, _ in found]
    raise SystemExit("too few look-alikes in the data")


def scene(width, height, rng):
    """A soft, out-of-focus background: a wall, light, a few blurred shapes."""
    top, bottom = rng.uniform(60, 230, (2, 1)) + rng.uniform(-25, 25, (2, 3))
    rows = np.linspace(0, 1, height)[:, None, None]
    picture = np.broadcast_to(top * (1 - rows) + bottom * rows, (height, width, 3)).astype(np.float32).copy()
    for _ in range(rng.integers(5, 12)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        colour = tuple(float(c) for c in rng.uniform(50, 220) + rng.uniform(-35, 35, 3))
        if rng.random() < 0.5:
            cv2.circle(picture, centre, int(rng.integers(15, 80)), colour, -1)
        else:
            size = rng.integers(20, 140, 2)
            cv2.rectangle(picture, centre, (centre[0] + int(size[0]), centre[1] + int(size[1])), colour, -1)
    return cv2.GaussianBlur(picture, (0, 0), 14)


def place(picture, crops, family, x, y, scale, rng):
    """Draws one person whose face is centred at (x, y); `scale` is pixels of the picture per pixel of the crop."""
    weights = rng.dirichlet(np.full(len(family), 9.0))
    face = np.tensordot(weights, crops[family].astype(np.float32), 1)
    blurred = cv2.GaussianBlur(face, (0, 0), 1.2)
    face = face + 0.5 * (face - blurred)  # a mean is soft
    hair = face[10:26, 40:88].reshape(-1, 3).mean(0) * 0.55
    skin = face[86:100, 44:84].reshape(-1, 3).mean(0)
    if rng.random() < 0.5:
        face = face[:, ::-1]
    def ellipse(cx, cy, rx, ry, colour, soft):
        mask = np.zeros(picture.shape[:2], np.float32)
        cv2.ellipse(mask, (int(cx), int(cy)), (int(rx), int(ry)), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
        mask = cv2.GaussianBlur(mask, (0, 0), soft)[:, :, None]
        picture[:] = picture * (1 - mask) + np.asarray(colour, np.float32) * mask
    s = scale
    ellipse(x, y + 150 * s, 88 * s, 78 * s, rng.uniform(40, 200) + rng.uniform(-40, 40, 3), 2)
    ellipse(x, y + 70 * s, 23 * s, 34 * s, skin * 0.85, 2)
    ellipse(x, y - 8 * s, 48 * s, 62 * s, hair, 3)
    turn = np.deg2rad(rng.uniform(-9, 9))
    c, sn = np.cos(turn) * s, np.sin(turn) * s
    stretch = rng.uniform(0.95, 1.05)
    matrix = np.array([[c * stretch, -sn, x - c * stretch * 64 + sn * 66], [sn * stretch, c, y - sn * stretch * 64 - c * 66]])
    size = (picture.shape[1], picture.shape[0])
    warped = cv2.warpAffine(face.astype(np.float32), matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((128, 128), np.float32)
    cv2.ellipse(mask, (64, 64), (41, 55), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    mask = cv2.GaussianBlur(mask, (0, 0), 5)
    mask = cv2.warpAffine(mask, matrix, size)[:, :, None]
    picture[:] = picture * (1 - mask) + warped * mask


def finish(picture, rng):
    light = rng.uniform(0.85, 1.15) * (1 + rng.normal(0, 0.03, 3))
    picture = np.clip(picture, 0, 255) * light + rng.normal(0, 2.5, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--embedder", required=True)
    parser.add_argument("--out", default=pathlib.Path(__file__).parent / "album", type=pathlib.Path)
    parser.add_argument("--seed", default=11, type=int)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    crops = load(args.data, rng)
    composite = lambda group: embed(crops[group].mean(0, keepdims=True), args.embedder)[0]
    people = families(embed(crops, args.embedder), composite, rng)
    args.out.mkdir(parents=True, exist_ok=True)
    shots = [(who,) for who, n in enumerate(SOLO) for _ in range(n)] + GROUPS
    for number, who in enumerate(shots, 1):
        width, height = (360, 440) if len(who) == 1 else (150 + 170 * len(who), 420)
        picture = scene(width, height, rng)
        for slot, person in enumerate(who):
            scale = rng.uniform(1.35, 1.8) if len(who) == 1 else rng.uniform(1.0, 1.2)
            x = width * (slot + 0.5) / len(who) + rng.uniform(-12, 12)
            place(picture, crops, people[person], x, height * 0.42 + rng.uniform(-20, 20), scale, rng)
        kind = "portrait" if len(who) == 1 else "group"
        Image.fromarray(finish(picture, rng)).save(args.out / f"{number:02}-{kind}.jpg", quality=84)


if __name__ == "__main__":
    main()
