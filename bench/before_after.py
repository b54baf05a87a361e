"""Two builds of Fusiform beside each other: scan, service, start-up, memory, size.

Usage: python3 bench/before_after.py OLD NEW [--lfw DIR] [--examples N] [--rounds N] [--only NAME,...]
OLD and NEW are folders that hold the binary `fusiform` and the example `fill` of that build (`cargo build --release
-p fusiform-gallery --example fill`; before the vault became the gallery: `-p fusiform-vault`). Rounds alternate between
the two, so ratios hold on a noisy machine. CPU is that of the process (user and system). Parts: scan, photo12mp,
recognise2000, identify, start, size. Needs Pillow for the 12-megapixel photo and about 8 GB of memory for `identify`.

A gallery is filled by OLD and copied for NEW, which opens it as its owner's upgrade would. A million enrolments take
minutes: `--galleries DIR` keeps the filled ones, and a later call takes them from there.
"""

import argparse
import http.client
import io
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
BOUNDARY = "b0undary"


class Server:
    """One build serving one home without pages."""

    def __init__(self, build, home):
        self.env = {**os.environ, "FUSIFORM_HOME": str(home)}
        begun = time.monotonic()
        command = [build / "fusiform", "-q", "serve", "--no-pages", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1].strip("/\n"))
        self.line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        self.ask("GET", "/readyz", None, {})
        self.start_s = time.monotonic() - begun

    def ask(self, method, path, body, headers):
        self.line.request(method, path, body, headers)
        answer = self.line.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{path}: {answer.status} {content[:200]}")
        return content

    def send_image(self, key, path, image):
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        body = head.encode() + image + f"\r\n--{BOUNDARY}--\r\n".encode()
        headers = {"x-api-key": key, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return json.loads(self.ask("POST", path, body, headers))

    def cpu_ms(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS * 1e3

    def memory_mb(self, which="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(which + ":")[1].split()[0]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def portraits():
    return [p.read_bytes() for p in sorted((ROOT / "samples/album").glob("*-portrait.jpg"))]


def new_home():
    return pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))


def filled_home(build, people, examples):
    """A home whose gallery holds random templates; gives the home, an API key and the length of a vector."""
    home = new_home()
    env = {**os.environ, "FUSIFORM_HOME": str(home)}
    first = subprocess.run([build / "fusiform", "key", "recognition"], env=env, capture_output=True, text=True, check=True)
    server = Server(build, home)
    answer = server.send_image(first.stdout.strip(), "/api/v1/recognition/recognize?status=true&face_plugins=calculator", portraits()[0])
    model, length = answer["plugins_versions"]["calculator"], len(answer["result"][0]["embedding"])
    server.stop()
    key = str(uuid.uuid4())
    words = [home / "vault.db", home / "vault.key", model, key, people, examples, length]
    subprocess.run([build / "fill", *map(str, words)], check=True)
    return home, key, length


def gallery_of_old(build, people, examples, kept):
    """As `filled_home`, kept in a folder for the next call if there is one."""
    if not kept:
        return filled_home(build, people, examples)
    place = pathlib.Path(kept) / str(examples)
    if not place.exists():
        home, key, length = filled_home(build, people, examples)
        shutil.copytree(home, place)
        (place / "key.json").write_text(json.dumps([key, length]))
        shutil.rmtree(home)
    home = new_home()
    shutil.copytree(place, home, dirs_exist_ok=True)
    return home, *json.loads((place / "key.json").read_text())


def scan(build, lfw):
    home = new_home()
    env = {**os.environ, "FUSIFORM_HOME": str(home)}
    begun = time.monotonic()
    process = subprocess.Popen([build / "fusiform", "-q", "scan", lfw], env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    shutil.rmtree(home)
    return {"wall s": time.monotonic() - begun, "CPU s": usage.ru_utime + usage.ru_stime, "at most MB": usage.ru_maxrss / 1024}


def photo12mp(build, photo):
    home, key, _ = filled_home(build, 10, 10)
    server = Server(build, home)
    ask = lambda: server.send_image(key, "/api/v1/recognition/recognize", photo)
    ask()
    before, n = server.cpu_ms(), 20
    for _ in range(n):
        ask()
    result = {"CPU ms a photo": (server.cpu_ms() - before) / n, "at most MB": server.memory_mb("VmHWM")}
    server.stop()
    shutil.rmtree(home)
    return result


def recognise(server, key, n=300):
    photos = portraits()
    for photo in photos[:5]:
        server.send_image(key, "/api/v1/recognition/recognize", photo)
    before = server.cpu_ms()
    for i in range(n):
        server.send_image(key, "/api/v1/recognition/recognize", photos[i % len(photos)])
    return {"CPU ms a request": (server.cpu_ms() - before) / n, "MB": server.memory_mb()}


def identify(server, key, length):
    dice = random.Random(7)
    headers = {"x-api-key": key, "Content-Type": "application/json"}
    path = "/api/v1/recognition/embeddings/recognize"

    def probe():
        numbers = [dice.gauss(0, 1) for _ in range(length)]
        norm = sum(v * v for v in numbers) ** 0.5
        return [v / norm for v in numbers]

    result = {}
    for together, n in ((1, 20), (64, 3)):
        wall, before = [], server.cpu_ms()
        for _ in range(n):
            body = json.dumps({"embeddings": [probe() for _ in range(together)]})
            begun = time.monotonic()
            server.ask("POST", path, body, headers)
            wall.append((time.monotonic() - begun) * 1e3)
        result[f"{together} at once: wall ms"] = statistics.median(wall)
        result[f"{together} at once: CPU ms"] = (server.cpu_ms() - before) / n
    result["MB"] = server.memory_mb()
    return result


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("old", type=lambda p: pathlib.Path(p).resolve())
    arguments.add_argument("new", type=lambda p: pathlib.Path(p).resolve())
    arguments.add_argument("--lfw")
    arguments.add_argument("--examples", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--galleries", help="folder that keeps filled galleries between calls")
    arguments.add_argument("--fill-only", action="store_true", help="fill the galleries and measure nothing")
    arguments.add_argument("--only", default="scan,photo12mp,recognise2000,identify,start,size")
    wanted = arguments.parse_args()
    builds = {"old": wanted.old, "new": wanted.new}
    parts = wanted.only.split(",")
    rows = {}

    def note(part, name, figures):
        for what, value in figures.items():
            rows.setdefault((part, what), {}).setdefault(name, []).append(value)

    if "size" in parts:
        for name, build in builds.items():
            note("binary", name, {"MB": (build / "fusiform").stat().st_size / 1e6})
    if "scan" in parts and wanted.lfw:
        for _ in range(wanted.rounds):
            for name, build in builds.items():
                note("scan of lfw-dev", name, scan(build, wanted.lfw))
    if "photo12mp" in parts:
        from PIL import Image

        photo = io.BytesIO()
        Image.open(io.BytesIO(portraits()[0])).convert("RGB").resize((3464, 3464), Image.BICUBIC).save(photo, "JPEG", quality=92)
        for _ in range(wanted.rounds):
            for name, build in builds.items():
                note("recognise a 12-MP photo", name, photo12mp(build, photo.getvalue()))
    if "recognise2000" in parts:
        homes = {name: filled_home(build, 2000, 2000) for name, build in builds.items()}
        for _ in range(wanted.rounds):
            for name, build in builds.items():
                server = Server(build, homes[name][0])
                note("recognise among 2,000", name, recognise(server, homes[name][1]))
                server.stop()
        for home, *_ in homes.values():
            shutil.rmtree(home)
    for part, people, examples in (("start", 8_000, 166_000), ("identify", 50_000, wanted.examples)):
        if part not in parts:
            continue
        home, key, length = gallery_of_old(builds["old"], people, examples, wanted.galleries)
        homes = {"old": home, "new": new_home()}
        shutil.copytree(home, homes["new"], dirs_exist_ok=True)
        if wanted.fill_only:
            continue
        for _ in range(wanted.rounds):
            for name, build in builds.items():
                server = Server(build, homes[name])
                if part == "start":
                    note("166,000 examples", name, {"start s": server.start_s, "MB": server.memory_mb(), "at most MB": server.memory_mb("VmHWM")})
                else:
                    note(f"identify among {examples:,} × {length}", name, identify(server, key, length))
                server.stop()
        for home in homes.values():
            shutil.rmtree(home)
    print("| work | figure | before | after | after / before |")
    print("|---|---|---|---|---|")
    for (part, what), values in rows.items():
        old, new = (statistics.median(values[name]) for name in ("old", "new"))
        print(f"| {part} | {what} | {old:.1f} | {new:.1f} | {new / old:.2f} |")


if __name__ == "__main__":
    main()
