"""Cameras that misbehave for hours: memory stays flat, nothing crashes, and who comes is still told.

In:  a binary of fusiform, ffmpeg, GStreamer's RTSP server (as bench/cameras.py). Out: lines of JSON.

    python3 bench/cameras_soak.py target/release/fusiform [--minutes 10]

One camera over RTSP whose server is killed and comes back with another codec and size each time (H.264, H.265, JPEG),
and one over HTTP that cuts connections and pictures, sends garbage, changes its size, answers 500, falls silent, and
shows Ida, who is enrolled, every half minute. Both are looked at thirty times a second, six times as often as usual.
"""

import argparse
import http.server
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time

from cameras import ALBUM, HOOK, PORT, ROOT, Hook, cpu_s, home_with_ida, memory_mb, metrics

HTTP = 8793
FAULTS = ("hang up", "cut", "garbage", "500", "silence", "small", "html", "huge", "none")


def jpegs(folder):
    """A room, the same with Ida, the room in another size."""
    made = {}
    room = "gradients=size=640x480:c0=0x667788:c1=0x99aabb:seed=3"
    ida = str(ALBUM / "01-portrait.jpg")
    for name, args in (
        ("room", ["-f", "lavfi", "-i", room]),
        ("ida", ["-f", "lavfi", "-i", room, "-i", ida, "-filter_complex", "[1]scale=216:264[a];[0][a]overlay=60:120"]),
        ("small", ["-f", "lavfi", "-i", room, "-vf", "scale=320:240"]),
    ):
        file = folder / f"{name}.jpg"
        subprocess.run(["ffmpeg", "-v", "error", "-y", *args, "-frames:v", "1", str(file)], check=True)
        made[name] = file.read_bytes()
    return made


class Camera(http.server.BaseHTTPRequestHandler):
    pictures = {}
    faults = itertools.count()
    shown = []

    def do_GET(self):
        fault = FAULTS[next(self.faults) % len(FAULTS)]
        try:
            self.misbehave(fault)
        except OSError:
            pass

    def misbehave(self, fault):
        if fault in ("500", "html"):
            self.send_response(500 if fault == "500" else 200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<p>no</p>")
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cam")
        self.end_headers()
        begun = time.time()
        while time.time() - begun < random.uniform(4, 12):
            ida = time.time() % 30 < 4
            name = "ida" if ida else "small" if fault == "small" else "room"
            picture = bytearray(self.pictures[name])
            if ida and (not self.shown or time.time() - self.shown[-1] > 10):
                self.shown.append(time.time())
            self.wfile.write(b"--cam\r\nContent-Length: %d\r\n\r\n" % len(picture))
            self.wfile.write(picture + b"\r\n")
            time.sleep(1 / 40)
        if fault == "cut":
            self.wfile.write(b"--cam\r\nContent-Length: 50000\r\n\r\n" + self.pictures["ida"][:9000])
        elif fault == "garbage":
            for _ in range(20):
                junk = random.randbytes(3000)
                self.wfile.write(b"--cam\r\nContent-Length: 3002\r\n\r\n\xff\xd8" + junk + b"\r\n")
                time.sleep(1 / 40)
        elif fault == "silence":
            time.sleep(12)
        elif fault == "huge":
            self.wfile.write(b"--cam\r\nContent-Length: 99999999999\r\n\r\n")

    def log_message(self, *_):
        pass


def clips(folder):
    people = ["-loop", "1", "-i", str(ALBUM / "05-portrait.jpg")]
    codings = {
        "h264.mp4": (["-c:v", "libx264", "-bf", "0", "-g", "25", "-pix_fmt", "yuv420p"], "1280x720"),
        "h265.mp4": (["-c:v", "libx265", "-x265-params", "log-level=none:bframes=0:keyint=25"], "640x360"),
        "jpeg.avi": (["-c:v", "mjpeg", "-q:v", "5", "-huffman", "default", "-pix_fmt", "yuvj420p"], "640x480"),
    }
    for name, (coding, size) in codings.items():
        room = f"gradients=size={size}:rate=25:speed=0.00001:c0=0x667788:c1=0x99aabb:seed=3"
        walk = "[1]scale=160:-1[a];[0][a]overlay=x='mod(t*90\\,600)':y=60:eval=frame,noise=alls=4:allf=t"
        command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", room, *people, "-filter_complex", walk,
                   "-t", "30", *coding, str(folder / name)]
        subprocess.run(command, check=True)
    return list(codings)


def rtsp(folder, names, stop, port):
    """A server that is killed every few seconds and comes back with the next file under the same name."""
    script = ROOT / "crates/video/tests/rtsp_server.py"
    for name in itertools.cycle(names):
        if stop.is_set():
            return
        command = ["/usr/bin/python3", str(script), f"cam={folder / name}", "--port", str(port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stop.wait(random.uniform(5, 15))
        server.kill()
        server.wait()
        stop.wait(random.uniform(0.2, 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    binary = str(pathlib.Path(args.binary).resolve())
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        home = home_with_ida(folder, binary)
        env = dict(os.environ, FUSIFORM_HOME=str(home))
        Camera.pictures = jpegs(folder)
        names = clips(folder)
        servers = [http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
                   for port, handler in ((HOOK, Hook), (HTTP, Camera))]
        for server in servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
        threading.Thread(target=rtsp, args=(folder, names, stop, 8794), daemon=True).start()
        (home / "config.toml").write_text(
            f'[serve]\nlisten = "127.0.0.1:{PORT}"\n'
            f'[serve.cameras]\nkey_file = "{home}/rec.key"\nagain_after_s = 10\n'
            f'webhook = "http://127.0.0.1:{HOOK}/"\nwebhook_secret_file = "{home}/hook.secret"\n'
            f'[serve.camera.rtsp]\nsource = "rtsp://127.0.0.1:8794/cam"\nlooks_per_s = 30\n'
            f'[serve.camera.http]\nsource = "http://127.0.0.1:{HTTP}/"\nlooks_per_s = 30\n')
        fusiform = subprocess.Popen([binary, "serve", "--quiet"], env=env, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        try:
            begun, early = time.time(), None
            while time.time() - begun < 60 * args.minutes:
                time.sleep(15)
                assert fusiform.poll() is None, "it ended"
                now = memory_mb(fusiform.pid)
                early = early or (now if time.time() - begun > 60 else None)
            found = metrics()
            short = {name.removeprefix("fusiform_camera"): value for name, value in found.items()
                     if "bucket" not in name}
            print(json.dumps({
                "minutes": args.minutes,
                "memory_mb_after_1_minute": early,
                "memory_mb_most": memory_mb(fusiform.pid),
                "cpu_s": round(cpu_s(fusiform.pid)),
                "ida_shown": len(Camera.shown),
                "ida_told": len(Hook.heard),
                **short,
            }), flush=True)
        finally:
            stop.set()
            fusiform.send_signal(signal.SIGTERM)
            fusiform.wait(timeout=30)


if __name__ == "__main__":
    main()
