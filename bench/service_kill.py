"""SIGKILL during a storm of enrolments and erasures: is what was acknowledged still so?

Usage: python3 bench/service_kill.py target/release/fusiform [times, 200]
Four clients make and erase subjects and enrol and erase faces; the server is killed at a random instant, started again,
and asked. Prints a line at the end; exit 1 if an acknowledged change is lost or the audit chain is broken.
"""

import http.client
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

binary, times = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
photo = (pathlib.Path(__file__).parent.parent / "samples/album/01-portrait.jpg").read_bytes()
home = tempfile.mkdtemp()
env = {**os.environ, "FUSIFORM_HOME": home}
key = subprocess.run([binary, "key", "recognition"], env=env, capture_output=True, text=True, check=True).stdout.strip()
dice = random.Random()
boundary = "b0undary"
body = (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n').encode() + photo + f"\r\n--{boundary}--\r\n".encode()


def start():
    server = subprocess.Popen([binary, "-q", "serve", "--listen", "127.0.0.1:0"], env=env, stdout=subprocess.PIPE, text=True)
    return server, int(server.stdout.readline().rsplit(":", 1)[1].strip("/\n"))


def ask(port, method, path, content=None, kind="application/json"):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request(method, "/api/v1/recognition" + path, content, {"x-api-key": key, "Content-Type": kind})
    answer = line.getresponse()
    text = answer.read()
    line.close()
    return answer.status, json.loads(text)


# What each name must be: True there, False gone, None either (a request was under way).
wanted, counts, serial = {}, {"enrolled": 0, "erased": 0}, iter(range(10**9))


def storm(port, seed):
    dice, mine = random.Random(seed), []
    try:
        while True:
            if mine and dice.random() < 0.4:
                name = mine.pop(dice.randrange(len(mine)))
                wanted[name] = None
                status, _ = ask(port, "DELETE", "/subjects/" + name)
                assert status == 200, status
                wanted[name] = False
                counts["erased"] += 1
                continue
            name = f"s{next(serial)}"
            wanted[name] = None
            if dice.random() < 0.3:
                path = "/faces?subject=" + urllib.parse.quote(name)
                status, answer = ask(port, "POST", path, body, f"multipart/form-data; boundary={boundary}")
            else:
                status, answer = ask(port, "POST", "/subjects", json.dumps({"subject": name}))
            assert status == 201, (status, answer)
            wanted[name] = True
            counts["enrolled"] += 1
            mine.append(name)
    except (OSError, http.client.HTTPException, ValueError):
        pass  # killed


lost = revived = broken = 0
for turn in range(times):
    server, port = start()
    clients = [threading.Thread(target=storm, args=(port, dice.random())) for _ in range(4)]
    for client in clients:
        client.start()
    time.sleep(dice.uniform(0.05, 1.5))
    server.kill()
    server.wait()
    for client in clients:
        client.join()
    server, port = start()
    _, answer = ask(port, "GET", "/subjects")
    there = set(answer["subjects"])
    lost += sum(1 for name, state in wanted.items() if state is True and name not in there)
    revived += sum(1 for name, state in wanted.items() if state is False and name in there)
    # What was under way is now known; carry on from it.
    wanted = {name: (name in there) for name in wanted}
    server.kill()
    server.wait()
    verified = subprocess.run([binary, "audit", "verify"], env=env, capture_output=True, text=True)
    broken += verified.returncode != 0
    if verified.returncode:
        print(verified.stderr, file=sys.stderr)
print(f"{times} kills, {counts['enrolled']} enrolments and {counts['erased']} erasures acknowledged: "
      f"{lost} lost, {revived} came back, {broken} broken audit chains; at the end {verified.stdout.strip()}")
sys.exit(bool(lost or revived or broken))
