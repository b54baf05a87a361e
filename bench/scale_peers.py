"""Searching one large gallery: FAISS, pgvector as its page shows it, our layout in PostgreSQL, our exact search in memory.

    python bench/scale_vectors.py make DATA --n 1000000 --lfw ../shared/data/lfw-dev/images
    python bench/scale_peers.py DATA OUT --pg FOLDER [--nearest target/release/examples/nearest] [--only NAME,...]

Needs numpy, faiss-cpu and psycopg. One engine after the other; each has its answers to all probes, and then the time of
single questions at 1 and at 16 clients, in rounds, of which the median counts. What is done stands in OUT/results.json and
is not done again (--again NAME,...). `--build` only loads and builds, which is stated in CPU seconds too and may be done while
others use the machine; a later call without it takes what was built and asks. PostgreSQL's clients are threads of this program, on the same cores as the server.

recall@1: the answer's first is as near as the nearest by exact search (mated probes: somebody near exists; non-mated:
nobody does, which is the harder question). FNIR and FPIR after ISO/IEC 19795-1, rank 1: the threshold is where exact
search has FPIR 1e-2, and each engine is then said to have both at that threshold.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import threading
import time

import numpy as np
import psycopg
import scale_pg
import scale_vectors

NEAREST_KEPT = 40  # candidates that are ranked again by their f32 vectors
EFS = (40, 100, 200, 400, 800)
CLIENTS = 16


def cpu_name():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def own_bytes(process="self"):
    """Memory that a process holds, without files that are mapped."""
    _, resident, shared, *_ = map(int, pathlib.Path(f"/proc/{process}/statm").read_text().split())
    return (resident - shared) * 4096


class Gallery:
    def __init__(self, folder):
        self.about, self.templates, self.persons, self.probes, self.probe_persons = scale_vectors.load(folder)
        self.mated = self.probe_persons >= 0
        path = pathlib.Path(folder) / "exact.npz"
        if not path.exists():
            best, where = np.full(len(self.probes), -2, np.float32), np.zeros(len(self.probes), np.int64)
            for start in range(0, len(self.templates), 50_000):
                s = self.probes @ np.array(self.templates[start : start + 50_000]).T
                near = s.argmax(1)
                value = s[np.arange(len(s)), near]
                where, best = np.where(value > best, start + near, where), np.maximum(best, value)
            np.savez(path, best=best, where=where)
        exact = np.load(path)
        self.best, self.where = exact["best"], exact["where"]
        self.threshold = np.quantile(self.best[~self.mated], 0.99, method="higher")

    def ranked(self, probe, candidates):
        """The nearest of some rows, by their own vectors."""
        if not len(candidates):
            return -1, -2.0
        s = self.templates[np.sort(candidates)] @ self.probes[probe]
        return int(np.sort(candidates)[s.argmax()]), float(s.max())

    def score(self, answers):
        """From (row, similarity) for each probe."""
        rows, similarities = (np.array(v) for v in zip(*answers))
        true = np.einsum("ij,ij->i", self.templates[np.maximum(rows, 0)], self.probes)
        right = (rows >= 0) & (true >= self.best - 1e-5)
        accepted = similarities >= self.threshold
        hit = (rows >= 0) & (self.persons[np.maximum(rows, 0)] == self.probe_persons)
        return {"recall": right.mean(), "recall_mated": right[self.mated].mean(), "recall_non_mated": right[~self.mated].mean(),
                "fnir": 1 - (hit & accepted)[self.mated].mean(), "fpir": accepted[~self.mated].mean()}  # fmt: skip


def timed(askers, probes, seconds, rounds):
    """p50 and p99 in ms and answers a second: each asker is one client, which asks probe after probe."""
    of_rounds = []
    for _ in range(rounds):
        times, until = [[] for _ in askers], time.perf_counter() + seconds

        def client(number, ask):
            at = number * 37
            while (begun := time.perf_counter()) < until:
                ask(at % probes)
                times[number].append(time.perf_counter() - begun)
                at += 1

        begun = time.perf_counter()
        threads = [threading.Thread(target=client, args=both) for both in enumerate(askers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        all_times = np.concatenate(times) * 1e3
        of_rounds.append((*np.quantile(all_times, (0.5, 0.99)), len(all_times) / (time.perf_counter() - begun)))
    p50, p99, rate = np.median(of_rounds, 0)
    return {"p50_ms": p50, "p99_ms": p99, "per_s": rate}


class Faiss:
    """FAISS with one of its indexes; the setting is efSearch or nprobe."""

    def __init__(self, gallery, name, out, built):
        import faiss

        self.faiss, self.gallery, self.name = faiss, gallery, name
        n, length = gallery.templates.shape
        lists = int(4 * n**0.5)
        self.settings = {"faiss-flat": ("",), "faiss-hnsw": EFS, "faiss-ivfpq": (16, 64, 256)}[name]
        file = out / f"{name}.index"
        before = own_bytes()
        if built and file.exists():
            self.index, self.built = faiss.read_index(str(file)), built
            return
        begun, cpu = time.perf_counter(), time.process_time()
        if name == "faiss-flat":
            self.index = faiss.IndexFlatIP(length)
        elif name == "faiss-hnsw":
            self.index = faiss.IndexHNSWFlat(length, 16, faiss.METRIC_INNER_PRODUCT)
            self.index.hnsw.efConstruction = 128
        else:
            self.index = faiss.index_factory(length, f"IVF{lists},PQ32", faiss.METRIC_INNER_PRODUCT)
            some = np.sort(np.random.default_rng(0).choice(n, min(n, 40 * lists), replace=False))
            self.index.train(gallery.templates[some])
        for start in range(0, n, 50_000):
            self.index.add(np.array(gallery.templates[start : start + 50_000]))
        self.built = {"build_s": time.perf_counter() - begun, "build_cpu_s": time.process_time() - cpu,
                      "memory_bytes": own_bytes() - before}  # fmt: skip
        faiss.write_index(self.index, str(file))

    def set(self, setting):
        if self.name == "faiss-hnsw":
            self.index.hnsw.efSearch = setting
        elif self.name == "faiss-ivfpq":
            self.index.nprobe = setting

    def askers(self, n):
        self.faiss.omp_set_num_threads(1 if n > 1 else os.cpu_count())
        return [self.ask] * n

    def ask(self, probe):
        # PQ's similarities are approximate, so its candidates are ranked again, as ours are.
        k = NEAREST_KEPT if self.name == "faiss-ivfpq" else 1
        similarities, found = self.index.search(self.gallery.probes[probe : probe + 1], k)
        return found[0], similarities[0]

    def answer(self, probe):
        found, similarities = self.ask(probe)
        return self.gallery.ranked(probe, found[found >= 0]) if len(found) > 1 else (int(found[0]), float(similarities[0]))

    def cpu_ms(self):
        return time.process_time() * 1e3

    def close(self):
        pass


class Postgres:
    """pgvector: `pg-naive` as its page shows it, `pg-ours` in our layout, `pg-exact` that layout without the index."""

    def __init__(self, gallery, name, url, ef_construction, built):
        self.gallery, self.name, self.url, self.built = gallery, name, url, built or {}
        self.connections = []
        self.texts = [scale_pg.text(probe) for probe in gallery.probes]
        self.connection = scale_pg.connect(url)
        # Nothing tells pgvector's first-time user to fetch more than is wanted.
        self.table, self.kind, self.k = ("naive", "vector", 1) if name == "pg-naive" else ("template", "halfvec", NEAREST_KEPT)
        self.settings = {"pg-naive": (40,), "pg-ours": EFS, "pg-exact": ("",)}[name]
        if not built and name != "pg-exact":
            self.build(ef_construction)

    def build(self, ef_construction):
        own, table = self.connection, self.table
        own.execute("CREATE EXTENSION IF NOT EXISTS vector")
        own.execute(f"DROP TABLE IF EXISTS {table}")
        if self.name == "pg-naive":
            own.execute("CREATE TABLE naive (collection bigint, example uuid PRIMARY KEY, person bigint, vector vector(128))")
            index = "CREATE INDEX ON naive USING hnsw (vector vector_ip_ops)"
        else:
            own.execute(scale_pg.OURS)
            index = f"CREATE INDEX ON template USING hnsw (vector halfvec_ip_ops) WITH (m = 16, ef_construction = {ef_construction})"
        n = len(self.gallery.templates)
        begun, cpu = time.perf_counter(), scale_pg.cpu_ms(own)
        scale_pg.copy(own, table, self.kind, 1, self.gallery.templates, self.gallery.persons)
        load_s = time.perf_counter() - begun
        self.built.update(load_per_s=n / load_s, load_cpu_s=(scale_pg.cpu_ms(own) - cpu) / 1e3)
        own.execute(f"VACUUM ANALYZE {table}")
        begun, cpu = time.perf_counter(), scale_pg.cpu_ms(own, with_workers=True)
        own.execute(index)
        self.built.update(build_s=time.perf_counter() - begun, build_cpu_s=(scale_pg.cpu_ms(own, with_workers=True) - cpu) / 1e3)
        names = ("table_bytes", "primary_key_bytes", "hnsw_bytes")
        self.built.update(zip(names, scale_pg.sizes(own, table)))
        self.built["enrol_ms"] = self.enrol_ms(self.kind)

    def enrol_ms(self, kind):
        """Median of 100 single inserts with the index in place, each its own transaction; deleted again.

        What they leave in the index stays until a VACUUM, which mends the graph around each and would take minutes.
        """
        vectors = scale_vectors.unit(np.roll(self.gallery.probes[:100], 1, axis=1) + self.gallery.probes[:100])
        times = []
        for i, vector in enumerate(vectors):
            begun = time.perf_counter()
            self.connection.execute(
                f"INSERT INTO {self.table} VALUES (1, gen_random_uuid(), %s, %s::{kind})", (-1 - i, scale_pg.text(vector)), prepare=True
            )
            times.append(time.perf_counter() - begun)
        self.connection.execute(f"DELETE FROM {self.table} WHERE person < 0")
        return float(np.median(times) * 1e3)

    def set(self, setting):
        self.setting = setting
        for connection in [self.connection, *self.connections]:
            self.tell(connection)

    def tell(self, connection):
        if self.name == "pg-exact":
            connection.execute("SET enable_indexscan = off")
            connection.execute("SET max_parallel_workers_per_gather = 0")
        elif self.name == "pg-ours":
            connection.execute(f"SET hnsw.ef_search = {self.setting}")
            connection.execute("SET hnsw.iterative_scan = relaxed_order")

    def askers(self, n):
        while len(self.connections) < n - 1:
            self.connections.append(scale_pg.connect(self.url))
            self.tell(self.connections[-1])
        return [lambda probe, c=c: self.ask(probe, c) for c in [self.connection, *self.connections[: n - 1]]]

    def ask(self, probe, connection=None):
        order = f"ORDER BY vector <#> %s::{self.kind}(128) LIMIT {self.k}"
        statement = f"SELECT example, person FROM {self.table} WHERE collection = 1 {order}"
        return (connection or self.connection).execute(statement, (self.texts[probe],), prepare=True).fetchall()

    def answer(self, probe):
        return self.gallery.ranked(probe, np.array([scale_pg.row_number(example) for example, _ in self.ask(probe)]))

    def cpu_ms(self):
        return scale_pg.cpu_ms(self.connection)

    def close(self):
        for connection in [self.connection, *self.connections]:
            connection.close()


class Ours:
    """Our exact search in memory, by the example `nearest` of crates/search; 16 clients are asked for together."""

    def __init__(self, gallery, binary, folder):
        self.gallery, self.settings = gallery, ("",)
        files = [pathlib.Path(folder) / "templates.f32", pathlib.Path(folder) / "probes.f32"]
        begun = time.perf_counter()
        self.process = subprocess.Popen([binary, *files, "128"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.process.stdout.readline()
        self.built = {"build_s": time.perf_counter() - begun, "memory_bytes": own_bytes(self.process.pid)}
        self.cpu = 0.0

    def set(self, setting):
        pass

    def askers(self, n):
        return [lambda probe: self.ask(min(probe, len(self.gallery.probes) - n), n)]

    def ask(self, probe, n=1):
        self.process.stdin.write(f"{probe} {n}\n")
        _, cpu, *slots = self.process.stdout.readline().split()
        self.cpu += float(cpu)
        return [int(slot) for slot in slots]

    def answer(self, probe):
        return self.gallery.ranked(probe, np.array(self.ask(probe)))

    def cpu_ms(self):
        return self.cpu

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measured(engine, gallery, setting, args):
    engine.set(setting)
    some = len(gallery.probes)
    figures = {"setting": setting, **gallery.score([engine.answer(probe) for probe in range(some)])}
    engine.askers(1)
    asked = range(0, some, max(1, some // args.cpu_questions))
    cpu = engine.cpu_ms()
    for probe in asked:
        engine.ask(probe)
    figures["cpu_ms"] = (engine.cpu_ms() - cpu) / len(asked)
    for clients in (1, CLIENTS):
        figures[f"clients_{clients}"] = timed(engine.askers(clients), some, args.seconds, args.rounds)
    return figures


def show(results):
    about = results["about"]
    print(f"\n{about['n']:,} templates, {about['machine']}, threshold {about['threshold']:.3f} (FPIR 1e-2 by exact search)\n")
    print("| engine | load, rows/s | build, s | build, CPU s | table MB | keys MB | index MB | memory MB | one enrolment, ms |")
    print("|---|---|---|---|---|---|---|---|---|")

    def cell(built, name, unit, form=".0f"):
        return format(built[name] / unit, form) if name in built else "–"

    for name, engine in results["engines"].items():
        b = engine["built"]
        cells = [cell(b, "load_per_s", 1, ",.0f"), cell(b, "build_s", 1, ".1f"), cell(b, "build_cpu_s", 1, ".1f")]
        cells += [cell(b, key, 1e6) for key in ("table_bytes", "primary_key_bytes", "hnsw_bytes", "memory_bytes")]
        print(f"| {name} | {' | '.join([*cells, cell(b, 'enrol_ms', 1, '.2f')])} |")
    print("\n| engine | ef or nprobe | recall@1 mated | non-mated | FNIR | FPIR | CPU ms | p50, p99 ms, 1 client | 16 clients | answers/s, 16 |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, engine in results["engines"].items():
        for f in engine["settings"]:
            one, many = f["clients_1"], f[f"clients_{CLIENTS}"]
            rate = many["per_s"] * (CLIENTS if name == "fusiform-exact" else 1)
            print(f"| {name} | {f['setting']} | {f['recall_mated']:.4f} | {f['recall_non_mated']:.4f} | {f['fnir']:.4f} | {f['fpir']:.4f}"
                  f" | {f['cpu_ms']:.2f} | {one['p50_ms']:.2f}, {one['p99_ms']:.2f} | {many['p50_ms']:.1f}, {many['p99_ms']:.1f} | {rate:.0f} |")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--pg", help="folder for .ci/postgres")
    parser.add_argument("--nearest", help="our example `nearest`")
    parser.add_argument("--only", default="faiss-flat,faiss-hnsw,faiss-ivfpq,pg-naive,pg-ours,pg-exact,fusiform-exact")
    parser.add_argument("--again", default="")
    parser.add_argument("--build", action="store_true", help="load and build only")
    parser.add_argument("--ef-construction", type=int, default=128)
    parser.add_argument("--memory", default="2GB", help="for PostgreSQL's index builds and, as much again, its cache")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each round")
    parser.add_argument("--cpu-questions", type=int, default=200)
    args = parser.parse_args()
    gallery = Gallery(args.data)
    path = pathlib.Path(args.out) / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    results = json.loads(path.read_text()) if path.exists() else {"engines": {}}
    results["about"] = {**gallery.about, "machine": cpu_name(), "threshold": float(gallery.threshold)}
    url = None
    if args.pg:
        memory = dict(shared_buffers=args.memory, maintenance_work_mem=args.memory, max_wal_size="4GB", jit="off")
        url = scale_pg.start(args.pg, 1, max_parallel_maintenance_workers=1, **memory)[0]
    for name in args.only.split(","):
        had = results["engines"].get(name, {}) if name not in args.again.split(",") else {}
        if had.get("settings") or args.build and (had or name in ("pg-exact", "fusiform-exact")):
            continue
        if name.startswith("pg") and not url or name == "fusiform-exact" and not args.nearest:
            print(f"{name}: left out, --pg or --nearest is not given", flush=True)
            continue
        if name.startswith("faiss"):
            engine = Faiss(gallery, name, path.parent, had.get("built"))
        elif name.startswith("pg"):
            engine = Postgres(gallery, name, url, args.ef_construction, had.get("built"))
        else:
            engine = Ours(gallery, args.nearest, args.data)
        done = results["engines"][name] = {"built": engine.built, "settings": []}
        for setting in () if args.build else engine.settings:
            done["settings"].append(measured(engine, gallery, setting, args))
            print(name, json.dumps(done["settings"][-1], default=float), flush=True)
        engine.close()
        path.write_text(json.dumps(results, indent=1, default=float) + "\n")
    show(results)


if __name__ == "__main__":
    main()
