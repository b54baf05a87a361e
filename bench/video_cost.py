"""What a video costs: decoding beside ffmpeg's, looking at frames, covering them.

In:  the fusiform binary, a video. Out: milliseconds of processor time for each frame. Decoding alone is the time of `fusiform video`
with one frame an hour; looking at a frame is what every further frame adds. ffmpeg decodes on one thread.

    python bench/video_cost.py target/release/fusiform clip.mp4 [--rounds N]
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile


def processor_s(command, environment=None):
    """User and system time of a command and of what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def count_frames(video):
    words = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0", "-show_entries",
             "stream=nb_read_frames", "-of", "csv=p=0", video]
    return int(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip().strip(","))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("video")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    n = count_frames(arguments.video)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        environment = {**os.environ, "FUSIFORM_HOME": str(folder / "home")}
        binary = str(pathlib.Path(arguments.binary).resolve())
        (folder / "empty").mkdir()
        processor_s([binary, "scan", str(folder / "empty")], environment)
        look = [binary, "video", arguments.video, "--threads", "1", "--interval-ms"]
        cover = [binary, "redact", arguments.video, "--threads", "1", "-o"]
        decode = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", arguments.video, "-map", "0:v:0"]

        def median(name, command, frames=n):
            times = [processor_s(command(round_), environment) for round_ in range(arguments.rounds)]
            print(f"{name:52} {1000 * statistics.median(times) / frames:7.2f} ms a frame")
            return statistics.median(times)

        median("decoding, ffmpeg, one thread", lambda _: [*decode, "-f", "null", "-"])
        alone = median("decoding, fusiform", lambda _: [*look, "60000"])
        every = median("decoding and looking at every frame", lambda _: [*look, "1"])
        print(f"{'looking at a frame':52} {1000 * (every - alone) / n:7.2f} ms a frame")
        median("covering: decoding twice, looking, encoding", lambda k: [*cover, str(folder / f"{k}.mp4")])


if __name__ == "__main__":
    main()
