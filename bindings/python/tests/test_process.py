"""What happens around a process: forks, pickles, signals, its end, its memory."""

from __future__ import annotations

import copy
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ALBUM, GROUP, OTHER_PERSON, PORTRAIT

import fusiform


def test_results_are_pickled_and_handles_say_why_not(
    engine: fusiform.Engine, tmp_path: Path
) -> None:
    photo = engine.analyse(GROUP)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(photo, protocol)) == photo
    face = copy.deepcopy(photo.faces[0])
    assert face == photo.faces[0] and np.array_equal(face.template, photo.faces[0].template)
    assert fusiform.compare(face, photo.faces[0]) > 0.999
    verification = engine.verify(photo.faces[0], photo.faces[1])
    assert pickle.loads(pickle.dumps(verification)) == verification
    with fusiform.Gallery(None, engine) as people, fusiform.Album(tmp_path / "a.db", engine) as album:
        for handle in (engine, people, album):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(handle)
    error = fusiform.Error("m", "not_a_photo", 10)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.kind, again.code) == ("m", "not_a_photo", 10)


def test_errors_of_files_are_whole_and_no_errno(
    engine: fusiform.Engine, tmp_path: Path
) -> None:
    for path, kind in ((tmp_path / "none.jpg", fusiform.MissingFileError), (tmp_path, fusiform.FileError)):
        with pytest.raises(kind) as raised:
            engine.analyse(path)
        error = raised.value
        assert type(error) is kind and str(path) in str(error)
        for one in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(one) is kind and str(one) == str(error)
            assert (one.kind, one.code) == (error.kind, error.code) == ("io", error.code)
            assert one.args == (error.message, error.kind, error.code)
            assert one.errno is None and one.strerror is None and one.filename is None


def in_child(work: object) -> int:
    """Runs something in a forked child: its exit code, or 99 if it hangs."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(int(work()))  # type: ignore[operator]
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(98)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 99


@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_child_works_on_and_leaves_the_parents_files_alone(
    engine: fusiform.Engine, tmp_path: Path
) -> None:
    threaded = fusiform.Engine(threads=2)
    wanted = threaded.analyse(GROUP)
    people = fusiform.Gallery(tmp_path / "people.db", engine)
    face = engine.analyse(PORTRAIT).largest()
    people.enrol("Mara", face)
    assert people.identify(face).name == "Mara"
    album = fusiform.Album(tmp_path / "album.db", engine)
    album.scan(ALBUM)
    n_people = album.group().n_people

    def child() -> int:
        # The parent's pool of threads is not here.
        assert threaded.analyse(GROUP) == wanted
        for use in (lambda: people.identify(face), album.people):
            try:
                use()
            except fusiform.HandleError as error:
                assert error.kind == "bad_handle" and "process" in str(error)
            else:
                return 1
        mine = fusiform.Gallery(None, engine)
        mine.enrol("Mara", face)
        assert mine.identify(face).name == "Mara"
        people.close()
        album.close()
        return 0

    assert in_child(child) == 0
    assert people.identify(face).name == "Mara"
    assert len(album.people()) == n_people
    people.erase("Mara")
    assert people.identify(face).name is None


@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_child_opens_a_file_that_the_parent_has_closed(
    engine: fusiform.Engine, tmp_path: Path
) -> None:
    file = tmp_path / "people.db"
    face = engine.analyse(PORTRAIT).largest()
    with fusiform.Gallery(file, engine) as people:
        people.enrol("Mara", face)
    # Opening what is sealed starts the threads that open it.
    with fusiform.Gallery(file, engine) as people:
        assert people.identify(face).name == "Mara"

    def child() -> int:
        with fusiform.Gallery(file, engine) as mine:
            mine.enrol("Ida", face)
            return mine.identify(face).name not in ("Mara", "Ida")

    assert in_child(child) == 0
    with fusiform.Gallery(file, engine) as people:
        assert [person.name for person in people.people()] == ["Mara", "Ida"]


@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_child_is_told_whose_a_handle_is_while_it_is_in_use(
    engine: fusiform.Engine, tmp_path: Path
) -> None:
    album = fusiform.Album(tmp_path / "album.db", engine)
    ended: list[int] = []

    def child() -> int:
        for use in (album.people, lambda: album.scan(ALBUM)):
            with pytest.raises(fusiform.HandleError, match="another process"):
                use()
        album.close()
        return 0

    def fork(_done: int, _all: int) -> None:
        # The thread that scans holds the album.
        if not ended:
            ended.append(in_child(child))

    album.scan(ALBUM, progress=fork)
    assert ended == [0]
    assert album.group().n_people > 0


def test_closed_handles_say_so(engine: fusiform.Engine, tmp_path: Path) -> None:
    face = engine.analyse(PORTRAIT).largest()
    people = fusiform.Gallery(tmp_path / "people.db", engine)
    album = fusiform.Album(tmp_path / "album.db", engine)
    for handle in (people, album):
        handle.close()
        handle.close()
    for use in (lambda: people.identify(face), lambda: people.enrol("A", face), album.people):
        with pytest.raises(fusiform.HandleError, match="closed"):
            use()
    # The lock is gone with the handle.
    fusiform.Gallery(tmp_path / "people.db", engine).close()


def test_many_threads_use_and_close_one_gallery(engine: fusiform.Engine) -> None:
    faces = [engine.analyse(p).largest() for p in (PORTRAIT, OTHER_PERSON)]
    people = fusiform.Gallery(None, engine)
    wrong: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(30):
                people.enrol(f"p{number}", faces[turn % 2])
                assert people.identify(faces[0]).name is not None
                if number == 0 and turn == 25:
                    people.close()
        except fusiform.HandleError:
            pass
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_interpreter_ends_while_a_thread_analyses() -> None:
    code = """
