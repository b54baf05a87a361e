"""Who is in this photo: portraits with names first, then a photo of several people.

    python who_is_in_photo.py PHOTO NAME=PORTRAIT ...
"""

import sys

import fusiform


def main(photo: str, *portraits: str) -> None:
    engine = fusiform.Engine()
    people = fusiform.Gallery(None, engine)
    for portrait in portraits:
        name, path = portrait.split("=", 1)
        people.enrol(name, engine.analyse(path).largest())
    for face in engine.analyse(photo).faces:
        found = people.identify(face, fmr=1e-3)
        box = face.bbox
        print(
            f"{found.name or 'unknown'} at {box.x_min:.1f}, {box.y_min:.1f}: "
            f"similarity {found.similarity or 0:.3f}"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
