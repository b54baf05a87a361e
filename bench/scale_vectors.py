"""A gallery of any size that is as hard as a real one: lfw-dev's templates among distractors drawn after them.

    python bench/scale_vectors.py make OUT --n 1000000 --lfw ../shared/data/lfw-dev/images
    python bench/scale_vectors.py check OUT [--png bench/scale/nearest.png]      # are they alike?
    python bench/scale_vectors.py fit OUT [--minutes 3]                          # how the constants below were found

`make` writes into OUT: templates.f32 (N × 128, little-endian), persons.i64 (N: who each row is), probes.f32 and
probe_persons.i64 (whom each probe shows, -1: nobody enrolled). People of lfw-dev with two photos or more have one of them
enrolled and another as a mated probe; those with one photo are the non-mated probes. The rest of the N rows is
distractors, one for each invented person; the real rows lie at random places among them. All is fixed by --seed.

How a distractor is drawn. Let mu and C be the mean and covariance of one real template for each person, d those templates less
mu. Drawn from a normal distribution with mu and C, strangers are too far apart (median similarity to the nearest among
2,085 strangers 0.330, real ones 0.359), since real people crowd in places. So a distractor is the sum of
  - where a real person lives: ALPHA_128 and ALPHA_8 times the mean of the 128 and of the 8 nearest real templates of a
    real person drawn at random (each scaled to the trace of C);
  - some likeness to that person: b · d, b from a gamma distribution of small mean;
  - groups that it shares with other distractors only: centres drawn for 16, 128, 1,024 and 65,536 groups, each with its share of
    the variance, which differs from distractor to distractor (gamma);
  - its own: normal.
The parts are mixed, and the sum is turned linearly once at the end, so that mean and covariance are mu and C; then it is
scaled to length 1. The constants are fitted so that the similarity to the nearest stranger, at equal N, is distributed as
among real people, both from real probes to distractors and among distractors, and so that it grows with N alike.
A group finer than 65,536 cannot be seen in 2,086 people: beyond some 100,000 rows the crowding is an extrapolation.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ALPHA_128, ALPHA_8 = 0.254, 0.120
LIKENESS_MEAN, LIKENESS_SHAPE = 0.015, 4.1
GROUPS = (16, 128, 1024, 65536)
SHARES, SHARES_SHAPE = (0.025, 0.160, 0.084, 0.051), 1.56
CONSTANTS = (ALPHA_128, ALPHA_8, LIKENESS_MEAN, LIKENESS_SHAPE, *SHARES, SHARES_SHAPE)
CHUNK = 50_000
QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
SUBSETS = (128, 256, 521, 1043)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def root(symmetric):
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * np.sqrt(np.maximum(values, 1e-6))) @ vectors.T


class Distractors:
    """Draws distractors after `real`, one template for each person."""

    def __init__(self, real, seed, constants=CONSTANTS):
        alpha_128, alpha_8, self.mean_b, self.shape_b, *shares, self.shares_shape = constants
        self.shares, self.seed = shares, seed
        self.mu = real.mean(0)
        self.d = (real - self.mu).astype(np.float32)
        c = np.cov(real.T)
        near = np.argsort(-(real @ real.T), 1)

        def neighbourhood(k):
            means = np.array([self.d[near[i, 1 : k + 1]].mean(0) for i in range(len(real))])
            means -= means.mean(0)
            return means * np.sqrt(np.trace(c) / np.trace(np.cov(means.T)))

        self.lives = (alpha_128 * neighbourhood(128) + alpha_8 * neighbourhood(8)).astype(np.float32)
        b = self._likeness(np.random.default_rng([seed, 1]), 100_000)
        self.b2 = float((b * b).mean())
        both = np.cov(self.lives.T, self.d.T)
        length = real.shape[1]
        cross = both[:length, length:]
        self.own = root(c - both[:length, :length] - b.mean() * (cross + cross.T) - self.b2 * c).astype(np.float32)
        rng = np.random.default_rng([seed, 2])
        self.centres = [rng.standard_normal((groups, length), np.float32) for groups in GROUPS]
        # Groups are few and lie anywhere, so the mix is turned once to the real covariance.
        self.turn = np.eye(length, dtype=np.float32)
        self.middle = np.zeros(length, np.float32)
        rough = np.concatenate([self._mixed(np.random.default_rng([seed, 3, i]), 25_000) for i in range(4)])
        self.turn = (np.linalg.inv(root(np.cov(rough.T))) @ root(c)).astype(np.float32)
        self.middle = rough.mean(0)

    def _likeness(self, rng, n):
        return np.minimum(self.mean_b * rng.gamma(self.shape_b, 1 / self.shape_b, n), 0.95).astype(np.float32)

    def _mixed(self, rng, n):
        who = rng.integers(0, len(self.d), n)
        b = self._likeness(rng, n)
        crowd = np.minimum(rng.gamma(self.shares_shape, 1 / self.shares_shape, n), 4)
        used = np.zeros(n)
        rest = np.zeros((n, self.d.shape[1]), np.float32)
        for centres, share in zip(self.centres, self.shares):
            part = np.clip(share * crowd, 0, np.maximum(0.9 - used, 0))
            used += part
            rest += np.sqrt(part)[:, None].astype(np.float32) * centres[rng.integers(0, len(centres), n)]
        rest += np.sqrt(1 - used)[:, None].astype(np.float32) * rng.standard_normal(rest.shape, np.float32)
        scale = np.sqrt(np.maximum(1 - b * b, 0.02) / (1 - self.b2))[:, None]
        mixed = scale * (self.lives[who] + rest @ self.own) + b[:, None] * self.d[who]
        return (mixed - self.middle) @ self.turn

    def chunk(self, number, n=CHUNK):
        """The distractors of one chunk: always the same for a seed."""
        return unit(self.mu + self._mixed(np.random.default_rng([self.seed, 4, number]), n)).astype(np.float32)


def real_templates(lfw, fusiform):
    """The templates of all photos and their persons, by `fusiform eval cluster`."""
    with tempfile.TemporaryDirectory() as work:
        command = [fusiform, "eval", "cluster", "--images", lfw, "--export", work, "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return np.load(f"{work}/embeddings.npy"), np.load(f"{work}/labels.npy")


def make(args):
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    if args.lfw:
        templates, persons = real_templates(args.lfw, args.fusiform)
        np.savez(out / "real.npz", templates=templates, persons=persons)
    real = np.load(out / "real.npz")
    templates, persons = unit(real["templates"]), real["persons"]
    rng = np.random.default_rng([args.seed, 0])
    probes, enrolled, mated = [], [], []
    for person in range(persons.max() + 1):
        photos = rng.permutation(np.flatnonzero(persons == person))
        probes.append(photos[0])
        mated.append(len(photos) > 1)
        if len(photos) > 1:
            enrolled.append((person, photos[1]))
    n = args.n
    if n < 10 * len(enrolled):
        sys.exit(f"--n {n}: with {len(enrolled)} real rows, give at least {10 * len(enrolled)}")
    templates[probes].astype("<f4").tofile(out / "probes.f32")
    np.where(mated, np.arange(len(probes)), -1).astype("<i8").tofile(out / "probe_persons.i64")
    distractors = Distractors(templates[probes].astype(np.float64), args.seed)
    places = np.sort(rng.choice(n, len(enrolled), replace=False))
    whole = np.memmap(out / "templates.f32", "<f4", "w+", shape=(n, templates.shape[1]))
    who = len(probes) + np.arange(n, dtype="<i8")
    begun = time.monotonic()
    for number, start in enumerate(range(0, n, CHUNK)):
        whole[start : start + CHUNK] = distractors.chunk(number)[: n - start]
    for place, (person, photo) in zip(places, enrolled):
        whole[place] = templates[photo]
        who[place] = person
    whole.flush()
    who.tofile(out / "persons.i64")
    about = {"n": n, "length": templates.shape[1], "seed": args.seed, "enrolled_of_lfw": len(enrolled),
             "mated_probes": sum(mated), "non_mated_probes": len(probes) - sum(mated)}  # fmt: skip
    (out / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    print(f"{json.dumps(about)} in {time.monotonic() - begun:.0f} s")


def figures(similarity, same):
    """Quantiles of the nearest, similarity at each false match rate, median nearest in subsets."""
    n = len(similarity)
    s = similarity.copy()
    if same:
        np.fill_diagonal(s, -1)
    nearest = s.max(1)
    pairs = s[np.triu_indices(n, 1)] if same else s.ravel()
    top = int(len(pairs) * 0.0105)
    tail = -np.sort(-np.partition(pairs, -top)[-top:])
    rng = np.random.default_rng(0)
    growth = []
    for m in SUBSETS:
        medians = []
        for _ in range(6):
            rows = rng.choice(n, m, replace=False)
            columns = rows if same else rng.choice(n, m, replace=False)
            medians.append(np.median(s[np.ix_(rows, columns)].max(1)))
        growth.append(np.mean(medians))
    return nearest, np.r_[np.quantile(nearest, QUANTILES), [tail[int(len(pairs) * r)] for r in FALSE_MATCH_RATES], growth]


def load(out):
    out = pathlib.Path(out)
    about = json.loads((out / "about.json").read_text())
    templates = np.memmap(out / "templates.f32", "<f4", "r", shape=(about["n"], about["length"]))
    probes = np.fromfile(out / "probes.f32", "<f4").reshape(-1, about["length"])
    return about, templates, np.fromfile(out / "persons.i64", "<i8"), probes, np.fromfile(out / "probe_persons.i64", "<i8")


def check(args):
    about, templates, persons, probes, probe_persons = load(args.out)
    n = len(probes)
    strangers = np.flatnonzero(persons >= n)[:n]
    invented = np.array(templates[strangers])
    rows = {"real to real": figures(probes @ probes.T, True), "real to distractors": figures(probes @ invented.T, False),
            "distractors to distractors": figures(invented @ invented.T, True)}  # fmt: skip
    normal = np.random.default_rng(0).multivariate_normal(probes.mean(0), np.cov(probes.T), n)
    rows["real to a normal distribution"] = figures(probes @ unit(normal).T.astype(np.float32), False)
    heads = [f"nearest p{round(q * 100)}" for q in QUANTILES] + [f"FMR {r:.0e}" for r in FALSE_MATCH_RATES]
    heads += [f"median, {m}" for m in SUBSETS]
    print(f"similarities at equal N = {n} (one template a person)\n| | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}")
    for name, (_, values) in rows.items():
        print(f"| {name} | {' | '.join(f'{v:.3f}' for v in values)} |")
    some = np.array(templates[:: max(1, len(templates) // 100_000)])
    spectra = [np.linalg.eigvalsh(np.cov(v.T))[::-1] for v in (probes, some)]
    print("\n| eigenvalue of the covariance | " + " | ".join(map(str, (1, 2, 4, 8, 16, 32, 64, 96, 128))) + " | sum | effective dimension |")
    print("|---|" + "---|" * 11)
    for name, v in zip(("real", "gallery"), spectra):
        values = " | ".join(f"{v[i - 1]:.4f}" for i in (1, 2, 4, 8, 16, 32, 64, 96, 128))
        print(f"| {name} | {values} | {v.sum():.3f} | {v.sum() ** 2 / (v**2).sum():.1f} |")
    edges = np.arange(0.2, 0.81, 0.02)
    counts = {name: np.histogram(nearest, edges)[0] for name, (nearest, _) in rows.items()}
    print("\nhistogram of the similarity to the nearest, people in each step of 0.02\n| from | " + " | ".join(counts) + " |")
    print("|---|" + "---|" * len(counts))
    for i, edge in enumerate(edges[:-1]):
        if any(c[i] for c in counts.values()):
            print(f"| {edge:.2f} | " + " | ".join(str(c[i]) for c in counts.values()) + " |")
    print("\nnon-mated probes, similarity to the nearest of the first N rows\n| N | p10 | median | p90 | p99 |\n|---|---|---|---|---|")
    lonely = probes[probe_persons < 0]
    best = np.full(len(lonely), -1, np.float32)
    stops = sorted({m for m in (1_000, 10_000, 100_000, 1_000_000, 3_000_000, 10_000_000) if m < len(templates)} | {len(templates)})
    done = 0
    for stop in stops:
        while done < stop:
            end = min(stop, done + CHUNK)
            best = np.maximum(best, (lonely @ np.array(templates[done:end]).T).max(1))
            done = end
        print(f"| {stop:,} | " + " | ".join(f"{v:.3f}" for v in np.quantile(best, (0.1, 0.5, 0.9, 0.99))) + " |", flush=True)
    if args.png:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(7, 4), dpi=80)
        for name, count in counts.items():
            axes.step(edges[:-1], count, where="post", label=name)
        axes.set_xlabel(f"similarity to the nearest of {n - 1:,} strangers")
        axes.set_ylabel("people")
        axes.legend()
        figure.tight_layout()
        figure.savefig(args.png)


def fit(args):
    """Random search over the constants; prints each better set."""
    probes = load(args.out)[3].astype(np.float64)
    n = len(probes)
    target = figures(probes @ probes.T, True)[1]
    weights = np.ones(len(target))
    weights[[0, len(QUANTILES) - 1, len(target) - len(SUBSETS) - 1]] = 0.5  # few people decide these

    def loss(constants):
        total = 0
        for seed in (1, 2):
            drawn = Distractors(probes, seed, constants).chunk(0, n)
            for values in (figures(probes @ drawn.T, False)[1], figures(drawn @ drawn.T, True)[1]):
                total += float((weights * (values - target) ** 2).sum())
        return total / 2

    rng = np.random.default_rng(args.seed)
    best, least = np.array(CONSTANTS), loss(CONSTANTS)
    print(f"{least:.5f} {np.round(best, 3).tolist()}")
    until = time.monotonic() + 60 * args.minutes
    while time.monotonic() < until:
        tried = best * np.exp(0.25 * rng.standard_normal(len(best)) * (rng.random(len(best)) < 0.3))
        if tried[:2].sum() < 0.8 and tried[4:8].sum() < 0.6 and (found := loss(tried)) < least:
            best, least = tried, found
            print(f"{least:.5f} {np.round(best, 3).tolist()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "check", "fit"))
    parser.add_argument("out", help="folder of the gallery")
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lfw", help="folder with a folder of photos for each person; left out: OUT's real.npz")
    parser.add_argument("--fusiform", default="target/release/fusiform")
    parser.add_argument("--png")
    parser.add_argument("--minutes", type=float, default=3)
    args = parser.parse_args()
    {"make": make, "check": check, "fit": fit}[args.what](args)


if __name__ == "__main__":
    main()
