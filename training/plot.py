"""A picture of a run. In: the log of train_embedder.py. Out: a PNG of similarity to the teacher and LFW accuracy against crops seen.

    python plot.py run/log.jsonl --out log.png
"""

import argparse
import json

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log")
    parser.add_argument("--out", default="log.png")
    args = parser.parse_args()
    with open(args.log) as log:
        lines = [json.loads(line) for line in log]
    steps = [line for line in lines if "cosine" in line]
    measured = [line for line in lines if "lfw" in line]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    left.plot([s["crops"] / 1000 for s in steps], [s["cosine"] for s in steps], linewidth=0.6)
    left.set(xlabel="thousand crops seen", ylabel="cosine to the teacher, training views")
    for name in ("accuracy", "tar_far_1e-2", "tar_far_1e-3"):
        right.plot([m["crops"] / 1000 for m in measured], [m["lfw"][name] for m in measured], marker="o", label=name)
    right.set(xlabel="thousand crops seen", ylabel="LFW")
    right.legend()
    figure.savefig(args.out, dpi=110)


if __name__ == "__main__":
    main()
