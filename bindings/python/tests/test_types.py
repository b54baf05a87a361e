"""The types: the package and code that uses it pass mypy's strict mode; stubs match the module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fusiform

USER_CODE = """
import numpy as np
import PIL.Image
import fusiform
import fusiform.face_recognition as face_recognition
from fusiform.deepface import DeepFace
from fusiform.insightface.app import FaceAnalysis

engine = fusiform.Engine(threads=2)
photo = engine.analyse(PIL.Image.new("RGB", (9, 9)))
photo = engine.analyse(np.zeros((9, 9, 3), np.uint8), color="bgr")
names: list[str | None] = [
    fusiform.Gallery(None, engine).identify(face).name for face in photo.faces
]
width: float = photo.faces[0].bbox.width
reveal_type(photo.faces[0].template)
reveal_type(engine.verify(photo.faces[0], photo.faces[0]).verdict)
face_recognition.compare_faces([np.zeros(128)], np.zeros(128))
"""


def mypy(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *arguments]
    cache = {"MYPY_CACHE_DIR": os.devnull}
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **cache})


def test_code_that_uses_the_package_is_checked(tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text(USER_CODE)
    done = mypy("mypy", "--strict", str(user))
    assert done.returncode == 0, done.stdout
    assert 'Literal["same"] | Literal["different"]' in done.stdout or "Literal['same'" in done.stdout
    assert "float32" in done.stdout or "floating[" in done.stdout
    user.write_text(USER_CODE + 'engine.analyse(7)\nengine.analyse("a", color="hsv")\n')
    wrong = mypy("mypy", "--strict", str(user))
    assert wrong.returncode == 1 and wrong.stdout.count("arg-type") == 2, wrong.stdout


def test_the_package_itself_is_checked() -> None:
    done = mypy("mypy", "--strict", "-p", "fusiform")
    assert done.returncode == 0, done.stdout


def test_the_stubs_are_those_of_the_module() -> None:
    done = mypy("mypy.stubtest", "fusiform._native")
    assert done.returncode == 0, done.stdout


def test_everything_public_is_documented() -> None:
    for name in fusiform.__all__:
        value = getattr(fusiform, name)
        assert isinstance(value, str) or value.__doc__, name
    for kind in (fusiform.Engine, fusiform.Photo, fusiform.Face, fusiform.Gallery, fusiform.Album):
        for name, value in vars(kind).items():
            assert name.startswith("_") or value.__doc__, f"{kind.__name__}.{name}"
