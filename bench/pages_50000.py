"""The pages over an album of 50,000 photos. In: a binary. Out: each view's median, its CPU time and its slowest; rc 1 if a median is 100 ms or more.

The album is made by the binary (a scan of the sample album) and filled with rows: 100,000 faces, 2,000 people of whom 300
have names, twelve years, 40,000 decisions. Pictures are not fetched: no file is behind the rows.
    cargo build --release && python3 bench/pages_50000.py target/release/fusiform
"""

import os
import pathlib
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
PHOTOS, FACES_EACH, PEOPLE, NAMED, DECISIONS = 50_000, 2, 2_000, 300, 40_000
ROUNDS, LIMIT_MS = 15, 100


def fill(file):
    rng = random.Random(1)
    db = sqlite3.connect(file)
    db.execute("PRAGMA foreign_keys = OFF")
    first = db.execute("SELECT coalesce(max(id), 0) + 1 FROM photos").fetchone()[0]
    person = db.execute("SELECT coalesce(max(id), 0) + 1 FROM people").fetchone()[0]
    face = db.execute("SELECT coalesce(max(id), 0) + 1 FROM faces").fetchone()[0]
    people = [(person + n, f"Person {n:03} Ünal" if n < NAMED else None) for n in range(PEOPLE)]
    db.executemany("INSERT INTO people (id, name) VALUES (?, ?)", people)
    photos, files, faces, members = [], [], [], []
    for n in range(PHOTOS):
        photo, year = first + n, 2012 + n * 12 // PHOTOS
        taken = f"{year}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:00:{n % 60:02}"
        photos.append((photo, photo.to_bytes(32, "big"), 4000, 3000, taken if n % 50 else None))
        path = f"/media/ida/photos/{year}/Sommer in Übersee {n % 97}/IMG_{n:05}.jpg".encode()
        files.append((path, 4_000_000, n, photo))
        for k in range(FACES_EACH):
            quality = rng.random() if rng.random() > 0.05 else 0.0
            faces.append((face, photo, "d", 100 + 900 * k, 100, 600 + 900 * k, 700, 0.9, bytes(36), quality))
            # One person has 15 % of all faces, most have a few.
            if quality > 0.1:
                members.append((face, person + int(PEOPLE * rng.random() ** 4), rng.random()))
            face += 1
    db.executemany("INSERT INTO photos (id, hash, width_px, height_px, taken_at) VALUES (?, ?, ?, ?, ?)", photos)
    db.executemany("INSERT INTO files (path, size_bytes, mtime_ns, photo) VALUES (?, ?, ?, ?)", files)
    db.executemany(
        "INSERT INTO faces (id, photo, detector, x_min, y_min, x_max, y_max, score, quality, overall) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        faces,
    )
    db.executemany("INSERT INTO members (face, person, similarity) VALUES (?, ?, ?)", members)
    db.execute("DELETE FROM person_stats")
    db.execute(
        "INSERT INTO person_stats (person, n_faces, n_photos, cover, first_taken, last_taken) "
        "SELECT p.id, count(m.face), count(DISTINCT f.photo), min(m.face), min(h.taken_at), max(h.taken_at) FROM people p "
        "LEFT JOIN members m ON m.person = p.id LEFT JOIN faces f ON f.id = m.face LEFT JOIN photos h ON h.id = f.photo "
        "WHERE p.merged_into IS NULL GROUP BY p.id"
    )
    said = [(1_700_000_000_000 + n, "bench", "name", person + n % NAMED, f"Person {n % NAMED:03} Ünal") for n in range(DECISIONS)]
    db.executemany("INSERT INTO decisions (at_ms, actor, kind, person, new_name) VALUES (?, ?, ?, ?, ?)", said)
    db.commit()
    db.close()
    return first, person


def cpu_ms(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "FUSIFORM_HOME": home}
        subprocess.run([binary, "scan", ROOT / "samples/album", "--quiet"], env=env, check=True)
        first, person = fill(f"{home}/catalogue.db")
        server = subprocess.Popen(
            [binary, "serve", "--quiet", "--listen", "127.0.0.1:0"], env=env, stdout=subprocess.PIPE, text=True
        )
        url = server.stdout.readline().strip().rstrip("/")
        views = [
            "/people",
            "/people?page=5",
            "/people?name=unal",
            f"/people/{person}",
            f"/people/{person}?page=200",
            f"/people/{person}?year=2015",
            f"/people/{person + 250}",
            "/groups",
            "/groups?page=20",
            "/faces",
            "/unclear",
            "/photos",
            "/photos?page=800",
            "/photos?from=2015&to=2015",
            "/photos?from=2015-07&to=2019-02-03&page=50",
            "/photos?who=Person+000+%C3%9Cnal",
            "/photos?who=Person+000+%C3%9Cnal&who=Person+001+%C3%9Cnal",
            "/photos?who=Person+000+%C3%9Cnal&who=Person+001+%C3%9Cnal&any=1&from=2016",
            "/photos?q=ubersee+2015",
            "/photos?folder=/media/ida/photos/2015",
            f"/photos/{first + 25_000}",
            f"/photos/{first + 25_000}?from=2018&to=2018",
            f"/photos/{first + 25_000}?person={person}",
            "/shared",
            "/shared/new?from=2015&to=2015",
            "/history",
            "/history?page=500",
            "/review",
            "/scan",
        ]
        slow = 0
        try:
            for view in views:
                times, before = [], cpu_ms(server.pid)
                for _ in range(ROUNDS):
                    start = time.perf_counter()
                    with urllib.request.urlopen(url + view) as answer:
                        answer.read()
                    times.append((time.perf_counter() - start) * 1000)
                median, cpu = statistics.median(times), (cpu_ms(server.pid) - before) / ROUNDS
                slow += median >= LIMIT_MS
                print(f"{median:7.1f} ms  (CPU {cpu:5.1f}, slowest {max(times):7.1f})  {view}", flush=True)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
        print(f"{len(views)} views of {PHOTOS} photos, {slow} of them at {LIMIT_MS} ms or more")
        sys.exit(1 if slow else 0)


main()
