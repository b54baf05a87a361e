"""Functions in the shape of the package ``deepface``, by Fusiform's networks.

>>> from fusiform.deepface import DeepFace
>>> DeepFace.verify("a.jpg", "b.jpg")["verified"]

What differs is listed in ``docs/languages.md`` of the repository.
"""

from . import DeepFace
from .DeepFace import FaceNotDetected, analyze, extract_faces, find, represent, verify

__all__ = [
    "DeepFace",
    "FaceNotDetected",
    "analyze",
    "extract_faces",
    "find",
    "represent",
    "verify",
]
