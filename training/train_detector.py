"""Trains the detector. In: scene photos with pseudo-labels and human landmarks, and YuNet. Out: checkpoints.

    python train_detector.py --data ../../shared/data --teacher ../../shared/models/yunet_n_dynamic.onnx --out run-detector --minutes 90

Two lessons on the same view. Labels: cells near a face's centre learn it at the stride that suits its size; cells near a
doubtful label (score below 0.5) learn nothing. Teacher: every other cell learns the object score that YuNet gives it
(quality focal loss, Li et al., 2020), which teaches what is not a face better than labels do; YuNet doubts faces that fill
a view, so it does not speak where a label does. Other losses: binary cross entropy for class, distance-IoU for boxes
(Zheng et al., 2020), smooth L1 for landmarks. Small views of many scales take turns with whole photos at the size that
the pipeline works at, where large faces have their surroundings. Warm-up, stable, decay; the shipped weights are the
moving average. The same command continues a run that was cut off; log.jsonl tells how it went (plot.py).
"""

import argparse
import concurrent.futures
import functools
import math
import os
import time

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F

import data
from detector import Detector
from log import note
from precision import half
from scenes import Scenes

# Side of a view, how many make a batch, and whether each is a whole photo; in turn.
VIEWS = ((320, 24, False), (640, 6, True))
STRIDES = (8, 16, 32)
# Sizes in pixels (square root of a face's area) that a stride learns.
SIZES = ((0, 56), (36, 150), (96, 9999))


@functools.cache
def cells(side):
    """x, y and stride of every cell of a view, in the order of the outputs."""
    parts = []
    for stride in STRIDES:
        at = torch.arange(side // stride)
        grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).reshape(-1, 2).float() * stride
        parts.append(torch.cat([grid, torch.full((len(grid), 1), float(stride))], 1))
    return torch.cat(parts)


def assign(faces, at):
    """Per cell: the face it learns or -1; and the weight of its being background, 0 on and near faces."""
    index = torch.full((len(at),), -1, dtype=torch.long)
    background = torch.ones(len(at))
    best = torch.full((len(at),), 1e9)
    xs, ys, strides = at.T
    for j, (x, y, w, h) in enumerate(faces[:, :4].tolist()):
        size = math.sqrt(max(w * h, 1e-3))
        inside = (xs > x) & (xs < x + w) & (ys > y) & (ys < y + h)
        off = (xs - x - w / 2).abs().maximum((ys - y - h / 2).abs()) / strides
        if faces[j, 14] < 0.5 or size < 7:
            background[inside | (off < 1.0)] = 0
            continue
        level = torch.zeros(len(at), dtype=torch.bool)
        for stride, (low, high) in zip(STRIDES, SIZES):
            if low <= size < high:
                level |= strides == stride
        background[inside | (off < 1.5)] = 0
        # Of two faces on one cell the nearer wins, then the smaller.
        cost = off + w * h * 1e-6
        mine = level & (off < 1.5) & (inside | (off < 0.75)) & (cost < best)
        index[mine] = j
        best[mine] = cost[mine]
    return index, background


def distance_iou(p, t):
    """IoU and its distance loss for boxes x1, y1, x2, y2."""
    overlap = (torch.minimum(p[:, 2:], t[:, 2:]) - torch.maximum(p[:, :2], t[:, :2])).clamp(0).prod(1)
    areas = (p[:, 2:] - p[:, :2]).prod(1) + (t[:, 2:] - t[:, :2]).prod(1)
    iou = overlap / (areas - overlap + 1e-6)
    around = (torch.maximum(p[:, 2:], t[:, 2:]) - torch.minimum(p[:, :2], t[:, :2])).square().sum(1)
    apart = ((p[:, 2:] + p[:, :2]) / 2 - (t[:, 2:] + t[:, :2]) / 2).square().sum(1)
    return iou, 1 - iou + apart / (around + 1e-6)


def flat(maps):
    return torch.cat([m.float().permute(0, 2, 3, 1).reshape(m.shape[0], -1, 16) for m in maps], 1)


