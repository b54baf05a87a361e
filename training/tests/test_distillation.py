"""The rebuilt teacher, the optimiser and a step of training."""

import pathlib
import sys

import numpy as np
import onnxruntime
import pytest
import torch

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from embedder import Embedder
from muon import orthogonal
from teacher import Teacher
from train_embedder import TAPS, Hints, loss_of, optimisers

MODEL = ROOT.parents[1] / "shared" / "models" / "mobilefacenet.onnx"


def test_the_rebuilt_teacher_answers_as_onnx_runtime_does():
    if not MODEL.exists():
        pytest.skip("../shared is not there")
    crops = np.random.default_rng(0).uniform(0, 255, (4, 3, 112, 112)).astype(np.float32)
    wanted = onnxruntime.InferenceSession(str(MODEL)).run(None, {"data": crops})[0]
    got = Teacher(str(MODEL))(torch.from_numpy(crops)).numpy()
    assert np.abs(got - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_the_teachers_maps_have_the_sizes_of_the_students():
    if not MODEL.exists():
        pytest.skip("../shared is not there")
    crops = torch.rand(2, 3, 112, 112) * 255
    maps, _ = Teacher(str(MODEL)).taps(crops, TAPS)
    stages = Embedder().eval().stages_of(crops)
    assert [m.shape[2:] for m in maps] == [s.shape[2:] for s in stages]
    assert [m.shape[1] for m in maps] == list(TAPS.values())


def test_a_direction_becomes_nearly_orthonormal_whichever_way_it_is_longer():
    for shape in ((64, 16), (16, 64)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
        assert 0.6 < values.min() and values.max() < 1.3


def test_steps_lower_the_loss_on_views_that_stay():
    torch.manual_seed(0)
    net = Embedder()
    hints = Hints(net.widths)
    views = torch.rand(8, 3, 112, 112) * 255
    answers = torch.nn.functional.normalize(torch.randn(8, 128))
    maps = [torch.randn(8, c, s, s) for c, s in zip(TAPS.values(), (28, 14, 7, 7))]
    both = optimisers(net, hints, 0.03)
    losses = []
    for _ in range(12):
        loss, _ = loss_of(net.through, hints, 1.0, views, answers, maps)
        losses.append(loss.item())
        [o.zero_grad() for o in both]
        loss.backward()
        [o.step() for o in both]
    assert losses[-1] < 0.8 * losses[0]
