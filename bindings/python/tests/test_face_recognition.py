"""The seven functions and two commands, against the documented behaviour of the original."""

from __future__ import annotations

import inspect
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from conftest import ALBUM, GROUP, OTHER_PERSON, PORTRAIT, SAME_PERSON

import fusiform
import fusiform.face_recognition as face_recognition
from fusiform import _shared_engine
from fusiform.face_recognition import commands


def test_names_arguments_and_defaults_are_the_originals() -> None:
    signatures = {
        name: {p.name: p.default for p in inspect.signature(getattr(face_recognition, name)).parameters.values()}
        for name in face_recognition.__all__
        if name != "use"
    }
    empty = inspect.Parameter.empty
    assert signatures == {
        "load_image_file": {"file": empty, "mode": "RGB"},
        "face_locations": {"img": empty, "number_of_times_to_upsample": 1, "model": "hog"},
        "batch_face_locations": {
            "images": empty,
            "number_of_times_to_upsample": 1,
            "batch_size": 128,
        },
        "face_landmarks": {"face_image": empty, "face_locations": None, "model": "large"},
        "face_encodings": {
            "face_image": empty,
            "known_face_locations": None,
            "num_jitters": 1,
            "model": "small",
        },
        "compare_faces": {
            "known_face_encodings": empty,
            "face_encoding_to_check": empty,
            "tolerance": 0.6,
        },
        "face_distance": {"face_encodings": empty, "face_to_compare": empty},
    }


def test_images_are_loaded_as_arrays(engine: fusiform.Engine) -> None:
    image = face_recognition.load_image_file(str(PORTRAIT))
    assert image.dtype == np.uint8 and image.shape == engine.decode(PORTRAIT).shape
    with PORTRAIT.open("rb") as file:
        assert np.array_equal(face_recognition.load_image_file(file), image)
    assert np.array_equal(face_recognition.load_image_file(PORTRAIT), image)
    grey = face_recognition.load_image_file(PORTRAIT, mode="L")
    pillow = np.asarray(PIL.Image.fromarray(image).convert("L"))
    assert grey.shape == image.shape[:2] and np.array_equal(grey, pillow)
    with pytest.raises(ValueError):
        face_recognition.load_image_file(PORTRAIT, mode="CMYK")
    with pytest.raises(FileNotFoundError):
        face_recognition.load_image_file("none.jpg")


def test_locations_are_top_right_bottom_left_inside_the_image(engine: fusiform.Engine) -> None:
    image = face_recognition.load_image_file(GROUP)
    found = face_recognition.face_locations(image)
    boxes = [face.bbox for face in engine.analyse(image).faces]
    assert len(found) == len(boxes) > 2
    for location, box in zip(found, boxes):
        assert all(type(edge) is int for edge in location)
        top, right, bottom, left = location
        assert 0 <= top < bottom <= image.shape[0] and 0 <= left < right <= image.shape[1]
        assert abs(top - box.y_min) <= 0.5 or top == 0
        assert abs(right - box.x_max) <= 0.5 or right == image.shape[1]
    assert face_recognition.face_locations(image, model="cnn") == found
    assert face_recognition.face_locations(image, 0) == found
    assert set(found) <= set(face_recognition.face_locations(image, number_of_times_to_upsample=2))
    other = face_recognition.load_image_file(PORTRAIT)
    batch = face_recognition.batch_face_locations([image, other], batch_size=2)
    assert batch == [found, face_recognition.face_locations(other)]
    assert face_recognition.face_locations(np.zeros((90, 90, 3), np.uint8)) == []
    # A view that claims any size is refused before it is copied.
    pixel = np.zeros((1, 1, 3), np.uint8)
    with pytest.raises(ValueError, match="more than"):
        face_recognition.face_locations(np.broadcast_to(pixel, (60_000, 60_000, 3)))
    for wrong in ({"model": "svm"}, {"number_of_times_to_upsample": -1}):
        with pytest.raises(ValueError):
            face_recognition.face_locations(image, **wrong)  # type: ignore[arg-type]


def test_encodings_and_distances_mean_what_they_meant(engine: fusiform.Engine) -> None:
    one, same, other = (
        face_recognition.face_encodings(face_recognition.load_image_file(path))[0]
        for path in (PORTRAIT, SAME_PERSON, OTHER_PERSON)
    )
    assert one.shape == (128,) and one.dtype == np.float64
    assert face_recognition.compare_faces([same, other, one], one) == [True, False, True]
    distances = face_recognition.face_distance([same, other, one], one)
    assert isinstance(distances, np.ndarray) and distances[2] == 0
    assert np.allclose(distances, [np.linalg.norm(e - one) for e in (same, other, one)])
    assert face_recognition.face_distance([], one).shape == (0,)
    assert face_recognition.compare_faces([], one) == []
    assert face_recognition.compare_faces(np.stack([same, other]), one) == [True, False]
    assert face_recognition.compare_faces([same], one, tolerance=0.01) == [False]


def test_the_tolerance_is_the_threshold_of_same_and_distances_are_monotone(
    engine: fusiform.Engine,
) -> None:
    faces, encodings = [], []
    for path in sorted(ALBUM.glob("*.jpg")):
        image = face_recognition.load_image_file(path)
        faces += engine.analyse(image).faces
        encodings += face_recognition.face_encodings(image)
    similarity = np.array([[fusiform.compare(a, b) for b in faces] for a in faces])
    distance = np.array([face_recognition.face_distance(encodings, e) for e in encodings])
    same_at = engine.threshold(1e-3).similarity
    # Rounding of 32 bits leaves a hair around the threshold, in which either answer is right.
    clear = abs(similarity - same_at) > 1e-5
    assert clear.mean() > 0.99
    assert np.array_equal((distance <= 0.6)[clear], (similarity >= same_at)[clear])
    order = np.argsort(similarity, axis=None)
    assert (np.diff(distance.flatten()[order]) < 1e-4).all()


