"""The mean of two checkpoints' weights. In: two checkpoints of one network. Out: a third.

    python mean_weights.py before.pt run/last.pt --out mean.pt

For a network that was trained on from `before`: where the new lessons took something of what it
knew, the mean often keeps both ("robust fine-tuning", Wortsman et al., 2022). Measure all three.
"""

import argparse

import torch


def mean(one, other):
    both = zip(one.items(), other.values())
    return {k: (a + b) / 2 if b.dtype.is_floating_point else b for (k, a), b in both}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs=2)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    one, other = (torch.load(c, map_location="cpu", weights_only=True) for c in args.checkpoints)
    told = {k: other[k] for k in ("seen", "step", "seconds", "config") if k in other}
    torch.save({"ema": mean(one["ema"], other["ema"]), **told}, args.out)


if __name__ == "__main__":
    main()