def geometry(out, faces, at):
    """IoU, box loss and landmark loss of cells `at` against their faces."""
    stride = at[:, 2:]
    centre = at[:, :2] + out[:, 2:4] * stride
    size = out[:, 4:6].clamp(-4, 6).exp() * stride
    boxes = torch.cat([centre - size / 2, centre + size / 2], 1)
    iou, box = distance_iou(boxes, torch.cat([faces[:, :2], faces[:, :2] + faces[:, 2:4]], 1))
    wanted = faces[:, 4:14].reshape(-1, 5, 2) - at[:, None, :2]
    points = out[:, 6:16].reshape(-1, 5, 2) * stride[:, None]
    unit = faces[:, 2:4].prod(1).clamp(1).sqrt()[:, None, None] / 10
    return iou, box, F.smooth_l1_loss(points / unit, wanted / unit, reduction="none", beta=0.5).mean((1, 2))


def label_loss(out, faces, index, background, at):
    photo, cell = torch.nonzero(index >= 0, as_tuple=True)
    object_, class_ = out[..., 1], out[..., 0]
    n = max(len(photo), 1)
    # Where a face is, a cell must say so; elsewhere the surer it is of one, the more it learns (Lin et al., 2017).
    sure = torch.sigmoid(object_).detach()
    target = (index >= 0).float()
    weight = torch.where(target > 0, torch.ones_like(sure), 9 * background * sure.pow(1.1))
    loss = (F.binary_cross_entropy_with_logits(object_, target, reduction="none") * weight).sum() / n
    idle = torch.sigmoid(class_).detach().pow(2) * background * (1 - target)
    loss = loss + 3 * (F.softplus(class_) * idle).sum() / n
    if not len(photo):
        return loss, {"object": loss.item()}
    iou, box, points = geometry(out[photo, cell], faces, at[cell])
    quality = F.binary_cross_entropy_with_logits(class_[photo, cell], iou.detach().clamp(0, 1))
    parts = {"object": loss.item(), "class": quality.item(), "box": box.mean().item(), "points": points.mean().item()}
    return loss + quality + 2 * box.mean() + 0.5 * points.mean(), parts


def teacher_loss(out, teacher, claimed, at):
    """Object scores wherever no label claims a cell; class, box and landmarks where the teacher sees a face."""
    object_, class_ = out[..., 1], out[..., 0]
    wanted = teacher[..., 1]
    near = wanted.clamp(min=0.0)
    n = near.sum().clamp(min=1)
    gap = (torch.sigmoid(object_).detach() - wanted).abs() * ~claimed
    loss = 4 * (F.binary_cross_entropy_with_logits(object_, wanted, reduction="none") * gap).sum() / n
    photo, cell = torch.nonzero(wanted > 0.3, as_tuple=True)
    if not len(photo):
        return loss
    weight = wanted[photo, cell]
    weight = weight / weight.sum()
    ours, theirs = out[photo, cell], teacher[photo, cell]
    quality = F.binary_cross_entropy_with_logits(class_[photo, cell], theirs[:, 0], reduction="none")
    stride = at[cell][:, 2:]
    size = theirs[:, 4:6].exp() * stride
    corner = at[cell][:, :2] + theirs[:, 2:4] * stride - size / 2
    points = (theirs[:, 6:16].reshape(-1, 5, 2) * stride[:, None] + at[cell][:, None, :2]).flatten(1)
    _, box, landmarks = geometry(ours, torch.cat([corner, size, points], 1), at[cell])
    return loss + (weight * (quality + 2 * box + 0.5 * landmarks)).sum()


