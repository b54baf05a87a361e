"""Trains the embedder by distillation. In: crops and a teacher. Out: checkpoints, a log of accuracy against crops seen.

    python train_embedder.py --data ../../shared/data --teacher ../../shared/models/mobilefacenet.onnx --out run --minutes 120

Loss: cosine to the teacher's embedding plus the difference of similarity matrices (relational distillation, Park et al.,
2019), and while the student is young, hints: what its stages see, through a 1x1 adapter, against the teacher's maps of
the same size (FitNets, Romero et al., 2015). Hints fade out until half of the run. In its last `--both` the teacher answers
with the mean of a view and its mirror, which is the better teacher (its own TAR at FAR 1e-3: 0.9807 -> 0.9847). The rate
falls in the last `--decay` of it; in the last quarter fewer crops are blended and more are calm. The shipped weights are the
moving average. The same command continues a run that was cut off. Zips of crops that arrive in `--data` while it runs are
taken in. LFW is measured, never trained on.

On a CPU the teacher costs as much as the student, so views with the teacher's answers wait in a ring, each used a few
times. On a CUDA GPU every view is new: 19,000 a second on an H200, 140 on a CPU core. The student computes in bf16 where the
machine multiplies it (AVX-512 BF16 on a CPU), the teacher on CUDA in fp16 (cosine to fp32 0.999996; bf16 0.99981), and
`--compile` fuses what lies between convolutions; together they take a crop from 10.0 to 4.4 ms of a Zen 4 core.
"""

import argparse
import os
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

import data
import lfw
from augment import augment
from embedder import CONFIGS, WIDE, Embedder
from log import note
from muon import Muon
from precision import half
from teacher import Teacher

# Teacher's maps with their channels, at 28x28, 14x14, 7x7, and the 512 channels before its global convolution.
TAPS = {"_plus3": 64, "_plus9": 128, "_plus11": 128, "conv_6sep_relu": WIDE}
RING = 8192


class Views:
    """Views of random crops with the teacher's maps and unit vectors; on a CPU kept in a ring, each used `reuse` times."""

    def __init__(self, crops, teacher, generator, args, taps):
        self.g, self.size, self.reuse, compiled = generator, args.batch, args.reuse, args.compile
        self.calm, self.blended, self.clean, self.both = args.calm, args.blended, args.clean, False
        self.device = generator.device
        self.crops = torch.from_numpy(crops).to(self.device)
        teacher = Teacher(teacher).to(self.device, memory_format=torch.channels_last)
        self.answer, self.taps = torch.compile(teacher.taps) if compiled else teacher.taps, taps
        self.have = self.next = self.drawn = 0
        self.ring = None
        if self.reuse:
            parts = self.fresh()
            self.ring = [torch.empty(RING, *part.shape[1:], dtype=part.dtype) for part in parts]
            self.keep(parts)
            while self.have < 32 * self.size:
                self.keep(self.fresh())

    @torch.no_grad()
    def fresh(self):
        rows = torch.randint(0, len(self.crops), (self.size,), generator=self.g, device=self.device)
        views, inputs = augment(self.crops[rows], self.g, self.calm, self.blended, self.clean)
        inputs = inputs.float().contiguous(memory_format=torch.channels_last)
        with half(self.device, torch.float16):
            maps, answers = self.answer(inputs, self.taps)
            answers = F.normalize(answers)
            if self.both:
                answers = F.normalize(answers + F.normalize(self.answer(inputs.flip(3), self.taps)[1]))
        return [views, answers, *(m.half() for m in maps)]

    def add(self, crops):
        """Crops that arrived while the run goes on."""
        self.crops = torch.cat([self.crops, torch.from_numpy(crops).to(self.device)])

    def keep(self, parts):
        for kept, part in zip(self.ring, parts):
            kept[self.next : self.next + self.size] = part
        self.next = (self.next + self.size) % RING
        self.have = min(RING, self.have + self.size)

    def batch(self):
        """Views as float, unit vectors, maps."""
        if self.reuse:
            if self.drawn % self.reuse == 0:
                self.keep(self.fresh())
            self.drawn += 1
            rows = torch.randint(0, self.have, (self.size,), generator=self.g)
            parts = [kept[rows] for kept in self.ring]
        else:
            parts = self.fresh()
        return parts[0].float().contiguous(memory_format=torch.channels_last), parts[1], parts[2:]


