"""A gallery of 8,000 subjects and 166,000 examples (CompreFace #884), and clients that recognise at once.

    python3 bench/service_load.py target/release/fusiform target/release/examples/fill [--seconds 300]
        [--clients 32] [--subjects 8000] [--examples 166000] [--photos samples/album]
Build the second with: cargo build --release -p fusiform-gallery --example fill
The gallery is random numbers, made in memory (/dev/shm) because each enrolment waits for the disk. Prints how long loading takes,
and for each number of clients (`--clients 1,2,8,32`) requests per second, latencies, statuses, CPU, and the server's memory after a
tenth of the time and at the end; exit 1 if a request failed, or memory grew by 5 % or more in the last part.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("binary")
parser.add_argument("fill")
parser.add_argument("--seconds", type=float, default=300)
parser.add_argument("--clients", default="32", help="numbers of clients, with commas")
parser.add_argument("--subjects", type=int, default=8_000)
parser.add_argument("--examples", type=int, default=166_000)
parser.add_argument("--photos", type=pathlib.Path, help="a JPEG, or a folder of them")
args = parser.parse_args()
binary, seconds = args.binary, args.seconds
home = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
env = {**os.environ, "FUSIFORM_HOME": str(home)}
where = args.photos or pathlib.Path(__file__).parent.parent / "samples/album"
files = [where] if where.is_file() else sorted(where.rglob("*.jpg" if args.photos else "*-portrait.jpg"))[:500]
photos = [file.read_bytes() for file in files]
boundary = "b0undary"


def start():
    begun = time.monotonic()
    server = subprocess.Popen([binary, "-q", "serve", "--no-pages", "--listen", "127.0.0.1:0"], env=env, stdout=subprocess.PIPE, text=True)
    port = int(server.stdout.readline().rsplit(":", 1)[1].strip("/\n"))
    return server, port, time.monotonic() - begun


def recognise(line, key, photo, query=""):
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'.encode()
    body = head + photo + f"\r\n--{boundary}--\r\n".encode()
    headers = {"x-api-key": key, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    line.request("POST", "/api/v1/recognition/recognize" + query, body, headers)
    answer = line.getresponse()
    return answer.status, answer.read()


def memory_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(server, port, key, n_clients):
    """Prints the line of so many clients; whether each was answered, and whether memory stayed as it was."""
    end, took, statuses, lock = time.monotonic() + seconds, [], collections.Counter(), threading.Lock()
    cpu_before = cpu_s(server.pid)

    def client(seed):
        dice, line = random.Random(seed), http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            begun = time.monotonic()
            try:
                status, _ = recognise(line, key, dice.choice(photos))
            except (OSError, http.client.HTTPException) as error:
                status, line = type(error).__name__, http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            with lock:
                took.append(time.monotonic() - begun)
                statuses[status] += 1

    clients = [threading.Thread(target=client, args=(seed,)) for seed in range(n_clients)]
    for one in clients:
        one.start()
    time.sleep(seconds / 10)
    first_mb = memory_mb(server.pid)
    for one in clients:
        one.join()
    last_mb, each_ms = memory_mb(server.pid), (cpu_s(server.pid) - cpu_before) / len(took) * 1e3
    took.sort()
    at = lambda share: took[int(share * (len(took) - 1))] * 1e3
    print(f"{n_clients} clients for {seconds:.0f} s: {len(took) / seconds:.1f} requests/s, p50 {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, "
          f"statuses {dict(statuses)}, {each_ms:.1f} ms of CPU each; "
          f"memory {first_mb:.0f} MB, at the end {last_mb:.0f} MB ({(last_mb / first_mb - 1) * 100:+.1f} %)", flush=True)
    return set(statuses) == {200}, last_mb < first_mb * 1.05


try:
    key = subprocess.run([binary, "key", "recognition"], env=env, capture_output=True, text=True, check=True).stdout.strip()
    server, port, empty_s = start()
    _, answer = recognise(http.client.HTTPConnection("127.0.0.1", port), key, photos[0], "?status=true&face_plugins=calculator")
    answer = json.loads(answer)
    model, length = answer["plugins_versions"]["calculator"], len(answer["result"][0]["embedding"])
    server.terminate()
    server.wait()
    key = str(uuid.uuid4())
    words = [home / "vault.db", home / "vault.key", model, key, args.subjects, args.examples, length]
    subprocess.run([args.fill, *map(str, words)], check=True)
    server, port, load_s = start()
    print(f"{args.subjects} subjects, {args.examples} examples of {length} numbers, {(home / 'vault.db').stat().st_size / 2**20:.0f} MB: "
          f"serves {load_s:.1f} s after its start (an empty vault: {empty_s:.1f} s)", flush=True)
    good = [load(server, port, key, int(n)) for n in args.clients.split(",")]
    server.terminate()
    answered, steady = zip(*good)
    sys.exit(bool(server.wait() or not all(answered) or not steady[-1]))
finally:
    shutil.rmtree(home, ignore_errors=True)
