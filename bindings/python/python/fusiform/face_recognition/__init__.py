"""The seven functions of the package ``face_recognition``, by Fusiform's networks.

>>> import fusiform.face_recognition as face_recognition

Names, arguments, defaults, shapes and conventions are the same; what differs is listed in
``docs/languages.md`` of the repository and said in each function.
"""

from .._shared_engine import use
from .api import (
    batch_face_locations,
    compare_faces,
    face_distance,
    face_encodings,
    face_landmarks,
    face_locations,
    load_image_file,
)

__all__ = [
    "batch_face_locations",
    "compare_faces",
    "face_distance",
    "face_encodings",
    "face_landmarks",
    "face_locations",
    "load_image_file",
    "use",
]
