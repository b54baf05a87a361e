"""Trains the detector. In: scene photos with labels, aligned crops, YuNet. Out: checkpoints.

    python train_detector.py --data ../../shared/data --out run-detector --minutes 90 \\
        --teacher ../../shared/models/yunet_n_dynamic.onnx --start checkpoints/detector.pt

Views, labels, teacher and losses are made where the network learns, on a GPU or a CPU (scenes.py,
crowds.py, teacher.py). Two lessons on the same view. Labels: cells near a face's centre learn it at
the stride that suits its size; cells near a doubtful label (score below 0.5) learn nothing.
Teacher: every other cell learns the object score that YuNet gives it (quality focal loss, Li et
al., 2020), which teaches what is not a face better than labels do; YuNet doubts faces that fill a
view, so it does not speak where a label does. Other losses: binary cross entropy for class,
distance-IoU for boxes (Zheng et al., 2020), smooth L1 for landmarks. Small views of many scales
take turns with whole photos at the size that the pipeline works at, where large faces have their
surroundings. Warm-up, stable, decay; the shipped weights are the moving average. The same command
continues a run that was cut off; log.jsonl tells how it went (plot.py).
"""

import argparse
import functools
import os
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

import data
from crowds import crowds
from detector import Detector
from evaluate_detector import Network
from log import Quiet, note
from precision import half
from scenes import SIDE, Views, laid_out
from teacher import STRIDES, yunet

# Whose faces are pasted.
CROPS = ("faces-web.zip", "faces-scenes.zip")
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
    """Of faces [n, most, 16] per cell: the one it learns or -1, and its weight as background.

    That weight is 0 on and near faces, doubtful ones too.
    """
    x, y, w, h = (value[..., None] for value in faces[..., :4].unbind(-1))
    score, size = faces[..., 14:15], (w * h).clamp(min=1e-3).sqrt()
    xs, ys, strides = at.T
    inside = (xs > x) & (xs < x + w) & (ys > y) & (ys < y + h)
    off = torch.maximum((xs - x - w / 2).abs(), (ys - y - h / 2).abs()) / strides
    sure = (score >= 0.5) & (size >= 7)
    near = inside | (off < torch.where(sure, 1.5, 1.0))
    background = 1.0 - (near & (score > 0)).any(1).float()
    level = torch.zeros_like(inside)
    for stride, (low, high) in zip(STRIDES, SIZES):
        level |= (strides == stride) & (size >= low) & (size < high)
    mine = sure & level & (off < 1.5) & (inside | (off < 0.75))
    # Of two faces on one cell the nearer wins, then the smaller.
    cost, index = torch.where(mine, off + w * h * 1e-6, 1e9).min(1)
    return torch.where(cost < 1e8, index, -1), background


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
    """The loss and its parts, which stay tensors so that nothing waits for the device."""
    photo, cell = torch.nonzero(index >= 0, as_tuple=True)
    object_, class_ = out[..., 1], out[..., 0]
    n = max(len(photo), 1)
    # Where a face is, a cell must say so; elsewhere the surer it is of one, the more it learns
    # (Lin et al., 2017).
    sure = torch.sigmoid(object_).detach()
    target = (index >= 0).float()
    weight = torch.where(target > 0, torch.ones_like(sure), 9 * background * sure.pow(1.1))
    each = F.binary_cross_entropy_with_logits(object_, target, reduction="none")
    loss = (each * weight).sum() / n
    idle = torch.sigmoid(class_).detach().pow(2) * background * (1 - target)
    loss = loss + 3 * (F.softplus(class_) * idle).sum() / n
    parts = {"object": loss.detach()}
    if not len(photo):
        return loss, parts
    mine = faces[photo, index[photo, cell]]
    iou, box, points = geometry(out[photo, cell], mine, at[cell])
    likeness = iou.detach().clamp(0, 1)
    quality = F.binary_cross_entropy_with_logits(class_[photo, cell], likeness)
    box, points = box.mean(), points.mean()
    parts |= {"class": quality.detach(), "box": box.detach(), "points": points.detach()}
    return loss + quality + 2 * box + 0.5 * points, parts


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


def average(ema, net, step):
    keep = min(0.998, 1 - 1 / (10 + step))
    with torch.no_grad():
        for mean, value in zip(ema.state_dict().values(), net.state_dict().values()):
            mean.lerp_(value, 1 - keep) if mean.dtype.is_floating_point else mean.copy_(value)


