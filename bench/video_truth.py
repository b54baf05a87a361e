"""Names, tracks and covers of videos, on clips whose truth is known.

In:  the fusiform binary; ffmpeg; the sample album. Out: a line of figures for each measure, and with --json one document.
Two portraits side by side, each panned over, two new ones after each cut; one portrait of each person in the catalogue, the
others in the clips; two of the eight people are known to nobody. Each clip is made again darker, smaller, and with faces behind a fence
for half a second of each scene, which no detector looks through.

    python bench/video_truth.py target/release/fusiform [--rounds N] [--json]
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import tempfile

ALBUM = pathlib.Path(__file__).resolve().parent.parent / "samples" / "album"
# Portraits of persons 1 to 8, in the order of the sample album (`samples/make_album.py`, SOLO).
PEOPLE = [range(1, 5), range(5, 8), range(8, 11), range(11, 14), range(14, 16), range(16, 18), range(18, 20), range(20, 22)]
STRANGERS = {3, 5}
SCENE_S, SIDE_PX, HEIGHT_PX, FPS = 4, 320, 360, 25
VARIANTS = {
    "plain": "null",
    "dark": "eq=brightness=-0.25:contrast=0.7",
    "small": "scale=320:-2,setsar=1",
    "noisy": "noise=alls=30:allf=t",
    "fence": "drawgrid=w=20:h=20:t=9:c=black:enable='between(mod(t,4),1.4,1.9)'",
}


def portrait(number):
    return ALBUM / f"{number:02}-portrait.jpg"


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


class Home:
    """The binary with a catalogue of its own."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.environment = {**os.environ, "FUSIFORM_HOME": str(folder / "home")}

    def run(self, *arguments):
        words = [self.binary, *map(str, arguments), "--json"]
        done = subprocess.run(words, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode not in (0, 3):
            raise SystemExit(f"{words}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def enrol(home, folder):
    photos = folder / "photos"
    photos.mkdir()
    for person, numbers in enumerate(PEOPLE):
        if person not in STRANGERS:
            (photos / portrait(numbers[0]).name).symlink_to(portrait(numbers[0]))
    home.run("scan", photos)
    for person, numbers in enumerate(PEOPLE):
        if person not in STRANGERS:
            face = home.run("photo", photos / portrait(numbers[0]).name)["items"][0]["face"]
            home.run("is", f"P{person}", face)


def scenes(rounds, rng):
    """Pairs of (person, portrait) that are not in the catalogue."""
    shown = [(person, number) for person, numbers in enumerate(PEOPLE) for number in list(numbers)[1:]]
    found = []
    for _ in range(rounds):
        rng.shuffle(shown)
        found += [pair for pair in zip(shown[::2], shown[1::2]) if pair[0][0] != pair[1][0]]
    return found


def film(path, pairs, variant):
    """Writes the clip; each side goes its own way, at most one face's width in a second."""
    inputs, graph = [], ""
    for scene, pair in enumerate(pairs):
        for side, (_, number) in enumerate(pair):
            inputs += ["-loop", "1", "-t", SCENE_S, "-i", portrait(number)]
            x = ("t*18", "70-t*18", "35+35*sin(t*2)")[(scene + side) % 3]
            graph += (f"[{2 * scene + side}]scale=400:-2,crop={SIDE_PX}:{HEIGHT_PX}:'{x}':'20+t*12',fps={FPS},"
                      f"format=yuv420p,setsar=1[side{scene}_{side}];")
        graph += f"[side{scene}_0][side{scene}_1]hstack[pair{scene}];"
    graph += "".join(f"[pair{scene}]" for scene in range(len(pairs))) + f"concat=n={len(pairs)},{variant}"
    ffmpeg(*inputs, "-filter_complex", graph, "-c:v", "libx264", "-preset", "veryfast", "-crf", 20, path)


def truth_of(pairs, time_ms, middle_x, width):
    scene = min(int(time_ms // (1000 * SCENE_S)), len(pairs) - 1)
    return scene, pairs[scene][middle_x > width / 2][0]


def names(home, clip, pairs, width):
    """Counts over appearances and over the time of people with a name."""
    video = home.run("video", clip)["videos"][0]
    right = wrong = pure = seen = 0
    tracks = {}
    for shown in video["appearances"]:
        box = shown["best_bbox"]
        scene, person = truth_of(pairs, shown["best_ms"], (box[0] + box[2]) / 2, width)
        is_right = shown["name"] == f"P{person}" and person not in STRANGERS
        right, wrong = right + is_right, wrong + (not is_right)
        # Purity: how much of the track lies in the scene of its best frame, whose places never cross.
        start, end = 1000 * SCENE_S * scene, 1000 * SCENE_S * (scene + 1)
        length = max(shown["end_ms"] - shown["start_ms"], 1)
        inside = min(shown["end_ms"], end) - max(shown["start_ms"], start)
        pure, seen = pure + max(inside, 0), seen + length
        if is_right:
            tracks.setdefault((scene, person), []).append(inside)
    wanted = [(scene, person) for scene, pair in enumerate(pairs) for person, _ in pair if person not in STRANGERS]
    found = [place for place in wanted if place in tracks]
    return {
        "tracks_named": right + wrong,
        "wrong": wrong,
        "wanted": len(wanted),
        "found": len(found),
        "time_ms": sum(sum(tracks[place]) for place in found),
        "wanted_ms": len(wanted) * 1000 * SCENE_S,
        "pure_ms": pure,
        "seen_ms": seen,
        # A second track of one person in one scene, or one that becomes another's.
        "switches": sum(len(parts) - 1 for parts in tracks.values()) + wrong,
        "unknown": video["unknown"],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    answer = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        home = Home(str(pathlib.Path(arguments.binary).resolve()), folder)
        enrol(home, folder)
        pairs = scenes(arguments.rounds, random.Random(7))
        for variant, change in VARIANTS.items():
            clip = folder / f"{variant}.mp4"
            film(clip, pairs, change)
            width = 320 if variant == "small" else 2 * SIDE_PX
            answer[variant] = names(home, clip, pairs, width)
            row = answer[variant]
            if not arguments.json:
                named, wanted = row["tracks_named"], row["wanted"]
                print(f"{variant:6} precision {1 - row['wrong'] / max(named, 1):.3f} of {named} tracks, "
                      f"recall {row['found'] / wanted:.3f} of {wanted}, of their time {row['time_ms'] / row['wanted_ms']:.3f}, "
                      f"purity {row['pure_ms'] / max(row['seen_ms'], 1):.4f}, switches {row['switches']}, unknown {row['unknown']}")
    if arguments.json:
        print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
