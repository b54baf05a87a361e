"""Boxes, points and encodings in the conventions of the package ``face_recognition``.

An encoding is Fusiform's template, shrunk so that the Euclidean distance of two encodings is 0.6
exactly where two faces reach Fusiform's similarity for "same" (one in a thousand pairs of strangers
does). So ``tolerance=0.6`` means what it meant, ``numpy.linalg.norm`` of a difference and any
classifier trained on encodings work as before, and a smaller distance is always a larger similarity.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from typing import Any, BinaryIO, Iterable, Optional, Sequence, Union

import numpy as np
from numpy.typing import NDArray

from .._errors import OptionError
from .._native import Face, Photo
from .._shared_engine import engine, same_at

Location = tuple[int, int, int, int]
"""A box in the order of CSS: top, right, bottom, left."""

Points = dict[str, list[tuple[int, int]]]

#: The distance at which two faces are called the same.
USUAL_TOLERANCE = 0.6

#: Shorter side, in pixels, of the smallest face that is looked for with two enlargements; each
#: further one halves it. With none or one, Fusiform's usual search is used, which finds smaller
#: faces than the original did.
_MIN_FACE_PX_OF_TWO = 20.0

#: Larger arrays are neither copied nor remembered: a view can claim any size, and the engine refuses
#: what is beyond its limits before it copies.
_MOST_BYTES = 1 << 30

#: Photos that are remembered, so that asking for boxes and then for encodings searches once.
_N_REMEMBERED = 8


class _Landmarks(dict[str, list[tuple[int, int]]]):
    """Points by the name of a feature; asking for one that is not known says why."""

    def __missing__(self, feature: str) -> list[tuple[int, int]]:
        raise KeyError(
            f"{feature!r} is not known: Fusiform has five points of a face (the eyes, the tip of "
            f"the nose, the corners of the mouth), not 68; here are {sorted(self)}"
        )


class _Memory:
    """The latest photos by their pixels: those who ask for boxes mostly ask for encodings next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._photos: OrderedDict[tuple[object, ...], Photo] = OrderedDict()

    def analysed(self, image: NDArray[Any], min_face_px: Optional[float]) -> Photo:
        used = engine()
        if image.nbytes > _MOST_BYTES:
            return used.analyse(image, min_face_px=min_face_px)
        pixels = np.ascontiguousarray(image)
        digest = hashlib.blake2b(pixels.data if pixels.size else b"", digest_size=32).digest()
        key = (used.detector, used.model, digest, pixels.shape, str(pixels.dtype), min_face_px)
        with self._lock:
            if key in self._photos:
                self._photos.move_to_end(key)
                return self._photos[key]
        photo = used.analyse(pixels, min_face_px=min_face_px)
        with self._lock:
            self._photos[key] = photo
            while len(self._photos) > _N_REMEMBERED:
                self._photos.popitem(last=False)
        return photo

    def forget_lock(self) -> None:
        """In a forked child, whose parent's threads may have held it."""
        self._lock = threading.Lock()


_memory = _Memory()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_memory.forget_lock)


def load_image_file(
    file: Union[str, "os.PathLike[str]", BinaryIO], mode: str = "RGB"
) -> NDArray[np.uint8]:
    """The pixels of an image file, or of an open one: ``RGB`` (height, width, 3) or ``L``.

    Differs: the picture is brought upright by its EXIF orientation, and HEIC, AVIF, JPEG XL, raw
    files and colour profiles are read too.
    """
    if mode not in ("RGB", "L"):
        raise OptionError(f"mode={mode!r} is neither 'RGB' nor 'L'", "bad_option", 3)
    source = file if isinstance(file, (str, os.PathLike)) else file.read()
    pixels = engine().decode(source)
    if mode == "RGB":
        return pixels
    # ITU-R BT.601, with 16 bits behind the point, rounded.
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)
    grey: NDArray[np.uint8] = ((pixels @ weights + 32768) >> 16).astype(np.uint8)
    return grey


def face_locations(
    img: NDArray[Any], number_of_times_to_upsample: int = 1, model: str = "hog"
) -> list[Location]:
    """Boxes of the faces in an image as (top, right, bottom, left), best first, inside the image.

    Differs: ``"hog"`` and ``"cnn"`` are both accepted and mean Fusiform's detector. The usual search
    finds faces that the original needs several enlargements for; from 2 on,
    ``number_of_times_to_upsample`` looks for faces of at least 20, 10, … pixels.
    """
    photo = _memory.analysed(np.asarray(img), _min_face_px(number_of_times_to_upsample, model))
    return [_location(face, photo) for face in photo.faces]


def batch_face_locations(
    images: Iterable[NDArray[Any]], number_of_times_to_upsample: int = 1, batch_size: int = 128
) -> list[list[Location]]:
    """As :func:`face_locations` for many images, which here need not be of one size.

    Differs: ``batch_size`` has no effect; there is no GPU whose memory it would fill.
    """
    if batch_size < 1:
        raise OptionError(f"batch_size={batch_size} is not at least 1", "bad_option", 3)
    return [face_locations(image, number_of_times_to_upsample, "cnn") for image in images]


