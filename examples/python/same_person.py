"""Is this the same person: two photos, one answer, and what it rests on.

    python same_person.py PHOTO PHOTO
"""

import sys

import fusiform


def main(a: str, b: str) -> None:
    engine = fusiform.Engine()
    answer = engine.verify(engine.analyse(a).largest(), engine.analyse(b).largest())
    print(f"{answer.verdict}: similarity {answer.similarity:.3f}")
    print(f"{answer.same_at.fmr:.4f} of strangers reach {answer.same_at.similarity:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
