"""Our runtime beside ONNX Runtime. In: the models of ../shared/models. Out: medians, ratios, errors.

One thread, batch 1, alternating rounds in one run; CPU time of that thread, so that what else runs here counts less. The input is a
photo in the range that the network was trained on: noise changes ONNX Runtime's time (MobileFaceNet: 14.3 ms for 12.3).
Needs onnxruntime, numpy and pillow, and our example built:
    cargo build --release --example run_model -p fusiform-nn && python bench/engines.py
"""

import pathlib
import subprocess
import tempfile
import time

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
ROUNDS = 7


def main():
    onnxruntime.set_default_logger_severity(3)
    print("| network | input | ONNX Runtime ms | Fusiform ms | ratio | largest relative error |")
    print("|---|---|---|---|---|---|")
    photo = Image.open(sorted(PHOTO.glob("*.jpg"))[0]).convert("RGB")
    for path, shape, mean, scale in CASES:
        if not path.exists():
            continue
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options)
        pixels = np.asarray(photo.resize(shape[:1:-1]), np.float32).transpose(2, 0, 1)[None]
        feed = {session.get_inputs()[0].name: np.ascontiguousarray((pixels - mean) / scale)}
        theirs, ours = [], []
        with tempfile.TemporaryDirectory() as work:
            next(iter(feed.values())).tofile(f"{work}/in.f32")
            for _ in range(ROUNDS):
                times = []
                for _ in range(9):
                    start = time.thread_time()
                    wanted = session.run(None, feed)
                    times.append((time.thread_time() - start) * 1e3)
                theirs.append(np.median(times))
                command = [OURS, path, "x".join(map(str, shape)), f"{work}/in.f32", work, "9"]
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                ours.append(float(said.split("median ")[1].split()[0]))
            error = 0.0
            for output, value in zip(session.get_outputs(), wanted):
                got = np.fromfile(f"{work}/{output.name}.f32", np.float32).reshape(value.shape)
                # Of an output that is almost zero everywhere, such as the scores of a scale without faces, a hundredth counts.
                error = max(error, float(np.abs(got - value).max() / max(np.abs(value).max(), 1e-2)))
        ratio = np.median(np.array(ours) / np.array(theirs))
        size = "×".join(map(str, shape[2:]))
        print(f"| {path.name} | {size} | {np.median(theirs):.2f} | {np.median(ours):.2f} | {ratio:.2f} | {error:.1e} |", flush=True)


if __name__ == "__main__":
    main()
