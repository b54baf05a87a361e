"""An event storm over MQTT: cameras that all see somebody at once, with the real mosquitto and a Frigate made from its documented API.

    python3 bench/mqtt_storm.py target/release/fusiform [--seconds 120] [--cameras 20] [--rate 5] [--photos samples/album]
    python3 bench/mqtt_storm.py target/release/fusiform --seconds 10 --cameras 4       # a short run
Needs mosquitto and mosquitto-clients. Each camera has `--rate` messages a second, as Frigate sends them: `new`, one `update` with another
picture, `end`, of one event after the other; two of three events show an enrolled person, the third a stranger. Prints p50, p95 and the longest time from the message `new` to the
published name, the same to the last message of an event from its `end`, what was left out, what was lost, whether events of a camera were answered in order, CPU and
memory. Exit 1 if a name or a last message is missing, one came twice or out of order, or a message of QoS 1 was lost.
"""

import argparse
import collections
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("binary", type=pathlib.Path)
parser.add_argument("--seconds", type=float, default=120)
parser.add_argument("--cameras", type=int, default=20)
parser.add_argument("--rate", type=float, default=5, help="messages a second of each camera")
parser.add_argument("--photos", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "samples/album")
parser.add_argument("--double-take", action="store_true", help="publishes Double Take's messages as well")
args = parser.parse_args()
home = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
portrait = lambda number: (args.photos / f"{number:02}-portrait.jpg").read_bytes()
# Of the sample album: two pictures of each person that is enrolled by a third, and somebody else.
PEOPLE = {"Ida": (1, 2, 3), "Max": (5, 6, 7)}
STRANGERS = (9, 10)
KINDS = ["Ida", "Max", None]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin") or sys.exit(f"{name} is not here: install mosquitto and mosquitto-clients")


class Frigate(http.server.BaseHTTPRequestHandler):
    """`snapshot.jpg` is another picture each time, as the best frame of a moving person is; a byte behind its end tells them apart."""

    protocol_version = "HTTP/1.1"
    asked, lock = collections.Counter(), threading.Lock()

    def do_GET(self):
        path = self.path.split("?")[0]
        with Frigate.lock:
            Frigate.asked["snapshots" if "snapshot" in path else "latest"] += 1
            n = sum(Frigate.asked.values())
        if not path.endswith("/snapshot.jpg"):
            return self.answer(404, b"")
        who = KINDS[int(path.split("/")[3].split("-")[1]) % len(KINDS)]
        self.answer(200, pictures[who][n % 2] + n.to_bytes(4, "big"))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        with Frigate.lock:
            Frigate.asked["names"] += 1
        self.answer(200, b"{}")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def memory_mb(pid, field):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentiles(what, times):
    if not times:
        return print(f"{what}: none")
    times = sorted(times)
    at = lambda share: times[min(len(times) - 1, int(share * len(times)))] * 1e3
    print(f"{what}: {len(times)}, p50 {at(0.5):.0f} ms, p95 {at(0.95):.0f} ms, longest {times[-1] * 1e3:.0f} ms")


pictures = {name: [portrait(n) for n in numbers[1:]] for name, numbers in PEOPLE.items()} | {None: [portrait(n) for n in STRANGERS]}
port, processes = free_port(), []
(home / "broker.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
client = ["-h", "127.0.0.1", "-p", str(port), "-q", "1"]
said, matched, ended, doubles, order = {}, {}, {}, 0, collections.defaultdict(list)


def hear(out):
    global doubles
    for line in out:
        now, message = time.monotonic(), json.loads(line)
        if message["type"] == "match":
            # A better frame is said again; the first is the answer.
            matched.setdefault(message["event"], (now, message["name"]))
        else:
            doubles += message["event"] in ended
            ended[message["event"]] = (now, message)
            order[message["camera"]].append(int(message["event"].split("-")[1]))


def metric(name):
    text = urllib.request.urlopen(f"{url}/metrics", timeout=10).read().decode()
    return {line.split('fate="')[1].split('"')[0]: int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"{name}_total{{")}


