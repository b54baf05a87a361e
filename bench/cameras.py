"""What a camera costs: CPU of `fusiform serve` beside decoding, and the time from a picture to its event.

In:  a binary of fusiform, ffmpeg, GStreamer's RTSP server (Debian: python3-gi, gir1.2-gst-rtsp-server-1.0,
     gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad). Out: lines of JSON.

    python3 bench/cameras.py target/release/fusiform [--seconds 60] [--cameras 1]

Streams of 1280x720 at 25 pictures a second: a room with nobody, and the same with two people of the sample album who
walk through it all the time. Each is looked at five times a second. The share of decoding is measured with the same
stream looked at once in ten seconds.
"""

import argparse
import http.server
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALBUM = ROOT / "samples/album"
PORT, HOOK = 8791, 8792


def clips(folder, seconds):
    room = "gradients=size=1280x720:rate=25:speed=0.00001:c0=0x667788:c1=0x99aabb:seed=3"
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "50", "-pix_fmt", "yuv420p"]
    people = [arg for n in ("01", "05") for arg in ("-loop", "1", "-i", str(ALBUM / f"{n}-portrait.jpg"))]
    walk = ("[1]scale=216:264[a];[2]scale=216:264[b];"
            "[0][b]overlay=x='1064-abs(mod(t*150\\,2128)-1064)':y=60:eval=frame[c];"
            "[c][a]overlay=x='abs(mod(t*150\\,2128)-1064)':y=400:eval=frame,noise=alls=4:allf=t")
    for name, inputs, graph in (("nobody", [], "noise=alls=4:allf=t"), ("two", people, walk)):
        command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", room, *inputs, "-filter_complex", graph,
                   "-t", str(seconds), *coding, str(folder / f"{name}.mp4")]
        subprocess.run(command, check=True)


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid):
    status = open(f"/proc/{pid}/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


class Hook(http.server.BaseHTTPRequestHandler):
    heard = []

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.heard.append(time.time())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def home_with_ida(folder, binary):
    """A home in which Ida is enrolled by one photo; `rec.key` and `hook.secret` lie in it."""
    home, people = folder / "home", folder / "people/Ida"
    home.mkdir()
    people.mkdir(parents=True)
    (people / "1.jpg").write_bytes((ALBUM / "02-portrait.jpg").read_bytes())
    env = dict(os.environ, FUSIFORM_HOME=str(home))
    key = subprocess.run([binary, "key", "recognition"], env=env, capture_output=True, text=True, check=True)
    for name, text in (("rec.key", key.stdout.split()[-1]), ("hook.secret", "secret")):
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    enrol = [binary, "enrol", str(people.parent), "--basis", "consent", "--no-expiry", "--key-file",
             str(home / "rec.key"), "--quiet"]
    subprocess.run(enrol, env=env, check=True, stdout=subprocess.DEVNULL)
    return home


def settings(home, clip, cameras, looks_per_s, rtsp):
    text = [f'[serve]\nlisten = "127.0.0.1:{PORT}"\n[serve.cameras]\nkey_file = "{home}/rec.key"\nagain_after_s = 5',
            f'webhook = "http://127.0.0.1:{HOOK}/"\nwebhook_secret_file = "{home}/hook.secret"']
    for n in range(cameras):
        text.append(f'[serve.camera.c{n}]\nsource = "rtsp://127.0.0.1:{rtsp}/{clip}"\nlooks_per_s = {looks_per_s}')
    (home / "config.toml").write_text("\n".join(text) + "\n")


def metrics():
    text = urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=10).read().decode()
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("fusiform_camera"))
    return {name: float(value) for name, value in lines}


def p95(found):
    buckets = [(name, value) for name, value in found.items() if "answer_seconds_bucket" in name]
    total = found.get("fusiform_camera_answer_seconds_count", 0)
    for name, value in buckets:
        if total and value >= 0.95 * total:
            return name.split('le="')[1].split('"')[0]
    return None


def measure(binary, home, clip, cameras, looks_per_s, rtsp, seconds):
    settings(home, clip, cameras, looks_per_s, rtsp)
    env = dict(os.environ, FUSIFORM_HOME=str(home))
    server = subprocess.Popen([binary, "serve", "--quiet"], env=env, stdout=subprocess.DEVNULL)
    try:
        deadline = time.time() + 60
        while time.time() < deadline:
            try:
                if metrics().get("fusiform_cameras_receiving") == cameras:
                    break
            except OSError:
                pass
            time.sleep(0.5)
        time.sleep(3)
        before, begun, cpu = metrics(), time.time(), cpu_s(server.pid)
        time.sleep(seconds)
        after, wall, cpu = metrics(), time.time() - begun, cpu_s(server.pid) - cpu

        def rate(fate):
            name = f'fusiform_camera_pictures_total{{fate="{fate}"}}'
            return round((after.get(name, 0) - before.get(name, 0)) / wall / cameras, 2)

        return {
            "cpu_of_a_core_per_camera": round(cpu / wall / cameras, 4),
            "received_per_s": rate("received"),
            "looked_per_s": rate("looked"),
            "at_rest_per_s": rate("at_rest"),
            "dropped_per_s": rate("dropped"),
            "failed_per_s": rate("failed"),
            "events": int(after.get("fusiform_camera_answer_seconds_count", 0)),
            "p95_at_most_s": p95(after),
            "memory_mb": memory_mb(server.pid),
        }
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--cameras", type=int, default=1)
    args = parser.parse_args()
    binary = str(pathlib.Path(args.binary).resolve())
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", HOOK), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        home = home_with_ida(folder, binary)
        clips(folder, args.seconds + 30)
        script = ROOT / "crates/video/tests/rtsp_server.py"
        mounts = [f"{name}={folder}/{name}.mp4" for name in ("nobody", "two")]
        rtsp = subprocess.Popen(["/usr/bin/python3", str(script), *mounts], stdout=subprocess.PIPE, text=True)
        try:
            port = int(rtsp.stdout.readline())
            for clip in ("nobody", "two"):
                rows = {}
                for what, looks in (("decoding", 0.1), ("looking", 5)):
                    rows[what] = measure(binary, home, clip, args.cameras, looks, port, args.seconds)
                    print(json.dumps({"clip": clip, "cameras": args.cameras, "what": what, **rows[what]}), flush=True)
                beside = rows["looking"]["cpu_of_a_core_per_camera"] - rows["decoding"]["cpu_of_a_core_per_camera"]
                print(json.dumps({"clip": clip, "cpu_beside_decoding": round(beside, 4)}), flush=True)
        finally:
            rtsp.kill()


if __name__ == "__main__":
    main()
