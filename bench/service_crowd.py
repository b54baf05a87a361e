"""How long a recognition takes while others do what they can to stop it: p99 in each case, and its ratio to the quiet p99.

Usage: python3 bench/service_crowd.py target/release/fusiform [seconds of each case, 20] [MiB of the vault, 3000]
One client recognises portraits without a pause, with its own key. Meanwhile: a backup of the vault; an erasure while another process
reads the vault; 1,000 connections with half a head, renewed as they are closed; four uploads of a byte a second; eight clients
with a key of their own that send small files of many pixels. Prints a line for each case; exit 1 if a ratio is above 3 or a
recognition was not answered 200.
"""

import http.client
import os
import pathlib
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

binary = str(pathlib.Path(sys.argv[1]).resolve())
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20
vault_mib = int(sys.argv[3]) if len(sys.argv) > 3 else 3000
TARGET = 3.0
home = pathlib.Path(tempfile.mkdtemp())
env = {**os.environ, "FUSIFORM_HOME": str(home)}
album = pathlib.Path(__file__).parent.parent / "samples/album"
photos = [p.read_bytes() for p in sorted(album.glob("*-portrait.jpg"))]
boundary = "b0undary"


def make_key(kind):
    done = subprocess.run([binary, "key", kind], env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def call(line, method, path, key, image=None, name="a.jpg"):
    headers, body = {"x-api-key": key}, None
    if image is not None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode() + image + f"\r\n--{boundary}--\r\n".encode()
        headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
    line.request(method, path, body, headers)
    answer = line.getresponse()
    answer.read()
    return answer.status


def blank_png(width, height):
    """A photo's worth of pixels in few bytes, and nothing wrong with it."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\x7f" * (3 * width)) * height, 9)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def webp_bomb():
    """38 bytes that claim 200 megapixels."""
    image = b"\x2f" + struct.pack("<I", 16_382 | 12_206 << 14) + b"\x88\x88\x08" + bytes(10)
    return b"RIFF" + struct.pack("<I", 12 + len(image)) + b"WEBPVP8L" + struct.pack("<I", len(image)) + image


def connect(timeout=60):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)


def measured(for_s):
    """Recognitions one after another: their times in ms, and the statuses that were not 200."""
    took, wrong, line, n = [], [], connect(), 0
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        begun = time.monotonic()
        try:
            status = call(line, "POST", "/api/v1/recognition/recognize", key, photos[n % len(photos)])
        except (OSError, http.client.HTTPException) as error:
            status, line = type(error).__name__, connect()
        took.append((time.monotonic() - begun) * 1e3)
        if status != 200:
            wrong.append(status)
        n += 1
    return sorted(took), wrong


def until(stop, work):
    """Runs `work` again and again; what goes wrong for an attacker is no fault."""

    def loop():
        while not stop.is_set():
            try:
                work()
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    return thread


def backup(stop):
    n = [0]

    def once():
        n[0] += 1
        copy = home / f"copy-{n[0]}.db"
        subprocess.run([binary, "vault", "backup", str(copy)], env=env, check=True, capture_output=True)
        copy.unlink()

    return [until(stop, once)]


def erasure_with_reader(stop):
    def once():
        reader = sqlite3.connect(home / "vault.db")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM audit").fetchall()
        line = connect()
        call(line, "POST", "/api/v1/recognition/faces?subject=Leaving", key, photos[0])
        call(line, "DELETE", "/api/v1/recognition/faces?subject=Leaving", key)
        stop.wait(5)
        reader.close()

    return [until(stop, once)]


def half_open(stop):
    lines = []

    def once():
        while len(lines) < 1000:
            line = socket.create_connection(("127.0.0.1", port), timeout=5)
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow:")
            line.setblocking(False)
            lines.append(line)
        for line in lines[:]:
            try:
                if not line.recv(1):
                    lines.remove(line)
            except BlockingIOError:
                pass
            except OSError:
                lines.remove(line)
        time.sleep(0.05)

    return [until(stop, once)]


def slow_uploads(stop):
    def once():
        line = socket.create_connection(("127.0.0.1", port), timeout=5)
        head = f"POST /api/fusiform/v1/identify HTTP/1.1\r\nHost: a\r\nx-api-key: {other}\r\nTransfer-Encoding: chunked\r\n\r\n"
        line.sendall(head.encode())
        while not stop.is_set():
            line.sendall(b"1\r\nx\r\n")
            time.sleep(1)

    return [until(stop, once) for _ in range(4)]


def pixel_bombs(stop):
    files = [("a.png", blank_png(4000, 3000)), ("a.webp", webp_bomb())]

    def one_client():
        line = connect()

        def once():
            for name, image in files:
                call(line, "POST", "/api/v1/detection/detect", detection, image, name)

        return until(stop, once)

    return [one_client() for _ in range(8)]


CASES = [
    ("backup of the vault", backup),
    ("erasure with an open reader", erasure_with_reader),
    ("1,000 half-open connections", half_open),
    ("four slow uploads", slow_uploads),
    ("eight clients with pixel bombs", pixel_bombs),
]
server = None
try:
    key, other, detection = make_key("recognition"), make_key("recognition"), make_key("detection")
    words = [binary, "-q", "serve", "--no-pages", "--listen", "127.0.0.1:0"]
    server = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True)
    port = int(server.stdout.readline().rsplit(":", 1)[1].strip("/\n"))
    line = connect()
    # What follows the end of a JPEG is kept with it.
    padded = photos[0] + bytes(4 << 20)
    for n in range(max(1, vault_mib * 2**20 // len(padded))):
        status = call(line, "POST", f"/api/v1/recognition/faces?subject=P{n}", other, padded)
        if status != 201:
            sys.exit(f"enrolment {n} was answered {status}")
    call(line, "POST", "/api/v1/recognition/faces?subject=Somebody", key, photos[0])
    size = (home / "vault.db").stat().st_size / 2**20
    measured(2)
    quiet, wrong = measured(seconds)
    at = lambda took, share: took[int(share * (len(took) - 1))]
    print(f"vault of {size:.0f} MiB, {os.cpu_count()} cores; quiet: {len(quiet)} recognitions, p50 {at(quiet, 0.5):.1f} ms, "
          f"p99 {at(quiet, 0.99):.1f} ms, failed {len(wrong)}", flush=True)
    failed = bool(wrong)
    for name, attack in CASES:
        stop = threading.Event()
        threads = attack(stop)
        time.sleep(1)
        took, wrong = measured(seconds)
        health = connect(10)
        begun = time.monotonic()
        alive = call(health, "GET", "/healthz", "") == 200
        health_ms = (time.monotonic() - begun) * 1e3
        stop.set()
        for thread in threads:
            thread.join(30)
        ratio = at(took, 0.99) / at(quiet, 0.99)
        failed |= bool(wrong) or not alive or ratio > TARGET
        print(f"{name}: {len(took)} recognitions, p50 {at(took, 0.5):.1f} ms, p99 {at(took, 0.99):.1f} ms, ratio {ratio:.2f}, "
              f"longest {took[-1]:.0f} ms, failed {wrong[:3]}, /healthz {health_ms:.0f} ms", flush=True)
        time.sleep(2)
    peak = pathlib.Path(f"/proc/{server.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    print(f"the server's memory was at most {int(peak) / 1024:.0f} MiB; {'above' if failed else 'within'} {TARGET:g} times the quiet p99")
    sys.exit(failed)
finally:
    if server:
        server.terminate()
        server.wait()
    shutil.rmtree(home, ignore_errors=True)
