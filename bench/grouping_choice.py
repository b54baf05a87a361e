"""How the constants of grouping were chosen: its rule once more, in Python, on half A of the identities grouped alone.

    fusiform eval cluster --images ../shared/data/lfw-dev/images --export /tmp/exp-base
    fusiform eval cluster --images ../shared/data/lfw-dev/images --export /tmp/exp-mfn --pack yunet-mobilefacenet
    /tmp/peers/bin/python bench/grouping_choice.py ../shared/data/lfw-dev/images /tmp/exp-base /tmp/exp-mfn

The Python is that of bench/grouping.sh. Half A: the last bit of the first byte of the SHA-256 of the name is 0. Prints BCubed F of A, B and all, each grouped alone,
for each pack; the choice is the best sum over the packs on A. `strangers` 0 is the rule without `crowd`.
"""
import hashlib
import heapq
import os
import sys
from pathlib import Path

import numpy as np

from cluster_peers import bcubed

MAX_NEIGHBOURS, PAIRS_EXPONENT = 64, 0.7
BALANCES = ((1500, 100), (1000, 70), (700, 50))
STRANGERS = (0, 10, 20, 30)


def at_balance(similarity, truth, balance):
    """`Thresholds::at_balance` over rates measured here, as `fusiform calibrate` states them."""
    upper = np.triu_indices(len(truth), 1)
    same = truth[upper[0]] == truth[upper[1]]
    genuine, impostor = similarity[upper][same], similarity[upper][~same]
    rates = [1e-2, 1e-3, 1e-4, 1e-5]
    stated = np.quantile(impostor, [1 - rate for rate in rates])
    lost = [max((genuine < t).mean(), 1e-6) for t in stated]
    return np.interp(np.log(balance), [np.log(f / r) for f, r in zip(lost, rates)], stated)


def near_pairs(similarity, floor):
    pairs = {}
    for a, row in enumerate(similarity):
        near = np.argsort(-row, kind="stable")[: MAX_NEIGHBOURS + 1]
        pairs.update({(min(a, b), max(a, b)): row[b] for b in near.tolist() if b != a and row[b] > floor})
    return pairs


def joined(pairs, weights, floor, needed):
    """`Groups::join_what_is_near`, without people, photos and poor faces."""
    near = [{} for _ in weights]
    for (a, b), similarity in pairs.items():
        near[a][b] = near[b][a] = weights[a] * weights[b] * (similarity - floor)
    parent, weight = list(range(len(near))), list(weights)
    evidence = lambda a, b: near[a][b] / (weight[a] * weight[b]) ** PAIRS_EXPONENT
    heap = [(-evidence(a, b), a, b) for a in range(len(near)) for b in near[a] if a < b]
    heap = [entry for entry in heap if -entry[0] >= needed]
    heapq.heapify(heap)
    while heap:
        before, a, b = heapq.heappop(heap)
        if parent[a] != a or parent[b] != b:
            continue
        now = evidence(a, b)
        if now < -before:
            if now >= needed:
                heapq.heappush(heap, (-now, a, b))
            continue
        if len(near[a]) < len(near[b]):
            a, b = b, a
        parent[b], theirs, near[b] = a, near[b], {}
        weight[a] += weight[b]
        del near[a][b]
        for c, above in theirs.items():
            if c == a:
                continue
            near[a][c] = near[a].get(c, 0) + above
            del near[c][b]
            near[c][a] = near[a][c]
            if evidence(a, c) >= needed:
                heapq.heappush(heap, (-evidence(a, c), min(a, c), max(a, c)))

    def root(a):
        while parent[a] != a:
            a = parent[a]
        return a

    return np.unique([root(a) for a in range(len(near))], return_inverse=True)[1]


def grouped(similarity, weights, floor, link, n_strangers):
    pairs = near_pairs(similarity, floor)
    groups = joined(pairs, weights, floor, link - floor)
    if n_strangers == 0:
        return groups
    strangers = [[] for _ in weights]
    for (a, b), alike in pairs.items():
        if groups[a] != groups[b]:
            strangers[a].append(alike - floor)
            strangers[b].append(alike - floor)
    crowd = [sum(sorted(s)[-n_strangers:]) / n_strangers for s in strangers]
    thinned = {(a, b): alike - crowd[a] - crowd[b] for (a, b), alike in pairs.items()}
    return joined({p: s for p, s in thinned.items() if s > floor}, weights, floor, link - floor)


def main():
    names = sorted(os.listdir(sys.argv[1]))
    of_b = np.array([hashlib.sha256(name.encode()).digest()[0] & 1 for name in names], bool)
    print("link floor strangers  " + "  ".join(f"{Path(folder).name}: A, B, all" for folder in sys.argv[2:]) + "  sum of A")
    packs = []
    for folder in sys.argv[2:]:
        x, truth, quality = (np.load(Path(folder) / f"{n}.npy") for n in ("embeddings", "labels", "qualities"))
        packs.append((x @ x.T, truth, quality.clip(0.01).astype(float)))
    for link, floor in BALANCES:
        edges = [[at_balance(similarity, truth, b) for b in (link, floor)] for similarity, truth, _ in packs]
        for n_strangers in STRANGERS:
            rows = []
            for (similarity, truth, weights), (at, least) in zip(packs, edges):
                row = []
                for part in (~of_b[truth], of_b[truth], truth >= 0):
                    groups = grouped(similarity[np.ix_(part, part)], weights[part].tolist(), least, at, n_strangers)
                    row.append(bcubed(truth[part], groups)[2])
                rows.append(row)
            shown = "  ".join(" ".join(f"{f:.4f}" for f in row) for row in rows)
            print(f"{link} {floor} {n_strangers}  {shown}  {sum(row[0] for row in rows):.4f}", flush=True)


if __name__ == "__main__":
    main()
