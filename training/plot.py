"""A picture of a run. In: the log of a trainer. Out: a PNG. Embedder: similarity to the teacher and LFW accuracy against
crops seen; detector: losses against photos seen, for each size of view; landmarks: the errors of
the points and of the face output.

    python plot.py run/log.jsonl --out log.png
"""

import argparse
import json

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log")
    parser.add_argument("--out", default="log.png")
    args = parser.parse_args()
    with open(args.log) as log:
        lines = [json.loads(line) for line in log]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    draw = detector if "side" in lines[0] else landmarks if "views" in lines[0] else embedder
    draw(lines, *axes)
    figure.savefig(args.out, dpi=110)


def embedder(lines, left, right):
    steps = [line for line in lines if "cosine" in line]
    measured = [line for line in lines if "lfw" in line]
    left.plot([s["crops"] / 1000 for s in steps], [s["cosine"] for s in steps], linewidth=0.6)
    left.set(xlabel="thousand crops seen", ylabel="cosine to the teacher, training views")
    for name in ("accuracy", "tar_far_1e-2", "tar_far_1e-3"):
        right.plot([m["crops"] / 1000 for m in measured], [m["lfw"][name] for m in measured], marker="o", label=name)
    right.set(xlabel="thousand crops seen", ylabel="LFW")
    right.legend()


def detector(lines, *axes):
    for axis, side in zip(axes, sorted({line["side"] for line in lines})):
        steps = [line for line in lines if line["side"] == side]
        for name in ("object", "teacher", "class", "points", "box"):
            drawn = [s for s in steps if name in s]
            values = np.array([s[name] for s in drawn])
            # A mean over twenty lines, or single batches would hide the course.
            n = min(20, len(values))
            mean = np.convolve(values, np.ones(n) / n, "valid")
            axis.plot([s["photos"] / 1000 for s in drawn][n - 1 :], mean, label=name)
        axis.set(xlabel="thousand photos seen", ylabel=f"losses, views of {side} pixels")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)


def landmarks(lines, left, right):
    views = [line["views"] / 1e6 for line in lines]
    left.plot(views, [line["points"] for line in lines], linewidth=0.8)
    left.set(xlabel="million views seen", ylabel="error, eye distances", ylim=(0.1, 0.25))
    for name, label in (("missed", "faces refused"), ("false", "non-faces passed")):
        right.plot(views, [line[name] for line in lines], linewidth=0.8, label=label)
    right.set(xlabel="million views seen", ylabel="share of training views", ylim=(0, 0.15))
    right.legend()


if __name__ == "__main__":
    main()
