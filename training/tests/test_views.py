"""The views that detector and landmark network learn from, and what labels them."""

import pathlib
import random
import sys

import numpy as np
import pytest
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import crowds
import labelled_folder
import scenes
from landmark_squares import labelled, usable, windows
from landmark_views import Squares
from teacher import YuNet, YuNetOnCpu

YUNET = pathlib.Path(__file__).parents[3] / "shared" / "models" / "yunet_n_dynamic.onnx"


def dotted():
    """A black photo of 200 by 300 pixels and one face of it, a white dot at each point."""
    points = np.array([[130, 80], [170, 84], [148, 108], [130, 130], [166, 132]], np.float32)
    photo = np.zeros((200, 300, 3), np.uint8)
    for x, y in points.astype(int):
        photo[y - 3 : y + 3, x - 3 : x + 3] = 255
    row = [115, 60, 70, 90, *points.ravel(), 0.9]
    return "one", photo, np.array([row], np.float32), np.zeros((0, 4, 2)), False


def test_a_view_shows_a_face_where_it_says_it_is():
    photos, sizes, faces = scenes.laid_out([dotted()])
    views = scenes.Views(photos, sizes, faces, 1, [()], torch.device("cpu"), 3)
    views.coloured = lambda x: x
    seen = 0
    for whole in (False, True):
        x, rows = views.batch(40, 320, whole)
        for view, row in zip(x, rows[:, 0]):
            if row[14] == 0 or row[3] < 60:
                continue
            points = row[4:14].view(5, 2)
            inside = ((points > 4) & (points < 316)).all(1)
            for px, py in points[inside].int():
                assert view[0, py, px] > 100
                seen += 1
            # Whichever way it is turned or mirrored, the box holds the points.
            low, high = row[:2], row[:2] + row[2:4]
            assert ((points > low - 0.2 * row[2:4]) & (points < high + 0.2 * row[2:4])).all()
            across, down = points[1] - points[0], points[3:].mean(0) - points[:2].mean(0)
            assert across[0] * down[1] - across[1] * down[0] > 0
    assert seen > 50


def test_views_repeat_with_the_seed():
    photos, sizes, faces = scenes.laid_out([dotted()])
    made = lambda seed: scenes.Views(photos, sizes, faces, 1, [()], torch.device("cpu"), seed)
    (x, rows), (again, same) = made(5).batch(6, 96, False), made(5).batch(6, 96, False)
    assert torch.equal(x, again) and torch.equal(rows, same)
    assert not torch.equal(x, made(6).batch(6, 96, False)[0])
    assert x.min() >= 0 and x.max() <= 255 and torch.equal(x, x.round())


def test_a_crowd_has_its_faces_where_it_says_and_none_of_the_photo():
    photos, sizes, faces = scenes.laid_out([dotted()])
    crops = np.full((3, 128, 128, 3), 90, np.uint8)
    made, shape, rows = crowds.crowds(photos, sizes, faces, crops, 8)
    assert made.shape == (8, scenes.SIDE, scenes.SIDE, 3) and (shape == scenes.SIDE).all()
    there = rows[..., 14] > 0
    assert there.any(1).all()
    for photo, row in zip(made, rows):
        for x, y, w, h in row[row[:, 14] > 0][:, :4]:
            # The middle of a pasted face is of its colour, darker or lighter as it was pasted.
            cx, cy = int(x + w / 2), int(y + h / 2)
            if 0 <= cx < scenes.SIDE and 0 <= cy < scenes.SIDE:
                assert 60 <= photo[cy, cx, 0] <= 110
    assert made.max() < 200


def test_the_bounds_of_a_turned_ellipse():
    assert np.allclose(crowds.upright(68, 88, 90), (88, 68))
    assert np.allclose(crowds.upright(50, 50, 31), (50, 50))


def test_squares_are_no_usable_box_of_a_labelled_face():
    _, photo, pseudo, human, _ = dotted()
    middles, eyes = labelled(pseudo, human)
    found = windows(photo.shape, middles, eyes, np.zeros((0, 4)), random.Random(1), 400)
    off = np.linalg.norm(found[:, None, :2] - middles, axis=2) / eyes
    assert len(found) > 100 and not usable(off, found[:, 2:] / eyes).any()
    # The face's own box is one, and so is one half beside it.
    assert usable(np.array(0.0), np.array(1.6)) and usable(np.array(1.2), np.array(1.6))
    assert not usable(np.array(2.0), np.array(1.6)) and not usable(np.array(0.0), np.array(5.0))


def test_squares_that_arrive_during_a_run_join_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="landmark_squares.py"):
        Squares(tmp_path)
    squares = lambda value: np.full((4, 112, 112, 3), value, np.uint8)
    np.savez(tmp_path / "squares-00.npz", squares=squares(1), sure=np.array([0.9, 0, 0, 0]))
    held = Squares(tmp_path)
    np.savez(tmp_path / "squares-01.npz", squares=squares(2), sure=np.ones(4))
    held.look()
    rng = random.Random(0)
    assert {int(held.one(rng, hard=True)[0, 0, 0]) for _ in range(40)} == {1, 2}


def test_both_forms_of_yunet_answer_alike():
    if not YUNET.exists():
        pytest.skip("../shared is not there")
    photos = torch.randint(0, 256, (2, 3, 96, 128)).float()
    gap = (YuNet(str(YUNET))(photos) - YuNetOnCpu(str(YUNET))(photos)).abs().max()
    assert gap < 1e-4


def test_labels_for_the_command_keep_peoples_points_and_ignore_doubtful_boxes():
    _, _, pseudo, _, _ = dotted()
    doubtful = pseudo.copy()
    doubtful[:, 0] += 100
    doubtful[:, 4:14:2] += 100
    doubtful[:, 14] = 0.4
    person = pseudo[0, 4:14].reshape(5, 2)
    person = np.concatenate([person[:3], person[3:].mean(0, keepdims=True)])
    alone = person + 300
    made = labelled_folder.entries(np.concatenate([pseudo, doubtful]), np.stack([person, alone]))
    assert [face["ignore"] for face in made] == [False, True, False]
    assert "landmarks" not in made[1] and len(made[0]["landmarks"]) == 4
    x, y, w, h = made[2]["box"]
    inside = (alone > (x, y)) & (alone < (x + w, y + h))
    assert inside.all() and w < h
