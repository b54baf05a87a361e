"""The shape of `deepface`: keys, conventions, distances, refusals."""

from __future__ import annotations

import base64
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ALBUM, GROUP, OTHER_PERSON, PORTRAIT, SAME_PERSON

import fusiform
from fusiform.deepface import DeepFace


def test_verify_has_the_originals_keys(engine: fusiform.Engine) -> None:
    answer = DeepFace.verify(str(PORTRAIT), str(SAME_PERSON))
    assert set(answer) == {
        *("verified", "distance", "threshold", "model", "detector_backend"),
        *("similarity_metric", "facial_areas", "time"),
    }
    assert answer["verified"] is True and answer["distance"] <= answer["threshold"]
    assert answer["model"] == engine.model and answer["similarity_metric"] == "cosine"
    similarity = engine.verify(*(engine.analyse(p).largest() for p in (PORTRAIT, SAME_PERSON)))
    assert abs(1 - answer["distance"] - similarity.similarity) < 1e-5
    area = answer["facial_areas"]["img1"]
    # The eyes are the person's: the left one is on the right of the picture.
    assert area["left_eye"][0] > area["right_eye"][0]
    assert area["x"] < area["right_eye"][0] < area["x"] + area["w"]
    for metric in ("cosine", "euclidean", "euclidean_l2", "angular"):
        one = DeepFace.verify(str(PORTRAIT), str(SAME_PERSON), distance_metric=metric)
        other = DeepFace.verify(str(PORTRAIT), str(OTHER_PERSON), distance_metric=metric)
        assert one["verified"] and not other["verified"], metric
    assert not DeepFace.verify(str(PORTRAIT), str(SAME_PERSON), threshold=0.01)["verified"]
    with pytest.raises(ValueError, match="manhattan"):
        DeepFace.verify(str(PORTRAIT), str(SAME_PERSON), distance_metric="manhattan")


def test_pictures_may_be_arrays_bytes_text_or_embeddings(engine: fusiform.Engine) -> None:
    bgr = engine.decode(PORTRAIT)[:, :, ::-1]
    text = "data:image/jpeg;base64," + base64.b64encode(PORTRAIT.read_bytes()).decode()
    embedding = DeepFace.represent(str(PORTRAIT))[0]["embedding"]
    with PORTRAIT.open("rb") as file:
        for picture in (bgr, text, PORTRAIT, file, embedding):
            answer: dict[str, Any] = DeepFace.verify(picture, str(PORTRAIT))
            assert answer["verified"] and answer["distance"] < 1e-3
    with pytest.raises(ValueError, match="network"):
        DeepFace.represent("https://example.invalid/a.jpg")
    with pytest.raises(ValueError, match="base64"):
        DeepFace.represent("data:image/jpeg;base64,!!")
    with pytest.raises(ValueError, match="128"):
        DeepFace.verify([1.0, 2.0], str(PORTRAIT))


def test_represent_and_extract_faces(engine: fusiform.Engine) -> None:
    faces = DeepFace.represent(str(GROUP), model_name="ArcFace")
    found = engine.analyse(GROUP).faces
    assert len(faces) == len(found)
    assert set(faces[0]) == {"embedding", "facial_area", "face_confidence"}
    assert np.array_equal(np.float32(faces[0]["embedding"]), found[0].template)
    assert len(DeepFace.represent(str(GROUP), max_faces=1)) == 1
    assert [len(one) for one in DeepFace.represent([str(GROUP), str(PORTRAIT)])] == [len(found), 1]
    extracted = DeepFace.extract_faces(str(PORTRAIT))[0]
    assert set(extracted) == {"face", "facial_area", "confidence"}
    face = extracted["face"]
    assert face.shape == (112, 112, 3) and face.dtype == np.float64 and 0 <= face.min() <= face.max() <= 1
    boxed = DeepFace.extract_faces(str(PORTRAIT), align=False, normalize_face=False)[0]
    area = boxed["facial_area"]
    assert boxed["face"].shape == (area["h"], area["w"], 3) and boxed["face"].dtype == np.uint8
    grey = DeepFace.extract_faces(str(PORTRAIT), grayscale=True)[0]["face"]
    assert grey.shape == (112, 112)
    for asked in ({"grayscale": True, "color_face": "bgr"}, {"color_face": "gray"}):
        assert np.array_equal(DeepFace.extract_faces(str(PORTRAIT), **asked)[0]["face"], grey)
    bgr = DeepFace.extract_faces(str(PORTRAIT), color_face="bgr")[0]["face"]
    assert np.array_equal(bgr, face[:, :, ::-1])
    grown = DeepFace.extract_faces(str(PORTRAIT), align=False, expand_percentage=20)[0]
    assert grown["facial_area"]["w"] > area["w"]


