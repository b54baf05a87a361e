"""Small tests of the training code: seconds, no data beyond what they make."""

import pathlib
import sys

import numpy as np
import onnxruntime
import pytest
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import export
import mean_weights
import train_boxes
import train_detector
from augment import augment
from detector import Detector
from embedder import CONFIGS, Embedder
from landmark_data import TEMPLATE
from landmark_views import Squares, Views, frames
from landmarks import Boxes, Landmarks


def test_views_keep_shape_and_range_and_repeat_with_the_seed():
    crops = torch.randint(0, 256, (70, 128, 128, 3), dtype=torch.uint8)
    seen = lambda seed: augment(crops, torch.Generator().manual_seed(seed), 0.3, 0.35, 0.3)
    first, again = seen(1), seen(1)
    for view in first:
        assert view.shape == (70, 3, 112, 112) and view.dtype == torch.uint8
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not torch.equal(first[0], seen(2)[0])


def test_the_teacher_sees_some_views_before_they_were_degraded_and_the_others_alike():
    crops = torch.randint(0, 256, (200, 128, 128, 3), dtype=torch.uint8)
    student, teacher = augment(crops, torch.Generator().manual_seed(1), 0.0, 0.0, 0.3)
    differ = (student != teacher).flatten(1).any(1).float().mean()
    # Of 30 % chosen, those differ that got an effect: more than half of all views do.
    assert 0.15 < differ <= 0.3
    student, teacher = augment(crops, torch.Generator().manual_seed(1))
    assert torch.equal(student, teacher)


def test_the_networks_stay_within_their_budgets():
    assert sum(p.numel() for p in Embedder(**CONFIGS["w64"]).parameters()) <= 1_700_000
    assert sum(p.numel() for p in Detector().parameters()) <= 120_000
    both = [*Landmarks().parameters(), *Boxes().parameters()]
    assert sum(p.numel() for p in both) <= 150_000


ROLES = [("embedder", Embedder), ("detector", Detector), ("landmarks", Landmarks)]


@pytest.mark.parametrize("role, net", ROLES)
def test_the_exported_network_answers_as_torch_does(role, net, tmp_path):
    torch.manual_seed(0)
    model = net()
    path = str(tmp_path / "m.onnx")
    made, feed = getattr(export, role)({"ema": model.state_dict()}, path, half=False)
    said = export.compare(made, path, feed)
    value = float(said.split()[-1])
    assert value > 0.99999 if role == "embedder" else value < 1e-3, said


def test_the_exported_landmark_network_gives_boxes_if_it_learnt_them(tmp_path):
    torch.manual_seed(0)
    checkpoint = {"ema": Landmarks().state_dict(), "boxes": Boxes().state_dict()}
    path = str(tmp_path / "m.onnx")
    made, feed = export.landmarks(checkpoint, path, half=False)
    assert made(torch.from_numpy(feed["crop"])).shape == (3, 16)
    assert float(export.compare(made, path, feed).split()[-1]) < 1e-3


def test_a_box_is_learnt_as_its_crop_sees_it():
    box = np.array([80.0, 90.0, 120.0, 150.0])
    upright = train_boxes.target(box, np.array([100.0, 110.0]), 40.0, 0.0)
    assert np.allclose(upright, [0.0, 0.25, np.log(0.5), np.log(0.75)])
    turned = train_boxes.target(box, np.array([100.0, 110.0]), 40.0, np.pi / 2)
    assert np.allclose(turned[:2], [0.25, 0.0])


def test_cells_near_a_face_learn_it_and_doubtful_ones_learn_nothing():
    face = np.zeros(16, np.float32)
    face[:4], face[14], face[15] = (100, 100, 40, 40), 0.9, 1
    doubtful = face.copy()
    doubtful[:4], doubtful[14] = (240, 240, 40, 40), 0.4
    faces = torch.from_numpy(np.stack([face, np.zeros(16, np.float32), doubtful]))
    cells = train_detector.cells(320)
    (index,), (negative,) = train_detector.assign(faces[None], cells)
    on_face = (index == 0).nonzero().flatten()
    assert len(on_face) > 0 and (index <= 0).all()
    assert ((cells[on_face, :2] - 120).abs().max() <= 48).item()
    inside = (cells[:, 0] > 245) & (cells[:, 0] < 275) & (cells[:, 1] > 245) & (cells[:, 1] < 275)
    assert (negative[inside] == 0).all() and negative[0] == 1


def test_the_frame_of_a_turned_mean_face_is_the_turn():
    angle, scale = 0.7, 1.3
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    (plain,), (about,), (level,) = frames(TEMPLATE[None])
    (eyes,), (middle,), (roll,) = frames((TEMPLATE @ turn.T + (5, -3))[None])
    assert np.isclose(eyes, scale * plain) and np.isclose(roll, angle) and np.isclose(level, 0)
    assert np.allclose(middle, turn @ about + (5, -3))


def test_a_view_shows_the_points_where_it_says_they_are(tmp_path):
    """A chip with a bright dot at each point: the dots lie there in the view, mirrored or not."""
    chips = np.zeros((2, 160, 160, 3), np.uint8)
    spots = np.round(TEMPLATE).astype(int)
    for x, y in spots:
        chips[:, y - 2 : y + 3, x - 2 : x + 3] = 255
    points = np.stack([spots, spots]).astype(np.float32)
    np.savez(tmp_path / "squares-00.npz", squares=chips[:, :112, :112], sure=np.ones(2))
    views = Views(chips, points, 1, Squares(tmp_path), 1, 0, lambda: None)
    views.dressed = lambda image, *_: image
    next(iter(views))
    for _ in range(20):
        image, points, eyes = views.face(1.5, (0, 0), 40)
        for x, y in np.round(points * 32 + 31.5).astype(int):
            assert image[y, x].max() > 60
        assert abs(np.linalg.norm(points[1] - points[0]) / eyes - 1) < 0.2
        # Turned or mirrored, the eye that is left when the face is upright comes first.
        across, down = points[1] - points[0], points[3:].mean(0) - points[:2].mean(0)
        assert across[0] * down[1] - across[1] * down[0] > 0


def test_the_mean_of_two_checkpoints_lies_between_them():
    one, other = Landmarks().state_dict(), Landmarks().state_dict()
    between = mean_weights.mean(one, other)
    name = "out.weight"
    assert torch.allclose(between[name] * 2, one[name] + other[name])
    Landmarks().load_state_dict(between)
