"""One gallery on three PostgreSQL servers, asked by one statement through postgres_fdw (docs/postgres-partitions.md).

    python bench/scale_partitions.py FOLDER                 checks: small, random vectors, one server stopped and hung
    python bench/scale_partitions.py FOLDER --data DATA     times the gallery of bench/scale_vectors.py: on three servers, on one

FOLDER is one for .ci/postgres. The asking side is a database `asking` on the first server that holds no vectors. Needs
numpy and psycopg.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import time
import urllib.parse

import numpy as np
import psycopg
import scale_pg

PARTS = 3
WANTED = 40
SETTINGS = "-c hnsw.ef_search=200 -c hnsw.iterative_scan=relaxed_order"
COLUMNS = "collection bigint, example uuid, person bigint NOT NULL, vector halfvec(128) NOT NULL"
INDEX = "CREATE INDEX ON template USING hnsw (vector halfvec_ip_ops) WITH (m = 16, ef_construction = 128)"
WHOLE = (  # what a program sends that does not know of the servers
    "SELECT example, person FROM template WHERE collection = %(c)s::bigint"
    f" ORDER BY vector <#> %(v)s::halfvec(128) LIMIT {WANTED}"
)
# psycopg says nothing of the kind of a lost server but its SQLSTATE: class 08, a connection; 57P, a server going down.
LOST = ("08", "57P")


class Unavailable(Exception):
    """Servers that did not answer, while the setting asks for whole answers."""


def hold(url, index=True):
    """The table of one server that holds vectors."""
    with scale_pg.connect(url) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("DROP TABLE IF EXISTS template CASCADE")
        connection.execute(f"CREATE TABLE template ({COLUMNS}, PRIMARY KEY (collection, example))")
        if index:
            connection.execute(INDEX)


def ask_side(urls):
    """The database `asking` on the first server, with the others' tables as partitions by the example's hash."""
    with scale_pg.connect(urls[0]) as connection:
        connection.execute("DROP DATABASE IF EXISTS asking WITH (FORCE)")
        connection.execute("CREATE DATABASE asking")
    asking = urls[0].rsplit("/", 1)[0] + "/asking"
    with scale_pg.connect(asking) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE EXTENSION postgres_fdw")
        connection.execute(f"CREATE TABLE template ({COLUMNS}) PARTITION BY HASH (example)")
        for i, url in enumerate(urls):
            at = urllib.parse.urlsplit(url)
            connection.execute(
                f"CREATE SERVER part_{i} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{at.hostname}', port '{at.port}',"
                f" dbname 'postgres', extensions 'vector', async_capable 'true', fetch_size '100', batch_size '100',"
                f" connect_timeout '2', options '{SETTINGS}')"
            )
            connection.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER part_{i} OPTIONS (user 'fusiform')")
            connection.execute(
                f"CREATE FOREIGN TABLE template_{i} PARTITION OF template FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {i})"
                f" SERVER part_{i} OPTIONS (table_name 'template')"
            )
    return asking


def statement(parts):
    """One statement that asks these parts at once.

    Each part has its own ORDER BY and LIMIT, so that its server sorts by its index and sends so many rows, and its sort key among
    its columns, without which it is not asked asynchronously. MATERIALIZED keeps the outer ORDER BY from the inner plan: a Merge
    Append would ask one server after the other.
    """
    each = " UNION ALL ".join(
        f"(SELECT example, person, vector <#> %(v)s::halfvec(128) AS negative FROM template_{i} WHERE collection = %(c)s::bigint"
        f" ORDER BY vector <#> %(v)s::halfvec(128) LIMIT {WANTED})"
        for i in parts
    )
    return f"WITH nearest AS MATERIALIZED ({each}) SELECT example, person, -negative AS similarity FROM nearest ORDER BY negative LIMIT {WANTED}"


def analyze(connection):
    """Without figures of the foreign tables the planner takes them for small and fetches whole collections."""
    for i in range(PARTS):
        connection.execute(f"ANALYZE template_{i}")


def lost(error):
    return isinstance(error, psycopg.Error) and (error.sqlstate is None or error.sqlstate.startswith(LOST) or error.sqlstate == "57014")


def identify(connection, vector, collection, partial):
    """Candidates, and the parts that did not answer: none, unless `partial` allows it."""
    values = {"v": scale_pg.text(vector), "c": collection}
    try:
        return connection.execute(statement(range(PARTS)), values).fetchall(), []
    except psycopg.Error as error:
        if not lost(error):
            raise
        of_all = error
    missing = []
    for i in range(PARTS):  # which one it was stands only in the message's words, so each is asked alone
        try:
            connection.execute(f"SELECT person FROM template_{i} WHERE collection = %s LIMIT 1", (collection,))
        except psycopg.Error as error:
            if not lost(error):
                raise
            missing.append(i)
    if not missing:  # slow together, or back meanwhile
        raise of_all
    names = ", ".join(f"part_{i}" for i in missing)
    if not partial or len(missing) == PARTS:
        raise Unavailable(f"{len(missing)} of {PARTS} servers do not answer: {names}")
    left = [i for i in range(PARTS) if i not in missing]
    return connection.execute(statement(left), values).fetchall(), missing


def exact(connection, vector, collection):
    """The nearest by comparing all, on one server that holds vectors."""
    with connection.transaction():
        connection.execute("SET LOCAL enable_indexscan = off")
        return connection.execute(
            "SELECT example, person, -(vector <#> %(v)s::halfvec(128)) AS similarity FROM template WHERE collection = %(c)s"
            f" ORDER BY similarity DESC LIMIT {WANTED}",
            {"v": scale_pg.text(vector), "c": collection},
        ).fetchall()


def check(folder):
    urls = scale_pg.start(folder, PARTS)
    for url in urls:
        hold(url)
    asking = ask_side(urls)
    rng = np.random.default_rng(1)
    n = 3_000
    vectors = rng.standard_normal((n, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    persons = np.arange(n) // 3
    with scale_pg.connect(asking) as connection:
        # Rows of two collections go in through the whole table: each lands on the server of its example's hash.
        for collection in (1, 2):
            half = np.arange(collection - 1, n, 2)
            scale_pg.copy(connection, "template", "halfvec", collection, vectors, persons, half)
        analyze(connection)
        holders = [scale_pg.connect(url) for url in urls]
        counts = [h.execute("SELECT count(*) FROM template").fetchone()[0] for h in holders]
        assert sum(counts) == n and min(counts) > n / 4, counts
        print(f"{n} rows of 2 collections lie on three servers: {counts}")

        values = {"v": scale_pg.text(vectors[0]), "c": 1}
        plan = [row[0] for row in connection.execute("EXPLAIN (VERBOSE) " + statement(range(PARTS)), values)]
        steps = [line[:60] for line in plan if "->" in line]
        assert sum("Async Foreign Scan" in step for step in steps) == PARTS, steps
        remote = [line for line in plan if "Remote SQL" in line]
        assert len(remote) == PARTS and all("ORDER BY" in line and "LIMIT 40" in line for line in remote), steps
        print("one statement asks all three at once (Async Foreign Scan), each sorts and limits")

        def union(vector, parts):
            rows = [row for i in parts for row in exact(holders[i], vector, 1)]
            return sorted(rows, key=lambda row: -row[2])[:WANTED]

        probes = [vectors[i] for i in range(0, n, 300)] + list(rng.standard_normal((10, 128)).astype(np.float32) / 11.3)
        same = 0
        for probe in probes:
            found, missing = identify(connection, probe, 1, partial=False)
            wanted = union(probe, range(PARTS))
            assert not missing and len(found) == WANTED and found[0][:2] == wanted[0][:2], (found[0], wanted[0])
            same += len({row[0] for row in found} & {row[0] for row in wanted})
        assert same >= 0.99 * WANTED * len(probes), same
        print(f"{len(probes)} probes: the nearest is the union's, and {same} of {WANTED * len(probes)} candidates are")

        # One server gone as by a power cut.
        subprocess.run([scale_pg.ROOT / ".ci/postgres", "kill", folder, "3"], check=True)
        begun = time.perf_counter()
        try:
            identify(connection, probes[0], 1, partial=False)
            raise AssertionError("a whole answer from two servers of three")
        except Unavailable as error:
            print(f"one killed, whole answers wanted: {error} ({time.perf_counter() - begun:.2f} s)")
        begun = time.perf_counter()
        for probe in probes:
            found, missing = identify(connection, probe, 1, partial=True)
            wanted = union(probe, (0, 1))
            assert missing == [2] and found[0][:2] == wanted[0][:2]
        print(f"one killed, partial answers allowed: the union of two, and part_2 named ({(time.perf_counter() - begun) / len(probes) * 1e3:.0f} ms each)")

        # Erasing somebody must reach all, or nothing is erased.
        before = [holders[i].execute("SELECT count(*) FROM template WHERE collection = 1").fetchone()[0] for i in (0, 1)]
        try:
            connection.execute("DELETE FROM template WHERE collection = 1 AND person = ANY(%s)", (list(range(50)),))
            raise AssertionError("an erasure was acknowledged that one server has not heard of")
        except psycopg.Error as error:
            assert lost(error), error
        after = [holders[i].execute("SELECT count(*) FROM template WHERE collection = 1").fetchone()[0] for i in (0, 1)]
        assert before == after, (before, after)
        print("one killed: an erasure is refused and nothing is erased on the other two")

        scale_pg.start(folder, PARTS)
        found, missing = identify(connection, probes[0], 1, partial=False)
        assert not missing and found[0][2] > 0.99
        holders[2] = scale_pg.connect(urls[2])
        connection.execute("DELETE FROM template WHERE collection = 1 AND person = ANY(%s)", (list(range(50)),))
        left = sum(h.execute("SELECT count(*) FROM template WHERE collection = 1 AND person < 50").fetchone()[0] for h in holders)
        assert left == 0, left
        print("started again: whole answers by the same connection; the erasure reaches all three")
        hang(folder, asking, probes[0])


def hang(folder, asking, probe):
    """A server that is stopped, not dead: it takes connections and says nothing. The asker's own limit must end it."""
    postmaster = int((pathlib.Path(folder) / "3/data/postmaster.pid").read_text().split()[0])
    for kind in ("open", "new"):
        with scale_pg.connect(asking) as connection:
            connection.execute("SET statement_timeout = '2s'")
            if kind == "open":
                identify(connection, probe, 1, partial=False)
            children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
            held = [postmaster, *map(int, children)]
            for process in held:
                os.kill(process, signal.SIGSTOP)
            begun = time.perf_counter()
            try:
                missing = identify(connection, probe, 1, partial=True)[1]
            finally:
                for process in held:
                    os.kill(process, signal.SIGCONT)
            assert missing == [2], missing
            print(f"one hangs, {kind} connection, partial answers allowed: part_2 named ({time.perf_counter() - begun:.1f} s)")


