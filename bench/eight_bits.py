"""Two packs of the same networks, one in floats and one in eight bits: do they see the same faces, and are their templates
comparable? In: packs, photos. Out: agreement of boxes and landmarks, similarities across. Needs numpy and `cargo build --release`:
    python bench/eight_bits.py PACK/ PACK-IN-EIGHT-BITS/ DIR
A score counts as moved where both catalogues have the same two faces.
"""

import pathlib
import sqlite3
import subprocess
import sys
import tempfile

import numpy as np

OURS = pathlib.Path(__file__).resolve().parents[1] / "target/release/fusiform"


def faces(pack, folder, catalogue):
    """For each photo the boxes, landmarks and embeddings of its faces."""
    subprocess.run([OURS, "scan", folder, "--pack", pack, "--catalogue", catalogue, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    rows = sqlite3.connect(catalogue).execute(
        "SELECT hash, x_min, y_min, x_max, y_max, landmarks, vector, score FROM faces"
        " JOIN templates ON face = faces.id JOIN photos ON photos.id = photo ORDER BY hash"
    )
    photos = {}
    for hash, *box, landmarks, vector, score in rows:
        points = np.frombuffer(landmarks, "<f4").reshape(5, 2)
        photos.setdefault(hash, []).append((np.array(box), points, np.frombuffer(vector, "<f4"), score))
    return photos


def overlap(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = np.prod(np.clip(high - low, 0, None))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def main():
    floats, eight = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as work:
        a, b = (faces(p, sys.argv[3], f"{work}/{i}") for i, p in enumerate((floats, eight)))
    pairs, alone = [], [[], []]
    for photo in a.keys() | b.keys():
        here, there = a.get(photo, []), list(b.get(photo, []))
        for face in here:
            best = max(there, key=lambda f: overlap(face[0], f[0]), default=None)
            if best is None or overlap(face[0], best[0]) < 0.5:
                alone[0].append(face[3])
                continue
            there = [f for f in there if f is not best]
            pairs.append((face, best))
        alone[1] += [f[3] for f in there]
    print(f"{len(pairs)} faces of both; {len(alone[0])} of floats alone, {len(alone[1])} of eight bits alone")
    if any(alone):
        print(f"highest score of one that only one sees: {max(sum(alone, [])):.3f}")
    ious = [overlap(x[0], y[0]) for x, y in pairs]
    moved = [np.linalg.norm(x[1] - y[1], axis=1).mean() / (x[0][2] - x[0][0]) for x, y in pairs]
    print(f"boxes overlap by {np.mean(ious):.4f} (least {min(ious):.3f}); landmarks move by {np.mean(moved):.4f} of a box's width")
    x, y = (np.stack([p[i][2] for p in pairs]) for i in (0, 1))
    same = (x * y).sum(1)
    print(f"similarity of a face to itself: mean {same.mean():.4f}, 1 % below {np.quantile(same, 0.01):.4f}, least {same.min():.4f}")
    upper = np.triu_indices(len(x), 1)
    for name, scores in (("eight bits", y @ y.T), ("one of each", x @ y.T)):
        change = (scores - x @ x.T)[upper]
        print(f"scores of two faces, {name}: {change.mean():+.5f} on average, {change.std():.4f} standard deviation, {np.abs(change).max():.3f} at most")


if __name__ == "__main__":
    main()
