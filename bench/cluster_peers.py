"""Grouping by peers on the embeddings that `fusiform eval cluster --export DIR` wrote, each at its best setting.

Run by bench/grouping.sh, as `cluster_peers.py DIR IMAGES`.

Every peer is given its best setting on these very labels; ours is the setting fixed beforehand, from the manifest: its
constants were chosen on half A of the identities grouped alone (bench/grouping_choice.py). The last column is F over the
faces of the other half, B, in the same grouping.
Noise of DBSCAN and HDBSCAN counts as groups of one. Chinese whispers after dlib's description: an edge above a
similarity, nodes visited in random order take the label of most weight, 100 rounds.
"""
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
from sklearn.cluster import DBSCAN, HDBSCAN


def bcubed(truth, groups):
    pairs, n = np.unique(np.stack([truth, groups]), axis=1, return_counts=True)
    of_truth, of_group = np.bincount(truth), np.bincount(groups)
    square = n.astype(float) ** 2
    precision = (square / of_group[pairs[1]]).sum() / len(truth)
    recall = (square / of_truth[pairs[0]]).sum() / len(truth)
    return precision, recall, 2 * precision * recall / (precision + recall)


def own_groups(labels):
    labels = labels.copy()
    noise = labels < 0
    labels[noise] = labels.max() + 1 + np.arange(noise.sum())
    return labels


def whispers(similarity, least, rounds=100, seed=0):
    rng = np.random.default_rng(seed)
    near = [np.flatnonzero(row >= least) for row in similarity]
    near = [row[row != i] for i, row in enumerate(near)]
    labels = np.arange(len(near))
    busy = [i for i, row in enumerate(near) if len(row)]
    for _ in range(rounds):
        changed = False
        for i in rng.permutation(busy):
            names, at = np.unique(labels[near[i]], return_inverse=True)
            best = names[np.argmax(np.bincount(at, similarity[i, near[i]]))]
            changed |= best != labels[i]
            labels[i] = best
        if not changed:
            break
    return np.unique(labels, return_inverse=True)[1]


def main():
    folder = Path(sys.argv[1])
    x, truth, ours = (np.load(folder / f"{name}.npy") for name in ("embeddings", "labels", "groups"))
    similarity = np.clip(x @ x.T, -1, 1)
    distance = (1 - similarity).astype(np.float64).clip(0)
    names = sorted(os.listdir(sys.argv[2]))
    half_b = np.array([hashlib.sha256(name.encode()).digest()[0] & 1 for name in names], bool)[truth]

    def scores(groups):
        within = np.unique(groups[half_b], return_inverse=True)[1]
        return *bcubed(truth, groups), bcubed(truth[half_b], within)[2]

    rows = [("fusiform", "fixed beforehand", scores(ours))]

    def best(name, runs):
        scored = [(scores(own_groups(labels)), setting) for setting, labels in runs]
        score, setting = max(scored, key=lambda s: s[0][2])
        rows.append((name, setting, score))

    grid = np.arange(0.30, 0.80, 0.02)
    best("DBSCAN", ((f"eps={e:.2f} min_samples={m}", DBSCAN(eps=e, min_samples=m, metric="precomputed").fit_predict(distance))
                    for e in grid for m in (1, 2, 3)))
    best("HDBSCAN", ((f"min_cluster_size=2 min_samples={m} epsilon={e:.2f} {how}",
                      HDBSCAN(min_cluster_size=2, min_samples=m, cluster_selection_epsilon=e,
                              cluster_selection_method=how, metric="precomputed", copy=True).fit_predict(distance))
                     for m in (1, 2) for e in (0.0, 0.4, 0.5, 0.55, 0.6) for how in ("eom", "leaf")))
    best("Chinese whispers", ((f"similarity>={1 - e:.2f}", whispers(similarity, 1 - e)) for e in grid))
    for name, setting, (p, r, f, f_b) in rows:
        print(f"{name:<17} precision {p:.4f}  recall {r:.4f}  F {f:.4f}  half B {f_b:.4f}  {setting}")


if __name__ == "__main__":
    main()