def face_landmarks(
    face_image: NDArray[Any],
    face_locations: Optional[Sequence[Sequence[float]]] = None,
    model: str = "large",
) -> list[Points]:
    """Points of each face by the name of a feature, as (x, y).

    Differs: five points are known, not 68. ``"small"`` has ``nose_tip``, ``left_eye`` and
    ``right_eye`` with one point each (the middle of the eye, not its two corners); ``"large"`` adds
    ``top_lip`` and ``bottom_lip`` with the two corners of the mouth. ``chin``, the eyebrows and
    ``nose_bridge`` are not there, and asking for them says so. As in the original, left is the left
    of the picture. A face whose points are not sure has no features at all.
    """
    if model not in ("large", "small"):
        raise OptionError(f"model={model!r} is neither 'large' nor 'small'", "bad_option", 3)
    found: list[Points] = []
    for face in _faces(face_image, face_locations):
        if face.landmarks is None:
            found.append(_Landmarks())
            continue
        left_eye, right_eye, nose, left_corner, right_corner = (
            (int(round(float(x))), int(round(float(y)))) for x, y in face.landmarks
        )
        points = _Landmarks(nose_tip=[nose], left_eye=[left_eye], right_eye=[right_eye])
        if model == "large":
            points["top_lip"] = [left_corner, right_corner]
            points["bottom_lip"] = [right_corner, left_corner]
        found.append(points)
    return found


def face_encodings(
    face_image: NDArray[Any],
    known_face_locations: Optional[Sequence[Sequence[float]]] = None,
    num_jitters: int = 1,
    model: str = "small",
) -> list[NDArray[np.float64]]:
    """The encoding of each face: 128 numbers with the pack that comes with Fusiform.

    Differs: ``num_jitters`` and ``model`` have no effect: the crop is aligned by Fusiform's own
    points, and an average over distorted copies gains it nothing. Encodings of another package, or
    of another pack, do not compare with these.
    """
    if num_jitters < 0:
        raise OptionError(f"num_jitters={num_jitters} is below 0", "bad_option", 3)
    if model not in ("large", "small"):
        raise OptionError(f"model={model!r} is neither 'large' nor 'small'", "bad_option", 3)
    scale = _scale()
    faces = _faces(face_image, known_face_locations)
    return [face.template.astype(np.float64) * scale for face in faces]


def compare_faces(
    known_face_encodings: Union[Sequence[NDArray[Any]], NDArray[Any]],
    face_encoding_to_check: NDArray[Any],
    tolerance: float = USUAL_TOLERANCE,
) -> list[bool]:
    """Which of the known encodings are within ``tolerance`` of one; smaller is stricter.

    0.6 is Fusiform's threshold for "same": one in a thousand pairs of strangers is within it.
    """
    near = face_distance(known_face_encodings, face_encoding_to_check) <= tolerance
    return [bool(one) for one in near]


def face_distance(
    face_encodings: Union[Sequence[NDArray[Any]], NDArray[Any]], face_to_compare: NDArray[Any]
) -> NDArray[np.float64]:
    """The Euclidean distance of each encoding to one; an empty array for no encodings."""
    if len(face_encodings) == 0:
        return np.empty(0)
    distances: NDArray[np.float64] = np.linalg.norm(
        np.asarray(face_encodings, dtype=np.float64) - face_to_compare, axis=1
    )
    return distances


def _scale() -> float:
    """What a template of unit length is multiplied by: at the similarity s of "same", the distance
    of two unit vectors is the root of 2 - 2s, and shall be 0.6."""
    return float(USUAL_TOLERANCE / np.sqrt(2.0 - 2.0 * same_at()))


def _min_face_px(n_enlargements: int, model: str) -> Optional[float]:
    if model not in ("hog", "cnn"):
        raise OptionError(f"model={model!r} is neither 'hog' nor 'cnn'", "bad_option", 3)
    if not 0 <= n_enlargements <= 8:
        message = f"number_of_times_to_upsample={n_enlargements} is not 0 to 8"
        raise OptionError(message, "bad_option", 3)
    return None if n_enlargements < 2 else _MIN_FACE_PX_OF_TWO / 2.0 ** (n_enlargements - 2)


def _location(face: Face, photo: Photo) -> Location:
    box = face.bbox
    top, left = max(0, round(box.y_min)), max(0, round(box.x_min))
    right, bottom = min(photo.width_px, round(box.x_max)), min(photo.height_px, round(box.y_max))
    return top, right, bottom, left


def _faces(image: NDArray[Any], locations: Optional[Sequence[Sequence[float]]]) -> list[Face]:
    """The faces of an image; with locations, one for each, in their order."""
    pixels = np.asarray(image)
    photo = _memory.analysed(pixels, None)
    if locations is None:
        return photo.faces
    return [_face_at(pixels, photo, location) for location in locations]


def _face_at(pixels: NDArray[Any], photo: Photo, location: Sequence[float]) -> Face:
    """The face that was found at a location, else what is described there."""
    top, right, bottom, left = (float(edge) for edge in location)
    best, best_overlap = None, 0.5
    for face in photo.faces:
        box = _location(face, photo)
        shared_height = min(bottom, box[2]) - max(top, box[0])
        shared_width = min(right, box[1]) - max(left, box[3])
        shared = max(0.0, shared_height) * max(0.0, shared_width)
        area = max(0.0, bottom - top) * max(0.0, right - left)
        union = area + (box[2] - box[0]) * (box[1] - box[3]) - shared
        overlap = shared / union if union > 0 else 0.0
        if overlap > best_overlap:
            best, best_overlap = face, overlap
    if best is not None:
        return best
    return engine().describe(pixels, (left, top, right, bottom))
