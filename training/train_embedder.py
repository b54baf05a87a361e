"""Trains the embedder by distillation. In: crops and a teacher. Out: checkpoints, a log of accuracy against crops seen.

    python train_embedder.py --data ../../shared/data --teacher ../../shared/models/mobilefacenet.onnx --out run --minutes 120

The teacher costs as much as the student, so views with the teacher's answer are kept in a pool, each used a few times
while new ones come in. The schedule is warm-up, stable, decay: only the last minutes lower the learning rate, so that a
run can be continued (same --out) before it decays. Loss: cosine to the teacher plus the difference of similarity
matrices (relational distillation, Park et al., 2019). The shipped weights are the moving average. LFW is measured, never
trained on.

On a CUDA GPU every view is new: crops, augmentation (augment_device.py) and teacher (teacher.py) live there, so no pool
is needed. Both devices compute in bf16.
"""

import argparse
import json
import os
import time

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F

import augment_device
import data
import lfw
from augment import augment
from embedder import CONFIGS, Embedder
from teacher import Teacher

RATE, BATCH, REUSE, POOL = 1.5e-3, 64, 6, 61440


class Views:
    """A ring of views, each with the teacher's unit vector."""

    def __init__(self, crops, teacher, generator):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(teacher, options)
        self.name = self.session.get_inputs()[0].name
        self.crops, self.g = crops, generator
        self.views = torch.zeros(POOL, 3, 112, 112, dtype=torch.uint8)
        self.answers = torch.zeros(POOL, 128)
        self.have = self.next = 0

    def add(self):
        rows = np.sort(torch.randint(0, len(self.crops), (BATCH,), generator=self.g).numpy())
        views = augment(torch.from_numpy(np.ascontiguousarray(self.crops[rows])), self.g)
        answers = self.session.run(None, {self.name: views.float().numpy()})[0]
        place = slice(self.next, self.next + BATCH)
        self.views[place], self.answers[place] = views, F.normalize(torch.from_numpy(answers))
        self.next = (self.next + BATCH) % POOL
        self.have = min(POOL, self.have + BATCH)

    def batch(self):
        rows = torch.randint(0, self.have, (BATCH,), generator=self.g)
        return self.views[rows].float().contiguous(memory_format=torch.channels_last), self.answers[rows]


class FreshViews:
    """New views and answers for every batch, all on one device."""

    def __init__(self, crops, teacher, generator, batch):
        self.g, self.size, device = generator, batch, generator.device
        self.crops = torch.from_numpy(crops).to(device)
        self.teacher = Teacher(teacher).to(device, memory_format=torch.channels_last)

    @torch.no_grad()
    def batch(self):
        rows = torch.randint(0, len(self.crops), (self.size,), generator=self.g, device=self.g.device)
        views = augment_device.augment(self.crops[rows], self.g).float()
        views = views.contiguous(memory_format=torch.channels_last)
        with torch.autocast(views.device.type, torch.bfloat16):
            answers = self.teacher(views)
        return views, F.normalize(answers)


def loss_of(net, views, answers):
    with torch.autocast(views.device.type, torch.bfloat16):
        vectors = net(views)
    vectors = F.normalize(vectors.float())
    cosine = (vectors * answers).sum(1)
    relation = (vectors @ vectors.T - answers @ answers.T).square().mean()
    return (1 - cosine).mean() * 4 + relation * 20, cosine.mean().detach()


def average(ema, net, step):
    """Moves the average towards the weights; its memory grows with the run, to a thousand steps."""
    keep = min(0.999, 1 - 1 / (1 + step / 8))
    with torch.no_grad():
        for mean, value in zip(ema.state_dict().values(), net.state_dict().values()):
            mean.lerp_(value, 1 - keep) if mean.dtype.is_floating_point else mean.copy_(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--decay-minutes", type=float, default=20)
    parser.add_argument("--lfw", help="file with aligned LFW crops, made by lfw.py")
    parser.add_argument("--lfw-every-minutes", type=float, default=2, help="with --lfw; measuring costs a CPU a minute")
    parser.add_argument("--config", choices=sorted(CONFIGS), default="small")
    parser.add_argument("--batch", type=int, default=1024, help="on a GPU; a CPU takes 64")
    parser.add_argument("--rate", type=float, help="peak learning rate (default 1.5e-3, on a GPU 3e-3)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.manual_seed(args.seed)
    last = os.path.join(args.out, "last.pt")
    on_gpu = torch.device(args.device).type == "cuda"
    rate = args.rate or (3e-3 if on_gpu else RATE)
    size = args.batch if on_gpu else BATCH
    net, ema = (Embedder(**CONFIGS[args.config]).to(args.device, memory_format=torch.channels_last) for _ in range(2))
    ema.load_state_dict(net.state_dict())
    wide = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": wide, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}], lr=rate
    )
    seen = step = 0
    if os.path.exists(last):
        saved = torch.load(last, map_location=args.device, weights_only=False)
        net.load_state_dict(saved["net"])
        ema.load_state_dict(saved["ema"])
        # A committed checkpoint is small: weights alone.
        if "opt" in saved:
            optimiser.load_state_dict(saved["opt"])
        seen, step = saved["seen"], saved["step"]
    generator = torch.Generator(args.device).manual_seed(args.seed + step)
    if on_gpu:
        views = FreshViews(data.crops(args.data), args.teacher, generator, size)
    else:
        views = Views(data.crops(args.data), args.teacher, generator)
        for _ in range(64):
            views.add()
    start = saved_at = measured_at = time.time()
    end = start + args.minutes * 60
    while (now := time.time()) < end:
        left = (end - now) / max(args.decay_minutes * 60, 1e-9)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 300, left)
        if not on_gpu and step % REUSE == 0:
            views.add()
        net.train()
        loss, cosine = loss_of(net, *views.batch())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        step, seen = step + 1, seen + size
        average(ema, net, step)
        if step % 200 == 0:
            print(f"step {step} crops {seen} cosine {cosine:.4f} {loss.item():.4f}", flush=True)
        if now - saved_at > 180:
            save(last, net, ema, optimiser, seen, step, args.config)
            saved_at = now
        if args.lfw and now - measured_at > args.lfw_every_minutes * 60:
            measure(ema, args, seen)
            measured_at = time.time()
    save(last, net, ema, optimiser, seen, step, args.config)
    if args.lfw:
        measure(ema, args, seen)


def measure(ema, args, seen):
    result = {"crops": seen, "lfw": lfw.evaluate(ema, args.lfw)}
    with open(os.path.join(args.out, "log.jsonl"), "a") as log:
        log.write(json.dumps(result) + "\n")
    print(result, flush=True)


def save(path, net, ema, optimiser, seen, step, config):
    state = {
        "config": config,
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
