"""The shape of `insightface`: prepare, get, and faces as dictionaries with attributes."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import GROUP, PORTRAIT, SAME_PERSON

import fusiform
from fusiform.insightface.app import Face, FaceAnalysis


@pytest.fixture(scope="module")
def app() -> FaceAnalysis:
    app = FaceAnalysis(name="buffalo_l", providers=["CPUExecutionProvider"])
    app.prepare(ctx_id=0, det_size=(640, 640))
    return app


def test_faces_have_the_originals_keys_and_attributes(
    app: FaceAnalysis, engine: fusiform.Engine
) -> None:
    bgr = engine.decode(PORTRAIT)[:, :, ::-1]
    (face,) = app.get(bgr)
    wanted = engine.analyse(engine.decode(PORTRAIT)).largest()
    assert face.bbox.shape == (4,) and face.bbox.dtype == np.float32
    assert np.array_equal(face.bbox, np.float32(wanted.bbox))
    assert face.kps.shape == (5, 2) and face["kps"][0][0] < face.kps[1][0]
    assert np.array_equal(face.normed_embedding, wanted.template)
    assert abs(face.embedding_norm - float(wanted.embedding_length or 0)) < 1e-3
    assert face.embedding.shape == (128,) and 0.5 < face.det_score <= 1
    assert sorted(face) == ["bbox", "det_score", "embedding", "kps", "pose"]
    (same,) = app.get(engine.decode(SAME_PERSON)[:, :, ::-1])
    similarity = float(np.dot(face.normed_embedding, same.normed_embedding))
    assert similarity >= engine.threshold(1e-3).similarity
    face.name = "Mara"
    assert face["name"] == "Mara" and face.unheard_of is None
    # It follows what the embedding is now.
    face.embedding = same.embedding
    assert float(face.normed_embedding @ same.normed_embedding) > 0.999
    face.embedding[:] = np.eye(128)[0] * 7
    assert np.array_equal(face.normed_embedding, np.eye(128)[0])
    del face["embedding"]
    assert face.normed_embedding is None and face.embedding_norm is None
    assert Face(embedding=np.array([3.0, 4.0])).normed_embedding.tolist() == pytest.approx([0.6, 0.8])


def test_max_num_and_modules(app: FaceAnalysis, engine: fusiform.Engine) -> None:
    bgr = engine.decode(GROUP)[:, :, ::-1]
    faces = app.get(bgr)
    assert len(faces) > 2 and len(app.get(bgr, max_num=2)) == 2
    (largest,) = app.get(bgr, max_num=1, det_metric="max")
    areas = [(f.bbox[2] - f.bbox[0]) * (f.bbox[3] - f.bbox[1]) for f in faces]
    assert np.array_equal(largest.bbox, faces[int(np.argmax(areas))].bbox)
    detector = FaceAnalysis(allowed_modules=["detection"])
    with pytest.raises(ValueError, match="prepare"):
        detector.get(bgr)
    detector.prepare(ctx_id=-1, det_thresh=0.9)
    assert all(f.det_score >= 0.9 and f.embedding is None for f in detector.get(bgr))
    drawn = app.draw_on(bgr, faces)
    assert drawn.shape == bgr.shape and (drawn != bgr).any() and drawn is not bgr
    assert app.get(np.zeros((100, 100, 3), np.uint8)) == []


def test_nothing_is_guessed_of_a_person(app: FaceAnalysis, engine: fusiform.Engine) -> None:
    (face,) = app.get(engine.decode(PORTRAIT)[:, :, ::-1])
    for name in ("age", "gender", "sex"):
        with pytest.raises(fusiform.Error, match="not guessed"):
            getattr(face, name)
        with pytest.raises(KeyError, match="not guessed"):
            face[name]
        assert not hasattr(face, name)
    with pytest.raises(fusiform.Error, match="five points"):
        face.landmark_2d_106
    with pytest.raises(fusiform.Error, match="gender"):
        FaceAnalysis(allowed_modules=["detection", "genderage"])
