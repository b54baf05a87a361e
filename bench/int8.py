"""What eight-bit pointwise layers cost and gain. In: an embedder, LFW crops. Out: accuracy and time, float beside int8.

ONNX Runtime quantises the 1×1 convolutions of the network (weights per channel, activations per tensor, ranges from 256
crops) and runs both; then our runtime in floats and in eight bits, which wants no ranges. One thread, alternating rounds.
Needs onnx, onnxruntime, numpy, our example (`cargo build --release --example run_model -p fusiform-nn`); crops from
training/lfw.py:
    python training/lfw.py --lfw ../shared/data/lfw-dev --detector ../shared/models/yunet_n_dynamic.onnx --out lfw.npz
    python bench/int8.py ../shared/models/mobilefacenet.onnx lfw.npz
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "training"))
import lfw

ROUNDS = 15
OURS = pathlib.Path(__file__).resolve().parents[1] / "target/release/examples/run_model"


class Crops(CalibrationDataReader):
    def __init__(self, name, crops):
        self.rows = iter([{name: c.transpose(2, 0, 1)[None].astype(np.float32)} for c in crops])

    def get_next(self):
        return next(self.rows, None)


def ours(model, crops, precision, work):
    """Embeddings of all crops, and the median CPU milliseconds of one."""
    found, ms = [], []
    for part in np.array_split(crops, len(crops) // 64 + 1):
        part.transpose(0, 3, 1, 2).astype(np.float32).tofile(f"{work}/in.f32")
        command = [OURS, model, f"{len(part)}x3x112x112", f"{work}/in.f32", work]
        words = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PRECISION": precision}).stdout.split()
        ms.append(float(words[words.index("cpu") + 1]) / len(part))
        output = f"{work}/{words[0]}.f32"
        found.append(np.fromfile(output, np.float32).reshape(len(part), -1))
    return np.concatenate(found), np.median(ms)


def main():
    model, kept = sys.argv[1:3]
    onnxruntime.set_default_logger_severity(3)
    crops, pairs = lfw.aligned(kept)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as work:
        quant_pre_process(model, f"{work}/float.onnx", skip_symbolic_shape=True)
        graph = onnx.load(f"{work}/float.onnx").graph
        shape = {i.name: list(i.dims) for i in graph.initializer}
        pointwise = [n.name for n in graph.node if n.op_type == "Conv" and shape[n.input[1]][2:] == [1, 1]]
        name = graph.input[0].name
        chosen = crops[np.random.default_rng(1).choice(len(crops), 256, False)]
        variants = {"float": model}
        for method in (CalibrationMethod.MinMax, CalibrationMethod.Percentile):
            out = f"{work}/{method.name}.onnx"
            quantize_static(
                f"{work}/float.onnx", out, Crops(name, chosen), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_quantize=pointwise,
                calibrate_method=method, extra_options={"CalibPercentile": 99.99} if method.name == "Percentile" else {},
            )
            variants[f"int8 pointwise, {method.name}"] = out
        sessions = {k: onnxruntime.InferenceSession(str(p), options) for k, p in variants.items()}
        one = {name: crops[:1].transpose(0, 3, 1, 2).astype(np.float32)}
        times = {k: [] for k in sessions}
        for _ in range(ROUNDS):
            for key, session in sessions.items():
                session.run(None, one)
                start = time.thread_time()
                for _ in range(5):
                    session.run(None, one)
                times[key].append((time.thread_time() - start) / 5 * 1e3)
        print(f"{len(pointwise)} pointwise layers of {pathlib.Path(model).name}")
        print("| weights | ms | accuracy | TAR@FAR 1e-2 | TAR@FAR 1e-3 | similarity to float, mean and least |")
        print("|---|---|---|---|---|---|")
        exact = None
        for key in [*sessions, "Fusiform, float32", "Fusiform, int8"]:
            if key in sessions:
                parts = [crops[i : i + 1].transpose(0, 3, 1, 2).astype(np.float32) for i in range(len(crops))]
                found = np.concatenate([sessions[key].run(None, {name: p})[0] for p in parts])
            else:
                found, times[key] = ours(model, crops, key.split()[1], work)
            unit = found / np.linalg.norm(found, axis=1, keepdims=True)
            exact = unit if exact is None else exact
            near = (unit * exact).sum(1)
            s = lfw.score(found, pairs)
            print(f"| {key} | {np.median(times[key]):.2f} | {s['accuracy']:.4f} | {s['tar_far_1e-2']:.4f} | {s['tar_far_1e-3']:.4f} | {near.mean():.4f}, {near.min():.4f} |", flush=True)


if __name__ == "__main__":
    main()
