"""Measuring an embedder on LFW. In: pictures, pairs.txt and a network. Out: accuracy and TAR@FAR over the folds of pairs.txt.

    python lfw.py --lfw ../../shared/data/lfw-dev --detector ../../shared/models/yunet_n_dynamic.onnx --out lfw.npz
    python lfw.py --out lfw.npz --model embedder.onnx

The first aligns all crops once by YuNet and a similarity (Umeyama 1991) to the ArcFace points; the second measures on
them. Both may be asked at once. LFW is never trained on.
"""

import argparse
import pathlib

import numpy as np

REFERENCE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


def similarity(source, target):
    """The 2x3 similarity that takes source points nearest to target points."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, v = np.linalg.svd(b.T @ a / len(a))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    rotation = u * sign @ v
    scale = (s * sign).sum() / (a**2).sum() * len(a)
    return np.hstack([scale * rotation, (target.mean(0) - scale * rotation @ source.mean(0))[:, None]])


def pairs(folder):
    """Rows (fold, same, image, image)."""
    lines = (folder / "pairs.txt").read_text().splitlines()
    folds, each = map(int, lines[0].split())
    found = []
    for i, line in enumerate(lines[1 : 1 + folds * each * 2]):
        part = line.split("\t")
        fold, same = i // (2 * each), i % (2 * each) < each
        a, b = ((part[0], part[1]), (part[0], part[2])) if same else ((part[0], part[1]), (part[2], part[3]))
        found.append((fold, same, *(f"{name}/{name}_{int(n):04d}.jpg" for name, n in (a, b))))
    return found


def aligned(path, folder=None, detector=None):
    """Crops uint8 [n, 112, 112, 3] and pairs as rows (fold, same, crop, crop); made once, then read from `path`."""
    path = pathlib.Path(path)
    if path.exists():
        kept = np.load(path)
        return kept["crops"], kept["pairs"]
    folder = pathlib.Path(folder)
    import cv2

    names = sorted({name for pair in pairs(folder) for name in pair[2:]})
    detector = cv2.FaceDetectorYN.create(str(detector), "", (256, 256), 0.3)
    crops = np.zeros((len(names), 112, 112, 3), np.uint8)
    for i, name in enumerate(names):
        image = cv2.imread(str(folder / "images" / name))
        middle = np.array(image.shape[1::-1]) / 2
        detector.setInputSize(image.shape[1::-1])
        faces = detector.detect(image)[1]
        points = REFERENCE * 1.1 + 65  # deep-funnelled faces stand about here when none is found
        if faces is not None:
            # The subject is the large face near the middle.
            off = ((faces[:, :2] + faces[:, 2:4] / 2 - middle) ** 2).sum(1)
            points = faces[np.argmax(faces[:, 2] * faces[:, 3] - 2 * off), 4:14].reshape(5, 2).astype(np.float64)
        crops[i] = cv2.warpAffine(image, similarity(points, REFERENCE), (112, 112))[:, :, ::-1]
    row = {name: i for i, name in enumerate(names)}
    rows = np.array([(fold, same, row[a], row[b]) for fold, same, a, b in pairs(folder)])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, crops=crops, pairs=rows)
    return crops, rows


def score(embeddings, rows):
    """Accuracy (threshold of each fold from the other four), TAR at FAR 1e-2 and 1e-3."""
    e = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    fold, same = rows[:, 0], rows[:, 1] == 1
    s = (e[rows[:, 2]] * e[rows[:, 3]]).sum(1)
    right = []
    for k in np.unique(fold):
        order = np.argsort(s[fold != k])
        values, truth = s[fold != k][order], same[fold != k][order]
        # Accepting from position j on: impostors before it and genuine pairs from it on are right.
        correct = np.concatenate([[0], np.cumsum(~truth)]) + truth.sum() - np.concatenate([[0], np.cumsum(truth)])
        threshold = values[min(correct.argmax(), len(values) - 1)]
        right.append(((s >= threshold) == same)[fold == k].mean())
    impostors = np.sort(s[~same])[::-1]
    tar = [float((s[same] > impostors[int(far * len(impostors))]).mean()) for far in (1e-2, 1e-3)]
    return {"accuracy": float(np.mean(right)), "tar_far_1e-2": tar[0], "tar_far_1e-3": tar[1]}


def measure(embed, path):
    """`embed` takes float32 [n, 3, 112, 112] and gives [n, d], both numpy."""
    crops, rows = aligned(path)
    parts = [crops[i : i + 64].transpose(0, 3, 1, 2).astype(np.float32) for i in range(0, len(crops), 64)]
    return score(np.concatenate([embed(part) for part in parts]), rows)


def evaluate(net, path):
    """The figures of a torch network, on its device, from crops kept in `path`."""
    import torch

    device = next(net.parameters()).device
    net.eval()
    with torch.no_grad():
        return measure(lambda x: net(torch.from_numpy(x).to(device)).float().cpu().numpy(), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lfw", help="folder of images/ and pairs.txt")
    parser.add_argument("--detector", help="YuNet as ONNX")
    parser.add_argument("--out", required=True, help="file of aligned crops, made when it is not there")
    parser.add_argument("--model", help="an embedder as ONNX, to measure")
    args = parser.parse_args()
    aligned(args.out, args.lfw, args.detector)
    if args.model:
        import onnxruntime

        session = onnxruntime.InferenceSession(args.model)
        name = session.get_inputs()[0].name
        print(measure(lambda x: session.run(None, {name: x})[0], args.out))


if __name__ == "__main__":
    main()
