"""Images in, faces out: the same as the binary's, whatever form the image has."""

from __future__ import annotations

import io
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from conftest import ALBUM, GROUP, OTHER_PERSON, PORTRAIT, ROOT, SAME_PERSON

import fusiform


def test_faces_are_the_binarys_to_the_bit(engine: fusiform.Engine, binary: Path) -> None:
    photos = sorted(ALBUM.glob("*.jpg")) + sorted((ROOT / "crates/fusiform/tests/data").glob("*.jpg"))
    said = subprocess.run(
        [binary, "--json", "detect", *photos], capture_output=True, check=True, text=True
    )
    rows = json.loads(said.stdout)["photos"]
    n_faces = 0
    for path, row in zip(photos, rows):
        photo = engine.analyse(path)
        assert (photo.width_px, photo.height_px) == (row["width_px"], row["height_px"])
        assert photo.turn_deg == row["turn_deg"]
        assert len(photo.faces) == len(row["faces"])
        for face, wanted in zip(photo.faces, row["faces"]):
            n_faces += 1
            # JSON has the shortest digits that give the 32-bit number back.
            assert np.array_equal(np.float32(face.bbox), np.float32(wanted["bbox"]))
            assert np.float32(face.score) == np.float32(wanted["score"])
            assert face.landmarks is not None
            assert np.array_equal(face.landmarks, np.float32(wanted["landmarks"]))
            quality = {**face.quality._asdict(), **face.pose._asdict()}
            for name, value in wanted["quality"].items():
                assert np.float32(quality[name]) == np.float32(value), name
    assert n_faces > 30


def test_every_form_of_an_image_gives_the_same_faces(engine: fusiform.Engine) -> None:
    rgb = engine.decode(PORTRAIT)
    assert rgb.dtype == np.uint8 and rgb.ndim == 3
    wanted = engine.analyse(rgb)
    assert len(wanted.faces) == 1
    height, width, _ = rgb.shape
    wide = np.zeros((height, width + 5, 3), np.uint8)
    wide[:, :width] = rgb
    frozen = rgb.copy()
    frozen.setflags(write=False)
    opaque = np.dstack([rgb, np.full((height, width), 255, np.uint8)])
    forms: dict[str, Any] = {
        "rows with gaps": wide[:, :width],
        "read-only": frozen,
        "Fortran order": np.asfortranarray(rgb),
        "mirrored twice by negative strides": rgb[::-1, ::-1].copy()[::-1, ::-1],
        "opacity": opaque,
        "PIL": PIL.Image.fromarray(rgb),
        "unaligned": np.frombuffer(b"x" + rgb.tobytes(), np.uint8, offset=1).reshape(rgb.shape),
    }
    for name, image in forms.items():
        assert engine.analyse(image) == wanted, name
    assert engine.analyse(rgb[:, :, ::-1], color="bgr") == wanted
    assert engine.analyse(opaque[:, :, [2, 1, 0, 3]], color="bgr") == wanted
    # A file is decoded as far as its faces need, which for a photo of this size is all of it.
    data = PORTRAIT.read_bytes()
    by_file = engine.analyse(PORTRAIT)
    for same in (str(PORTRAIT), data, bytearray(data), memoryview(data)):
        assert engine.analyse(same) == by_file
    clear = PIL.Image.fromarray(np.dstack([rgb, np.where(rgb[..., 0] > 128, 255, 0).astype(np.uint8)]))
    assert engine.analyse(clear) == engine.analyse(np.asarray(clear))
    with pytest.raises(fusiform.OptionError, match="I;16"):
        engine.analyse(PIL.Image.fromarray(rgb[..., 0].astype(np.uint16)))
    grey = np.asarray(PIL.Image.fromarray(rgb).convert("L"))
    assert engine.analyse(grey) == engine.analyse(np.dstack([grey] * 3))
    assert engine.analyse(grey[:, :, None]) == engine.analyse(grey)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 3), np.uint16), "uint16"),
        (np.zeros((4, 4), bool), "bool"),
        (np.zeros((0, 4, 3), np.uint8), "[0, 4, 3]"),
        (np.zeros((3, 40, 50), np.uint8), "channels come last"),
        (np.zeros((2, 40, 50, 3), np.uint8), "batch"),
        (np.zeros((5,), np.uint8), "[5]"),
        (np.zeros((), np.uint8), "[]"),
        (np.zeros((4, 4, 2), np.uint8), "[4, 4, 2]"),
        (np.zeros((4, 4), object), "object"),
        (np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (60_000, 60_000, 3)), "pixels"),
    ],
)
def test_an_array_that_is_no_image_is_named(
    engine: fusiform.Engine, array: Any, said: str
) -> None:
    with pytest.raises(fusiform.Error) as raised:
        engine.analyse(array)
    assert raised.value.kind == "bad_option"
    assert isinstance(raised.value, ValueError)
    assert said in str(raised.value) and str(array.dtype) in str(raised.value)


@pytest.mark.parametrize("value", [None, 7, 1.5, ["a"], {}, object()])
def test_other_types_are_refused(engine: fusiform.Engine, value: Any) -> None:
    with pytest.raises(fusiform.ArgumentTypeError) as raised:
        engine.analyse(value)
    assert type(value).__name__ in str(raised.value)
    assert isinstance(raised.value, TypeError)


