"""Trains the landmark network. In: arrays of landmark_data.py and landmark_squares.py. Out: weights.

    python train_landmarks.py --data run-landmarks/data --out run-landmarks --minutes 70

Three lessons. Points: their distance in eye distances, rounded off below 0.02. Face or not: cross
entropy, over all views in which something is seen. Error: the scale of a Laplace distribution over
the points' mean distance, so that its best answer is that distance as the network must expect it;
the distance itself does not learn from it. One thread trains, a process of its own makes views.
Warm-up, stable, decay; the shipped weights are the moving average. The same command continues a
run that was cut off; log.jsonl tells how it went (plot.py).
"""

import argparse
import os
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

from landmark_data import labelled
from landmark_views import Squares, Views
from landmarks import Landmarks, circle
from log import Quiet, note
from precision import half


def losses(out, points, eyes, face, clear):
    """Their weighted sum and each as a number; `eyes` is the eye distance in half sides."""
    logit, scale = out[:, 10], out[:, 11]
    judged = F.binary_cross_entropy_with_logits(logit, face, clear)
    on = face > 0
    away = (out[on, :10].view(-1, 5, 2) - points[on]).norm(dim=2) / eyes[on, None]
    near = ((away.square() + 0.02**2).sqrt() - 0.02).mean()
    wrong = away.detach().mean(1)
    expected = (wrong * (-scale[on]).exp() + scale[on]).mean()
    right = ((logit > 0) == on).float()
    said = {"points": wrong.mean(), "face": judged.detach(), "expected": expected.detach(),
            "missed": 1 - right[on].mean(), "false": 1 - right[~on].mean()}
    return 4 * near + judged + 0.05 * expected, {k: v.item() for k, v in said.items()}


def average(ema, net, step):
    keep = min(0.9985, 1 - 1 / (10 + step / 8))
    with torch.no_grad():
        for mean, value in zip(ema.state_dict().values(), net.state_dict().values()):
            mean.lerp_(value, 1 - keep) if mean.dtype.is_floating_point else mean.copy_(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=pathlib.Path, help="the arrays' folder")
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=70, help="with what came before a cut")
    parser.add_argument("--decay", type=float, default=0.4, help="share in which the rate falls")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--start", help="a checkpoint whose weights to begin with")
    parser.add_argument("--quiet", help="a file; while it is there the run and its minutes wait")
    parser.add_argument("--compile", action="store_true", help="by torch.compile: half a minute")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    net, ema = Landmarks().to(device, memory_format=torch.channels_last), Landmarks().to(device)
    if args.start:
        net.load_state_dict(torch.load(args.start, map_location=device, weights_only=True)["ema"])
    ema.load_state_dict(net.state_dict())
    through = torch.compile(net, dynamic=False) if args.compile else net
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.01)
    last = os.path.join(args.out, "last.pt")
    seen = step = before = 0
    if os.path.exists(last):
        saved = torch.load(last, map_location=device, weights_only=True)
        ema.load_state_dict(saved["ema"])
        net.load_state_dict(saved["net"])
        optimiser.load_state_dict(saved["optimiser"])
        seen, step, before = saved["seen"], saved["step"], saved["seconds"]
    faces = np.load(args.data / "faces.npz")
    chips = np.load(args.data / "chips.npy", mmap_mode="r")
    points = labelled(faces["yunet"], faces["own"], faces["people"]).astype(np.float32)
    wait, seed = Quiet(args.quiet), args.seed + step
    views = Views(chips, points, int(faces["whole"]), Squares(args.data), args.batch, seed, wait)
    loader = torch.utils.data.DataLoader(views, batch_size=None, num_workers=1, prefetch_factor=8)
    ahead = iter(loader)
    seen_part = circle().to(device)
    quiet, start, saved_at, first, sums = Quiet(args.quiet), time.time(), time.time(), step, []
    while (done := (before + time.time() - start - quiet.waited) / (args.minutes * 60)) < 1:
        quiet()
        for group in optimiser.param_groups:
            fall = (1 - done) / max(args.decay, 1e-9)
            group["lr"] = args.rate * min(1.0, (step - first + 1) / 100, fall)
        x, points, eyes, face, clear = (part.to(device) for part in next(ahead))
        x = (x.float() - 127.5) * seen_part + 127.5
        with half(device):
            out = through(x.contiguous(memory_format=torch.channels_last))
        loss, parts = losses(out.float(), points, eyes, face, clear)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        step += 1
        seen += len(x)
        average(ema, net, step)
        sums.append(parts)
        if step % 100 == 0:
            mean = {k: sum(p[k] for p in sums) / len(sums) for k in parts}
            seconds = before + time.time() - start - quiet.waited
            rate = optimiser.param_groups[0]["lr"]
            note(args.out, {"step": step, "views": seen, "seconds": seconds, "rate": rate, **mean})
            sums = []
        if time.time() - saved_at > 120:
            save(last, net, ema, optimiser, seen, step, before + time.time() - start - quiet.waited)
            saved_at = time.time()
    save(last, net, ema, optimiser, seen, step, before + time.time() - start - quiet.waited)


def save(path, net, ema, optimiser, seen, step, seconds):
    states = {"ema": ema.state_dict(), "net": net.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save(states | {"seen": seen, "step": step, "seconds": seconds}, path + ".new")
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main()
