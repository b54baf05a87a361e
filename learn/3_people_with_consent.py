"""Lesson 3: recognise people who agreed to it, and forget them when they want.

    python learn/3_people_with_consent.py
"""

import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import fusiform

SAMPLES = Path(__file__).parents[1] / "samples/album"


def main() -> None:
    engine = fusiform.Engine()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "people.db"
        # Nobody is kept without a ground. It is stored with the person, and its end is obeyed.
        consent = fusiform.Consent(
            basis="consent",
            purpose="to open the door of the workshop",
            expires_at=datetime.now(timezone.utc) + timedelta(days=365),
        )
        with fusiform.Gallery(file, engine) as people:
            for name, portrait in (("Ida", 14), ("Mara", 16)):
                photo = engine.analyse(SAMPLES / f"{portrait}-portrait.jpg")
                people.enrol(name, photo.largest(), consent=consent)
            print([person.name for person in people.people()], "are enrolled")

            # Who is at the door? Somebody who is enrolled, or nobody: strangers stay strangers.
            for portrait in (15, 17, 1):
                face = engine.analyse(SAMPLES / f"{portrait:02}-portrait.jpg").largest()
                found = people.identify(face, fmr=1e-4)
                print(f"photo {portrait}: {found.name or 'a stranger'} ({found.similarity:.3f}, "
                      f"named from {found.threshold.similarity:.3f} on)")
            assert people.identify(face, fmr=1e-4).name is None

            # Among N people a stranger is taken for somebody about N times as often as in one
            # comparison: a gallery of 1,000 at 1 in 10,000 errs with every tenth stranger.
            n = len(people.people())
            print(f"one in {1 / (n * 1e-4):,.0f} strangers will be named wrongly")

        # The file is sealed: without its key, names and faces in it are noise.
        assert b"Mara" not in file.read_bytes()
        print("the key is", [path.name for path in Path(folder).glob("*.key")])

        # Forgetting is final: the bytes are overwritten when the call returns.
        with fusiform.Gallery(file, engine) as people:
            people.erase("Mara")
            face = engine.analyse(SAMPLES / "17-portrait.jpg").largest()
            print("after erasing Mara:", people.identify(face, fmr=1e-4).name)
            assert people.identify(face, fmr=1e-4).name is None


if __name__ == "__main__":
    main()
