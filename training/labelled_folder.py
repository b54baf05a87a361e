"""Held-out scene photos as a folder for `fusiform eval detect`. In: the training data's folder. Out:
the photos and faces.jsonl.

    python labelled_folder.py --data ../../shared/data --out ../target/held-out
    fusiform eval detect target/held-out     # from the repository's root

A line of faces.jsonl is a photo: {"photo": "scenes-2/0001.webp", "faces": [{"box": [x, y, width,
height], "landmarks": [[x, y], …], "ignore": false}]}, in pixels from the photo's corner. Boxes are
YuNet's; those below a score of 0.6 on which no person put landmarks are to be ignored. Landmarks
are people's, four points, where they are; of a face that YuNet does not know the box is made from
them. With --people only photos that people labelled are written.
"""

import argparse
import json
import pathlib
import zipfile

import numpy as np

import data
from landmark_data import four
from landmark_views import BOX_HALF, BOX_MIDDLE

LEAST_SCORE = 0.6
# Width of a box over its height, on upright faces.
SLIM = 0.76


def box_of(face):
    """x, y, width, height around four points, as YuNet would draw it."""
    eyes = max(np.linalg.norm(face[1] - face[0]), 1.0)
    middle = (face[:2].mean(0) + face[3]) / 2 + np.array(BOX_MIDDLE) * eyes
    size = 2 * BOX_HALF * eyes * np.array([SLIM, 1.0])
    return [*(middle - size / 2), *size]


def entries(pseudo, human):
    """The faces of one photo as faces.jsonl has them."""
    faces = [{"box": row[:4], "ignore": bool(row[14] < LEAST_SCORE)} for row in pseudo]
    for face in human:
        eyes = max(np.linalg.norm(face[1] - face[0]), 1e-3)
        guesses = [four(row[4:14].reshape(5, 2)) for row in pseudo]
        off = [np.linalg.norm(guess - face, axis=1).mean() / eyes for guess in guesses]
        if off and min(off) < 0.5:
            faces[int(np.argmin(off))] |= {"landmarks": face, "ignore": False}
        else:
            faces.append({"box": box_of(face), "landmarks": face, "ignore": False})
    rounded = lambda values: np.asarray(values, float).round(2).tolist()
    return [{k: v if k == "ignore" else rounded(v) for k, v in face.items()} for face in faces]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--people", action="store_true", help="only photos that people labelled")
    args = parser.parse_args()
    lines = []
    for file in data.SCENES:
        folder = file.removesuffix(".zip")
        with zipfile.ZipFile(args.data / file) as archive:
            for name, label in sorted(json.loads(archive.read("labels.json")).items()):
                key = f"{folder}/{name}"
                both = label if isinstance(label, dict) else {"pseudo": label, "human": []}
                if not data.held_out(key) or args.people and not both["human"]:
                    continue
                pseudo = np.array(both["pseudo"]).reshape(-1, 15)
                # People's labels call the middle of the first pixel 1, the command 0.5.
                human = np.array(both["human"]).reshape(-1, 4, 2) - 0.5
                (args.out / key).parent.mkdir(parents=True, exist_ok=True)
                (args.out / key).write_bytes(archive.read(name))
                lines.append(json.dumps({"photo": key, "faces": entries(pseudo, human)}))
    (args.out / "faces.jsonl").write_text("\n".join(lines) + "\n")
    print(len(lines), "photos in", args.out)


if __name__ == "__main__":
    main()
