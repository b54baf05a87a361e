"""An engine that is prepared and asked as ``insightface.app.FaceAnalysis`` is."""

from __future__ import annotations

import os
from typing import Any, Optional, Sequence, Union

import numpy as np
from numpy.typing import NDArray

from ..._errors import OptionError
from ..._native import Engine
from ..._native import Face as FusiformFace
from ..._refusals import is_guess, of_guess, refused

#: What other packs of InsightFace add, and no network of Fusiform's makes.
_NOT_MADE = {"landmark_2d_106", "landmark_3d_68"}


class Face(dict[str, Any]):
    """A face as a dictionary whose keys are attributes too: ``bbox``, ``kps``, ``det_score``,
    ``embedding``, ``pose`` (pitch, yaw, roll in degrees); also ``normed_embedding`` and
    ``embedding_norm``."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse(name)
        # As the original: an attribute that nobody set is None.
        return None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __missing__(self, name: str) -> Any:
        self._refuse(name)
        raise KeyError(name)

    @staticmethod
    def _refuse(name: str) -> None:
        if is_guess(name):
            raise of_guess(name)
        if name in _NOT_MADE:
            raise refused(f"{name!r} is not there: Fusiform has five points of a face, in 'kps'")

    @property
    def embedding_norm(self) -> Optional[float]:
        """Length of the embedding."""
        embedding = self.get("embedding")
        return None if embedding is None else float(np.linalg.norm(embedding))

    @property
    def normed_embedding(self) -> Optional[NDArray[np.float32]]:
        """The embedding at length 1: the template, to the bit."""
        embedding = self.get("embedding")
        if embedding is None:
            return None
        made_of: Any
        template: NDArray[np.float32]
        made_of, template = self.__dict__.get("template", (None, None))
        if np.array_equal(embedding, made_of):
            return template
        # Another embedding was set.
        return np.asarray(embedding / self.embedding_norm, dtype=np.float32)


class FaceAnalysis:
    """Finds and describes faces. ``name`` and ``root`` have no effect unless ``root`` is the folder
    of one of Fusiform's packs; ``providers`` and other options are accepted and have none.

    ``allowed_modules`` may name ``detection`` and ``recognition``; without the latter faces have no
    embedding. ``genderage`` is refused.
    """

    def __init__(
        self,
        name: str = "buffalo_l",
        root: Union[str, "os.PathLike[str]"] = "~/.insightface",
        allowed_modules: Optional[Sequence[str]] = None,
        **_without_effect: Any,
    ) -> None:
        if allowed_modules is not None:
            if "genderage" in allowed_modules:
                raise of_guess("gender")
            if "detection" not in allowed_modules:
                message = "allowed_modules lacks 'detection': without it there are no faces"
                raise OptionError(message, "bad_option", 3)
        is_pack = os.path.isfile(os.path.join(os.fspath(root), "manifest.toml"))
        self.engine = Engine(root if is_pack else None, threads=os.cpu_count() or 1)
        self.with_embedding = allowed_modules is None or "recognition" in allowed_modules
        self.det_thresh = 0.5
        self.det_size: Optional[tuple[int, int]] = None

    def prepare(
        self, ctx_id: int, det_thresh: float = 0.5, det_size: tuple[int, int] = (640, 640)
    ) -> None:
        """Sets the least score, and the size at which a picture is searched first. ``ctx_id`` has no
        effect: everything runs on the processor."""
        self.det_thresh = det_thresh
        self.det_size = det_size

    def get(
        self, img: NDArray[Any], max_num: int = 0, det_metric: str = "default"
    ) -> list[Face]:
        """The faces of a BGR array, best score first; with ``max_num`` that many of the largest and
        nearest to the middle, or with ``det_metric="max"`` of the largest alone."""
        if self.det_size is None:
            raise OptionError("prepare(ctx_id) comes before get", "bad_option", 3)
        photo = self.engine.analyse(
            img, color="bgr", min_score=self.det_thresh, longest_side_px=max(self.det_size)
        )
        found = photo.faces
        if 0 < max_num < len(found):
            middle = (photo.width_px / 2, photo.height_px / 2)
            weight = 0.0 if det_metric == "max" else 2.0
            found = sorted(found, key=lambda face: -_prominence(face, middle, weight))[:max_num]
        return [self._face(face) for face in found]

    def _face(self, face: FusiformFace) -> Face:
        pose = face.pose
        described = Face(
            bbox=np.array(face.bbox, dtype=np.float32),
            kps=face.landmarks,
            det_score=float(face.score),
            pose=np.array([pose.pitch_deg, pose.yaw_deg, pose.roll_deg], dtype=np.float32),
        )
        if self.with_embedding and face.model is not None:
            embedding = face.template * np.float32(face.embedding_length or 1.0)
            described["embedding"] = embedding
            # Beside the keys, which are the original's; with what it is the template of.
            described.__dict__["template"] = (embedding.copy(), face.template)
        return described

    def draw_on(self, img: NDArray[Any], faces: Sequence[Face]) -> NDArray[Any]:
        """A copy of the picture with a red box for each face and dots for its points."""
        drawn = np.array(img)
        height, width = drawn.shape[:2]

        def fill(left: float, top: float, right: float, bottom: float, color: Any) -> None:
            rows = slice(max(0, round(top)), min(height, round(bottom)))
            columns = slice(max(0, round(left)), min(width, round(right)))
            drawn[rows, columns] = color

        for face in faces:
            x_min, y_min, x_max, y_max = (float(edge) for edge in face["bbox"])
            red, green = (0, 0, 255), (0, 255, 0)
            for y in (y_min, y_max):
                fill(x_min - 1, y - 1, x_max + 1, y + 1, red)
            for x in (x_min, x_max):
                fill(x - 1, y_min - 1, x + 1, y_max + 1, red)
            for x, y in [] if face["kps"] is None else face["kps"]:
                fill(float(x) - 1, float(y) - 1, float(x) + 2, float(y) + 2, green)
        return drawn


def _prominence(face: FusiformFace, middle: tuple[float, float], weight: float) -> float:
    box = face.bbox
    x, y = (box.x_min + box.x_max) / 2 - middle[0], (box.y_min + box.y_max) / 2 - middle[1]
    return box.width * box.height - weight * (x * x + y * y)
