"""Golden values of every operator. In: nothing. Out: cases.bin, read by tests/golden.rs.

Small random models on odd shapes, run by ONNX Runtime. Needs onnx 1.23, onnxruntime 1.32, numpy 2:
    python make_golden.py

Format, little-endian: u32 number of cases; per case: name, model bytes, u32 number of inputs, each
name and tensor, u32 number of outputs, each a tensor. Bytes: u32 length first. Tensor: u32 rank,
u32 sizes, f32 numbers.
"""

import pathlib
import struct

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(7)
CASES = []


def rand(*shape):
    return RNG.uniform(-1, 1, shape).astype(np.float32)


def case(name, nodes, inputs, weights=None, outputs=("y",), opset=13, dynamic=True):
    """`inputs`: name to array; `weights`: name to array, stored in the model."""
    dims = lambda a: [None] * a.ndim if dynamic else list(a.shape)
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, dims(a)) for n,
        a in inputs.items()]
    outs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    stored = [numpy_helper.from_array(np.asarray(a), n) for n, a in (weights or {}).items()]
    graph = helper.make_graph(nodes, name, ports, outs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data)
    CASES.append((name, data, inputs, session.run(None, inputs)))


def one(name, op, inputs, weights=None, opset=13, **attributes):
    names = list(inputs) + list(weights or {})
    case(name, [helper.make_node(op, names, ["y"], **attributes)], inputs, weights, opset=opset)