def test_known_locations_give_their_faces_in_their_order(engine: fusiform.Engine) -> None:
    image = face_recognition.load_image_file(GROUP)
    locations = face_recognition.face_locations(image)
    all_of_them = face_recognition.face_encodings(image)
    backwards = face_recognition.face_encodings(image, locations[::-1])
    assert all(np.array_equal(a, b) for a, b in zip(all_of_them[::-1], backwards))
    # A box of another detector, larger than ours.
    top, right, bottom, left = locations[0]
    grown = [(max(0, top - 8), right + 8, bottom + 8, max(0, left - 8))]
    assert np.array_equal(face_recognition.face_encodings(image, grown)[0], all_of_them[0])
    # Where no face was found, what is there is described.
    described = face_recognition.face_encodings(image, [(0, 40, 40, 0)], 1, "large")
    assert described[0].shape == (128,)
    assert face_recognition.face_encodings(image, []) == []


def test_landmarks_are_five_points_under_the_originals_names(engine: fusiform.Engine) -> None:
    image = face_recognition.load_image_file(PORTRAIT)
    (small,) = face_recognition.face_landmarks(image, model="small")
    assert sorted(small) == ["left_eye", "nose_tip", "right_eye"]
    (large,) = face_recognition.face_landmarks(image)
    assert sorted(large) == ["bottom_lip", "left_eye", "nose_tip", "right_eye", "top_lip"]
    # Left is the left of the picture.
    assert large["left_eye"][0][0] < large["nose_tip"][0][0] < large["right_eye"][0][0]
    assert large["top_lip"][0][1] > large["nose_tip"][0][1]
    assert all(type(v) is int for points in large.values() for point in points for v in point)
    with pytest.raises(KeyError, match="five points"):
        large["chin"]
    with pytest.raises(ValueError):
        face_recognition.face_landmarks(image, model="huge")
    # The usual drawing loop of the original's documentation.
    draw = PIL.ImageDraw.Draw(PIL.Image.fromarray(image))
    for face in face_recognition.face_landmarks(image):
        for feature in face.keys():
            draw.line(face[feature], width=5)


def test_typical_code_runs_with_only_its_import_changed(tmp_path: Path) -> None:
    code = f"""
import fusiform.face_recognition as face_recognition
import numpy as np
picture_of_me = face_recognition.load_image_file({str(PORTRAIT)!r})
my_face_encoding = face_recognition.face_encodings(picture_of_me)[0]
unknown_picture = face_recognition.load_image_file({str(SAME_PERSON)!r})
unknown_face_encoding = face_recognition.face_encodings(unknown_picture)[0]
results = face_recognition.compare_faces([my_face_encoding], unknown_face_encoding)
if results[0] == True:
    print("It's a picture of me!")
small = np.ascontiguousarray(unknown_picture[::2, ::2])
locations = face_recognition.face_locations(small)
encodings = face_recognition.face_encodings(small, locations)
distances = face_recognition.face_distance([my_face_encoding], encodings[0])
print(int(np.argmin(distances)), distances[0] < 0.6)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "It's a picture of me!\n0 True\n"


def test_the_commands_print_the_originals_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known, unknown = tmp_path / "known", tmp_path / "unknown"
    for folder in (known, unknown):
        folder.mkdir()
    (known / "Mara.jpg").write_bytes(PORTRAIT.read_bytes())
    (unknown / "a.jpg").write_bytes(SAME_PERSON.read_bytes())
    (unknown / "b.jpg").write_bytes(OTHER_PERSON.read_bytes())
    blank = io.BytesIO()
    PIL.Image.new("RGB", (90, 90)).save(blank, "PNG")
    (unknown / "c.png").write_bytes(blank.getvalue())
    a, b, c = (str(unknown / name) for name in ("a.jpg", "b.jpg", "c.png"))
    assert commands.face_recognition([str(known), str(unknown), "--cpus", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{a},Mara", f"{b},unknown_person", f"{c},no_persons_found"]
    assert commands.face_recognition([str(known), a, "--show-distance", "true"]) == 0
    path, name, distance = capsys.readouterr().out.strip().split(",")
    assert (path, name) == (a, "Mara") and 0 < float(distance) <= 0.6
    assert commands.face_detection([a]) == 0
    found = face_recognition.face_locations(face_recognition.load_image_file(a))
    assert capsys.readouterr().out == f"{a},{','.join(map(str, found[0]))}\n"
    (unknown / "d.jpg").write_bytes(b"no photo")
    assert commands.face_detection([str(unknown)]) == 3
    assert "d.jpg" in capsys.readouterr().err
    in_use = _shared_engine.engine()
    with pytest.raises(SystemExit):
        commands.face_detection([a, "--cpus", "0"])
    assert _shared_engine.engine() is in_use
    (known / "Noor.jpg").write_bytes(b"no photo")
    (known / "Tom.jpg").symlink_to(tmp_path / "none.jpg")
    assert commands.face_recognition([str(known), a]) == 3
    said = capsys.readouterr()
    assert said.out == f"{a},Mara\n"
    assert "Noor.jpg is ignored" in said.err and "Tom.jpg is ignored" in said.err