class Hints(nn.Module):
    """How far the student's maps are from the teacher's, each channel scaled to unit variance."""

    def __init__(self, widths):
        super().__init__()
        channels = list(TAPS.values())
        self.adapters = nn.ModuleList(nn.Conv2d(w, c, 1) for w, c in zip(widths[1:], channels))
        for i, c in enumerate(channels):
            self.register_buffer(f"mean{i}", torch.zeros(c, 1, 1))
            self.register_buffer(f"std{i}", torch.zeros(c, 1, 1))

    def forward(self, found, wanted):
        total = 0.0
        for i, (x, y) in enumerate(zip(found, wanted)):
            mean, std = getattr(self, f"mean{i}"), getattr(self, f"std{i}")
            if not std.any():
                mean.copy_(y.float().mean((0, 2, 3))[:, None, None])
                std.copy_(y.float().std((0, 2, 3))[:, None, None] + 1e-3)
            x = self.adapters[i](x) if i < len(self.adapters) else (x - mean) / std
            total = total + F.mse_loss(x.float(), (y.float() - mean) / std)
        return total


def loss_of(through, hints, hint_weight, views, answers, maps):
    with half(views.device):
        vectors, found = through(views)
        hint = hints(found, maps) if hint_weight else torch.zeros(())
    vectors = F.normalize(vectors.float())
    cosine = (vectors * answers).sum(1).mean()
    relation = (vectors @ vectors.T - answers @ answers.T).square().mean()
    loss = (1 - cosine) * 4 + relation * 20 + hint_weight * hint
    return loss, {"cosine": cosine.item(), "relation": relation.item(), "hint": float(hint.detach())}


def optimisers(net, hints, rate):
    """Muon for what is a matrix, AdamW for scales, slopes, depthwise weights and adapters."""
    wide = [p for p in net.parameters() if p.ndim == 2 or (p.ndim == 4 and p.shape[1] > 1)]
    ids = {id(p) for p in wide}
    rest = [p for p in net.parameters() if id(p) not in ids]
    return [Muon(wide, rate), torch.optim.AdamW([*rest, *hints.parameters()], lr=rate / 10, weight_decay=0.0)]


def average(ema, net, step):
    """Moves the average towards the weights; its memory grows with the run, to 700 steps."""
    keep = min(0.9985, 1 - 1 / (1 + step / 8))
    with torch.no_grad():
        for mean, value in zip(ema.state_dict().values(), net.state_dict().values()):
            mean.lerp_(value, 1 - keep) if mean.dtype.is_floating_point else mean.copy_(value)


