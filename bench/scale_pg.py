"""Servers, tables and rows of PostgreSQL for the measurements of scale; used by scale_peers.py and scale_partitions.py.

Rows are sent as COPY's binary form, made by numpy. The last eight bytes of an example's uuid are its row number.
"""

import os
import pathlib
import subprocess

import numpy as np
import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[1]
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TAIL = b"\xff\xff"
PARTITIONS = 8
OURS = f"""
CREATE TABLE template (collection bigint, example uuid, person bigint NOT NULL, vector halfvec(128) NOT NULL,
                       PRIMARY KEY (collection, example)) PARTITION BY HASH (collection);
""" + "".join(
    f"CREATE TABLE template_{i} PARTITION OF template FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {i});\n"
    for i in range(PARTITIONS)
)  # fmt: skip


def start(folder, servers=1, **settings):
    """Starts servers below `folder` by .ci/postgres; their URLs."""
    options = [f"-c {name}={value}" for name, value in settings.items()]
    command = [ROOT / ".ci/postgres", "start", folder, str(servers), *options]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def connect(url):
    return psycopg.connect(url, autocommit=True)


def row_type(kind):
    """One row of COPY's binary form: collection, example, person, vector."""
    number = {"vector": ">f4", "halfvec": ">f2"}[kind]
    return np.dtype(
        [("fields", ">i2"), ("l1", ">i4"), ("collection", ">i8"), ("l2", ">i4"), ("salt", ">u8"), ("row", ">u8"),
         ("l3", ">i4"), ("person", ">i8"), ("l4", ">i4"), ("length", ">i2"), ("unused", ">i2"), ("vector", number, 128)]
    )  # fmt: skip


def rows(kind, collection, numbers, vectors, persons):
    made = np.zeros(len(vectors), row_type(kind))
    made["fields"], made["l1"], made["l2"], made["l3"] = 4, 8, 16, 8
    made["l4"] = 4 + made.dtype["vector"].itemsize
    made["length"] = 128
    made["collection"], made["person"], made["vector"] = collection, persons, vectors
    made["row"] = numbers
    made["salt"] = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # so a uuid lies anywhere in its index
    return made


def copy(connection, table, kind, collection, templates, persons, chosen=None):
    """Sends rows (all, or the numbers `chosen`) in one COPY."""
    numbers = np.arange(len(templates)) if chosen is None else np.asarray(chosen)
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY {table} (collection, example, person, vector) FROM STDIN (FORMAT binary)") as to:
            to.write(COPY_HEAD)
            for start_at in range(0, len(numbers), 20_000):
                part = numbers[start_at : start_at + 20_000]
                to.write(rows(kind, collection, part, np.array(templates[part]), np.array(persons[part])).tobytes())
            to.write(COPY_TAIL)


def text(vector):
    return "[" + ",".join(f"{v:.7g}" for v in vector) + "]"


def row_number(example):
    return example.int & 0xFFFF_FFFF_FFFF_FFFF


def sizes(connection, table):
    """Bytes of the rows, of the primary key and of the HNSW index, partitions added up."""
    return connection.execute(
        """WITH part AS (SELECT %s::regclass AS id UNION SELECT relid FROM pg_partition_tree(%s))
           SELECT (SELECT sum(pg_table_size(id)) FROM part)::bigint,
                  coalesce(sum(pg_relation_size(indexrelid)) FILTER (WHERE indisprimary), 0)::bigint,
                  coalesce(sum(pg_relation_size(indexrelid)) FILTER (WHERE NOT indisprimary), 0)::bigint
           FROM pg_index JOIN part ON indrelid = id""",
        (table, table),
    ).fetchone()


def cpu_ms(connection, with_workers=False):
    """CPU that this connection's server process has used, and if wanted other processes of the server that have ended."""

    def fields(process):
        return [int(v) for v in pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1:]]

    own = fields(connection.info.backend_pid)
    ticks = own[10] + own[11] + (sum(fields(own[0])[12:14]) if with_workers else 0)
    return ticks * 1e3 / os.sysconf("SC_CLK_TCK")
