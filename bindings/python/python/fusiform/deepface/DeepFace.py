"""``verify``, ``represent``, ``find`` and ``extract_faces`` in the conventions of ``deepface``.

Arrays are BGR, as OpenCV has them. ``model_name`` and ``normalization`` are accepted and have no
effect: the one model is the pack's, and answers name it. Nor have ``silent`` and
``refresh_database``, and, but in ``extract_faces``, ``align`` and ``expand_percentage``: faces are
always aligned by their points. Of the detectors only ``"skip"`` means
something: the picture is the face. The distance at which two faces are "verified" is where
Fusiform calls them the same: one in a thousand pairs of strangers is as near.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import os
import time
import warnings
from typing import Any, BinaryIO, Callable, NoReturn, Optional, Sequence, Union

import numpy as np
from numpy.typing import NDArray

from .._errors import Error, OptionError
from .._native import Face
from .._refusals import is_guess, of_guess, refused
from .._shared_engine import engine, same_at, use

__all__ = ["FaceNotDetected", "analyze", "extract_faces", "find", "represent", "use", "verify"]

Picture = Union[str, "os.PathLike[str]", NDArray[Any], BinaryIO]

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif")


class FaceNotDetected(Error, ValueError):
    """No face in a picture that should show one; also a ``ValueError``."""


class _Found:
    """A face with the picture it was found in: its width and height, and what decodes it."""

    def __init__(
        self,
        face: Face,
        size: tuple[int, int],
        rgb: Callable[[], NDArray[np.uint8]],
        is_whole: bool = False,
    ) -> None:
        self.face = face
        self.size = size
        self.rgb = rgb
        self.is_whole = is_whole

    @property
    def confidence(self) -> float:
        return 0.0 if self.is_whole else float(self.face.score)

    def box(self, expand_percentage: int = 0) -> tuple[int, int, int, int]:
        """x, y, width and height inside the picture."""
        width, height = self.size
        x_min, y_min, x_max, y_max = self.face.bbox
        across = (x_max - x_min) * expand_percentage / 200
        down = (y_max - y_min) * expand_percentage / 200
        left, top = max(0, round(x_min - across)), max(0, round(y_min - down))
        right, bottom = min(width, round(x_max + across)), min(height, round(y_max + down))
        return left, top, max(0, right - left), max(0, bottom - top)

    def area(self, expand_percentage: int = 0) -> dict[str, Any]:
        x, y, w, h = self.box(expand_percentage)
        eyes: list[Optional[tuple[int, int]]] = [None, None]
        if self.face.landmarks is not None and not self.is_whole:
            eyes = [(int(round(float(e[0]))), int(round(float(e[1])))) for e in self.face.landmarks[:2]]
        right_eye, left_eye = eyes
        return {"x": x, "y": y, "w": w, "h": h, "left_eye": left_eye, "right_eye": right_eye}


def verify(
    img1_path: Union[Picture, list[float]],
    img2_path: Union[Picture, list[float]],
    model_name: str = "VGG-Face",
    detector_backend: str = "opencv",
    distance_metric: str = "cosine",
    enforce_detection: bool = True,
    align: bool = True,
    expand_percentage: int = 0,
    normalization: str = "base",
    silent: bool = False,
    threshold: Optional[float] = None,
    anti_spoofing: bool = False,
) -> dict[str, Any]:
    """Whether two pictures show one person; of several faces the nearest pair counts.

    Either picture may be an embedding of :func:`represent`.
    """
    began = time.perf_counter()
    _refuse_spoofing(anti_spoofing)
    limit = _threshold(distance_metric) if threshold is None else threshold
    sides = [
        _embeddings(picture, detector_backend, enforce_detection)
        for picture in (img1_path, img2_path)
    ]
    nearest = min(
        ((_distance(a, b, distance_metric), of_a, of_b) for a, of_a in sides[0] for b, of_b in sides[1]),
        key=lambda pair: pair[0],
    )
    distance, of_a, of_b = nearest
    return {
        "verified": bool(distance <= limit),
        "distance": distance,
        "threshold": limit,
        "model": engine().model,
        "detector_backend": engine().detector,
        "similarity_metric": distance_metric,
        "facial_areas": {"img1": of_a, "img2": of_b},
        "time": round(time.perf_counter() - began, 2),
    }


def represent(
    img_path: Union[Picture, Sequence[Picture]],
    model_name: str = "VGG-Face",
    enforce_detection: bool = True,
    detector_backend: str = "opencv",
    align: bool = True,
    expand_percentage: int = 0,
    normalization: str = "base",
    anti_spoofing: bool = False,
    max_faces: Optional[int] = None,
) -> Any:
    """For each face its ``embedding`` (a list of numbers), ``facial_area`` and ``face_confidence``.

    A list of pictures gives a list of such lists. Of more than ``max_faces`` faces the largest count.
    """
    _refuse_spoofing(anti_spoofing)
    if isinstance(img_path, (list, tuple)):
        return [
            represent(one, model_name, enforce_detection, detector_backend, max_faces=max_faces)
            for one in img_path
        ]
    found = _faces(img_path, detector_backend, enforce_detection)  # type: ignore[arg-type]
    if max_faces is not None and len(found) > max_faces:
        found = sorted(found, key=lambda f: -f.face.bbox.width * f.face.bbox.height)[:max_faces]
    return [
        {
            "embedding": [float(v) for v in one.face.template],
            "facial_area": one.area(),
            "face_confidence": one.confidence,
        }
        for one in found
    ]


def extract_faces(
    img_path: Picture,
    detector_backend: str = "opencv",
    enforce_detection: bool = True,
    align: bool = True,
    expand_percentage: int = 0,
    grayscale: bool = False,
    color_face: str = "rgb",
    normalize_face: bool = True,
    anti_spoofing: bool = False,
) -> list[dict[str, Any]]:
    """For each face its ``face`` (an array), ``facial_area`` and ``confidence``.

    Differs: with ``align`` the face is the crop that the embedder sees, 112 by 112 pixels, eyes
    level; without, it is its box, grown by ``expand_percentage``.
    """
    _refuse_spoofing(anti_spoofing)
    if color_face not in ("rgb", "bgr", "gray"):
        message = f"color_face={color_face!r} is neither 'rgb', 'bgr' nor 'gray'"
        raise OptionError(message, "bad_option", 3)
    answer = []
    for one in _faces(img_path, detector_backend, enforce_detection):
        x, y, w, h = one.box(expand_percentage)
        pixels: NDArray[Any] = one.face.aligned if align else one.rgb()[y : y + h, x : x + w]
        if grayscale or color_face == "gray":
            pixels = (pixels @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
        elif color_face == "bgr":
            pixels = pixels[:, :, ::-1]
        answer.append(
            {
                "face": pixels.astype(np.float64) / 255 if normalize_face else pixels,
                "facial_area": one.area(expand_percentage),
                "confidence": one.confidence,
            }
        )
    return answer


def find(
    img_path: Picture,
    db_path: str,
    model_name: str = "VGG-Face",
    distance_metric: str = "cosine",
    enforce_detection: bool = True,
    detector_backend: str = "opencv",
    align: bool = True,
    similarity_search: bool = False,
    k: Optional[int] = None,
    expand_percentage: int = 0,
    threshold: Optional[float] = None,
    normalization: str = "base",
    silent: bool = False,
    refresh_database: bool = True,
    anti_spoofing: bool = False,
    batched: bool = False,
) -> Any:
    """The pictures below a folder that show the people of a picture: for each face a data frame
    (with ``batched`` a list of dictionaries), nearest first.

    Differs: nothing is written into the folder; pictures are remembered for as long as the program
    runs and read again when they change. A file that cannot be read, or is no picture, is left out
    with a warning. With ``similarity_search`` strangers are listed too.
    """
    _refuse_spoofing(anti_spoofing)
    if not os.path.isdir(db_path):
        raise OptionError(f"db_path={db_path!r} is no folder", "bad_option", 3)
    limit = _threshold(distance_metric) if threshold is None else threshold
    known = _known(db_path, detector_backend)
    answers: list[list[dict[str, Any]]] = []
    for source in _faces(img_path, detector_backend, enforce_detection):
        probe = source.face.template
        x, y, w, h = source.box()
        rows = []
        for path, digest, target, area in known:
            distance = _distance(probe, target, distance_metric)
            if distance > limit and not similarity_search:
                continue
            row: dict[str, Any] = {"identity": path, "hash": digest}
            row.update({f"target_{edge}": area[edge] for edge in "xywh"})
            row.update(source_x=x, source_y=y, source_w=w, source_h=h)
            row.update(threshold=limit, distance=distance)
            rows.append(row)
        rows.sort(key=lambda row: row["distance"])
        answers.append(rows[:k] if k is not None else rows)
    if batched:
        return answers
    return [_data_frame(rows) for rows in answers]


def analyze(*_arguments: Any, actions: Union[str, Sequence[str]] = ("age",), **_more: Any) -> NoReturn:
    """Refuses: age, gender, emotion and ethnicity are not guessed."""
    asked = [actions] if isinstance(actions, str) else list(actions)
    raise next((of_guess(one) for one in asked if is_guess(one)), of_guess("age"))


def stream(*_arguments: Any, **_more: Any) -> NoReturn:
    """Refuses: people before a camera are not analysed."""
    raise refused("a stream is not analysed: it would guess age, gender and emotion of passers-by")


_COLUMNS = ["identity", "hash", "target_x", "target_y", "target_w", "target_h"] + [
    *("source_x", "source_y", "source_w", "source_h", "threshold", "distance")
]

_State = tuple[int, int]
_Described = list[tuple[NDArray[np.float32], dict[str, Any]]]

#: Faces of known pictures, with the state and hash of the file: by its path, whether the picture is
#: the face, detector and model.
_remembered: dict[tuple[str, bool, str, str], tuple[_State, str, _Described]] = {}


def _known(
    folder: str, detector_backend: str
) -> list[tuple[str, str, NDArray[np.float32], dict[str, Any]]]:
    """Path, hash, template and area of each face below a folder; remembers what it reads, and
    forgets the files that are no longer there."""

    def left_out(path: str, error: Exception) -> None:
        # It hides none of the others.
        warnings.warn(f"{path} is left out: {error}", stacklevel=4)

    known: list[tuple[str, str, NDArray[np.float32], dict[str, Any]]] = []
    seen: set[str] = set()
    parents = os.walk(folder, onerror=lambda error: left_out(error.filename, error))
    for parent, _, names in sorted(parents):
        for name in sorted(names):
            path = os.path.join(parent, name)
            if not name.lower().endswith(_ENDINGS):
                continue
            try:
                _, digest, described = _read(path, detector_backend)
            except (Error, OSError) as error:
                left_out(path, error)
                continue
            seen.add(os.path.abspath(path))
            known += [(path, digest, template, area) for template, area in described]
    below = os.path.join(os.path.abspath(folder), "")
    for key in list(_remembered):
        if key[0].startswith(below) and key[0] not in seen:
            _remembered.pop(key, None)
    return known


def _read(path: str, detector_backend: str) -> tuple[_State, str, _Described]:
    found = os.stat(path)
    state = (found.st_mtime_ns, found.st_size)
    is_skip = detector_backend == "skip"
    key = (os.path.abspath(path), is_skip, engine().detector, engine().model or "")
    held = _remembered.get(key)
    if held is None or held[0] != state:
        with open(path, "rb") as file:
            digest = hashlib.sha1(file.read()).hexdigest()
        faces = _faces(path, detector_backend, enforce_detection=False)
        described = [(one.face.template, one.area()) for one in faces if not one.is_whole]
        held = _remembered[key] = (state, digest, described)
    return held


def _data_frame(rows: list[dict[str, Any]]) -> Any:
    try:
        import pandas  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        message = (
            "find gives data frames, for which pandas is needed: install fusiform[deepface], or ask "
            "with batched=True for lists"
        )
        raise OptionError(message, "bad_option", 3) from error
    return pandas.DataFrame(rows, columns=_COLUMNS)


def _faces(picture: Picture, detector_backend: str, enforce_detection: bool) -> list[_Found]:
    source, color = _source(picture)
    if detector_backend == "skip":
        return [_whole(engine().decode(source, color=color))]
    photo = engine().analyse(source, color=color)
    if photo.faces:
        # Decoded when it is asked for, and once for all faces.
        rgb = functools.cache(lambda: engine().decode(source, color=color))
        size = (photo.width_px, photo.height_px)
        return [_Found(face, size, rgb) for face in photo.faces]
    if enforce_detection:
        named = picture if isinstance(picture, (str, os.PathLike)) else "the picture"
        message = (
            f"no face was found in {named}; with enforce_detection=False the whole picture counts as "
            "one"
        )
        raise FaceNotDetected(message, "no_face", 14)
    return [_whole(engine().decode(source, color=color))]


def _whole(rgb: NDArray[np.uint8]) -> _Found:
    height, width = rgb.shape[:2]
    face = engine().describe(rgb, (0, 0, width, height))
    return _Found(face, (width, height), lambda: rgb, is_whole=True)


def _source(picture: Picture) -> tuple[Any, Any]:
    """What the engine takes, and the order of its channels."""
    if isinstance(picture, np.ndarray):
        return picture, "bgr"
    if isinstance(picture, str):
        if picture.startswith("data:image/"):
            try:
                return base64.b64decode(picture.partition(",")[2], validate=True), "rgb"
            except binascii.Error as error:
                message = f"the picture in base64 is damaged: {error}"
                raise OptionError(message, "bad_option", 3) from error
        if picture.startswith(("http://", "https://")):
            message = f"{picture} is not fetched: Fusiform never uses the network; give its bytes"
            raise OptionError(message, "bad_option", 3)
        return picture, "rgb"
    if hasattr(picture, "read"):
        return picture.read(), "rgb"
    return picture, "rgb"


def _embeddings(
    picture: Union[Picture, list[float]], detector_backend: str, enforce_detection: bool
) -> list[tuple[NDArray[np.float32], dict[str, Any]]]:
    if isinstance(picture, list):
        vector = np.asarray(picture, dtype=np.float32)
        if vector.shape != (engine().dimensions,):
            message = (
                f"a list of shape {vector.shape} is no embedding of {engine().dimensions} numbers"
            )
            raise OptionError(message, "bad_option", 3)
        nowhere = {edge: None for edge in ("x", "y", "w", "h", "left_eye", "right_eye")}
        return [(vector, nowhere)]
    found = _faces(picture, detector_backend, enforce_detection)
    return [(one.face.template, one.area()) for one in found]


def _cosine(similarity: float) -> float:
    return 1.0 - similarity


def _euclidean(similarity: float) -> float:
    return float(np.sqrt(max(0.0, 2.0 - 2.0 * similarity)))


def _angular(similarity: float) -> float:
    return float(np.arccos(np.clip(similarity, -1.0, 1.0)) / np.pi)


_METRICS = {
    "cosine": _cosine,
    "euclidean": _euclidean,
    "euclidean_l2": _euclidean,
    "angular": _angular,
}


def _distance(a: NDArray[np.float32], b: NDArray[np.float32], metric: str) -> float:
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    similarity = float(a64 @ b64 / (np.linalg.norm(a64) * np.linalg.norm(b64)))
    return _of_metric(metric)(similarity)


def _threshold(metric: str) -> float:
    return _of_metric(metric)(same_at())


def _of_metric(metric: str) -> Callable[[float], float]:
    if metric not in _METRICS:
        message = f"distance_metric={metric!r} is none of {sorted(_METRICS)}"
        raise OptionError(message, "bad_option", 3)
    return _METRICS[metric]


def _refuse_spoofing(anti_spoofing: bool) -> None:
    if anti_spoofing:
        raise refused(
            "anti_spoofing is not there: the pack has no network that tells a face from a picture "
            "of one, and a guess would be worse than none"
        )
