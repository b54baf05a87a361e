"""Photos of which it is known who is on them, for lessons 5 and 6."""

from pathlib import Path

import numpy as np

import fusiform

SAMPLES = Path(__file__).parents[1] / "samples/album"

#: How many portraits each of the eight people of the sample album has, in the order of the files.
PORTRAITS = [4, 3, 3, 3, 2, 2, 2, 2]


def portraits(folder: str) -> list[tuple[int, Path]]:
    """Person and photo: of the sample album, or of a folder with a folder for each person."""
    if not folder:
        people = [person for person, n in enumerate(PORTRAITS) for _ in range(n)]
        return list(zip(people, sorted(SAMPLES.glob("*-portrait.jpg"))))
    named = sorted(path for path in Path(folder).iterdir() if path.is_dir())
    return [(who, file) for who, path in enumerate(named) for file in sorted(path.iterdir())]


def templates(
    engine: fusiform.Engine, photos: list[tuple[int, Path]]
) -> tuple[np.ndarray, np.ndarray]:
    """Who is on each photo, and its template: only photos in which one face is clear count."""
    people, vectors = [], []
    for person, path in photos:
        clear = [face for face in engine.analyse(path).faces if not face.is_unclear]
        if len(clear) != 1:
            print(f"left out: {path} shows {len(clear)} clear faces")
            continue
        people.append(person)
        vectors.append(clear[0].template)
    return np.array(people), np.stack(vectors)


def pairs(people: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of all pairs of one person, and of all pairs of different people."""
    similarity = vectors @ vectors.T
    once = np.triu(np.ones_like(similarity, dtype=bool), 1)
    same = people[:, None] == people[None, :]
    return similarity[once & same], similarity[once & ~same]