def compare(folder, data, seconds, rounds):
    """The same gallery on three servers and on one: time of one question, and recall@1."""
    import scale_peers

    gallery = scale_peers.Gallery(data)
    texts = [scale_pg.text(probe) for probe in gallery.probes]
    memory = dict(shared_buffers="1GB", maintenance_work_mem="1GB", max_wal_size="4GB", jit="off")
    urls = scale_pg.start(folder, PARTS, **memory)
    alone = urls[0].rsplit("/", 1)[0] + "/alone"
    with scale_pg.connect(urls[0]) as connection:
        connection.execute("DROP DATABASE IF EXISTS alone WITH (FORCE)")
        connection.execute("CREATE DATABASE alone")
    numbers = np.arange(len(gallery.templates))
    for i, url in enumerate([*urls, alone]):
        hold(url, index=False)
        # Sent to each server by itself, which is faster; only questions follow, so which row lies where is all the same.
        chosen = numbers[numbers % PARTS == i] if i < PARTS else numbers
        with scale_pg.connect(url) as connection:
            scale_pg.copy(connection, "template", "halfvec", 1, gallery.templates, gallery.persons, chosen)
            connection.execute(INDEX)
            connection.execute("VACUUM ANALYZE template")
    asking = ask_side(urls)

    def through(parts):
        def askers(n):
            connections = [scale_pg.connect(asking) for _ in range(n)]
            sql = statement(range(PARTS)) if parts == "one statement" else WHOLE
            return [lambda p, c=c: c.execute(sql, {"v": texts[p], "c": 1}).fetchall() for c in connections]

        return askers

    def direct(n):
        connections = [scale_pg.connect(alone) for _ in range(n)]
        for connection in connections:
            connection.execute("SET hnsw.ef_search = 200")
            connection.execute("SET hnsw.iterative_scan = relaxed_order")
        return [lambda p, c=c: c.execute(WHOLE, {"v": texts[p], "c": 1}, prepare=True).fetchall() for c in connections]

    with scale_pg.connect(asking) as connection:
        analyze(connection)
    print(f"{len(numbers):,} templates, {scale_peers.cpu_name()}\n| way | recall@1 | p50, p99 ms, 1 client | 16 clients |\n|---|---|---|---|")
    ways = {"three servers, one statement": through("one statement"), "three servers, the partitioned table": through("table"), "one server": direct}
    for name, way in ways.items():
        one = way(1)
        answers = [gallery.ranked(p, np.array([scale_pg.row_number(r[0]) for r in one[0](p)])) for p in range(len(texts))]
        a, b = (scale_peers.timed(way(n), len(texts), seconds, rounds) for n in (1, scale_peers.CLIENTS))
        recall = gallery.score(answers)["recall"]
        print(f"| {name} | {recall:.4f} | {a['p50_ms']:.2f}, {a['p99_ms']:.2f} | {b['p50_ms']:.1f}, {b['p99_ms']:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder for .ci/postgres")
    parser.add_argument("--data", help="folder of bench/scale_vectors.py")
    parser.add_argument("--seconds", type=float, default=5, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.data:
        compare(args.folder, args.data, args.seconds, args.rounds)
    else:
        check(args.folder)


if __name__ == "__main__":
    main()
