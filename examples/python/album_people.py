"""A folder of photos to people: in how many photos is each of them.

    python album_people.py FOLDER DATABASE
"""

import sys

import fusiform


def main(folder: str, database: str) -> None:
    with fusiform.Album(database, fusiform.Engine()) as album:
        summary = album.scan(folder)
        print(f"{summary.n_files} photos, {summary.n_new_faces} new faces")
        album.group()
        for person in album.people():
            print(f"person {person.id}: {person.n_photos} photos, {person.n_faces} faces")


if __name__ == "__main__":
    main(*sys.argv[1:])
