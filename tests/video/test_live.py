"""Live depth, with a video file played at its pace in the camera's place."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from command_line import call
from onedepth.errors import OnedepthError
from onedepth.video.depths import depth_stream
from onedepth.video.live_source import open_camera
from onedepth.video.page import Page
from onedepth.video.source import Span
from onedepth.video.window import Window
from stub_runtime import StubRuntime, use
from videos import times, write_video


@pytest.fixture
def clip(tmp_path) -> Path:
    """A second and a half, 40 frames a second."""
    return write_video(tmp_path / "clip.mp4", pts=range(60), time_base=Fraction(1, 40), rate=Fraction(40), key_every=20)


def test_frames_come_at_their_pace_and_the_newest_first(clip):
    source = open_camera(str(clip))
    began = time.monotonic()
    frames = []
    for frame in source.frames():
        frames.append(frame)
        time.sleep(0.1)  # four frames of the camera
    source.close()
    assert 1.2 < time.monotonic() - began < 5
    assert 5 <= len(frames) <= 16 and source.given == 60 and source.taken == len(frames)
    ages = [frame.arrived_s - began - frame.time_s for frame in frames]
    assert max(ages) - min(ages) < 0.02  # time_s is when it arrived
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_a_slow_model_sees_no_old_frames(clip, monkeypatch):
    class Slow(StubRuntime):
        def answers(self, images, **options):
            time.sleep(0.15)
            return super().answers(images, **options)

    use(monkeypatch, Slow())
    from onedepth import load

    source = open_camera(str(clip))
    waits = []
    for frame, _ in depth_stream(load(), source):
        assert frame.arrived_s is not None
        waits.append(time.monotonic() - frame.arrived_s)
    source.close()
    # One frame's work and not the work of a queue. (A busy machine may delay a frame or two.)
    assert len(waits) > 3 and np.median(waits) < 0.3


def test_the_camera_is_watched_for_a_second(clip):
    source = open_camera(str(clip))
    began = time.monotonic()
    images = source.sample(5)
    source.close()
    assert 2 <= len(images) <= 5 and 0.5 < time.monotonic() - began < 3
    assert images[0].shape == (24, 32, 3)


def test_seconds(clip):
    source = open_camera(str(clip), Span(end_s=0.4))
    frames = list(source.frames())
    source.close()
    assert frames and frames[-1].time_s < 0.4


def test_into_a_file(clip, stub, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    status, said, err = call("camera", clip, "-o", out, "--range", "1:5", capsys=capsys)
    assert (status, err) == (0, [])
    shown = times(out)
    assert f"{len(shown)} frames" in said and "latency" in said and "dropped" in said
    assert shown[0][0] == 0 and all(a[0] < b[0] for a, b in pairwise(shown))
    assert float(shown[-1][0]) < 1.6


def fetch(address: str, host: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(address, headers={} if host is None else {"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(20_000) if address.endswith("stream") else answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def test_the_page():
    page = Page(0)
    frame = av.VideoFrame.from_ndarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), "rgb24")
    over = threading.Event()

    def show() -> None:
        while not over.wait(0.02):
            page.show(frame, "12 frames/s")

    thread = threading.Thread(target=show)
    thread.start()
    try:
        assert page.address.startswith("http://127.0.0.1:")
        status, body = fetch(page.address)
        assert status == 200 and b'<img src="stream"' in body
        status, body = fetch(f"{page.address}stream")
        assert status == 200 and body.count(b"\xff\xd8\xff") >= 2 and b"image/jpeg" in body
        status, body = fetch(f"{page.address}status")
        assert json.loads(body) == {"text": "12 frames/s"}
        assert fetch(f"{page.address}secret")[0] == 404
        assert fetch(page.address, host="example.org")[0] == 403
        with pytest.raises(OnedepthError, match="--port"):
            Page(int(page.address.rsplit(":", 1)[1].strip("/")))
    finally:
        over.set()
        thread.join()
        page.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page.address, timeout=2)


def test_ctrl_c_ends_the_page_and_keeps_the_file(tmp_path):
    """As a user does it: a page, a look at it, Ctrl-C."""
    clip = write_video(tmp_path / "clip.mp4", pts=range(2000), time_base=Fraction(1, 25), rate=Fraction(25))
    out = tmp_path / "out.mp4"
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from onedepth import predictor\nfrom onedepth.cli import main\nfrom stub_runtime import StubRuntime\n"
        "stub = StubRuntime()\npredictor.open_runtime = lambda *_: stub\n"
        f"main(['camera', {str(clip)!r}, '-o', {str(out)!r}, '--show', 'page', '--port', '0'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "http://127.0.0.1:" in line and "Ctrl-C" in line
    assert fetch(line.split(" in ")[1].split(";")[0] + "stream")[1].count(b"\xff\xd8\xff") >= 1
    os.kill(process.pid, signal.SIGINT)
    said, err = process.communicate(timeout=30)
    assert process.returncode == 0 and err == "" and "latency" in said
    assert len(times(out)) > 0


def test_mistakes(stub, tmp_path, monkeypatch, capsys):
    (tmp_path / "notes.mp4").write_text("no video")
    monkeypatch.delenv("DISPLAY", raising=False)
    for arguments, words in (
        (["7919"], "camera 7919: there is no /dev/video7919"),
        (["/dev/video-of-nobody"], "there is no /dev/video-of-nobody"),
        (["/dev/null"], "camera /dev/null: cannot be opened"),
        ([tmp_path / "notes.mp4"], "not a video"),
        (["7919", "--range", "3"], "near:far"),
        (["7919", "--seconds", "-1"], "--seconds -1"),
        (["7919", "--stabilize", "best"], "best"),
        (["7919", "-o", "out.gif"], "/dev/video7919"),
    ):
        if sys.platform != "linux" and "/dev" in words:
            continue
        status, out, err = call("camera", *arguments, capsys=capsys)
        assert status == 2 and words in err[0] and len(err) <= 2 and out == "", err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.mp4"]


@pytest.mark.skipif(sys.platform != "linux", reason="macOS and Windows always have a display")
def test_a_window_says_what_it_needs(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(OnedepthError, match=r"a window needs (a display|Python's tkinter).*--show page"):
        Window()
