"""The rebuilt teacher and the views made on a device."""

import pathlib
import sys

import numpy as np
import onnxruntime
import pytest
import torch

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from augment_device import augment
from teacher import Teacher

MODEL = ROOT.parents[1] / "shared" / "models" / "mobilefacenet.onnx"


def test_device_views_keep_shape_and_range_and_repeat_with_the_seed():
    crops = torch.randint(0, 256, (96, 128, 128, 3), dtype=torch.uint8)
    first = augment(crops, torch.Generator().manual_seed(1))
    assert first.shape == (96, 3, 112, 112) and first.dtype == torch.uint8
    assert torch.equal(first, augment(crops, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, augment(crops, torch.Generator().manual_seed(2)))


def test_the_rebuilt_teacher_answers_as_onnx_runtime_does():
    if not MODEL.exists():
        pytest.skip("../shared is not there")
    crops = np.random.default_rng(0).uniform(0, 255, (4, 3, 112, 112)).astype(np.float32)
    wanted = onnxruntime.InferenceSession(str(MODEL)).run(None, {"data": crops})[0]
    got = Teacher(str(MODEL))(torch.from_numpy(crops)).numpy()
    assert np.abs(got - wanted).max() < 1e-3 * np.abs(wanted).max()