class Run:
    """All that a checkpoint holds, and the clock of the run."""

    def __init__(self, args):
        self.path, self.config = os.path.join(args.out, "last.pt"), args.config
        net, ema = (Embedder(**CONFIGS[args.config]).to(args.device) for _ in range(2))
        self.net, self.ema = (n.to(memory_format=torch.channels_last) for n in (net, ema))
        self.ema.load_state_dict(self.net.state_dict())
        self.through = torch.compile(self.net.through) if args.compile else self.net.through
        self.hints = Hints(self.net.widths).to(args.device)
        self.optimisers = optimisers(self.net, self.hints, args.rate)
        self.rates = [[group["lr"] for group in o.param_groups] for o in self.optimisers]
        self.seen = self.step = 0
        self.before = 0.0
        if os.path.exists(self.path):
            self.load(torch.load(self.path, map_location=args.device, weights_only=True))
        self.start = time.time()

    def load(self, saved):
        self.ema.load_state_dict(saved["ema"])
        # A committed checkpoint is small: the average alone, from which a new run may start.
        self.net.load_state_dict(saved.get("net", saved["ema"]))
        self.seen, self.step = saved["seen"], saved["step"]
        if "optimisers" in saved:
            self.hints.load_state_dict(saved["hints"])
            self.before = saved["seconds"]
            for optimiser, state in zip(self.optimisers, saved["optimisers"]):
                optimiser.load_state_dict(state)

    def seconds(self):
        return self.before + time.time() - self.start

    def save(self):
        state = {name: getattr(self, name).state_dict() for name in ("net", "ema", "hints")}
        state |= {"optimisers": [o.state_dict() for o in self.optimisers], "seconds": self.seconds()}
        state |= {"config": self.config, "seen": self.seen, "step": self.step}
        torch.save(state, self.path + ".part")
        os.replace(self.path + ".part", self.path)

    def learn(self, views, hint_weight, factor):
        self.net.train()
        loss, parts = loss_of(self.through, self.hints, hint_weight, *views.batch())
        for optimiser, rates in zip(self.optimisers, self.rates):
            optimiser.zero_grad()
            for group, rate in zip(optimiser.param_groups, rates):
                group["lr"] = rate * factor
        loss.backward()
        for optimiser in self.optimisers:
            # Adapters have no gradient once hints have faded; Muon's weights always have one.
            optimiser.step()
        self.step, self.seen = self.step + 1, self.seen + views.size
        average(self.ema, self.net, self.step)
        return {"loss": loss.item(), **parts}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=120, help="of the whole run, with what came before a cut")
    parser.add_argument("--decay", type=float, default=0.4, help="share of the run in which the rate falls to zero")
    parser.add_argument("--hints", type=float, default=1.0, help="weight of the hints at the start")
    parser.add_argument("--hints-until", type=float, default=0.5, help="share of the run after which there are none")
    parser.add_argument("--both", type=float, default=0.4, help="last share of the run with the teacher's mirrored view")
    parser.add_argument("--blended", type=float, default=0.35, help="share of crops that are mixtures of two people")
    parser.add_argument("--clean", type=float, default=0.3, help="share of views that the teacher sees undegraded")
    parser.add_argument("--reuse", type=int, help="steps per new batch of views (default 4, on a GPU all are new)")
    parser.add_argument("--calm", type=float, default=0.3, help="share of views that are only moved a little")
    parser.add_argument("--lfw", help="file with aligned LFW crops, made by lfw.py")
    parser.add_argument("--lfw-every-minutes", type=float, default=15, help="with --lfw; measuring costs a CPU a minute")
    parser.add_argument("--config", choices=sorted(CONFIGS), default="small")
    parser.add_argument("--batch", type=int, help="default 64, on a GPU 1024")
    parser.add_argument("--rate", type=float, default=0.03, help="of Muon; a tenth of it for the rest")
    parser.add_argument("--compile", action="store_true", help="by torch.compile: a minute or two at the start")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    on_gpu = torch.device(args.device).type == "cuda"
    args.batch = args.batch or (1024 if on_gpu else 64)
    args.reuse = (0 if on_gpu else 4) if args.reuse is None else args.reuse
    return args


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    torch.manual_seed(args.seed)
    run = Run(args)
    generator = torch.Generator(args.device).manual_seed(args.seed + run.step)
    taps = tuple(TAPS) if args.hints else ()
    arrivals = data.Arrivals(args.data)
    if arrivals.first is None:
        raise SystemExit(f"{args.data}: no faces-*.zip there")
    views = Views(arrivals.first, args.teacher, generator, args, taps)
    # Filling the ring is not part of the run's clock.
    run.start = saved = measured = time.time()
    first = run.step
    while (done := run.seconds() / (args.minutes * 60)) < 1:
        hint_weight = args.hints * max(0.0, 1 - done / args.hints_until)
        views.both = done > 1 - args.both
        if done > 0.75:
            views.blended, views.calm = args.blended * 0.6, max(args.calm, 0.4)
        if (arrived := arrivals.take()) is not None:
            views.add(arrived)
            note(args.out, {"crops": run.seen, "photos": len(views.crops)})
        factor = min(1.0, (run.step - first + 1) / 100, (1 - done) / max(args.decay, 1e-9))
        said = run.learn(views, hint_weight, factor)
        if run.step % 100 == 0:
            note(args.out, {"crops": run.seen, "minutes": round(run.seconds() / 60, 2), **said})
        if time.time() - saved > 180:
            run.save()
            saved = time.time()
        if args.lfw and time.time() - measured > args.lfw_every_minutes * 60:
            note(args.out, {"crops": run.seen, "lfw": lfw.evaluate(run.ema, args.lfw)})
            measured = time.time()
    run.save()
    if args.lfw:
        note(args.out, {"crops": run.seen, "lfw": lfw.evaluate(run.ema, args.lfw)})


if __name__ == "__main__":
    main()
