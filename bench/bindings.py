"""Fusiform in Python beside Rust, and beside other packages of Python. In: photos. Out: lines of figures.

Size of the wheel, time of the import, time for a photo of 640 px (find all faces and describe them), what a call costs more than
Rust's, 8 threads, memory of many calls. Peers, each as its documentation shows it: OpenCV's YuNet with MobileFaceNet in ONNX Runtime,
`face_recognition` (dlib), `insightface` and `deepface` where they are installed with their models. Needs a wheel of
`bindings/python` installed, Pillow, and a release build of crates/ffi's example `per_call`:
    cargo build --release -p fusiform-ffi --example per_call
    python bench/bindings.py WHEEL [PEERS_PYTHON]
PEERS_PYTHON is the interpreter of an environment with the peers; times are CPU time, the least and the median.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PHOTO = ROOT / "samples/album/23-group.jpg"
MODELS = ROOT / "../shared/models"
CALLS = int(os.environ.get("CALLS", "60"))
PER_CALL = os.environ.get("PER_CALL", str(ROOT / "target/release/examples/per_call"))


def timed(work, calls=CALLS):
    """CPU time of all threads, so that what else the machine does counts less."""
    work()
    times = []
    for _ in range(calls):
        began = time.process_time()
        work()
        times.append((time.process_time() - began) * 1e3)
    return [round(min(times), 3), round(statistics.median(times), 3)]


def pixels():
    """The group photo at 640 px, RGB."""
    import numpy as np
    from PIL import Image

    image = Image.open(PHOTO).convert("RGB")
    scale = 640 / max(image.size)
    return np.asarray(image.resize((round(image.width * scale), round(image.height * scale))))


def ours(threads=1):
    import fusiform

    engine, rgb = fusiform.Engine(threads=threads), pixels()
    return timed(lambda: engine.analyse(rgb)), len(engine.analyse(rgb).faces)


def opencv():
    import cv2
    import numpy as np
    import onnxruntime

    cv2.setNumThreads(1)
    bgr = np.ascontiguousarray(pixels()[:, :, ::-1])
    detector = cv2.FaceDetectorYN.create(str(MODELS / "yunet_n_dynamic.onnx"), "", (bgr.shape[1], bgr.shape[0]), 0.6)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODELS / "mobilefacenet.onnx"), options)
    name = session.get_inputs()[0].name
    points = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32)

    def work():
        _, faces = detector.detect(bgr)
        crops = []
        for face in [] if faces is None else faces:
            matrix, _ = cv2.estimateAffinePartial2D(face[4:14].reshape(5, 2), points)
            crops.append(cv2.warpAffine(bgr, matrix, (112, 112))[:, :, ::-1])
        if crops:
            batch = np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32)
            session.run(None, {name: (batch - 127.5) / 127.5})
        return len(crops)

    return timed(work), work()


def dlib():
    import face_recognition

    rgb = pixels()

    def work():
        return len(face_recognition.face_encodings(rgb, face_recognition.face_locations(rgb)))

    return timed(work, max(3, CALLS // 10)), work()


def insightface():
    import numpy as np
    from insightface.app import FaceAnalysis

    app, bgr = FaceAnalysis(allowed_modules=["detection", "recognition"]), np.ascontiguousarray(pixels()[:, :, ::-1])
    app.prepare(ctx_id=-1)
    return timed(lambda: app.get(bgr), max(3, CALLS // 10)), len(app.get(bgr))


def deepface():
    import numpy as np
    from deepface import DeepFace

    bgr = np.ascontiguousarray(pixels()[:, :, ::-1])
    return timed(lambda: DeepFace.represent(bgr), max(3, CALLS // 10)), len(DeepFace.represent(bgr))


def per_call():
    """The same pixels by Rust, C and Python, in turn."""
    import fusiform
    from PIL import Image

    engine, rgb = fusiform.Engine(), pixels()
    photo = f"/tmp/fusiform-640-{os.getpid()}.png"
    Image.fromarray(rgb).save(photo)
    rust, c, python = [], [], []
    for _ in range(5):
        said = subprocess.run([PER_CALL, photo, str(CALLS)], capture_output=True, check=True)
        row = json.loads(said.stdout)
        rust.append(row["rust_ms"])
        c.append(row["c_ms"])
        python.append(timed(lambda: engine.analyse(rgb)))
    os.remove(photo)
    best = {name: min(rows) for name, rows in (("rust", rust), ("c", c), ("python", python))}
    return {name: [*row, f"{row[0] / best['rust'][0] - 1:+.2%}"] for name, row in best.items()}


def threads():
    """1, 2 and 8 threads that share an engine: photos a second, and CPU milliseconds for each."""
    from concurrent.futures import ThreadPoolExecutor

    import fusiform

    engine, rgb = fusiform.Engine(), pixels()
    answer = {}
    for n in (1, 2, 8, 1, 2, 8):
        with ThreadPoolExecutor(n) as pool:
            began, cpu = time.perf_counter(), time.process_time()
            list(pool.map(lambda _: engine.analyse(rgb), range(CALLS * 2)))
            rate = CALLS * 2 / (time.perf_counter() - began)
            cpu_ms = (time.process_time() - cpu) / CALLS / 2 * 1e3
        best, least = answer.get(n, (0, cpu_ms))
        answer[n] = (round(max(rate, best), 1), round(min(cpu_ms, least), 2))
    return answer


def memory():
    """Resident memory, in KiB, before and after 100,000 calls on a small picture."""
    import numpy as np

    import fusiform

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4

    engine = fusiform.Engine()
    small = np.ascontiguousarray(engine.decode(ROOT / "samples/album/16-portrait.jpg")[::6, ::6])
    seen = []
    for number in range(100_001):
        for face in engine.analyse(small).faces:
            face.template, face.landmarks, face.bbox
        if number in (1_000, 10_000, 50_000, 100_000):
            seen.append((number, resident()))
    return seen


def importing():
    code = "import time; t = time.perf_counter(); import numpy; n = time.perf_counter(); import fusiform; print(n - t, time.perf_counter() - n)"
    rows = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split() for _ in range(15)]
    numpy_ms, ours_ms = (round(min(float(row[i]) for row in rows) * 1e3, 1) for i in (0, 1))
    return {"numpy_ms": numpy_ms, "fusiform_ms": ours_ms}


def main(wheel, peers=""):
    print("wheel", os.path.getsize(wheel), "bytes")
    print("import", importing())
    print("per call, ms (least, median) and beside Rust", per_call())
    print("threads, photos a second", threads())
    runs = [(sys.executable, "ours")] + [(peers, name) for name in ("opencv", "dlib", "insightface", "deepface") if peers]
    for _ in range(2):
        for python, name in runs:
            said = subprocess.run([python, __file__, "--one", name], capture_output=True, text=True)
            print("640 px, ms (least, median), faces:", name, said.stdout.strip() or said.stderr.strip().splitlines()[-1:])
    if "MEMORY" in os.environ:
        print("memory, KiB", memory())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(*globals()[sys.argv[2]]())
    else:
        main(*sys.argv[1:])
