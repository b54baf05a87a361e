"""Our runtime beside other engines. In: the models of ../shared/models and the base pack. Out: medians, ratios, errors.

Batch 1, alternating rounds in one run. One thread: CPU time of the process, so that what else runs here counts less. All threads
(--all-threads): wall-clock time of one picture, and pictures a second when each thread has one of its own. The input is a photo
in the range that the network was trained on. Needs onnxruntime, numpy, pillow, opencv-python-headless; our example, and for tract
and rten a crate beside the workspace:
    cargo build --release --example run_model -p fusiform-nn
    cargo build --release --manifest-path bench/peers/Cargo.toml
    python bench/engines.py [--peers DIR] [--all-threads]
`ISA=avx2` names another instruction set for ours. The last ratio is that of ours in eight bits.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import tempfile
import time

import cv2
import numpy as np
import onnxruntime
from PIL import Image

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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=ROOT / "bench/peers/target/release", type=pathlib.Path, help="where `engine` was built")
    parser.add_argument("--all-threads", action="store_true")
    args = parser.parse_args()
    onnxruntime.set_default_logger_severity(3)
    threads = os.cpu_count() if args.all_threads else 1
    photo = Image.open(sorted(PHOTO.glob("*.jpg"))[0]).convert("RGB")
    unit = "ms" if args.all_threads else "CPU ms"
    more = " pictures/s at once: ONNX Runtime, Fusiform |" if args.all_threads else " largest relative error |"
    print(f"{threads} thread{'s' * (threads > 1)}, {unit} of one picture (Fusiform works on a picture with one thread)")
    print("| network | input | ONNX Runtime | Fusiform | int8 | tract | rten | OpenCV | Fusiform / ONNX Runtime | int8 / ONNX Runtime |" + more)
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for path, shape, mean, scale in CASES:
        if not path.exists():
            continue
        pixels = np.asarray(photo.resize(shape[:1:-1]), np.float32).transpose(2, 0, 1)[None]
        picture = np.ascontiguousarray((pixels - mean) / scale)
        theirs = OnnxRuntime(path, threads)
        times = {name: [] for name in ("ONNX Runtime", "Fusiform", "int8", "tract", "rten", "OpenCV")}
        with tempfile.TemporaryDirectory() as work:
            picture.tofile(f"{work}/in.f32")
            size = "x".join(map(str, shape))
            try:
                opencv = OpenCv(path, threads)
                opencv(picture)
            except cv2.error:
                opencv = None
            mine = [OURS, path, size, f"{work}/in.f32", work, RUNS]
            for _ in range(ROUNDS):
                which = 1 if args.all_threads else 0
                times["ONNX Runtime"].append(here(theirs, picture)[which])
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
                if opencv:
                    times["OpenCV"].append(here(opencv, picture)[which])
            if args.all_threads:
                at_once = together(lambda: OnnxRuntime(path, 1), picture, threads)
                start = time.perf_counter()
                # With opening the model, of which so many runs make little.
                command = list(map(str, mine[:-1] + [20 * RUNS]))
                running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(threads)]
                [p.wait() for p in running]
                ours_at_once = threads * 20 * RUNS / (time.perf_counter() - start)
                last = f"{at_once:.0f}, {ours_at_once:.0f}"
            else:
                error = 0.0
                for output, value in zip(theirs.outputs, theirs(picture)):
                    got = np.fromfile(f"{work}/{output}.f32", np.float32).reshape(value.shape)
                    # Of an output that is almost zero everywhere, such as a scale without faces, a hundredth counts.
                    error = max(error, float(np.abs(got - value).max() / max(np.abs(value).max(), 1e-2)))
                last = f"{error:.1e}"
        cells = [f"{np.median(t):.2f}" if t else "–" for t in times.values()]
        ratios = [np.median(np.array(times[ours]) / np.array(times["ONNX Runtime"])) for ours in ("Fusiform", "int8")]
        print(f"| {path.name} | {'×'.join(map(str, shape[2:]))} | {' | '.join(cells)} | {ratios[0]:.2f} | {ratios[1]:.2f} | {last} |", flush=True)


if __name__ == "__main__":
    main()
