"""Our matching beside FAISS. In: nothing; makes unit vectors around random identities. Out: medians, ratios, agreement.

Alternating rounds in one run, all threads for everyone; wall-clock time, and CPU time of all threads, so that what else
runs here can be told apart. Needs faiss-cpu and numpy, about 8 GB of memory, and our example built:
    cargo build --release --example nearest -p fusiform-gallery && python bench/matching.py [TEMPLATES]
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import faiss
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
OURS = ROOT / "target/release/examples/nearest"
N = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
LENGTH, PER_IDENTITY, QUERIES, ROUNDS = 512, 4, 128, 3


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def main():
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as work:
        templates = np.memmap(f"{work}/templates.f32", np.float32, "w+", shape=(N, LENGTH))
        # Four faces of each identity, with a similarity of about 0.6 among them.
        for start in range(0, N, 40_000):
            n = min(40_000, N - start)
            centres = np.repeat(rng.standard_normal((n // PER_IDENTITY + 1, LENGTH), np.float32), PER_IDENTITY, 0)[:n]
            templates[start : start + n] = unit(centres + 0.8 * rng.standard_normal((n, LENGTH), np.float32))
        # Half the queries are of somebody enrolled, half of strangers.
        known = templates[rng.choice(N, QUERIES // 2, False)]
        known = unit(known + 0.8 / LENGTH**0.5 * rng.standard_normal(known.shape, np.float32))
        queries = np.concatenate([known, unit(rng.standard_normal((QUERIES // 2, LENGTH), np.float32))])
        queries = np.ascontiguousarray(queries[rng.permutation(QUERIES)])
        queries.tofile(f"{work}/queries.f32")
        flat = faiss.IndexFlatIP(LENGTH)
        small = faiss.IndexScalarQuantizer(LENGTH, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        small.train(np.array(templates[: min(N, 50_000)]))
        for start in range(0, N, 40_000):
            part = np.array(templates[start : start + 40_000])
            flat.add(part)
            small.add(part)
        pipe = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        ours = subprocess.Popen([OURS, f"{work}/templates.f32", f"{work}/queries.f32", str(LENGTH)], **pipe)
        n, seconds = ours.stdout.readline().split()
        print(f"{n} templates of {LENGTH} numbers, read and rounded in {seconds} s; FAISS {faiss.__version__},", end=" ")
        print(f"{faiss.get_compile_options().strip()}, {faiss.omp_get_max_threads()} threads")

        def ask(line):
            ours.stdin.write(f"{line}\n")
            wall, cpu, *places = ours.stdout.readline().split()
            return float(wall), float(cpu), [int(p) for p in places]

        def timed(index, batch):
            wall, cpu = time.perf_counter(), time.process_time()
            places = index.search(batch, 1)[1][:, 0]
            return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3, places

        exact = np.array(ask("all")[2])
        print("| queries at once | engine | ms per query | CPU ms per query | top-1 as f32 |")
        print("|---|---|---|---|---|")
        for together in (1, 64):
            times, right = {}, {}
            for _ in range(ROUNDS):
                for start in range(0, QUERIES, together) if together > 1 else range(8):
                    batch = queries[start : start + together]
                    cases = [("FAISS flat", lambda: timed(flat, batch)), ("FAISS SQ8", lambda: timed(small, batch))]
                    for name, run in cases + [("Fusiform", lambda: ask(f"{start} {together}"))]:
                        wall, cpu, places = run()
                        times.setdefault(name, []).append((wall / together, cpu / together))
                        right.setdefault(name, []).extend(np.array(places) == exact[start : start + together])
            for name, all_times in times.items():
                wall, cpu = np.median(np.array(all_times), 0)
                print(f"| {together} | {name} | {wall:.1f} | {cpu:.1f} | {sum(right[name])} of {len(right[name])} |", flush=True)
        ours.stdin.close()
        ours.wait()


if __name__ == "__main__":
    main()
