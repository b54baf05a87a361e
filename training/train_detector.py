"""Trains the detector. In: scene photos with pseudo-labels and human landmarks. Out: checkpoints.

    python train_detector.py --data ../../shared/data --out run-detector --minutes 90

Crops of many scales, mosaics of four, mirror, small turns, colour, blur, noise. Cells near a face's centre learn it at
the stride that suits its size; cells near a doubtful label (score below 0.5) learn nothing. Losses: focal-weighted
binary cross entropy for class and object (Lin et al., 2017), distance-IoU for boxes (Zheng et al., 2020), smooth L1 for
landmarks. Warm-up, stable, decay; the shipped weights are the moving average. CPU with bf16; a GPU is not used yet.
"""

import argparse
import math
import os
import random
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import data
from detector import Detector

SIDE, BATCH, RATE = 320, 24, 1.5e-3
train = []
rng = random.Random(int(time.time()))
MIR = [1, 0, 2, 4, 3]


def sample(side):
    """a square crop of one photo, at `side` pixels -> image, rows [x,y,w,h,10 kps,score,kpsok]"""
    name, im, ps, hu, _ = rng.choice(train)
    h, w = im.shape[:2]
    L = np.zeros((len(ps), 16), np.float32)
    L[:, :15] = ps
    L[:, 15] = 1
    for q in hu:  # faces set by people that the pseudo-labels miss or doubt are real
        e = q[:2].mean(0)
        for l in L:
            if l[0] < q[2, 0] < l[0] + l[2] and l[1] < q[2, 1] < l[1] + l[3]:
                l[14] = max(l[14], 0.7)
    s = (
        rng.choice([0.3, 0.45, 0.6, 0.8, 1.0, 1.0, 1.25]) * min(h, w)
        if rng.random() < 0.75
        else max(h, w) * rng.uniform(0.9, 1.3)
    )
    s = max(s, 64)
    if len(L) and rng.random() < 0.45:
        f = L[rng.randrange(len(L))]
        s = max(s, f[2] * 1.2, f[3] * 1.2)
        cx = f[0] + f[2] / 2 + rng.uniform(-0.5, 0.5) * max(s - f[2], 0)
        cy = f[1] + f[3] / 2 + rng.uniform(-0.5, 0.5) * max(s - f[3], 0)
        x0, y0 = cx - s / 2, cy - s / 2
    else:
        x0, y0 = rng.uniform(min(0, w - s), max(0, w - s)), rng.uniform(min(0, h - s), max(0, h - s))
    k = side / s
    flip = rng.random() < 0.5
    ang = rng.uniform(-0.25, 0.25) if rng.random() < 0.25 else 0.0
    M = np.array([[k, 0, -x0 * k], [0, k, -y0 * k]], np.float64)
    if flip:
        M = np.array([[-1, 0, side - 1], [0, 1, 0]], np.float64) @ np.vstack([M, [0, 0, 1]])
    if ang:
        c, sn = math.cos(ang), math.sin(ang)
        o = side / 2
        M = np.array([[c, -sn, o - c * o + sn * o], [sn, c, o - sn * o - c * o]]) @ np.vstack([M, [0, 0, 1]])
    if k < 0.6:
        im = cv2.resize(im, None, fx=k * 1.2, fy=k * 1.2, interpolation=cv2.INTER_AREA)
        M = M @ np.diag([w / im.shape[1], h / im.shape[0], 1.0])
    fill = rng.choice([0, 0, 114, rng.randrange(256)])
    out = cv2.warpAffine(im, M, (side, side), flags=cv2.INTER_LINEAR, borderValue=(fill,) * 3)
    if k < 0.6:
        M = M @ np.diag([im.shape[1] / w, im.shape[0] / h, 1.0])
    if len(L):
        cs = np.stack([L[:, 0] + L[:, 2] / 2, L[:, 1] + L[:, 3] / 2], 1) @ M[:, :2].T + M[:, 2]
        wh = L[:, 2:4] * k
        kp = L[:, 4:14].reshape(-1, 5, 2) @ M[:, :2].T + M[:, 2]
        if flip:
            kp = kp[:, MIR]
        L = np.concatenate([cs - wh / 2, wh, kp.reshape(-1, 10), L[:, 14:]], 1).astype(np.float32)
        L = L[(cs[:, 0] > 0) & (cs[:, 1] > 0) & (cs[:, 0] < side) & (cs[:, 1] < side)]
    return out, L


