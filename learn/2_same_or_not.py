"""Lesson 2: a similarity means nothing without an error rate.

    python learn/2_same_or_not.py [PHOTO PHOTO PHOTO]       two of one person, then somebody else
"""

import sys
from pathlib import Path

import numpy as np

import fusiform

SAMPLES = Path(__file__).parents[1] / "samples/album"


def main(*photos: str) -> None:
    if not photos:
        photos = tuple(str(SAMPLES / f"{n}-portrait.jpg") for n in (16, 17, 14))
    engine = fusiform.Engine()
    one, again, other = (engine.analyse(photo).largest() for photo in photos)

    # A template is a direction: numbers of length 1. Near directions are alike, and the similarity
    # is their cosine, which for length 1 is the dot product.
    print(f"a template has {engine.dimensions} numbers of length {np.linalg.norm(one.template):.3f}")
    print(f"the same person: {fusiform.compare(one, again):.3f}")
    print(f"somebody else:   {fusiform.compare(one, other):.3f}")

    # Is 0.5 near? For one model it is, for another it is not. So the pack states what was measured:
    # at which similarity which share of strangers is wrongly accepted (false-match rate, FMR), and
    # which share of pairs of one person is then missed (false non-match rate, FNMR).
    for threshold in engine.thresholds:
        print(f"from {threshold.similarity:.3f} on: 1 in {1 / threshold.fmr:,.0f} strangers passes, "
              f"{threshold.fnmr:.1%} of true pairs are missed")

    # So an answer has three values: same, different, and unsure in between.
    for name, face in (("the same person", again), ("somebody else", other)):
        answer = engine.verify(one, face)
        print(f"{name}: {answer.verdict} (same from {answer.same_at.similarity:.3f})")

    # A door wants a stricter rate than an album. One that was not measured is an error: nothing is
    # made up.
    strict = engine.threshold(fmr=1e-5)
    print("opens the door:", fusiform.compare(one, again) >= strict.similarity)
    try:
        engine.threshold(fmr=1e-9)
    except fusiform.Error as error:
        print(f"1 in a billion: {error.kind}")
        assert error.kind == "uncalibrated"
    else:
        raise AssertionError("a rate that nobody measured")
    assert engine.verify(one, again).verdict == "same"
    assert engine.verify(one, other).verdict == "different"


if __name__ == "__main__":
    main(*sys.argv[1:])
