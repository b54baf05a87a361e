"""`fusiform.face_recognition` beside `face_recognition` (dlib): boxes, points, and who is whom on the sample album. Out: figures.

Run once in each environment, then compare; the first argument says which of the two is asked:
    python bench/drop_in.py original|ours FILE.json
    python bench/drop_in.py compare ORIGINAL.json OURS.json
"""

import itertools
import json
import math
import pathlib
import statistics
import sys

ALBUM = pathlib.Path(__file__).resolve().parents[1] / "samples/album"
#: Portraits of each of the eight people, in the order of the files.
PORTRAITS = [4, 3, 3, 3, 2, 2, 2, 2]


def ask(module, target):
    answers = {}
    for path in sorted(ALBUM.glob("*.jpg")):
        image = module.load_image_file(str(path))
        answers[path.name] = {
            "shape": image.shape,
            "locations": module.face_locations(image),
            "points": module.face_landmarks(image, model="small"),
            "encodings": [encoding.tolist() for encoding in module.face_encodings(image)],
        }
    pathlib.Path(target).write_text(json.dumps(answers, default=lambda number: number.item()))


def overlap(a, b):
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[1], b[1]) - max(a[3], b[3])
    shared = max(0, height) * max(0, width)
    areas = [(box[2] - box[0]) * (box[1] - box[3]) for box in (a, b)]
    return shared / (sum(areas) - shared)


def compare(original, ours):
    overlaps, eyes = [], []
    for name, theirs in original.items():
        mine = ours[name]
        assert theirs["shape"] == mine["shape"], name
        for location, points in zip(theirs["locations"], theirs["points"]):
            near = [overlap(location, other) for other in mine["locations"]]
            best = max(near, default=0)
            overlaps.append(best)
            if best < 0.3:
                continue
            ours_here = mine["points"][near.index(best)]
            for eye in ("left_eye", "right_eye"):
                middle = [statistics.mean(point[axis] for point in points[eye]) for axis in (0, 1)]
                eyes.append(math.dist(middle, ours_here[eye][0]) / (location[1] - location[3]))
    n = [sum(len(photo["locations"]) for photo in answers.values()) for answers in (original, ours)]
    print(f"faces: {n[0]} by the original, {n[1]} by ours; {sum(o >= 0.3 for o in overlaps)} the same")
    print(f"overlap of their boxes: median {statistics.median(overlaps):.2f}, least {min(overlaps):.2f}")
    print(f"eyes apart, in widths of a box: median {statistics.median(eyes):.3f}, most {max(eyes):.3f}")
    for name, answers in (("original", original), ("ours", ours)):
        people = [person for person, n in enumerate(PORTRAITS) for _ in range(n)]
        photos = sorted(photo for photo in answers if "portrait" in photo)
        faces = [(person, answers[photo]["encodings"][0]) for person, photo in zip(people, photos) if answers[photo]["encodings"]]
        pairs = [(a[0] == b[0], math.dist(a[1], b[1])) for a, b in itertools.combinations(faces, 2)]
        same, other = ([d for is_same, d in pairs if is_same == wanted] for wanted in (True, False))
        print(f"{name}: {len(same)} pairs of one person {min(same):.2f} to {max(same):.2f}, {sum(d > 0.6 for d in same)} missed at 0.6; "
              f"{len(other)} of different people {min(other):.2f} to {max(other):.2f}, {sum(d <= 0.6 for d in other)} taken for one")


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        compare(*(json.loads(pathlib.Path(path).read_text()) for path in sys.argv[2:4]))
    elif sys.argv[1] == "original":
        import face_recognition

        ask(face_recognition, sys.argv[2])
    else:
        import fusiform.face_recognition

        ask(fusiform.face_recognition, sys.argv[2])
