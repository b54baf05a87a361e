"""Lesson 4: a folder of photos to people, and decisions that last.

    python learn/4_folder_to_people.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import fusiform

SAMPLES = Path(__file__).parents[1] / "samples/album"


def main(folder: str = str(SAMPLES)) -> None:
    engine = fusiform.Engine()
    with tempfile.TemporaryDirectory() as home, fusiform.Album(f"{home}/album.db", engine) as album:
        # The first scan reads every photo. Press Ctrl-C and start again: it goes on where it was.
        scanned = album.scan(folder, progress=lambda done, of: print(f"{done}/{of}", end="\r"))
        print(f"{scanned.n_analysed} new photos, {scanned.n_new_faces} faces")
        for problem in scanned.problems:
            print(f"{problem.path}: {problem.why}")
        # The second one reads only what changed.
        again = album.scan(folder)
        print(f"{again.n_unchanged} unchanged")
        assert again.n_analysed == 0

        # Faces become people by the error rates that the pack states; nobody has a name yet.
        grouped = album.group()
        print(f"{grouped.n_people} people, {grouped.n_unassigned} faces of nobody in particular")
        most, other = album.people()[:2]

        # A name is a fact that you state. What the networks think is an opinion, which a new scan or
        # another model replaces; facts stay.
        album.name(most.id, "Ida")
        photos = album.photos_of(album.find_person("ida"))
        print(f"Ida is in {len(photos)} photos, first in {photos[0].paths[0].name}")

        # Decisions can be taken back, all but one: erasing is final.
        album.merge(most.id, other.id)
        print(album.history()[0].what)
        print("undone:", album.undo()[0])
        assert album.person(most.id).n_faces == most.n_faces

        # Who is this, then? The nearest person of the album, if near enough.
        face = engine.analyse(photos[-1].paths[0]).largest()
        match = album.identify(face)
        print("the largest face of", photos[-1].paths[0].name, "is", match.person)


if __name__ == "__main__":
    main(*sys.argv[1:])
