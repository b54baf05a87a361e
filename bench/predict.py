"""Immich's face requests: faces a second through `/predict`, one and four requests at once. In: photos. Out: a table.

Previews as Immich makes them: 1440 px on the longer side, JPEG quality 80. Smaller photos are put together, `--tile` of them, into one
preview; larger ones are scaled down. Ours is the whole server, asked as Immich asks it (form with `entries` and the picture, JSON parsed,
embedding read). Beside it, in the same run and in alternating rounds, what a Python service does without its HTTP: OpenCV decodes, YuNet
looks at a copy of at most 640 px (as InsightFace does), MobileFaceNet embeds in ONNX Runtime, in as many threads as there are requests.
InsightFace's `buffalo_l` itself is not measured: its weights come from no package registry.
Needs numpy and opencv-python-headless; onnxruntime for the row beside ours, which is left out where models or packages are missing:
    python bench/predict.py target/release/fusiform [--photos samples/album] [--tile 1] [--seconds 20] [--at-once 1,4] [--rounds 3]
    python bench/predict.py target/release/fusiform --photos ../shared/data/lfw-dev/images --tile 12
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("binary")
parser.add_argument("--photos", type=pathlib.Path, default=ROOT / "samples/album")
parser.add_argument("--n", type=int, default=40, help="previews that are made")
parser.add_argument("--tile", type=int, default=1, help="photos in one preview")
parser.add_argument("--side", type=int, default=1440)
parser.add_argument("--seconds", type=float, default=20, help="of each round")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--at-once", default="1,4")
args = parser.parse_args()
ENTRIES = json.dumps(
    {
        "facial-recognition": {
            "detection": {"modelName": "buffalo_l", "options": {"minScore": 0.7}},
            "recognition": {"modelName": "buffalo_l"},
        }
    }
)


def previews():
    """JPEG files of Immich's size."""
    files = sorted(args.photos.rglob("*.jpg"))
    if not files:
        sys.exit(f"{args.photos}: no *.jpg in it")
    # Spread over the folder, so that not all are of one person.
    n = min(args.n * args.tile, len(files))
    files = [files[i * len(files) // n] for i in range(n)]
    made = []
    for at in range(0, len(files), args.tile):
        photos = [photo for photo in map(cv2.imread, map(str, files[at : at + args.tile])) if photo is not None]
        if not photos:
            continue
        if args.tile == 1:
            picture = photos[0]
            factor = args.side / max(picture.shape[:2])
            how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
            picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how)
        else:
            # Three quarters as high as wide; each photo in a square of its own.
            columns = int(np.ceil(np.sqrt(args.tile * 4 / 3)))
            rows = -(-args.tile // columns)
            side = min(args.side // columns, args.side * 3 // 4 // rows)
            picture = np.full((args.side * 3 // 4, args.side, 3), 127, np.uint8)
            for i, photo in enumerate(photos):
                y, x = i // columns * side, i % columns * side
                picture[y : y + side, x : x + side] = cv2.resize(photo, (side, side), interpolation=cv2.INTER_CUBIC)
        made.append(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
    return made


class Ours:
    name = "Fusiform, /predict"

    def __init__(self):
        self.home = tempfile.mkdtemp()
        env = {**os.environ, "FUSIFORM_HOME": self.home, "FUSIFORM_IMMICH_LISTEN": "127.0.0.1:0"}
        command = [args.binary, "-q", "serve", "--no-pages", "--listen", "127.0.0.1:0"]
        self.server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        for line in self.server.stdout:
            if line.startswith("immich: http://"):
                self.port = int(line.rsplit(":", 1)[1].strip("/\n"))
                break
        else:
            self.stop()
            sys.exit("the server did not start")
        # Its output must not fill a pipe.
        threading.Thread(target=self.server.stdout.read, daemon=True).start()
        self.lines = threading.local()

    def faces(self, jpeg):
        boundary = "----formdata-undici-0123456789"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="entries"\r\n\r\n{ENTRIES}\r\n--{boundary}\r\n'
        head += 'Content-Disposition: form-data; name="image"; filename="blob"\r\nContent-Type: application/octet-stream\r\n\r\n'
        body = head.encode() + jpeg + f"\r\n--{boundary}--\r\n".encode()
        if not hasattr(self.lines, "line"):
            self.lines.line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        line = self.lines.line
        line.request("POST", "/predict", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        answer = line.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"/predict answers {answer.status}: {text[:200]}")
        found = json.loads(text)["facial-recognition"]
        for face in found:
            json.loads(face["embedding"])
        return len(found)

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def threads(self, _):
        # The server closes a connection that idles, as it does while the peer is measured.
        self.lines = threading.local()

    def stop(self):
        self.server.terminate()
        try:
            self.server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        shutil.rmtree(self.home, ignore_errors=True)


class Beside:
    name = "OpenCV + ONNX Runtime (YuNet, MobileFaceNet)"
    models = ROOT / "../shared/models"
    reference = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32)

    def __init__(self):
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)
        self.runtime = onnxruntime
        self.threads(1)

    def threads(self, at_once):
        """As many cores for each network as are left when so many run at once."""
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = max(1, (os.cpu_count() or 1) // at_once)
        self.embedder = self.runtime.InferenceSession(str(self.models / "mobilefacenet.onnx"), options)
        self.detectors = threading.local()
        cv2.setNumThreads(options.intra_op_num_threads)

    def faces(self, jpeg):
        photo = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        scale = min(1.0, 640 / max(photo.shape[:2]))
        small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if not hasattr(self.detectors, "yunet"):
            model = str(self.models / "yunet_n_dynamic.onnx")
            self.detectors.yunet = cv2.FaceDetectorYN.create(model, "", (640, 640), 0.7)
        yunet = self.detectors.yunet
        yunet.setInputSize((small.shape[1], small.shape[0]))
        _, found = yunet.detect(small)
        n = 0
        for face in found if found is not None else []:
            points = (face[4:14].reshape(5, 2) / scale).astype(np.float32)
            turn, _ = cv2.estimateAffinePartial2D(points, self.reference, method=cv2.LMEDS)
            crop = cv2.warpAffine(photo, turn, (112, 112))
            pixels = np.ascontiguousarray(crop[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None])
            vector = self.embedder.run(None, {self.embedder.get_inputs()[0].name: pixels})[0]
            json.dumps(vector[0].tolist())
            n += 1
        return n

    def cpu_s(self):
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def stop(self):
        pass


def measure(peer, jpegs, at_once):
    """Requests and faces a second, the middle and the slowest of a hundred, CPU of each request."""
    peer.threads(at_once)
    lock, took, faces = threading.Lock(), [], [0]

    def work(start):
        i = start
        while time.monotonic() - began < args.seconds:
            asked = time.monotonic()
            n = peer.faces(jpegs[i % len(jpegs)])
            with lock:
                took.append(time.monotonic() - asked)
                faces[0] += n
            i += at_once

    peer.faces(jpegs[0])
    began, cpu = time.monotonic(), peer.cpu_s()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        list(pool.map(work, range(at_once)))
    wall = time.monotonic() - began
    took.sort()
    return len(took) / wall, faces[0] / wall, took[len(took) // 2], took[int(len(took) * 0.99)], (peer.cpu_s() - cpu) / len(took)


def main():
    jpegs = previews()
    peers = [Ours()]
    try:
        try:
            peers.append(Beside())
            peers[1].faces(jpegs[0])
        except Exception as why:  # noqa: BLE001: whatever is missing, ours is still measured
            print(f"nothing beside ours: {why}", file=sys.stderr)
            del peers[1:]
        compare(peers, jpegs)
    finally:
        for peer in peers:
            peer.stop()


def compare(peers, jpegs):
    """Prints the table, each row when it is measured."""
    n_bytes = statistics.mean(map(len, jpegs)) / 1e3
    each = [sum(peer.faces(jpeg) for jpeg in jpegs) for peer in peers]
    print(f"{len(jpegs)} previews of {args.side} px, {n_bytes:.0f} kB; {os.cpu_count()} cores; median of {args.rounds} rounds of {args.seconds:.0f} s")
    print("| | at once | previews/s | faces/s | p50 ms | p99 ms | CPU ms of each | faces found |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for at_once in map(int, args.at_once.split(",")):
        rounds = {peer.name: [] for peer in peers}
        for _ in range(args.rounds):
            for peer in peers:
                rounds[peer.name].append(measure(peer, jpegs, at_once))
        for peer, found in zip(peers, each):
            rate, faces, p50, p99, cpu = (statistics.median(column) for column in zip(*rounds[peer.name]))
            row = f"| {peer.name} | {at_once} | {rate:.1f} | {faces:.1f} | {p50 * 1e3:.1f} | {p99 * 1e3:.1f} | {cpu * 1e3:.1f} | {found} |"
            print(row, flush=True)
    print("InsightFace buffalo_l: no figure could be made here (its weights are in no package registry)")


main()