def test_a_picture_without_a_face(tmp_path: Path) -> None:
    blank = np.zeros((120, 90, 3), np.uint8)
    with pytest.raises(ValueError, match="enforce_detection") as raised:
        DeepFace.represent(blank)
    assert isinstance(raised.value, fusiform.Error) and raised.value.kind == "no_face"
    (whole,) = DeepFace.represent(blank, enforce_detection=False)
    assert whole["face_confidence"] == 0
    assert whole["facial_area"] == {
        **{"x": 0, "y": 0, "w": 90, "h": 120},
        **{"left_eye": None, "right_eye": None},
    }
    (skipped,) = DeepFace.represent(str(PORTRAIT), detector_backend="skip")
    assert len(skipped["embedding"]) == 128


def test_find_lists_pictures_nearest_first(engine: fusiform.Engine, tmp_path: Path) -> None:
    folder = tmp_path / "known"
    folder.mkdir()
    for path in sorted(ALBUM.glob("*-portrait.jpg")):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "broken.jpg").write_bytes(b"no photo")
    (folder / "gone.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.warns(UserWarning, match="is left out") as warned:
        (rows,) = DeepFace.find(str(PORTRAIT), str(folder), batched=True)
    for name in ("broken.jpg", "gone.jpg"):
        (said,) = [str(w.message) for w in warned if f"{name} is left out: " in str(w.message)]
        assert said.startswith(str(folder / name))
    assert len(warned) == 2 and {w.filename for w in warned} == {__file__}
    # What is there no more is not kept in memory.
    n_held = len(DeepFace._remembered)
    (folder / "gone.jpg").unlink()
    (folder / "broken.jpg").unlink()
    (folder / "18-portrait.jpg").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert DeepFace.find(str(PORTRAIT), str(folder), batched=True) == [rows]
    assert len(DeepFace._remembered) == n_held - 1
    assert all(engine.detector in key for key in DeepFace._remembered)
    (folder / "broken.jpg").write_bytes(b"no photo")
    assert rows[0]["identity"].endswith(PORTRAIT.name) and rows[0]["distance"] < 1e-3
    assert [row["distance"] for row in rows] == sorted(row["distance"] for row in rows)
    assert any(row["identity"].endswith(SAME_PERSON.name) for row in rows)
    assert all(row["distance"] <= row["threshold"] for row in rows)
    assert sorted(path.name for path in folder.iterdir())[-1] == "broken.jpg"
    (folder / "broken.jpg").unlink()
    frames = DeepFace.find(str(GROUP), str(folder)) if has_pandas() else []
    for frame in frames:
        assert list(frame.columns)[:2] == ["identity", "hash"]
    if not has_pandas():
        with pytest.raises(ValueError, match="pandas"):
            DeepFace.find(str(PORTRAIT), str(folder))


def has_pandas() -> bool:
    try:
        import pandas  # noqa: F401
    except ImportError:
        return False
    return True


def test_nothing_is_guessed_of_a_person() -> None:
    for actions, word in (("gender", "gender"), (["emotion"], "emotion"), (["race"], "ethnicity")):
        with pytest.raises(fusiform.Error, match=word) as raised:
            DeepFace.analyze(str(PORTRAIT), actions=actions)
        assert raised.value.kind == "refused"
    with pytest.raises(fusiform.Error, match="age"):
        DeepFace.analyze(str(PORTRAIT))
    with pytest.raises(fusiform.Error, match="anti_spoofing"):
        DeepFace.verify(str(PORTRAIT), str(SAME_PERSON), anti_spoofing=True)
