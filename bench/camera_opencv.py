"""The camera of bench/cameras.py by OpenCV and ONNX Runtime: the share of a core that it costs.

In:  a stream's address, a folder with yunet_n_dynamic.onnx (YuNet) and mobilefacenet.onnx. Out: a line of JSON.

    pip install opencv-python-headless onnxruntime numpy
    python3 bench/camera_opencv.py rtsp://127.0.0.1:8554/two FOLDER --seconds 60 [--decode-only]

Does what such programs do: decode every picture on one thread, look at five a second at half of 1280x720 by YuNet, cut
each face to 112x112 by its five points, embed it by MobileFaceNet, compare. One thread for each library.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp|threads;1")

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402

POINTS = np.float32([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stream")
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--decode-only", action="store_true")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    embedder = onnxruntime.InferenceSession(str(args.models / "mobilefacenet.onnx"), options)
    name = embedder.get_inputs()[0].name
    detector = cv2.FaceDetectorYN.create(str(args.models / "yunet_n_dynamic.onnx"), "", (640, 360), 0.6)
    people = np.random.default_rng(0).normal(size=(100, 512)).astype(np.float32)
    video = cv2.VideoCapture(args.stream, cv2.CAP_FFMPEG)
    for _ in range(50):
        video.read()
    begun, cpu, due, pictures, looks, faces = time.time(), time.process_time(), 0.0, 0, 0, 0
    while time.time() - begun < args.seconds:
        if not video.grab():
            break
        pictures += 1
        if args.decode_only or time.time() < due:
            continue
        due = max(due + 0.2, time.time())
        picture = video.retrieve()[1]
        looks += 1
        found = detector.detect(cv2.resize(picture, (640, 360)))[1]
        for face in () if found is None else found:
            points = face[4:14].reshape(5, 2).astype(np.float32) * 2
            matrix = cv2.estimateAffinePartial2D(points, POINTS)[0]
            crop = cv2.cvtColor(cv2.warpAffine(picture, matrix, (112, 112)), cv2.COLOR_BGR2RGB)
            tensor = crop.astype(np.float32).transpose(2, 0, 1)[None]
            vector = embedder.run(None, {name: tensor})[0][0]
            (people[:, : vector.size] @ vector).max()
            faces += 1
    wall = time.time() - begun
    print(json.dumps({
        "what": "decoding" if args.decode_only else "looking",
        "cpu_of_a_core": round((time.process_time() - cpu) / wall, 4),
        "pictures_per_s": round(pictures / wall, 1),
        "looks_per_s": round(looks / wall, 1),
        "faces_per_look": round(faces / max(looks, 1), 2),
    }))


if __name__ == "__main__":
    main()