def conv(name, n, c, h, w, out, k, groups=1, bias=True, **attributes):
    weights = {"w": rand(out, c // groups, *k)}
    if bias:
        weights["b"] = rand(out)
    one("conv " + name, "Conv", {"x": rand(n, c, h, w)}, weights, group=groups, **attributes)


def norm(c):
    return {"g": rand(c) + 1.5, "s": rand(c), "m": rand(c), "v": np.abs(rand(c)) + 0.5}


def families(node):
    """A piece of each family of networks, its operators in the order its exporter writes them."""
    pad = dict(pads=[1, 1, 1, 1])
    bn = lambda i, o, t: node("BatchNormalization", [i, "g" + t, "s" + t, "m" + t, "v" + t], [o])
    tagged = lambda t, c: {key + t: value for key, value in norm(c).items()}
    case("iresnet block and head", [
        bn("x", "a", "1"), node("Conv", ["a", "w1"], ["b"], **pad), bn("b", "c", "2"),
        node("PRelu", ["c", "p"], ["d"]),
        node("Conv", ["d", "w2"], ["e"], strides=[2, 2], **pad), bn("e", "f", "3"),
        node("Conv", ["x", "w3"], ["g"], strides=[2, 2]),
        bn("g", "h", "4"), node("Add", ["f", "h"], ["i"]), bn("i", "j", "3"),
        node("Dropout", ["j"], ["k"]), node("Flatten", ["k"], ["l"]),
        node("Gemm", ["l", "fc", "fcb"], ["n"], transB=1), bn("n", "y", "5")],
        {"x": rand(2, 5, 8, 8)},
        {**tagged("1", 5), **tagged("2", 7), **tagged("3", 7), **tagged("4", 7), **tagged("5", 9),
        "p": rand(7, 1, 1), "w1": rand(7, 5, 3, 3),
         "w2": rand(7, 7, 3, 3), "w3": rand(7, 5, 1, 1), "fc": rand(9, 112), "fcb": rand(9)})
    case("scrfd neck and head", [
        node("Conv", ["x", "w1"], ["a"], **pad), node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w2"], ["c"], strides=[2, 2], **pad),
        node("Shape", ["b"], ["s"]), node("Slice", ["s", "two", "four", "zero"], ["hw"]),
        node("Shape", ["c"], ["t"]),
        node("Slice", ["t", "zero", "two", "zero"], ["nc"]), node("Concat", ["nc", "hw"], ["size"],
        axis=0),
        node("Resize", ["c", "", "", "size"], ["u"], mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Add", ["b", "u"], ["f"]), node("Conv", ["f", "w3"], ["h"], group=6, **pad),
        node("Relu", ["h"], ["i"]),
        node("Conv", ["i", "w4", "b4"], ["j"]), node("Transpose", ["j"], ["k"], perm=[2, 3, 0, 1]),
        node("Reshape", ["k", "flat"], ["l"]),
        node("Sigmoid", ["l"], ["y"]), node("Conv", ["i", "w5"], ["m"]),
        node("Mul", ["m", "scale"], ["n"]),
        node("Transpose", ["n"], ["o"], perm=[2, 3, 0, 1]), node("Reshape", ["o", "boxes"], ["z"])],
        {"x": rand(1, 3, 10, 14)},
        {"w1": rand(6, 3, 3, 3), "w2": rand(6, 6, 3, 3), "w3": rand(6, 1, 3, 3), "w4": rand(2, 6, 1,
        1), "b4": rand(2), "w5": rand(8, 6, 1, 1),
         "scale": np.float32(1.3), "two": np.array([2]), "four": np.array([4]),
         "zero": np.array([0]), "flat": np.array([-1, 1]),
         "boxes": np.array([-1, 4])}, outputs=("y", "z"))
    case("retinaface ssh", [
        node("Conv", ["x", "w1"], ["a"], **pad), bn("a", "b", "1"),
        node("Conv", ["x", "w2"], ["c"], **pad), bn("c", "d", "2"),
        node("LeakyRelu", ["d"], ["e"], alpha=0.1), node("Conv", ["e", "w3"], ["f"], **pad),
        bn("f", "g", "2"),
        node("Concat", ["b", "g"], ["h"], axis=1), node("Relu", ["h"], ["i"]),
        node("Conv", ["i", "w4", "b4"], ["j"]),
        node("Transpose", ["j"], ["k"], perm=[0, 2, 3, 1]), node("Shape", ["k"], ["s"]),
        node("Gather", ["s", "first"], ["n"]),
        node("Unsqueeze", ["n", "zero"], ["u"]), node("Concat", ["u", "rest"], ["t"], axis=0),
        node("Reshape", ["k", "t"], ["l"]),
        node("Softmax", ["l"], ["y"], axis=-1)], {"x": rand(2, 6, 5, 7)},
        {**tagged("1", 4), **tagged("2", 3), "w1": rand(4, 6, 3, 3), "w2": rand(3, 6, 3, 3),
        "w3": rand(3, 3, 3, 3), "w4": rand(4, 7, 1, 1),
         "b4": rand(4), "first": np.int64(0), "zero": np.array([0]), "rest": np.array([-1, 2])})
    case("minifasnet block", [
        node("Conv", ["x", "w1"], ["a"]), bn("a", "b", "1"), node("PRelu", ["b", "p"], ["c"]),
        node("Conv", ["c", "w2"], ["d"], group=8, **pad),
        bn("d", "e", "1"), node("PRelu", ["e", "p"], ["f"]), node("Conv", ["f", "w3"], ["g"]),
        bn("g", "h", "2"),
        node("ReduceMean", ["h"], ["m"], axes=[2, 3]), node("Conv", ["m", "w4"], ["q"]),
        node("Relu", ["q"], ["r"]),
        node("Conv", ["r", "w5"], ["s"]), node("Sigmoid", ["s"], ["t"]),
        node("Mul", ["h", "t"], ["u"]), node("Add", ["x", "u"], ["v"]),
        node("Conv", ["v", "w6"], ["w"], group=5), node("Flatten", ["w"], ["l"]),
        node("MatMul", ["l", "fc"], ["n"]),
        node("Softmax", ["n"], ["y"])], {"x": rand(2, 5, 5, 5)},
        {**tagged("1", 8), **tagged("2", 5), "p": rand(8, 1, 1), "w1": rand(8, 5, 1, 1),
        "w2": rand(8, 1, 3, 3), "w3": rand(5, 8, 1, 1),
         "w4": rand(2, 5, 1, 1), "w5": rand(5, 2, 1, 1), "w6": rand(5, 1, 5, 5), "fc": rand(5, 3)})


def heads(node):
    """Narrow heads that are merged, and splits that look like theirs but are not."""
    pad = dict(pads=[1, 1, 1, 1])
    turn, flat = dict(perm=[0, 2, 3, 1]), {"flat": np.array([2, -1, 1]), "first": np.int64(0),
        "axis": np.array([0]), "rest": np.array([-1, 4])}
    case("yunet heads", [
        node("Conv", ["x", "w1", "b1"], ["a"]), node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w2", "b2"], ["c"]),
        node("Conv", ["c", "d2", "e2"], ["d"], group=1, **pad),
        node("Transpose", ["d"], ["e"], **turn), node("Reshape", ["e", "flat"], ["f"]),
        node("Sigmoid", ["f"], ["p"]), node("Conv", ["b", "w3"], ["g"]),
        node("Conv", ["g", "d3", "e3"], ["h"], group=4, **pad),
        node("Transpose", ["h"], ["i"], **turn), node("Shape", ["h"], ["l"]),
        node("Gather", ["l", "first"], ["m"]),
        node("Unsqueeze", ["m", "axis"], ["n"]), node("Concat", ["n", "rest"], ["o"], axis=0),
        node("Reshape", ["i", "o"], ["q"]),
        node("Conv", ["b", "w4", "b4"], ["j"]),
        node("Conv", ["j", "d4", "e4"], ["k"], group=10, **pad),
        node("Sigmoid", ["k"], ["r"])], {"x": rand(2, 6, 9, 7)},
        {"w1": rand(19, 6, 1, 1), "b1": rand(19), "w2": rand(1, 19, 1, 1), "b2": rand(1),
        "d2": rand(1, 1, 3, 3), "e2": rand(1), "w3": rand(4, 19, 1, 1),
         "d3": rand(4, 1, 3, 3), "e3": rand(4), "w4": rand(10, 19, 1, 1), "b4": rand(10),
         "d4": rand(10, 1, 3, 3), "e4": rand(10), **flat},
        outputs=("p", "q", "r"))
    case("heads of which one goes on", [
        node("Conv", ["x", "w1"], ["a"], **pad), node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w2"], ["p"]), node("Conv", ["b", "w3"], ["q"]),
        node("Conv", ["b", "w4"], ["c"]), node("Conv", ["c", "w5"], ["r"], **pad)], {"x": rand(1, 3,
        9, 7)},
        {"w1": rand(7, 3, 3, 3), "w2": rand(2, 7, 1, 1), "w3": rand(3, 7, 1, 1), "w4": rand(4, 7, 1,
        1), "w5": rand(2, 4, 3, 3)},
        outputs=("p", "q", "r"))
    case("split between convolutions", [
        node("Conv", ["x", "w1"], ["a"], **pad), node("Split", ["a"], ["b", "c"], axis=1, split=[3,
        4]), node("Conv", ["c", "w2"], ["d"], **pad),
        node("Transpose", ["b"], ["p"], **turn), node("Transpose", ["d"], ["q"], **turn)],
        {"x": rand(1, 3, 9, 7)},
        {"w1": rand(7, 3, 3, 3), "w2": rand(5, 4, 3, 3)}, outputs=("p", "q"), opset=11)
    case("split of a convolution", [
        node("Conv", ["x", "w1"], ["a"], **pad), node("Relu", ["a"], ["c"]),
        node("Split", ["c"], ["b", "p"], axis=1, split=[3, 4]),
        node("Transpose", ["b"], ["q"], **turn)], {"x": rand(1, 3, 9, 7)}, {"w1": rand(7, 3, 3, 3)},
        outputs=("p", "q"), opset=11)


def main():
    onnxruntime.set_default_logger_severity(3)
    conv("3x3", 1, 3, 13, 17, 5, (3, 3), pads=[1, 1, 1, 1])
    conv("3x3 stride 2 batch 2", 2, 7, 15, 9, 11, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2])
    conv("1x1", 1, 33, 7, 5, 19, (1, 1))
    conv("1x1 stride 2", 1, 6, 9, 8, 4, (1, 1), strides=[2, 2])
    conv("5x5 asymmetric pads", 1, 4, 11, 12, 6, (5, 5), pads=[0, 1, 3, 2])
    conv("1x7", 1, 3, 8, 19, 4, (1, 7), pads=[0, 3, 0, 3])
    conv("dilated", 1, 5, 17, 16, 3, (3, 3), dilations=[2, 3], pads=[2, 3, 2, 3])
    conv("groups", 1, 12, 9, 9, 8, (3, 3), groups=4, pads=[1, 1, 1, 1])
    conv("depthwise", 2, 9, 12, 31, 9, (3, 3), groups=9, pads=[1, 1, 1, 1])
    conv("depthwise stride 2", 1, 5, 13, 14, 5, (3, 3), groups=5, pads=[1, 1, 1, 1], strides=[2, 2])
    conv("depthwise 5x5", 1, 6, 10, 9, 6, (5, 5), groups=6, pads=[2, 2, 2, 2], bias=False)
    conv("depthwise global", 1, 17, 7, 7, 17, (7, 7), groups=17)
    conv("same upper", 1, 3, 10, 7, 4, (3, 3), auto_pad="SAME_UPPER", strides=[2, 2])
    conv("same lower", 1, 3, 10, 7, 4, (4, 4), auto_pad="SAME_LOWER", strides=[3, 2])

    x = {"x": rand(2, 6, 5, 7)}
    node = helper.make_node
    bn = lambda i, o: node("BatchNormalization", [i, "g", "s", "m", "v"], [o])
    w = {"w": rand(6, 6, 3, 3)}
    pad = dict(pads=[1, 1, 1, 1])
    one("batch norm", "BatchNormalization", x, norm(6))
    case("conv, bn, prelu", [node("Conv", ["x", "w"], ["a"], **pad), bn("a", "b"),
        node("PRelu", ["b", "p"], ["y"])], x,
         {**w, **norm(6), "p": rand(6, 1, 1)})
    case("bn, conv with borders", [bn("x", "a"), node("Conv", ["a", "w"], ["y"], **pad)], x, {**w,
        **norm(6)})
    case("conv, bn, add, relu", [node("Conv", ["x", "w"], ["a"], **pad), bn("a", "b"),
        node("Add", ["b", "x"], ["c"]),
                                 node("Relu", ["c"], ["y"])], x, {**w, **norm(6)})
    case("add of two convs", [node("Conv", ["x", "w"], ["a"], **pad),
        node("Conv", ["x", "w2"], ["b"], **pad),
                              node("Add", ["a", "b"], ["y"])], x, {**w, "w2": rand(6, 6, 3, 3)})
    case("conv read twice", [node("Conv", ["x", "w"], ["a"], **pad), node("Relu", ["a"], ["b"]),
        node("Add", ["a", "b"], ["y"])], x, w)
    case("conv, add broadcast", [node("Conv", ["x", "w"], ["a"], **pad),
        node("GlobalAveragePool", ["x"], ["m"]),
                                 node("Add", ["a", "m"], ["b"]), node("Relu", ["b"], ["y"])], x, w)
    case("conv, clip", [node("Conv", ["x", "w"], ["a"], **pad),
        node("Clip", ["a", "low", "high"], ["y"])], x,
         {**w, "low": np.float32(0), "high": np.float32(0.8)})
    case("squeeze and excite", [node("GlobalAveragePool", ["x"], ["m"]),
        node("Conv", ["m", "w1"], ["a"]), node("Relu", ["a"], ["b"]),
                                node("Conv", ["b", "w2"], ["c"]), node("Sigmoid", ["c"], ["d"]),
                                node("Mul", ["x", "d"], ["y"])], x,
         {"w1": rand(2, 6, 1, 1), "w2": rand(6, 2, 1, 1)})
    case("silu", [node("Sigmoid", ["x"], ["a"]), node("Mul", ["x", "a"], ["y"])], x)

    for op in ("Relu", "Sigmoid", "Exp", "Floor", "Ceil", "Neg", "Abs", "Tanh", "HardSigmoid",
        "LeakyRelu", "Erf", "Identity"):
        one(op.lower(), op, x)
    one("hard swish", "HardSwish", x, opset=14)
    one("sqrt", "Sqrt", {"x": np.abs(rand(3, 5))})
    one("log", "Log", {"x": np.abs(rand(3, 5)) + 0.1})
    one("clip 6", "Clip", x, opset=6, min=-0.3, max=0.4)
    one("prelu one slope", "PRelu", x, {"p": rand(1)})
    one("dropout", "Dropout", x)
    for op in ("Add", "Sub", "Mul", "Div", "Min", "Max"):
        one(f"{op.lower()} broadcast", op, {"a": rand(2, 3, 4, 5), "b": rand(3, 1, 5) + 2})
        one(f"{op.lower()} scalar", op, {"a": rand(4, 5)}, {"b": np.float32(1.7)})
    one("pow", "Pow", {"a": np.abs(rand(4, 5))}, {"b": np.float32(2.5)})
    one("softmax 13", "Softmax", {"x": rand(2, 5, 3)}, axis=1)
    one("softmax 11", "Softmax", {"x": rand(2, 5, 3)}, opset=11, axis=1)
    one("softmax last", "Softmax", {"x": rand(2, 5, 3)})

    for op in ("MaxPool", "AveragePool"):
        one(f"{op} 3x3", op, x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        one(f"{op} ceil", op, {"x": rand(1, 2, 8, 9)}, kernel_shape=[3, 3], strides=[2, 2],
            ceil_mode=1)
        one(f"{op} 2x2", op, x, kernel_shape=[2, 2], strides=[2, 2])
    one("average with borders", "AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1],
        count_include_pad=1)
    one("global average", "GlobalAveragePool", x)
    one("reduce mean", "ReduceMean", x, axes=[2, 3])
    one("reduce mean flat", "ReduceMean", x, axes=[1, -1], keepdims=0)

    for mode in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
        for size in ((9, 5), (3, 13)):
            sizes = np.array([2, 6, *size], np.int64)
            for kind in ("nearest", "linear"):
                case(f"resize {kind} {mode} {size}", [node("Resize", ["x", "", "", "sizes"], ["y"],
                    mode=kind,
                     coordinate_transformation_mode=mode)], x, {"sizes": sizes})
    for rounding in ("floor", "ceil", "round_prefer_ceil", "round_prefer_floor"):
        case(f"resize {rounding}", [node("Resize", ["x", "", "scales"], ["y"], mode="nearest",
            nearest_mode=rounding,
             coordinate_transformation_mode="asymmetric")], x, {"scales": np.array([1, 1, 2, 1.5],
             np.float32)})
    case("upsample 9", [node("Upsample", ["x", "scales"], ["y"], mode="nearest")], x,
         {"scales": np.array([1, 1, 2, 2], np.float32)}, opset=9)

    ints = lambda *v: np.array(v, np.int64)
    one("concat 1", "Concat", {"a": rand(2, 3, 4), "b": rand(2, 5, 4)}, axis=1)
    one("concat last", "Concat", {"a": rand(2, 3, 4), "b": rand(2, 3, 1)}, axis=-1)
    one("reshape", "Reshape", {"x": rand(2, 6, 5)}, {"s": ints(0, -1, 2)})
    for order in ([0, 2, 3, 1], [0, 3, 1, 2], [3, 1, 0, 2]):
        one(f"transpose {order}", "Transpose", x, perm=order)
    one("transpose reversed", "Transpose", {"x": rand(3, 4, 5)})
    one("flatten", "Flatten", x)
    one("flatten 2", "Flatten", x, axis=2)
    one("squeeze", "Squeeze", {"x": rand(1, 3, 1, 4)}, {"a": ints(0, 2)})
    one("unsqueeze", "Unsqueeze", {"x": rand(3, 4)}, {"a": ints(0, -1)})
    one("squeeze 11", "Squeeze", {"x": rand(1, 3, 1, 4)}, opset=11, axes=[2])
    one("slice", "Slice", {"x": rand(5, 8, 3)}, {"s": ints(1, -6), "e": ints(4, 100), "a": ints(0,
        1), "t": ints(1, 2)})
    one("slice backwards", "Slice", {"x": rand(5, 8)}, {"s": ints(-1), "e": ints(-100),
        "a": ints(1), "t": ints(-2)})
    one("slice 9", "Slice", {"x": rand(5, 8)}, opset=9, starts=[1, 2], ends=[-1, 7])
    one("gather", "Gather", {"x": rand(4, 6, 3)}, {"i": ints(5, 0, -2)}, axis=1)
    one("pad", "Pad", {"x": rand(2, 3, 4)}, {"p": ints(0, 1, 2, 0, 0, 3), "v": np.float32(0.5)})
    one("expand", "Expand", {"x": rand(3, 1)}, {"s": ints(2, 3, 4)})
    case("split", [node("Split", ["x"], ["p", "q"], axis=1), node("Sub", ["p", "q"], ["y"])],
        {"x": rand(2, 6, 3)})
    case("split parts", [node("Split", ["x", "n"], ["p", "y"], axis=1)], {"x": rand(2, 6, 3)},
        {"n": ints(2, 4)})
    one("gemm", "Gemm", {"a": rand(3, 7)}, {"b": rand(5, 7), "c": rand(5)}, transB=1, alpha=0.7,
        beta=1.3)
    one("gemm both turned", "Gemm", {"a": rand(7, 3)}, {"b": rand(7, 5)}, transA=1)
    one("matmul", "MatMul", {"a": rand(2, 3, 4)}, {"b": rand(4, 5)})
    one("matmul batch", "MatMul", {"a": rand(2, 3, 4), "b": rand(2, 4, 5)})
    case("shape arithmetic", [node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axis"], ["u"]),
                              node("Concat", ["u", "rest"], ["t"], axis=0),
                              node("Reshape", ["x", "t"], ["y"])], x,
         {"zero": np.int64(0), "axis": ints(0), "rest": ints(-1, 7)})
    case("resize to another's size", [node("Shape", ["b"], ["s"]),
        node("Slice", ["s", "two", "four"], ["hw"]),
         node("Shape", ["x"], ["t"]), node("Slice", ["t", "zero", "two"], ["nc"]),
         node("Concat", ["nc", "hw"], ["to"], axis=0),
         node("Resize", ["x", "", "", "to"], ["y"], mode="nearest",
         coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
         {"x": rand(1, 2, 4, 3), "b": rand(1, 1, 8, 6)}, {"zero": ints(0), "two": ints(2),
         "four": ints(4)})
    case("half weights", [node("Cast", ["w"], ["f"], to=TensorProto.FLOAT),
        node("Conv", ["x", "f"], ["y"])], x,
         {"w": rand(3, 6, 1, 1).astype(np.float16)})
    case("constant of shape", [node("ConstantOfShape", ["s"], ["c"], value=helper.make_tensor("v",
        TensorProto.FLOAT, [1], [0.5])),
                               node("Add", ["x", "c"], ["y"])], {"x": rand(2, 3)}, {"s": ints(2,
                               3)})
    case("constant", [node("Constant", [], ["c"], value=numpy_helper.from_array(rand(3))),
        node("Mul", ["x", "c"], ["y"])], {"x": rand(2, 3)})

    families(node)
    heads(node)
    put = lambda out, *numbers: out.extend(struct.pack(f"<{len(numbers)}I", *numbers))
    out = bytearray()

    def block(data):
        put(out, len(data))
        out.extend(data)

    def tensor(array):
        put(out, array.ndim, *array.shape)
        out.extend(array.astype("<f4").tobytes())

    put(out, len(CASES))
    for name, model, inputs, outputs in CASES:
        block(name.encode())
        block(model)
        put(out, len(inputs))
        for port, array in inputs.items():
            block(port.encode())
            tensor(array)
        put(out, len(outputs))
        for array in outputs:
            tensor(array)
    pathlib.Path(__file__).with_name("cases.bin").write_bytes(out)
    print(len(CASES), "cases,", len(out), "bytes")


if __name__ == "__main__":
    main()