try:
    processes.append(subprocess.Popen([program("mosquitto"), "-c", home / "broker.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    http.server.ThreadingHTTPServer.request_queue_size = 128
    frigate = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Frigate)
    threading.Thread(target=frigate.serve_forever, daemon=True).start()
    env = {name: value for name, value in os.environ.items() if not name.startswith("FUSIFORM_")} | {"FUSIFORM_HOME": str(home)}
    key = subprocess.run([args.binary, "key", "recognition"], env=env, check=True, capture_output=True, text=True).stdout.strip()
    (home / "mqtt.key").write_text(key)
    env |= {"FUSIFORM_MQTT_BROKER": f"mqtt://127.0.0.1:{port}", "FUSIFORM_MQTT_KEY_FILE": str(home / "mqtt.key"), "FUSIFORM_FRIGATE_URL": f"http://127.0.0.1:{frigate.server_port}"}
    env |= {"FUSIFORM_MQTT_COMPAT": "double-take"} if args.double_take else {}
    server = subprocess.Popen([args.binary, "-q", "serve", "--no-pages", "--listen", "127.0.0.1:0"], env=env, stdout=subprocess.PIPE, text=True)
    processes.append(server)
    url = server.stdout.readline().strip().rstrip("/")
    for name, numbers in PEOPLE.items():
        head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'.encode()
        request = urllib.request.Request(f"{url}/api/v1/recognition/faces?subject={name}", head + portrait(numbers[0]) + b"\r\n--b--\r\n")
        request.add_header("x-api-key", key)
        request.add_header("Content-Type", "multipart/form-data; boundary=b")
        urllib.request.urlopen(request, timeout=30).read()
    listener = subprocess.Popen([program("mosquitto_sub"), *client, "-t", "fusiform/events"], stdout=subprocess.PIPE, text=True)
    processes.append(listener)
    threading.Thread(target=hear, args=(listener.stdout,), daemon=True).start()
    while "connected to the broker" not in urllib.request.urlopen(f"{url}/readyz", timeout=10).read().decode():
        time.sleep(0.1)
    time.sleep(1)
    publisher = subprocess.Popen([program("mosquitto_pub"), *client, "-l", "-t", "frigate/events"], stdin=subprocess.PIPE, text=True, bufsize=1)
    processes.append(publisher)

    begun, n, cpu_before, late = time.monotonic(), 0, cpu_s(server.pid), 0.0
    while True:
        due = begun + n / (args.cameras * args.rate)
        if due > begun + args.seconds:
            break
        time.sleep(max(0.0, due - time.monotonic()))
        late = max(late, time.monotonic() - due)
        camera, step = n % args.cameras, n // args.cameras
        event, kind = f"{1700000000 + step // 3}.{camera}-{step // 3 * args.cameras + camera}", ("new", "update", "end")[step % 3]
        stamp = 1700000000 + step / args.rate
        after = {"id": event, "camera": f"camera{camera}", "label": "person", "frame_time": stamp, "start_time": 1700000000 + step // 3, "end_time": stamp if kind == "end" else None,
                 "sub_label": None, "area": 40096, "box": [432, 496, 544, 854], "current_zones": [], "entered_zones": [], "false_positive": False, "top_score": 0.9, "has_snapshot": True}
        said.setdefault(event, {})[kind] = time.monotonic()
        publisher.stdin.write(json.dumps({"type": kind, "before": after, "after": after}) + "\n")
        n += 1
    took, cpu = time.monotonic() - begun, cpu_s(server.pid) - cpu_before
    over = [event for event, times in said.items() if "end" in times]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(event not in ended for event in over):
        time.sleep(0.1)
    who = {event: KINDS[int(event.split("-")[1]) % len(KINDS)] for event in said}
    unnamed = [event for event in over if who[event] and matched.get(event, (0, None))[1] != who[event]]
    wrong = [event for event, (_, name) in matched.items() if name != who[event]]
    unended = [event for event in over if event not in ended]
    unordered = [camera for camera, numbers in order.items() if numbers != sorted(numbers)]
    messages, events, of_pictures = metric("fusiform_mqtt_messages"), metric("fusiform_mqtt_events"), metric("fusiform_mqtt_pictures")
    print(f"{n} messages about {len(said)} events of {args.cameras} cameras in {took:.0f} s; the sender was at most {late * 1e3:.0f} ms late")
    percentiles("names, from `new`", [at - said[event]["new"] for event, (at, _) in matched.items()])
    percentiles("last messages, from `end`", [ended[event][0] - said[event]["end"] for event in over if event in ended])
    print(f"not named: {len(unnamed)}, named wrongly: {len(wrong)}, without a last message: {len(unended)}, twice: {doubles}, cameras out of order: {len(unordered)}")
    print(f"messages {messages}, events {events}, pictures {of_pictures}; Frigate was asked {dict(Frigate.asked)}")
    print(f"CPU {cpu / took:.2f} cores; memory {memory_mb(server.pid, 'VmRSS'):.0f} MB now, {memory_mb(server.pid, 'VmHWM'):.0f} MB at most")
    failed = bool(unnamed or unended or doubles or unordered or messages.get("lost"))
finally:
    for process in reversed(processes):
        process.send_signal(signal.SIGTERM)
        process.wait()
    shutil.rmtree(home, ignore_errors=True)
sys.exit(failed)
