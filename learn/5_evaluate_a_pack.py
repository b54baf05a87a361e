"""Lesson 5: measure the error rates of a pack on photos of your own.

    python learn/5_evaluate_a_pack.py [FOLDER] [PACK]         FOLDER has a folder for each person
"""

import sys

import fusiform
from labelled import pairs, portraits, templates


def main(folder: str = "", pack: str = "") -> None:
    engine = fusiform.Engine(pack or None)
    people, vectors = templates(engine, portraits(folder))
    genuine, impostor = pairs(people, vectors)
    print(f"{len(people)} faces of {len(set(people))} people: {len(genuine)} pairs of one person, "
          f"{len(impostor)} of different people")
    print(f"one person: {genuine.min():.3f} to {genuine.max():.3f}; different people: "
          f"{impostor.min():.3f} to {impostor.max():.3f}")

    # What the pack promises, beside what happens here.
    for stated in engine.thresholds:
        fmr = (impostor >= stated.similarity).mean()
        fnmr = (genuine < stated.similarity).mean()
        print(f"threshold {stated.similarity:.3f}: FMR {fmr:.4f} (stated {stated.fmr:g}), "
              f"FNMR {fnmr:.3f} (stated {stated.fnmr:.3f})")

    # How sure is a rate of zero? With no false match among n pairs the true rate is, with 95 %
    # certainty, below 3 / n (the "rule of three"). To claim 1 in 1,000 one needs 3,000 pairs at least.
    below = 3 / len(impostor)
    print(f"no false match among {len(impostor)} pairs says: below 1 in {1 / below:.0f}, no more")
    # And pairs are not independent: eight people are eight people, however many pairs they make.
    print(f"for more: `fusiform calibrate` on a folder of hundreds of people writes thresholds into a "
          f"pack; this has {len(set(people))}")
    if not folder:
        assert genuine.mean() > impostor.max() - 0.1
        assert (impostor >= engine.threshold(1e-3).similarity).mean() < 0.05


if __name__ == "__main__":
    main(*sys.argv[1:])