def test_errors_have_kinds(engine: fusiform.Engine, tmp_path: Path) -> None:
    def kind(image: Any, **options: Any) -> str:
        with pytest.raises(fusiform.Error) as raised:
            engine.analyse(image, **options)
        assert raised.value.code > 0
        return raised.value.kind

    assert kind(b"a text") == "not_a_photo"
    assert kind(b"") == "not_a_photo"
    assert kind(PORTRAIT.read_bytes()[:700]) == "damaged_photo"
    assert kind(PORTRAIT, color="hsv") == "bad_option"
    assert kind(PORTRAIT, min_score=7.0) == "bad_option"
    assert kind(tmp_path) == "io"
    with pytest.raises(FileNotFoundError) as raised:
        engine.analyse(tmp_path / "none.jpg")
    assert isinstance(raised.value, fusiform.Error) and "none.jpg" in str(raised.value)
    with pytest.raises(fusiform.Error) as no_face:
        engine.analyse(np.zeros((64, 64, 3), np.uint8)).largest()
    assert no_face.value.kind == "no_face" and no_face.value.code == 14
    with pytest.raises(fusiform.Error) as large:
        fusiform.Engine(max_pixels=1000).analyse(PORTRAIT)
    assert large.value.kind == "photo_too_large"
    with pytest.raises(fusiform.Error) as pack:
        fusiform.Engine(tmp_path)
    assert pack.value.kind in ("io", "bad_manifest")
    with pytest.raises(fusiform.OptionError):
        fusiform.Engine(threads=0)


def test_a_pil_image_beyond_the_limit_is_not_decoded() -> None:
    file = io.BytesIO()
    PIL.Image.new("RGB", (300, 200)).save(file, "PNG")
    # Its size is known, and decoding it would fail.
    cut = PIL.Image.open(io.BytesIO(file.getvalue()[:60]))
    with pytest.raises(OSError):
        fusiform.Engine().analyse(cut)
    with pytest.raises(fusiform.OptionError, match="300x200 .* more than 59999 pixels"):
        fusiform.Engine(max_pixels=59_999).analyse(cut)


def test_a_pack_in_memory_is_the_pack_in_its_folder(engine: fusiform.Engine) -> None:
    folder = ROOT / "crates/fusiform/packs/base"
    files = {path.name: path.read_bytes() for path in folder.glob("*.onnx")}
    manifest = (folder / "manifest.toml").read_text()
    there, here = fusiform.Engine(folder), fusiform.Engine.from_memory(manifest, files)
    assert there.model == here.model == engine.model
    assert here.analyse(PORTRAIT) == there.analyse(PORTRAIT) == engine.analyse(PORTRAIT)
    files["embedder.onnx"] = files["embedder.onnx"][:-1]
    with pytest.raises(fusiform.Error) as raised:
        fusiform.Engine.from_memory(manifest, files)
    assert raised.value.kind == "hash_mismatch"


def test_verification_carries_what_it_rests_on(engine: fusiform.Engine) -> None:
    one, same, other = (engine.analyse(p).largest() for p in (PORTRAIT, SAME_PERSON, OTHER_PERSON))
    answer = engine.verify(one, same)
    assert answer.verdict == "same" and answer.same_at.fmr == 1e-3
    assert answer.similarity == fusiform.compare(one, same) >= answer.same_at.similarity
    dot = float(one.template @ same.template)
    assert abs(dot - answer.similarity) < 1e-6
    assert engine.verify(one, other).verdict == "different"
    assert [t.fmr for t in engine.thresholds] == [1e-2, 1e-3, 1e-4, 1e-5]
    assert engine.threshold(1e-4).similarity > engine.threshold(1e-3).similarity
    with pytest.raises(fusiform.Error) as raised:
        engine.threshold(1e-9)
    assert raised.value.kind == "uncalibrated"


def test_arrays_of_a_face(engine: fusiform.Engine) -> None:
    face = engine.analyse(PORTRAIT).largest()
    assert face.template.shape == (engine.dimensions,) and face.template.dtype == np.float32
    assert abs(float(np.linalg.norm(face.template)) - 1) < 1e-5
    assert face.landmarks is not None and face.landmarks.shape == (5, 2)
    assert face.aligned.shape == (112, 112, 3) and face.aligned.dtype == np.uint8
    # What is written into an array of a face does not change the face.
    face.template[:] = 0
    face.aligned[:] = 0
    assert face.template.any() and face.aligned.any()
    box = face.bbox
    again = engine.describe(PORTRAIT, box)
    assert fusiform.compare(face, again) > 0.95
    with pytest.raises(fusiform.Error):
        engine.describe(PORTRAIT, (9.0, 9.0, 9.0, 9.0))
    with pytest.raises(fusiform.Error):
        engine.describe(PORTRAIT, (float("nan"),) * 4)


def test_threads_share_an_engine_and_change_nothing(engine: fusiform.Engine) -> None:
    photos = sorted(ALBUM.glob("*.jpg"))[:8] * 2
    alone = [engine.analyse(path) for path in photos]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(engine.analyse, photos)) == alone
    assert fusiform.Engine(threads=3).analyse(GROUP) == engine.analyse(GROUP)
