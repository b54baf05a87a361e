"""Measures a detector beside YuNet. In: held-out scenes, groups/, two ONNX files of YuNet's form. Out: one line per figure.

    python evaluate_detector.py --data ../../shared/data --detector detector.onnx --yunet ../../shared/models/yunet_n_dynamic.onnx

AP at IoU 0.5 against pseudo-labels of score 0.6 and more (lower ones are neither right nor wrong), at the photos' own
size; recall and mean landmark error (in eye distances) on faces labelled by people; false boxes on face-free crops.
"""

import argparse
import pathlib
import random

import cv2
import numpy as np
import onnxruntime

import data


def nms(b, s, t=0.3):
    o = s.argsort()[::-1]
    keep = []
    while len(o):
        i = o[0]
        keep.append(i)
        x = b[o]
        lt = np.maximum(x[:, :2], b[i, :2])
        rb = np.minimum(x[:, 2:], b[i, 2:])
        it = np.clip(rb - lt, 0, None).prod(1)
        u = (x[:, 2:] - x[:, :2]).prod(1) + (b[i, 2:] - b[i, :2]).prod() - it
        o = o[it / np.maximum(u, 1e-6) < t]
    return keep


def decode(levels, thr):
    B, S, K = [], [], []
    for st, (cls, obj, box, kps, w) in levels.items():
        n = len(cls)
        gx = np.arange(n) % w
        gy = np.arange(n) // w
        sc = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
        m = sc >= thr
        c = (np.stack([gx, gy], 1)[m] + box[m, :2]) * st
        wh = np.exp(np.clip(box[m, 2:], -6, 6)) * st
        B.append(np.concatenate([c - wh / 2, c + wh / 2], 1))
        S.append(sc[m])
        K.append((kps[m].reshape(-1, 5, 2) + np.stack([gx, gy], 1)[m][:, None]) * st)
    B, S, K = map(np.concatenate, (B, S, K))
    k = nms(B, S)
    return B[k], S[k], K[k]


def prep(im, side=None):
    h, w = im.shape[:2]
    f = 1.0 if side is None else side / max(h, w)
    if f != 1:
        im = cv2.resize(im, None, fx=f, fy=f, interpolation=cv2.INTER_AREA if f < 1 else cv2.INTER_LINEAR)
    h, w = im.shape[:2]
    H, W = -(-h // 32) * 32, -(-w // 32) * 32
    p = np.zeros((H, W, 3), np.float32)
    p[:h, :w] = im[:, :, ::-1]
    return p.transpose(2, 0, 1)[None], f


class Network:
    def __init__(s, path):
        s.s = onnxruntime.InferenceSession(path)
        s.n = [o.name for o in s.s.get_outputs()]

    def __call__(s, im, side=None, thr=0.02):
        x, f = prep(im, side)
        r = dict(zip(s.n, s.s.run(None, {s.s.get_inputs()[0].name: x})))
        lv = {
            st: (
                r[f"cls_{st}"].ravel(),
                r[f"obj_{st}"].ravel(),
                r[f"bbox_{st}"].reshape(-1, 4),
                r[f"kps_{st}"].reshape(-1, 10),
                x.shape[3] // st,
            )
            for st in (8, 16, 32)
        }
        b, sc, k = decode(lv, thr)
        return b / f, sc, k / f


def iou(a, b):
    it = np.clip(np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2]), 0, None).prod(
        2
    )
    return it / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None] - it + 1e-6)


def ap(det, held, side=None):
    rec = []
    n = 0
    for _, im, ps, _, _ in held:
        b, s, k = det(im, side)
        gt = ps[:, :4].copy()
        gt[:, 2:] += gt[:, :2]
        hard = ps[:, 14] >= 0.6
        n += hard.sum()
        used = np.zeros(len(gt), bool)
        M = iou(b, gt) if len(gt) else np.zeros((len(b), 0))
        for i in range(len(b)):
            j = -1
            if len(gt):
                q = np.where(used, 0, M[i])
                j = q.argmax()
                j = j if q[j] >= 0.5 else -1
            if j >= 0:
                used[j] = True
            if j >= 0 and not hard[j]:
                continue
            if j < 0 and len(gt) and M[i].max() >= 0.5 and not hard[M[i].argmax()]:
                continue
            rec.append((s[i], j >= 0))
    rec.sort(key=lambda r: -r[0])
    tp = np.cumsum([r[1] for r in rec])
    pr = tp / np.arange(1, len(tp) + 1)
    re = tp / n
    pr = np.maximum.accumulate(pr[::-1])[::-1]
    a = np.sum(np.diff(np.concatenate([[0], re])) * pr)
    return a, n


def human(det, held, side, thr):
    hit = n = 0
    err = []
    for _, im, _, hu, _ in held:
        if not len(hu):
            continue
        b, s, k = det(im, side, thr)
        for q in hu:
            n += 1
            d = np.linalg.norm(q[1] - q[0])
            if not len(b):
                continue
            P = np.stack([k[:, 0], k[:, 1], k[:, 2], (k[:, 3] + k[:, 4]) / 2], 1)
            e = np.linalg.norm(P - q[None], axis=2).mean(1) / max(d, 1e-3)
            j = e.argmin()
            if e[j] < 0.5:
                hit += 1
                err.append(e[j])
    return hit / n, np.mean(err), n


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--yunet", required=True)
    parser.add_argument("--min-score", type=float, default=0.6)
    parser.add_argument("--every", type=int, default=1, help="only each n-th held-out photo")
    args = parser.parse_args()
    ours, yu = Network(args.detector), Network(args.yunet)
    held = [scene for scene in data.scenes(args.data) if scene[4]]
    q = held[:: args.every]
    for nm, d in (("ours", ours), ("yunet", yu)):
        print(
            nm,
            "AP@0.5 and faces",
            ap(d, q),
            "recall, landmark error, faces labelled by people, at 640",
            human(d, q, 640, args.min_score),
            flush=True,
        )
    # face-free regions: crops of held-out photos with no label touching
    rng = random.Random(0)
    free = []
    for _, im, ps, hu, _ in held:
        h, w = im.shape[:2]
        for _ in range(6):
            s = rng.randint(96, max(97, min(h, w) - 1))
            x, y = rng.randint(0, w - s) if w > s else 0, rng.randint(0, h - s) if h > s else 0
            c = [(l[0] < x + s and l[0] + l[2] > x and l[1] < y + s and l[1] + l[3] > y) for l in ps] + [
                (
                    min(p[:, 0]) - 40 < x + s
                    and max(p[:, 0]) + 40 > x
                    and min(p[:, 1]) - 40 < y + s
                    and max(p[:, 1]) + 60 > y
                )
                for p in hu
            ]
            if not any(c):
                free.append(im[y : y + s, x : x + s])
                break
    free = free[:400]
    for nm, d in (("ours", ours), ("yunet", yu)):
        print(
            nm,
            "false boxes per 100 of",
            len(free),
            "face-free crops",
            100 * sum(len(d(f, None, args.min_score)[0]) for f in free) / len(free),
            flush=True,
        )
    for g in sorted((pathlib.Path(args.data) / "groups").glob("*.jpg")):
        im = cv2.imread(str(g))[:, :, ::-1]
        print(g.name, "yunet", len(yu(im, 640, args.min_score)[0]), "ours", len(ours(im, 640, args.min_score)[0]))


if __name__ == "__main__":
    main()
