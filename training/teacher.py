"""The teachers, ONNX files, as torch modules. In: crops [n, 3, 112, 112], RGB 0..255, or photos
[n, 3, h, w], BGR 0..255. Out: what the file gives, or YuNet's answers in our detector's order.

They know the operators of mobilefacenet.onnx and YuNet and refuse others. Only the teachers are
built from these weights: the students start from random ones.
"""

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn as nn
import torch.nn.functional as F
from onnx import numpy_helper

KNOWN = {"Sub", "Mul", "Add", "Conv", "PRelu", "Flatten", "Gemm", "BatchNormalization"}
KNOWN |= {"Relu", "MaxPool", "Resize", "Transpose", "Reshape", "Sigmoid"}
# What computes the shape that Reshape is given: here it is always rows and columns to one axis.
SHAPES = {"Shape", "Gather", "Unsqueeze", "Concat", "Constant"}
STRIDES = (8, 16, 32)
# YuNet's outputs, four of each stride.
YUNET = [f"{part}_{stride}" for stride in STRIDES for part in ("cls", "obj", "bbox", "kps")]


class Teacher(nn.Module):
    def __init__(self, path):
        super().__init__()
        graph = onnx.load(path).graph
        self.names = {}
        for i, weight in enumerate(graph.initializer):
            self.names[weight.name] = f"w{i}"
            self.register_buffer(f"w{i}", torch.from_numpy(numpy_helper.to_array(weight).copy()).float())
        self.input = next(i.name for i in graph.input if i.name not in self.names)
        self.output = graph.output[0].name
        value = onnx.helper.get_attribute_value
        self.steps = [
            (n.op_type, n.input, n.output[0], {a.name: value(a) for a in n.attribute})
            for n in graph.node
            if n.op_type not in SHAPES
        ]
        unknown = {op for op, *_ in self.steps} - KNOWN
        if unknown:
            raise ValueError(f"{path}: operators {sorted(unknown)} are not built here; use another teacher")
        self.requires_grad_(False).eval()

    def forward(self, x):
        return self.taps(x, ())[1]

    def taps(self, x, names):
        """Intermediate values by their names in the file, and the output."""
        found = {self.input: x}
        for op, inputs, output, given in self.steps:
            known = (getattr(self, self.names[i]) if i in self.names else found.get(i) for i in inputs)
            a, *rest = known
            if op == "Conv":
                pads = given.get("pads", [0, 0])[:2]
                y = F.conv2d(a, *rest, stride=given.get("strides", 1), padding=pads, groups=given.get("group", 1))
            elif op == "PRelu":
                y = F.prelu(a, rest[0].flatten().to(a.dtype))
            elif op == "Add":
                y = a + rest[0]
            elif op == "Sub":
                y = a - rest[0]
            elif op == "Mul":
                y = a * rest[0]
            elif op == "Flatten":
                y = a.flatten(1)
            elif op == "Relu":
                y = F.relu(a)
            elif op == "MaxPool":
                y = F.max_pool2d(a, given["kernel_shape"], given["strides"])
            elif op == "Resize":
                y = F.interpolate(a, scale_factor=2.0, mode="nearest")
            elif op == "Transpose":
                y = a.permute(*given["perm"])
            elif op == "Reshape":
                y = a.reshape(len(a), -1, a.shape[-1])
            elif op == "Sigmoid":
                y = torch.sigmoid(a)
            elif op == "Gemm":
                y = F.linear(a, rest[0] if given.get("transB") else rest[0].T, rest[1].flatten())
            else:
                scale, shift, mean, variance = rest
                y = F.batch_norm(a.float(), mean, variance, scale, shift, eps=given.get("epsilon", 1e-5))
            found[output] = y
        return [found[name] for name in names], found[self.output].float()


class YuNet(Teacher):
    """Photos, sides multiples of 32 → [n, cells, 16] in our order, class and object as 0..1."""

    @torch.no_grad()
    def forward(self, photos):
        found, _ = self.taps(photos, YUNET)
        return torch.cat([torch.cat(found[i : i + 4], 2) for i in range(0, len(YUNET), 4)], 1)


class YuNetOnCpu:
    """The same by ONNX Runtime, which is nine times as fast there as torch's depthwise layers."""

    def __init__(self, path, threads=1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options)

    def __call__(self, photos):
        parts = self.session.run(YUNET, {self.session.get_inputs()[0].name: photos.numpy()})
        levels = [np.concatenate(parts[i : i + 4], 2) for i in range(0, len(YUNET), 4)]
        return torch.from_numpy(np.concatenate(levels, 1))


def yunet(path, device):
    return YuNetOnCpu(path) if device.type == "cpu" else YuNet(path).to(device)
