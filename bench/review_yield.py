"""How many of the first questions of a review are a "yes"? In: the command, photos in one folder per person. Out: k of the first N.

The truth is the name of a photo's folder, so a stranger in the background of somebody's photo counts as that person: what is printed is
rather too low. Standard library only:
    python bench/review_yield.py PROGRAM PEOPLE/ [N] [--people M] [--photos K]
N questions (20), of the first M people in order of name (all) with K photos each at most (all).
"""

import argparse
import collections
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("people", type=pathlib.Path)
    parser.add_argument("n", type=int, nargs="?", default=20)
    parser.add_argument("--people", type=int, dest="n_people", default=10**9)
    parser.add_argument("--photos", type=int, default=10**9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        photos = pathlib.Path(home, "photos")
        for person in sorted(p for p in args.people.iterdir() if p.is_dir())[: args.n_people]:
            (photos / person.name).mkdir(parents=True)
            for photo in sorted(person.iterdir())[: args.photos]:
                (photos / person.name / photo.name).symlink_to(photo.resolve())
        def run(*words):
            env = {"HOME": home, "FUSIFORM_HOME": home, "PATH": "/usr/bin:/bin"}
            done = subprocess.run([args.program, *words, "--json"], capture_output=True, text=True, env=env)
            if not done.stdout:
                sys.exit(done.stderr)
            return json.loads(done.stdout)
        scanned = run("scan", str(photos))
        asked = run("review", "--limit", str(args.n))
        album = sqlite3.connect(pathlib.Path(home, "catalogue.db"))
        folder_of = {}
        for face, path in album.execute("SELECT f.id, p.path FROM faces f JOIN files p ON p.photo = f.photo"):
            folder_of[face] = pathlib.Path(path.decode("utf-8", "replace")).parent.name
        def folder(person):
            faces = album.execute("SELECT face FROM members WHERE person = ?", [person])
            return collections.Counter(folder_of[f] for (f,) in faces).most_common(1)[0][0]
        n_yes, expected = 0, 0.0
        for question in asked["items"]:
            group = question["group"]
            subject = folder_of[question["face"]] if group is None else folder(group)
            is_yes = subject == folder(question["candidate"])
            n_yes += is_yes
            expected += question["probability"]
            print(f"{'yes' if is_yes else 'no':4}{question['probability']:5.2f} {question['expected_gain']:6.2f}  "
                  f"{subject} / {folder(question['candidate'])}")
        n_asked = len(asked["items"])
        print(f"{scanned['photos']} photos, {scanned['people']} people, {asked['total']} questions; "
              f"{n_yes} of the first {n_asked} are a yes ({expected:.1f} expected)")


if __name__ == "__main__":
    main()
