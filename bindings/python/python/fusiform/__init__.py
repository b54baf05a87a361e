"""On-device face recognition: photos in; faces, people and answers with stated error rates out.

>>> import fusiform
>>> engine = fusiform.Engine()
>>> photo = engine.analyse("party.jpg")
>>> photo.faces[0].bbox, photo.faces[0].template.shape

An :class:`Engine` finds and describes faces, a :class:`Gallery` identifies them among people who
gave their consent, an :class:`Album` finds the people in folders of photos. Every answer carries the
similarity, the threshold, and the false-match rate (``fmr``) that the threshold was measured at.

Drop-in modules: :mod:`fusiform.face_recognition`, :mod:`fusiform.deepface`,
:mod:`fusiform.insightface`.
"""

from __future__ import annotations

from ._errors import (
    ArgumentTypeError,
    Error,
    FileError,
    HandleError,
    MissingFileError,
    OptionError,
)
from ._native import Album, Engine, Face, Gallery, Photo, __version__
from ._results import (
    AlbumFace,
    AlbumMatch,
    AlbumPerson,
    BoundingBox,
    Consent,
    Decision,
    GroupSummary,
    Identification,
    Person,
    PersonPhoto,
    Pose,
    Quality,
    ScanProblem,
    ScanSummary,
    Threshold,
    Verification,
)


def compare(a: Face, b: Face) -> float:
    """Cosine similarity of two faces, -1 to 1; larger is nearer. ``Engine.verify`` judges it."""
    return a.similarity(b)


__all__ = [
    "Album",
    "AlbumFace",
    "AlbumMatch",
    "AlbumPerson",
    "ArgumentTypeError",
    "BoundingBox",
    "Consent",
    "Decision",
    "Engine",
    "Error",
    "Face",
    "FileError",
    "Gallery",
    "GroupSummary",
    "HandleError",
    "Identification",
    "MissingFileError",
    "OptionError",
    "Person",
    "PersonPhoto",
    "Photo",
    "Pose",
    "Quality",
    "ScanProblem",
    "ScanSummary",
    "Threshold",
    "Verification",
    "__version__",
    "compare",
]
