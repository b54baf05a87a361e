"""Our runtime beside other engines. In: the models of ../shared/models and the base pack. Out: medians, ratios, errors.

Batch 1, alternating rounds in one run. One thread: CPU time of the process, so that what else runs here counts less. All threads
(--all-threads): wall-clock time of one picture, and pictures a second when each thread has one of its own. The input is a photo
in the range that the network was trained on. Needs onnxruntime, numpy, pillow, opencv-python-headless, and openvino if it is to be
compared (in floats, and in bf16, which it rounds everything to); our example, and for tract and rten a crate beside the workspace:
    cargo build --release --example run_model -p fusiform-nn
    cargo build --release --manifest-path bench/peers/Cargo.toml
    python bench/engines.py [--peers DIR] [--all-threads] [--only NAME …] [--rounds N] [--json FILE]
`ISA=avx2` names another instruction set for ours. Ratios are medians of the rounds' own: ours in floats against floats, ours in
eight bits against ONNX Runtime's floats and OpenVINO's bf16.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile
import time

import cv2
import numpy as np
import onnxruntime
from PIL import Image

try:
    import openvino
except ImportError:
    openvino = None

ROOT = pathlib.Path(__file__).resolve().parents[1]
OURS = ROOT / "target/release/examples/run_model"
SHARED, BASE = ROOT / "../shared/models", ROOT / "crates/fusiform/packs/base"
PHOTO = ROOT / "samples/album"
# Model, shape, and what is subtracted from and divides a photo's 0 to 255.
CASES = [
    (SHARED / "mobilefacenet.onnx", (1, 3, 112, 112), 0, 1),
    (SHARED / "yunet_n_dynamic.onnx", (1, 3, 320, 320), 0, 1),
    (SHARED / "yunet_n_640_640.onnx", (1, 3, 640, 640), 0, 1),
    (SHARED / "ultraface_rfb_320.onnx", (1, 3, 240, 320), 127, 128),
    (BASE / "embedder.onnx", (1, 3, 112, 112), 0, 1),
    (BASE / "detector.onnx", (1, 3, 320, 320), 0, 1),
    (BASE / "detector.onnx", (1, 3, 640, 640), 0, 1),
]
ROUNDS, RUNS = 5, 9


class OnnxRuntime:
    def __init__(self, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.name = self.session.get_inputs()[0].name
        self.outputs = [o.name for o in self.session.get_outputs()]

    def __call__(self, picture):
        return self.session.run(None, {self.name: picture})


class OpenCv:
    def __init__(self, path, threads):
        cv2.setNumThreads(threads)
        self.net = cv2.dnn.readNet(str(path))
        self.outputs = self.net.getUnconnectedOutLayersNames()

    def __call__(self, picture):
        self.net.setInput(picture)
        return self.net.forward(self.outputs)


class OpenVino:
    def __init__(self, path, shape, threads, precision):
        core = openvino.Core()
        model = core.read_model(path)
        # A size left open costs it time that ours does not pay either: both know it beforehand.
        model.reshape(shape)
        self.net = core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        })
        self.request = self.net.create_infer_request()

    def __call__(self, picture):
        return self.request.infer([picture], share_inputs=True, share_outputs=True)


def here(run, picture):
    """Median CPU and wall-clock milliseconds of an engine in this process."""
    run(picture)
    cpu, wall = [], []
    for _ in range(RUNS):
        start, begin = time.process_time(), time.perf_counter()
        run(picture)
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - start)
    return np.median(cpu) * 1e3, np.median(wall) * 1e3


def said(command, precision="float32"):
    """As [here], from a program that prints `cpu MS wall MS` last."""
    env = {**os.environ, "PRECISION": precision}
    words = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, env=env).stdout.split()
    return float(words[words.index("cpu") + 1]), float(words[words.index("wall") + 1])


def together(make, picture, threads):
    """Pictures a second when each thread has an engine of its own on one thread."""
    engines = [make() for _ in range(threads)]

    def work(engine):
        for _ in range(RUNS):
            engine(picture)

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda e: e(picture), engines))
        start = time.perf_counter()
        list(pool.map(work, engines))
        return threads * RUNS / (time.perf_counter() - start)


# What is timed: name, and whether it is ours.
ENGINES = ("ONNX Runtime", "OpenVINO f32", "OpenVINO bf16", "Fusiform", "int8", "tract", "rten", "OpenCV")
RATIOS = (
    ("Fusiform", "ONNX Runtime"),
    ("Fusiform", "OpenVINO f32"),
    ("int8", "ONNX Runtime"),
    ("int8", "OpenVINO bf16"),
)


def built(make, picture):
    """An engine that has answered once, or None for a network that it does not take."""
    try:
        engine = make()
        engine(picture)
        return engine
    except (cv2.error, RuntimeError):
        return None


def measured(path, shape, picture, args, threads):
    """Milliseconds per engine and round, and what else the row says."""
    which = 1 if args.all_threads else 0
    theirs = OnnxRuntime(path, threads)
    engines = {"ONNX Runtime": theirs, "OpenCV": built(lambda: OpenCv(path, threads), picture)}
    if openvino:
        for precision in ("f32", "bf16"):
            make = lambda: OpenVino(path, shape, threads, precision)
            engines[f"OpenVINO {precision}"] = built(make, picture)
    times = {name: [] for name in ENGINES}
    with tempfile.TemporaryDirectory() as work:
        picture.tofile(f"{work}/in.f32")
        size = "x".join(map(str, shape))
        mine = [OURS, path, size, f"{work}/in.f32", work, RUNS]
        for _ in range(args.rounds):
            for name, engine in engines.items():
                if engine:
                    times[name].append(here(engine, picture)[which])
            times["int8"].append(said(mine, "int8")[which])
            # Last, because its outputs are compared.
            times["Fusiform"].append(said(mine)[which])
            for name in ("tract", "rten"):
                if (args.peers / "engine").exists():
                    peer = [args.peers / "engine", name, path, size, f"{work}/in.f32", 3, threads]
                    try:
                        times[name].append(said(peer)[which])
                    except subprocess.CalledProcessError:
                        pass  # A model that it does not take: "–".
        if args.all_threads:
            at_once = together(lambda: OnnxRuntime(path, 1), picture, threads)
            start = time.perf_counter()
            # With opening the model, of which so many runs make little.
            command = list(map(str, mine[:-1] + [20 * RUNS]))
            running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(threads)]
            [p.wait() for p in running]
            ours_at_once = threads * 20 * RUNS / (time.perf_counter() - start)
            return times, f"{at_once:.0f}, {ours_at_once:.0f}"
        error = 0.0
        for output, value in zip(theirs.outputs, theirs(picture)):
            got = np.fromfile(f"{work}/{output}.f32", np.float32).reshape(value.shape)
            # Of an output that is almost zero everywhere, such as a scale without faces, a hundredth counts.
            error = max(error, float(np.abs(got - value).max() / max(np.abs(value).max(), 1e-2)))
        return times, f"{error:.1e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=ROOT / "bench/peers/target/release", type=pathlib.Path, help="where `engine` was built")
    parser.add_argument("--all-threads", action="store_true")
    parser.add_argument("--only", nargs="+", help="networks whose path holds one of these words")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=pathlib.Path, help="also write every round's times there")
    args = parser.parse_args()
    onnxruntime.set_default_logger_severity(3)
    threads = os.cpu_count() if args.all_threads else 1
    photo = Image.open(sorted(PHOTO.glob("*.jpg"))[0]).convert("RGB")
    unit = "ms" if args.all_threads else "CPU ms"
    last = "pictures/s at once: ONNX Runtime, Fusiform" if args.all_threads else "largest relative error"
    print(f"{threads} thread{'s' * (threads > 1)}, {unit} of one picture (Fusiform works on a picture with one thread);", end=" ")
    print(f"ONNX Runtime {onnxruntime.__version__}, OpenVINO {openvino.__version__ if openvino else 'not installed'}")
    heads = ["network", "input", *ENGINES, *(f"{ours} / {other}" for ours, other in RATIOS), last]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    kept = []
    for path, shape, mean, scale in CASES:
        if not path.exists() or args.only and not any(word in str(path) for word in args.only):
            continue
        pixels = np.asarray(photo.resize(shape[:1:-1]), np.float32).transpose(2, 0, 1)[None]
        picture = np.ascontiguousarray((pixels - mean) / scale)
        times, more = measured(path, shape, picture, args, threads)
        cells = [f"{np.median(times[name]):.2f}" if times[name] else "–" for name in ENGINES]
        for ours, other in RATIOS:
            pairs = list(zip(times[ours], times[other]))
            cells.append(f"{np.median([a / b for a, b in pairs]):.2f}" if pairs else "–")
        row = [path.name, "×".join(map(str, shape[2:])), *cells, more]
        print(f"| {' | '.join(row)} |", flush=True)
        kept.append({"network": str(path.name), "input": shape, "ms": times})
    if args.json:
        args.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