class Teacher:
    """YuNet by ONNX Runtime. In: BGR [n, 3, side, side]. Out: [n, cells, 16] in our order, class and object as 0..1."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options)
        self.names = [f"{part}_{stride}" for stride in STRIDES for part in ("cls", "obj", "bbox", "kps")]

    def __call__(self, photos):
        name = self.session.get_inputs()[0].name
        parts = self.session.run(self.names, {name: photos})
        levels = [np.concatenate(parts[i : i + 4], 2) for i in range(0, len(parts), 4)]
        return torch.from_numpy(np.concatenate(levels, 1))


def average(ema, net, step):
    keep = min(0.998, 1 - 1 / (10 + step))
    with torch.no_grad():
        for mean, value in zip(ema.state_dict().values(), net.state_dict().values()):
            mean.lerp_(value, 1 - keep) if mean.dtype.is_floating_point else mean.copy_(value)


def batch(scenes, teacher, step):
    """Photos; the faces that cells learn; per cell which of its photo's, and its weight as background; the teacher's word."""
    side, n, whole = VIEWS[step % len(VIEWS)]
    photos, labels = zip(*(scenes.view(side, whole) for _ in range(n)))
    photos = np.stack(photos).astype(np.float32)
    index, background = map(torch.stack, zip(*(assign(faces, cells(side)) for faces in labels)))
    faces = torch.cat([torch.from_numpy(f)[i[i >= 0]] for f, i in zip(labels, index)])
    return torch.from_numpy(photos), faces, index, background, teacher(photos)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--teacher", required=True, help="YuNet as ONNX")
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=90, help="of the whole run, with what came before a cut")
    parser.add_argument("--decay", type=float, default=0.3, help="share of the run in which the rate falls to zero")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--compile", action="store_true", help="by torch.compile: a minute or two at the start")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    last = os.path.join(args.out, "last.pt")
    net, ema = Detector().to(device, memory_format=torch.channels_last), Detector().to(device)
    through = torch.compile(net, dynamic=False) if args.compile else net
    ema.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.01)
    seen = step = before = 0
    if os.path.exists(last):
        saved = torch.load(last, map_location=device, weights_only=True)
        # Blocks added since start as they were made: as nothing.
        ema.load_state_dict(ema.state_dict() | saved["ema"])
        # A committed checkpoint is small: the average alone, from which a new run may start.
        net.load_state_dict(net.state_dict() | saved.get("net", saved["ema"]))
        seen, step = saved["seen"], saved["step"]
        if "optimiser" in saved:
            optimiser.load_state_dict(saved["optimiser"])
            before = saved["seconds"]
    scenes = Scenes([scene for scene in data.scenes(args.data) if not scene[4]], args.seed + step)
    teacher = Teacher(args.teacher)
    start = saved_at = time.time()
    first = step
    # Views and the teacher work on a thread of their own while the network learns from the batch before.
    ahead = concurrent.futures.ThreadPoolExecutor(1)
    coming = ahead.submit(batch, scenes, teacher, step)
    while (done := (before + time.time() - start) / (args.minutes * 60)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1.0, (step - first + 1) / 200, (1 - done) / max(args.decay, 1e-9))
        photos, faces, index, background, taught = (part.to(device) for part in coming.result())
        coming = ahead.submit(batch, scenes, teacher, step + 1)
        at = cells(photos.shape[2]).to(device)
        with half(device):
            maps = through(photos.contiguous(memory_format=torch.channels_last))
        out = flat(maps)
        loss, parts = label_loss(out, faces, index, background, at)
        lesson = teacher_loss(out, taught, index >= 0, at)
        optimiser.zero_grad()
        (loss + lesson).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        step, seen = step + 1, seen + len(photos)
        average(ema, net, step)
        if step % 50 < len(VIEWS):
            minutes = round((before + time.time() - start) / 60, 2)
            said = {"photos": seen, "minutes": minutes, "side": photos.shape[2], **parts, "teacher": lesson.item()}
            note(args.out, said)
        if time.time() - saved_at > 150:
            save(last, net, ema, optimiser, seen, step, before + time.time() - start)
            saved_at = time.time()
    save(last, net, ema, optimiser, seen, step, before + time.time() - start)
    ahead.shutdown()


def save(path, net, ema, optimiser, seen, step, seconds):
    state = {"net": net.state_dict(), "ema": ema.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save(state | {"seen": seen, "step": step, "seconds": seconds}, path + ".part")
    os.replace(path + ".part", path)


if __name__ == "__main__":
    main()
