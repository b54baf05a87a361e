"""The two commands of the package ``face_recognition``, under names that leave room for both.

``fusiform-face-recognition KNOWN_FOLDER IMAGE_OR_FOLDER`` and ``fusiform-face-detection
IMAGE_OR_FOLDER`` take the options and print the lines that ``face_recognition`` and
``face_detection`` do.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from .. import _shared_engine
from .._errors import Error
from .._native import Engine
from . import api

_IMAGE = re.compile(r".*\.(jpg|jpeg|png)", re.IGNORECASE)


def face_recognition(arguments: Optional[Sequence[str]] = None) -> int:
    """Who of the people in one folder is in photos: lines of file and name."""
    parser = argparse.ArgumentParser(
        prog="fusiform-face-recognition",
        description="Names the people in photos after the files of a folder with one face each.",
        epilog="Example: fusiform-face-recognition --tolerance 0.5 known/ unknown/",
    )
    parser.add_argument("known_people_folder")
    parser.add_argument("image_to_check", help="a photo or a folder of photos")
    parser.add_argument("--cpus", type=int, default=1, help="photos at once; -1 is all cores")
    parser.add_argument(
        "--tolerance", type=float, default=api.USUAL_TOLERANCE, help="smaller is stricter; 0.6"
    )
    parser.add_argument("--show-distance", type=_truth, default=False, metavar="TRUE_OR_FALSE")
    asked = parser.parse_args(arguments)
    n_threads = _n_threads(parser, asked.cpus)

    try:
        names, encodings, n_unread = _known_people(asked.known_people_folder)
        images = _images(asked.image_to_check)
    except OSError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")

    def lines(path: str) -> list[str]:
        found = api.face_encodings(api.load_image_file(path))
        if not found:
            return [_line(path, "no_persons_found", None, asked.show_distance)]
        answers = []
        for encoding in found:
            distances = api.face_distance(encodings, encoding)
            near = [
                _line(path, name, distance, asked.show_distance)
                for name, distance in zip(names, distances)
                if distance <= asked.tolerance
            ]
            answers += near or [_line(path, "unknown_person", None, asked.show_distance)]
        return answers

    return _print_all(images, lines, n_threads, n_unread)


def face_detection(arguments: Optional[Sequence[str]] = None) -> int:
    """Where faces are in photos: lines of file, top, right, bottom, left."""
    parser = argparse.ArgumentParser(
        prog="fusiform-face-detection",
        description="Finds the faces in photos: file, top, right, bottom, left.",
        epilog="Example: fusiform-face-detection photos/",
    )
    parser.add_argument("image_to_check", help="a photo or a folder of photos")
    parser.add_argument("--cpus", type=int, default=1, help="photos at once; -1 is all cores")
    parser.add_argument("--model", choices=["hog", "cnn"], default="hog", help="without effect")
    parser.add_argument(
        "--upsample", type=int, default=0, choices=range(9), help="2 and more find smaller faces"
    )
    asked = parser.parse_args(arguments)
    n_threads = _n_threads(parser, asked.cpus)

    try:
        images = _images(asked.image_to_check)
    except OSError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")

    def lines(path: str) -> list[str]:
        found = api.face_locations(api.load_image_file(path), asked.upsample, asked.model)
        return [f"{path},{top},{right},{bottom},{left}" for top, right, bottom, left in found]

    return _print_all(images, lines, n_threads)


def _known_people(folder: str) -> tuple[list[str], list[NDArray[np.float64]], int]:
    """Names, an encoding for each, and how many portraits could not be read."""
    n_unread = 0
    names: list[str] = []
    encodings: list[NDArray[np.float64]] = []
    for path in _images_in(folder):
        try:
            found = api.face_encodings(api.load_image_file(path))
        except Error as error:
            n_unread += 1
            print(f"WARNING: {path} is ignored: {error}", file=sys.stderr)
            continue
        if len(found) > 1:
            print(f"WARNING: {path} shows {len(found)} faces; the first counts", file=sys.stderr)
        if not found:
            print(f"WARNING: {path} is ignored: no face was found in it", file=sys.stderr)
            continue
        names.append(os.path.splitext(os.path.basename(path))[0])
        encodings.append(found[0])
    return names, encodings, n_unread


def _images(path: str) -> list[str]:
    return _images_in(path) if os.path.isdir(path) else [path]


def _images_in(folder: str) -> list[str]:
    names = sorted(os.listdir(folder))
    return [os.path.join(folder, name) for name in names if _IMAGE.fullmatch(name)]


def _line(path: str, name: str, distance: Optional[float], with_distance: bool) -> str:
    return f"{path},{name},{distance}" if with_distance else f"{path},{name}"


def _print_all(
    images: Sequence[str], lines: Callable[[str], list[str]], n_threads: int, n_failed: int = 0
) -> int:
    for path, found in _each(images, lines, n_threads):
        if isinstance(found, Error):
            n_failed += 1
            print(f"{path}: {found}", file=sys.stderr)
            continue
        for line in found:
            print(line)
    return 3 if n_failed else 0


def _each(
    images: Sequence[str], lines: Callable[[str], list[str]], n_threads: int
) -> Iterator[tuple[str, Any]]:
    def one(path: str) -> tuple[str, Any]:
        try:
            return path, lines(path)
        except Error as error:
            return path, error

    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(one, images)


def _n_threads(parser: argparse.ArgumentParser, asked: int) -> int:
    if asked != -1 and not 1 <= asked <= 1024:
        parser.error(f"--cpus {asked} is not 1 to 1024, or -1 for all cores")
    # Photos are worked on side by side; so each of them takes one core.
    _shared_engine.use(Engine())
    return os.cpu_count() or 1 if asked == -1 else asked


def _truth(text: str) -> bool:
    if text.lower() in ("1", "true", "t", "yes", "y"):
        return True
    if text.lower() in ("0", "false", "f", "no", "n"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


if __name__ == "__main__":
    sys.exit(face_recognition())