def mistakes(path, scenes):
    """Per photo the boxes, x y w h, of a detector at score 0.2 and more that touch no label."""
    detector, found = Network(path), []
    for _, image, pseudo, human, _ in scenes:
        k = min(1.0, SIDE / max(image.shape[:2]))
        boxes, _, _ = detector(image, None, 0.2)
        labels = np.concatenate([pseudo[:, :2], pseudo[:, :2] + pseudo[:, 2:4]], 1)
        hands = [(*p.min(0), *p.max(0)) for p in human]
        labels = np.concatenate([labels, np.array(hands).reshape(-1, 4)])
        apart = (boxes[:, None, :2] >= labels[:, 2:]) | (boxes[:, None, 2:] <= labels[:, :2])
        boxes = boxes[apart.any(2).all(1)] * k
        found.append(np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1))
    return found


def photos_for(args):
    """Photos, sizes and faces of scenes and crowds, how many are scenes, and their mistakes."""
    scenes = [scene for scene in data.scenes(args.data) if not scene[4]]
    wrong = mistakes(args.mistakes, scenes) if args.mistakes else [()] * len(scenes)
    photos, sizes, faces = laid_out(scenes)
    del scenes
    crops = data.crops([f for name in CROPS if (f := pathlib.Path(args.data) / name).exists()])
    more = crowds(photos, sizes, faces, crops, args.crowds)
    both = (np.concatenate(pair) for pair in zip((photos, sizes, faces), more))
    return *both, len(photos), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--teacher", required=True, help="YuNet as ONNX")
    parser.add_argument("--out", required=True)
    parser.add_argument("--start", help="a checkpoint whose weights to begin with")
    parser.add_argument("--mistakes", help="a detector as ONNX whose false boxes are shown more")
    parser.add_argument("--minutes", type=float, default=90, help="with what came before a cut")
    parser.add_argument("--decay", type=float, default=0.4, help="share in which the rate falls")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--small", type=int, default=24, help="views of 320 pixels in a batch")
    parser.add_argument("--large", type=int, default=6, help="views of 640 pixels in a batch")
    parser.add_argument("--crowds", type=int, default=2000, help="photos with pasted faces")
    parser.add_argument("--quiet", help="a file; while it is there the run and its minutes wait")
    parser.add_argument("--compile", action="store_true", help="by torch.compile: a minute or two")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    last = os.path.join(args.out, "last.pt")
    net, ema = Detector().to(device, memory_format=torch.channels_last), Detector().to(device)
    if args.start:
        started = torch.load(args.start, map_location=device, weights_only=True)["ema"]
        net.load_state_dict(started)
    ema.load_state_dict(net.state_dict())
    through = torch.compile(net, dynamic=False) if args.compile else net
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.01)
    seen = step = before = 0
    if os.path.exists(last):
        saved = torch.load(last, map_location=device, weights_only=True)
        ema.load_state_dict(saved["ema"])
        net.load_state_dict(saved["net"])
        optimiser.load_state_dict(saved["optimiser"])
        seen, step, before = saved["seen"], saved["step"], saved["seconds"]
    views = Views(*photos_for(args), device, args.seed + step)
    teacher = yunet(args.teacher, device)
    quiet, start, saved_at, first = Quiet(args.quiet), time.time(), time.time(), step
    spent = lambda: before + time.time() - start - quiet.waited
    while (done := spent() / (args.minutes * 60)) < 1:
        quiet()
        for group in optimiser.param_groups:
            fall = (1 - done) / max(args.decay, 1e-9)
            group["lr"] = args.rate * min(1.0, (step - first + 1) / 200, fall)
        side, whole = ((320, False), (640, True), (320, False), (640, False))[step % 4]
        photos, faces = views.batch(args.small if side == 320 else args.large, side, whole)
        at = cells(side).to(device)
        taught = teacher(photos)
        with half(device):
            maps = through(photos.contiguous(memory_format=torch.channels_last))
        out, (index, background) = flat(maps), assign(faces, at)
        loss, parts = label_loss(out, faces, index, background, at)
        lesson = teacher_loss(out, taught, index >= 0, at)
        optimiser.zero_grad(set_to_none=True)
        (loss + lesson).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        step, seen = step + 1, seen + len(photos)
        average(ema, net, step - first)
        if step % 50 < 4:
            parts = {k: v.item() for k, v in (parts | {"teacher": lesson}).items()}
            said = {"photos": seen, "minutes": round(spent() / 60, 2), "side": side}
            note(args.out, said | parts)
        if time.time() - saved_at > 150:
            save(last, net, ema, optimiser, seen, step, spent())
            saved_at = time.time()
    save(last, net, ema, optimiser, seen, step, spent())


def save(path, net, ema, optimiser, seen, step, seconds):
    states = {"net": net.state_dict(), "ema": ema.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save(states | {"seen": seen, "step": step, "seconds": seconds}, path + ".part")
    os.replace(path + ".part", path)


if __name__ == "__main__":
    main()
