"""Photo files to embeddings: OpenCV and ONNX Runtime in Python beside `fusiform scan`. In: photos. Out: photos a second.

Both work on one thread: decode, YuNet on a copy of at most 640 px, similarity warp to 112×112, MobileFaceNet. Ours is the
whole command: it also starts, opens the networks, hashes files, judges quality, groups, and writes the catalogue.
Alternating rounds in one run; CPU time, so that what else runs here counts less. Needs opencv-python-headless,
onnxruntime and numpy, `cargo build --release`, and a pack of both networks:
    python bench/pipeline.py PACK/[,PACK/…] DIR [N_PHOTOS [MEGAPIXELS,…]]
Several packs, such as one in floats and one in eight bits, take turns too.
With megapixels, the photos are first enlarged to these sizes in turn, cubic, JPEG quality 92: as many pixels to decode as a
camera's, though not as much detail.
"""

import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[1]
OURS = ROOT / "target/release/fusiform"
EMBEDDER = ROOT / "../shared/models/mobilefacenet.onnx"
DETECTOR = ROOT / "../shared/models/yunet_n_dynamic.onnx"
REFERENCE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
ROUNDS = 3


class Theirs:
    def __init__(self):
        cv2.setNumThreads(1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        onnxruntime.set_default_logger_severity(3)
        self.detector = onnxruntime.InferenceSession(str(DETECTOR), options)
        self.embedder = onnxruntime.InferenceSession(str(EMBEDDER), options)
        self.names = [o.name for o in self.detector.get_outputs()]

    def read(self, path):
        return cv2.imread(path)

    def faces(self, path):
        photo = self.read(path)
        height, width = photo.shape[:2]
        scale = min(1.0, 640 / max(width, height))
        small = photo if scale == 1 else cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        h, w = small.shape[:2]
        canvas = np.zeros((-(-h // 32) * 32, -(-w // 32) * 32, 3), np.float32)
        canvas[:h, :w] = small
        blob = canvas.transpose(2, 0, 1)[None]
        out = dict(zip(self.names, self.detector.run(None, {self.detector.get_inputs()[0].name: blob})))
        boxes, scores, points = [], [], []
        for stride in (8, 16, 32):
            columns = canvas.shape[1] // stride
            score = np.sqrt(out[f"cls_{stride}"].ravel().clip(0, 1) * out[f"obj_{stride}"].ravel().clip(0, 1))
            at = np.flatnonzero(score >= 0.6)
            place = np.stack([at % columns, at // columns], 1) * stride
            box, kps = out[f"bbox_{stride}"].reshape(-1, 4)[at], out[f"kps_{stride}"].reshape(-1, 5, 2)[at]
            centre, size = place + box[:, :2] * stride, np.exp(box[:, 2:]) * stride
            boxes.append(np.concatenate([centre - size / 2, size], 1))
            scores.append(score[at])
            points.append(place[:, None] + kps * stride)
        boxes, scores, points = np.concatenate(boxes), np.concatenate(scores), np.concatenate(points) / scale
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.6, 0.3)
        embeddings = []
        for i in np.array(kept, int).ravel():
            turn, _ = cv2.estimateAffinePartial2D(points[i].astype(np.float32), REFERENCE, method=cv2.LMEDS)
            crop = cv2.warpAffine(photo, turn, (112, 112))
            face = np.ascontiguousarray(crop[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None])
            embeddings.append(self.embedder.run(None, {self.embedder.get_inputs()[0].name: face})[0])
        return len(embeddings)


def ours(pack, folder, work):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    catalogue = f"{work}/catalogue-{time.time()}"
    command = [OURS, "scan", folder, "--threads", "1", "--pack", pack, "--catalogue", catalogue, "--quiet"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, int(said.split(" new faces")[0].split()[-1])


def main():
    packs, folder = sys.argv[1].split(","), pathlib.Path(sys.argv[2])
    photos = sorted(folder.rglob("*.jpg"))
    n = int(sys.argv[3]) if len(sys.argv) > 3 else len(photos)
    megapixels = [float(m) for m in sys.argv[4].split(",")] if len(sys.argv) > 4 else []
    photos = photos[:: max(1, len(photos) // n)][:n]
    theirs = Theirs()
    times, faces = {name: [] for name in ["OpenCV + ONNX Runtime", *packs]}, {}
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(f"{work}/photos").mkdir()
        for i, photo in enumerate(photos):
            copy = f"{work}/photos/{i:05}.jpg"
            if not megapixels:
                shutil.copy(photo, copy)
                continue
            pixels = cv2.imread(str(photo))
            factor = (megapixels[i % len(megapixels)] * 1e6 / (pixels.shape[0] * pixels.shape[1])) ** 0.5
            cv2.imwrite(copy, cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), [cv2.IMWRITE_JPEG_QUALITY, 92])
        copies = sorted(map(str, pathlib.Path(f"{work}/photos").iterdir()))
        theirs.faces(copies[0])
        for _ in range(ROUNDS):
            start = time.thread_time()
            faces["OpenCV + ONNX Runtime"] = sum(theirs.faces(p) for p in copies)
            times["OpenCV + ONNX Runtime"].append(time.thread_time() - start)
            for pack in packs:
                cpu, faces[pack] = ours(pack, f"{work}/photos", work)
                times[pack].append(cpu)
    print("| pipeline | photos | faces | CPU ms per photo | photos/s |")
    print("|---|---|---|---|---|")
    for name, all_times in times.items():
        each = np.median(all_times) / len(photos)
        print(f"| {name} | {len(photos)} | {faces[name]} | {each * 1e3:.1f} | {1 / each:.1f} |")
    for pack in packs:
        ratios = np.array(times["OpenCV + ONNX Runtime"]) / np.array(times[pack])
        print(f"photos/s of Fusiform over theirs, {pack}: {np.median(ratios):.2f}")


if __name__ == "__main__":
    main()