def colour(x):
    x = x.astype(np.float32)
    if rng.random() < 0.6:
        x = (x - 128) * rng.uniform(0.6, 1.4) + 128 + rng.uniform(-35, 35)
    if rng.random() < 0.3:
        x *= np.array([rng.uniform(0.85, 1.15) for _ in range(3)], np.float32)
    if rng.random() < 0.3:
        x = 255 * (np.clip(x, 0, 255) / 255) ** rng.uniform(0.6, 1.6)
    if rng.random() < 0.1:
        x = np.repeat(x.mean(2, keepdims=True), 3, 2)
    x = np.clip(x, 0, 255)
    if rng.random() < 0.15:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 2.0))
    if rng.random() < 0.15:
        x = x + np.random.randn(*x.shape) * rng.uniform(2, 12)
    return np.clip(x, 0, 255)


def one():
    if rng.random() < 0.3:
        im = np.zeros((SIDE, SIDE, 3), np.uint8)
        Ls = []
        for i in range(4):
            a, l = sample(SIDE // 2)
            y, x = (i // 2) * SIDE // 2, (i % 2) * SIDE // 2
            im[y : y + SIDE // 2, x : x + SIDE // 2] = a
            l = l.copy()
            l[:, 0] += x
            l[:, 1] += y
            l[:, 4:14:2] += x
            l[:, 5:14:2] += y
            Ls.append(l)
        L = np.concatenate(Ls)
    else:
        im, L = sample(SIDE)
    return colour(im)[:, :, ::-1].transpose(2, 0, 1).copy(), L  # BGR


STR = (8, 16, 32)
RANGE = ((0, 56), (36, 150), (96, 9999))
GRID = [
    torch.stack(torch.meshgrid(torch.arange(SIDE // s), torch.arange(SIDE // s), indexing="xy"), -1)
    .reshape(-1, 2)
    .float()
    for s in STR
]
PR = torch.cat([torch.cat([g * s, torch.full((len(g), 1), float(s))], 1) for g, s in zip(GRID, STR)])  # x,y,stride


def assign(L):
    """per cell: index of face or -1; weight of negatives (0 near doubtful faces)"""
    n = len(PR)
    idx = torch.full((n,), -1, dtype=torch.long)
    neg = torch.ones(n)
    best = torch.full((n,), 1e9)
    for j, l in enumerate(L):
        x, y, w, h = l[:4]
        size = math.sqrt(max(w * h, 1e-3))
        sure = l[14] >= 0.5 and size >= 7
        cx, cy = x + w / 2, y + h / 2
        c = PR[:, :2]
        st = PR[:, 2]
        inside = (c[:, 0] > x) & (c[:, 0] < x + w) & (c[:, 1] > y) & (c[:, 1] < y + h)
        d = ((c[:, 0] - cx).abs().maximum((c[:, 1] - cy).abs())) / st
        if not sure:
            neg[inside | (d < 1.0)] = 0
            continue
        lv = torch.zeros(n, dtype=torch.bool)
        for s, (a, b) in zip(STR, RANGE):
            if a <= size < b:
                lv |= st == s
        near = lv & (d < 1.5) & (inside | (d < 0.75))
        neg[inside | (d < 1.5)] *= 0.0
        cost = d + w * h * 1e-6
        upd = near & (cost < best)
        idx[upd] = j
        best[upd] = cost[upd]
    return idx, neg


def iou_loss(p, t):  # DIoU of xyxy
    i = (torch.minimum(p[:, 2:], t[:, 2:]) - torch.maximum(p[:, :2], t[:, :2])).clamp(0).prod(1)
    a = (p[:, 2:] - p[:, :2]).prod(1)
    b = (t[:, 2:] - t[:, :2]).prod(1)
    iou = i / (a + b - i + 1e-6)
    e = (torch.maximum(p[:, 2:], t[:, 2:]) - torch.minimum(p[:, :2], t[:, :2])).square().sum(1)
    d = ((p[:, 2:] + p[:, :2]) / 2 - (t[:, 2:] + t[:, :2]) / 2).square().sum(1)
    return iou, 1 - iou + d / (e + 1e-6)


def flat(r):
    return torch.cat([o.float().permute(0, 2, 3, 1).reshape(o.shape[0], -1, 16) for o in r], 1)


def losses(out, Ls):
    tot = out.new_zeros(5)
    I, W, T, bi = [], [], [], []
    for b, L in enumerate(Ls):
        idx, neg = assign(L)
        p = torch.nonzero(idx >= 0).flatten()
        W.append((neg, idx))
        bi.append((torch.full((len(p),), b), p))
        T.append(torch.from_numpy(L)[idx[p]] if len(p) else torch.zeros(0, 16))
    b = torch.cat([x[0] for x in bi])
    p = torch.cat([x[1] for x in bi])
    T = torch.cat(T)
    n = max(len(p), 1)
    o = out[b, p]
    pr = PR[p]
    st = pr[:, 2:]
    c = pr[:, :2] + o[:, 2:4] * st
    wh = o[:, 4:6].clamp(-4, 6).exp() * st
    iou, l_box = iou_loss(torch.cat([c - wh / 2, c + wh / 2], 1), torch.cat([T[:, :2], T[:, :2] + T[:, 2:4]], 1))
    kt = T[:, 4:14].reshape(-1, 5, 2) - pr[:, None, :2]
    kp = o[:, 6:16].reshape(-1, 5, 2) * st[:, None]
    sz = T[:, 2:4].prod(1).clamp(1).sqrt()[:, None, None]
    l_kps = F.smooth_l1_loss(kp / sz * 10, kt / sz * 10, reduction="none", beta=0.5).mean((1, 2))
    l_cls = F.binary_cross_entropy_with_logits(o[:, 0], iou.detach().clamp(0, 1), reduction="none")
    obj = out[:, :, 1]
    tgt = torch.zeros_like(obj)
    tgt[b, p] = 1.0
    neg = torch.stack([w[0] for w in W])
    wt = torch.where(tgt > 0, torch.ones_like(neg), neg)
    pb = torch.sigmoid(obj).detach()
    foc = torch.where(tgt > 0, torch.ones_like(pb), pb.pow(1.1) * 9)
    l_obj = (F.binary_cross_entropy_with_logits(obj, tgt, reduction="none") * wt * foc).sum() / n
    # cls must be low away from faces too: score = sqrt(cls*obj)
    cb = torch.sigmoid(out[:, :, 0]).detach()
    l_ncls = (F.softplus(out[:, :, 0]) * (tgt < 1) * neg * cb.pow(2)).sum() / n
    return l_obj + l_cls.mean() * 1.0 + 3.0 * l_ncls + 2.0 * l_box.mean() + 0.5 * l_kps.mean() if len(p) else l_obj, (
        l_obj.item(),
        l_cls.mean().item(),
        l_box.mean().item(),
        l_kps.mean().item(),
        iou.mean().item(),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--decay-minutes", type=float, default=15)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    last = os.path.join(args.out, "last.pt")
    train.extend(scene for scene in data.scenes(args.data) if not scene[4])
    net, ema = Detector(), Detector()
    net.to(memory_format=torch.channels_last)
    ema.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.01)
    seen = step = 0
    if os.path.exists(last):
        saved = torch.load(last, weights_only=False)
        net.load_state_dict(saved["net"])
        ema.load_state_dict(saved["ema"])
        optimiser.load_state_dict(saved["opt"])
        seen, step = saved["seen"], saved["step"]
    rng.seed(step)
    end = time.time() + args.minutes * 60
    saved_at = time.time()
    while (now := time.time()) < end:
        left = (end - now) / (args.decay_minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 200, left)
        photos, labels = zip(*(one() for _ in range(BATCH)))
        photos = torch.from_numpy(np.stack(photos).astype(np.float32)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            maps = net(photos)
        loss, parts = losses(flat(maps), labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        step, seen = step + 1, seen + BATCH
        keep = min(0.998, 1 - 1 / (10 + step))
        with torch.no_grad():
            for mean, value in zip(ema.state_dict().values(), net.state_dict().values()):
                mean.lerp_(value, 1 - keep) if mean.dtype.is_floating_point else mean.copy_(value)
        if step % 50 == 0:
            print(
                f"step {step} photos {seen} object, class, box, points, iou:", *(f"{p:.3f}" for p in parts), flush=True
            )
        if now - saved_at > 150:
            save(last, net, ema, optimiser, seen, step)
            saved_at = now
    save(last, net, ema, optimiser, seen, step)


def save(path, net, ema, optimiser, seen, step):
    state = {
        "net": net.state_dict(),
        "ema": ema.state_dict(),
        "opt": optimiser.state_dict(),
        "seen": seen,
        "step": step,
    }
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)


if __name__ == "__main__":
    main()