import sys, threading, fusiform
engine = fusiform.Engine()
started = threading.Event()
def work():
    while True:
        engine.analyse(sys.argv[1])
        started.set()
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
started.wait()
print("done")
"""
    for _ in range(3):
        ended = run(code, GROUP)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_ctrl_c_ends_a_scan_and_the_next_one_goes_on(
    engine: fusiform.Engine, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    # Enough for more than the 64 files of one transaction, each another picture.
    rgb = engine.decode(GROUP)
    import PIL.Image

    for number in range(120):
        PIL.Image.fromarray(np.roll(rgb, 7 * number, axis=1)).save(photos / f"{number:03}.png")
    code = """
import sys, fusiform
album = fusiform.Album(sys.argv[1], fusiform.Engine())
def tell(done, of):
    print(done, of, flush=True)
try:
    album.scan(sys.argv[2], progress=tell)
except KeyboardInterrupt:
    album.people()
    sys.exit(42)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "album.db"), str(photos)]
    scan = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert scan.stdout is not None and scan.stdout.readline() == "0 120\n"
    scan.send_signal(signal.SIGINT)
    assert scan.wait(timeout=60) == 42
    with fusiform.Album(tmp_path / "album.db", engine) as album:
        summary = album.scan(photos)
    assert summary.n_files == 120 and not summary.problems
    shutil.rmtree(photos)


def test_what_a_scan_calls_back_may_raise_and_not_wait_for_the_scan(
    engine: fusiform.Engine, tmp_path: Path
) -> None:
    album = fusiform.Album(tmp_path / "album.db", engine)
    said: list[str] = []

    def tell(_done: int, _all: int) -> None:
        with pytest.raises(fusiform.Error) as raised:
            album.people()
        said.append(raised.value.kind)
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        album.scan(ALBUM, progress=tell)
    assert said == ["busy"]
    for threads in (0, 1025):
        with pytest.raises(fusiform.OptionError, match=f"threads={threads} is not 1 to 1024"):
            album.scan(ALBUM, threads=threads)
    album.scan(ALBUM, threads=1)
    assert album.group().n_people > 0


def test_calls_grow_no_memory(engine: fusiform.Engine) -> None:
    rgb = engine.decode(PORTRAIT)
    step = max(rgb.shape[0], rgb.shape[1]) // 64
    small = np.ascontiguousarray(rgb[::step, ::step])
    people = fusiform.Gallery(None, engine)
    people.enrol("Mara", engine.analyse(PORTRAIT).largest())

    def work(n_calls: int) -> None:
        for _ in range(n_calls):
            photo = engine.analyse(small)
            for face in photo.faces:
                face.template, face.landmarks, face.aligned, face.bbox, face.quality
                people.identify(face)
            try:
                engine.analyse(b"no photo")
            except fusiform.Error:
                pass

    def resident_kib() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize() // 1024

    n_calls = int(os.environ.get("FUSIFORM_MEMORY_CALLS", "4000"))
    work(300)
    before = resident_kib()
    work(n_calls)
    # A leak of one template for each call would be 512 bytes, 2,000 KiB of 4,000; of one crop 37 KiB.
    assert resident_kib() - before < max(1500, n_calls // 10)
