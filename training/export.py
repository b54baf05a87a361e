"""Checkpoints to ONNX. In: a checkpoint of one of the three trainers. Out: one .onnx file.

The graph is written node by node, so that it holds only operators of the runtime's fast path. Batch-norms are folded
into the convolutions before them; weights are stored as fp16, each followed by a Cast to fp32.

    python export.py embedder --checkpoint last.pt --out embedder.onnx
    python export.py detector --checkpoint last.pt --out detector.onnx
    python export.py landmarks --checkpoint last.pt --out landmarks.onnx
"""

import argparse

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from detector import Detector
from embedder import CONFIGS, Embedder
from landmarks import SIDE, Boxes, Landmarks

STRIDES = (8, 16, 32)


class Graph:
    """Nodes and weights under construction."""

    def __init__(self, half):
        self.nodes, self.weights, self.half = [], [], half

    def weight(self, name, values):
        values = np.asarray(values, np.float32)
        if self.half and values.size > 16:
            self.weights.append(onnx.numpy_helper.from_array(values.astype(np.float16), name + "_h"))
            self.node("Cast", [name + "_h"], name, to=TensorProto.FLOAT)
        else:
            self.weights.append(onnx.numpy_helper.from_array(values, name))
        return name

    def ints(self, name, values):
        self.weights.append(onnx.numpy_helper.from_array(np.asarray(values, np.int64), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(self, name, x, conv, norm=None):
        """A convolution with the batch-norm after it folded in: w·g/σ and (b − μ)·g/σ + β."""
        w = conv.weight.detach().double()
        b = torch.zeros(len(w), dtype=torch.double) if conv.bias is None else conv.bias.detach().double()
        if norm is not None:
            factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
            w, b = (
                w * factor[:, None, None, None],
                (b - norm.running_mean.double()) * factor + norm.bias.detach().double(),
            )
        inputs = [x, self.weight(name + "_w", w), self.weight(name + "_b", b)]
        pad = conv.padding[0]
        return self.node(
            "Conv",
            inputs,
            name,
            kernel_shape=list(conv.kernel_size),
            strides=list(conv.stride),
            pads=[pad] * 4,
            group=conv.groups,
        )

    def save(self, path, inputs, outputs):
        graph = helper.make_graph(self.nodes, "fusiform", inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="fusiform")
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, path)


def block(g, name, x, layers):
    """Conv, batch-norm and perhaps PReLU or ReLU, as `conv_block` of embedder.py and detector.py makes them."""
    x = g.conv(name, x, layers[0], layers[1])
    if len(layers) < 3:
        return x
    if isinstance(layers[2], torch.nn.PReLU):
        slope = g.weight(name + "_s", layers[2].weight.detach()[:, None, None])
        return g.node("PRelu", [x, slope], name + "_a")
    return g.node("Relu", [x], name + "_a")


def embedder(checkpoint, path, half):
    net = Embedder(**CONFIGS[checkpoint.get("config", "small")])
    net.load_state_dict(checkpoint["ema"])
    net.eval()
    g = Graph(half)
    x = g.node("Sub", ["data", g.weight("mean", [127.5])], "centred")
    x = g.node("Mul", [x, g.weight("scale", [1 / 128])], "scaled")
    layers = [net.stem, *(layer for stage in net.stages for layer in stage), net.widen]
    for i, layer in enumerate(layers):
        name = f"b{i}"
        if hasattr(layer, "act"):
            y = block(g, name + "a", x, layer.a)
            y = block(g, name + "b", y, layer.b)
            x = g.node("Add", [y, x], name + "_sum")
            x = g.node("PRelu", [x, g.weight(name + "_s", layer.act.weight.detach()[:, None, None])], name + "_a")
        else:
            x = block(g, name, x, layer)
    x = block(g, "global", x, net.gdc)
    x = g.node("Flatten", [x], "flat", axis=1)
    norm = net.bn
    factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    w = g.weight("fc_w", net.fc.weight.detach().double() * factor[:, None])
    b = g.weight("fc_b", norm.bias.detach().double() - norm.running_mean.double() * factor)
    g.node("Gemm", [x, w, b], "embedding", transB=1)
    value = helper.make_tensor_value_info
    g.save(
        path,
        [value("data", TensorProto.FLOAT, ["n", 3, 112, 112])],
        [value("embedding", TensorProto.FLOAT, ["n", net.fc.out_features])],
    )
    return net, {"data": np.random.default_rng(0).uniform(0, 255, (3, 3, 112, 112)).astype(np.float32)}


def detector(checkpoint, path, half):
    net = Detector()
    net.load_state_dict(checkpoint["ema"])
    net.eval()
    g = Graph(half)
    x = g.node("Sub", ["input", g.weight("mean", [127.5])], "centred")
    x = g.node("Mul", [x, g.weight("scale", [1 / 64])], "scaled")
    x = block(g, "c1", x, net.c1)
    for i, layer in enumerate(net.c2):
        x = block(g, f"c2_{i}", x, layer)
    levels = []
    for name in ("c3", "c4", "c5"):
        down, *residuals = getattr(net, name)
        x = block(g, name + "_d", x, down)
        for i, residual in enumerate(residuals):
            y = block(g, f"{name}_{i}a", x, residual.a)
            y = g.conv(f"{name}_{i}b", y, residual.b[0], residual.b[1])
            x = g.node("Relu", [g.node("Add", [y, x], f"{name}_{i}sum")], f"{name}_{i}")
        levels.append(x)
    g.weights.append(onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"))
    f5 = block(g, "l5", levels[2], net.l5)
    features = [f5]
    for name, level in (("l4", levels[1]), ("l3", levels[0])):
        up = g.node(
            "Resize",
            [features[0], "", "twice"],
            name + "_up",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        features.insert(0, g.node("Add", [block(g, name, level, getattr(net, name)), up], name + "_f"))
    outputs = {}
    for stride, feature, out in zip(STRIDES, features, net.out):
        for i, head in enumerate(net.head):
            feature = block(g, f"h{stride}_{i}", feature, head)
        parts = {"cls": (0, 1), "obj": (1, 2), "bbox": (2, 6), "kps": (6, 16)}
        for part, (low, high) in parts.items():
            piece = torch.nn.Conv2d(out.in_channels, high - low, 1)
            piece.weight.data, piece.bias.data = out.weight.data[low:high], out.bias.data[low:high]
            y = g.conv(f"{part}_{stride}_c", feature, piece)
            if part in ("cls", "obj"):
                y = g.node("Sigmoid", [y], f"{part}_{stride}_p")
            y = g.node("Transpose", [y], f"{part}_{stride}_t", perm=[0, 2, 3, 1])
            shape = g.ints(f"{part}_{stride}_s", [0, -1, high - low])
            # The batch is kept, rows and columns become one axis.
            outputs[f"{part}_{stride}"] = (g.node("Reshape", [y, shape], f"{part}_{stride}"), high - low)
    value = helper.make_tensor_value_info
    order = [f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in STRIDES]
    g.save(
        path,
        [value("input", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [value(name, TensorProto.FLOAT, [1, f"cells_{name}", outputs[name][1]]) for name in order],
    )
    return net, {"input": np.random.default_rng(0).uniform(0, 255, (1, 3, 256, 320)).astype(np.float32)}


def landmarks(checkpoint, path, half):
    """`crop`, RGB 0..255 → `points` in half sides, `face` 0..1, `error` in eye distances; `box` in half
    sides if train_boxes.py has been there: middle, and logarithms of half width and half height."""
    net = Landmarks()
    net.load_state_dict(checkpoint["ema"])
    net.eval()
    g = Graph(half)
    x = g.node("Sub", ["crop", g.weight("mean", [127.5])], "centred")
    x = g.node("Mul", [x, g.weight("scale", [1 / 64])], "scaled")
    for i, layer in enumerate(net.body):
        name = f"b{i}"
        if hasattr(layer, "act"):
            y = block(g, name + "a", x, layer.a)
            y = block(g, name + "b", y, layer.b)
            x = g.node("Add", [y, x], name + "_sum")
            slope = g.weight(name + "_s", layer.act.weight.detach()[:, None, None])
            x = g.node("PRelu", [x, slope], name + "_a")
        else:
            x = block(g, name, x, layer)
    x = g.node("Flatten", [block(g, "where", x, net.where)], "flat", axis=1)
    outputs = {"points": (0, 10, None), "face": (10, 11, "Sigmoid"), "error": (11, 12, "Exp")}
    for name, (low, high, act) in outputs.items():
        w, b = net.out.weight.detach()[low:high], net.out.bias.detach()[low:high]
        inputs = [x, g.weight(name + "_w", w), g.weight(name + "_b", b)]
        y = g.node("Gemm", inputs, name + "_out" if act else name, transB=1)
        if act:
            g.node(act, [y], name)
    value = lambda *v: helper.make_tensor_value_info(v[0], TensorProto.FLOAT, ["n", *v[1:]])
    out = [value(name, high - low) for name, (low, high, _) in outputs.items()]
    heads = [net.out]
    if "boxes" in checkpoint:
        boxes = Boxes()
        boxes.load_state_dict(checkpoint["boxes"])
        heads.append(boxes)
        first, act, last = boxes
        y = g.node("Gemm", [x, g.weight("box1_w", first.weight.detach()), g.weight("box1_b", first.bias.detach())], "box1", transB=1)
        y = g.node("PRelu", [y, g.weight("box1_s", act.weight.detach())], "box1_a")
        g.node("Gemm", [y, g.weight("box_w", last.weight.detach()), g.weight("box_b", last.bias.detach())], "box", transB=1)
        out.append(value("box", 4))
    g.save(path, [value("crop", 3, SIDE, SIDE)], out)
    crops = np.random.default_rng(0).uniform(0, 255, (3, 3, SIDE, SIDE))
    all_heads = lambda x: torch.cat([head(net.features(x)) for head in heads], 1)
    return all_heads, {"crop": crops.astype(np.float32)}


def compare(net, path, feed):
    """Largest difference between torch and ONNX Runtime on the same input."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    results = session.run(None, feed)
    with torch.no_grad():
        wanted = net(torch.from_numpy(next(iter(feed.values()))))
    if "points" in [o.name for o in session.get_outputs()]:
        wanted = [wanted[:, :10], wanted[:, 10:11].sigmoid(), wanted[:, 11:12].exp(), wanted[:, 12:]]
        worst = max(np.abs(a - b.numpy()).max() for a, b in zip(results, wanted))
        return f"largest difference {worst:.2e}"
    if isinstance(wanted, torch.Tensor):
        got, wanted = results[0], wanted.numpy()
        cosine = (got * wanted).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(wanted, axis=1)
        return f"least cosine {cosine.min():.6f}"
    named = dict(zip([o.name for o in session.get_outputs()], results))
    worst = 0.0
    for stride, level in zip(STRIDES, wanted):
        flat = level.permute(0, 2, 3, 1).reshape(1, -1, 16).numpy()
        flat[:, :, :2] = 1 / (1 + np.exp(-flat[:, :, :2]))
        got = np.concatenate([named[f"{part}_{stride}"] for part in ("cls", "obj", "bbox", "kps")], 2)
        worst = max(worst, float(np.abs(got - flat).max()))
    return f"largest difference {worst:.2e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("role", choices=["embedder", "detector", "landmarks"])
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--full", action="store_true", help="store weights as fp32")
    args = parser.parse_args()
    checkpoint = torch.load(args.checkpoint, map_location="cpu", weights_only=False)
    roles = {"embedder": embedder, "detector": detector, "landmarks": landmarks}
    net, feed = roles[args.role](checkpoint, args.out, not args.full)
    print(args.out, "against torch:", compare(net, args.out, feed))


if __name__ == "__main__":
    main()
