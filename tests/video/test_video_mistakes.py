"""What goes wrong with videos: one clear line, and a whole file or none."""

import errno
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from command_line import call
from onedepth.outputs import read_png16
from onedepth.video import muxer, results
from videos import picture, times, write_video


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".onedepth"))


def empty_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        container.add_stream("libx264", rate=25, width=32, height=24)
        container.start_encoding()


def only_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48_000)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), "s16", "stereo")
        block.sample_rate, block.pts = 48_000, 0
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))


def headless(path: Path) -> None:
    """An MP4 cut before its index, which stands at the end."""
    write_video(path)
    path.write_bytes(path.read_bytes()[:-400])


UNREADABLE = {
    "text.mp4": lambda path: path.write_text("once upon a time\n" * 50),
    "empty.mp4": lambda path: path.write_bytes(b""),
    "missing.mp4": lambda path: None,
    "no_frames.mp4": empty_video,
    "no_frames.mkv": empty_video,
    "sound.mp4": only_sound,
    "cut.mp4": headless,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_video_is_one_line(name, stub, tmp_path, capsys):
    source = tmp_path / name
    UNREADABLE[name](source)
    status, _, err = call("video", source, "-o", tmp_path / "new" / "out.mp4", capsys=capsys)
    assert status == 2 and len(err) == 1 and name in err[0], err
    assert not (tmp_path / "new").exists()


MISTAKES = {
    "end before start": (["--start", "5", "--end", "2"], "--end 2 s is not after --start 5 s"),
    "beyond the end": (["--start", "50"], "no frame between --start 50 s and its end"),
    "no time": (["--start", "soon"], "--start soon: expected seconds"),
    "every zeroth": (["--every", "0"], "--every"),
    "range turned": (["--range", "5:1"], "0 < near < far"),
    "range of one": (["--range", "5"], "near:far"),
    "colour map": (["--colormap", "virids"], "viridis"),
    "rate of a video": (["--fps", "25"], "--fps"),
    "suffix": (["-o", "out.gif"], ".mp4"),
    "metres in MP4": (["--metric", "metres.mp4"], ".mkv"),
    "nothing to write": (["--no-picture"], "--metric"),
    "onto itself": (["-o", "clip.mp4"], "is what is read"),
    "twice the same": (["-o", "x.mkv", "--metric", "x.mkv"], "two names"),
    "resumed video": (["--resume"], "--metric FOLDER --no-picture"),
    "camera": (["--focal", "1"], "focal length of 1 px"),
    "URL": (["http://example.org/clip.mp4"], "not a URL"),
    "model": (["--model", "onedepth-smal"], "onedepth-small"),
    "place": (["-o", "clip.mp4/below/out.mp4"], "clip.mp4"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(what, stub, tmp_path, monkeypatch, capsys):
    write_video(tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    arguments, words = MISTAKES[what]
    source = [] if arguments[0].startswith("http") else ["clip.mp4"]
    status, _, err = call("video", *source, *arguments, capsys=capsys)
    assert status == 2 and len(err) == 1 and words in err[0], err
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_a_cut_file_gives_what_was_readable(suffix, stub, tmp_path, capsys):
    source = write_video(tmp_path / f"clip{suffix}", pts=range(60), size=(64, 48), key_every=5)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    status, said, err = call("video", source, "-o", tmp_path / "out.mp4", capsys=capsys)
    frames = len(times(tmp_path / "out.mp4"))
    assert 5 < frames < 55 and f"{frames} frames" in said
    if suffix == ".mkv":  # whose head tells how long it was; a transport stream may end anywhere
        assert status == 1 and len(err) == 1 and "clip.mkv: ends after" in err[0], err


def test_damaged_frames_are_told(stub, tmp_path, capsys):
    source = write_video(tmp_path / "clip.mp4", pts=range(30), size=(64, 48), key_every=5)
    data = bytearray(source.read_bytes())
    start = data.find(b"mdat") + 1200
    data[start : start + 600] = bytes(600)
    source.write_bytes(data)
    status, _, err = call("video", source, "-o", tmp_path / "out.mp4", capsys=capsys)
    assert status == 1 and len(err) == 1 and "damaged" in err[0], err
    assert len(times(tmp_path / "out.mp4")) > 20


def test_frames_that_change_size(stub, tmp_path, capsys):
    source = tmp_path / "clip.ts"
    parts = []
    for number, size in enumerate(((64, 48), (32, 48))):
        part = write_video(tmp_path / f"{number}.ts", pts=range(6 * number, 6 * number + 6), size=size)
        parts.append(part.read_bytes())
    source.write_bytes(b"".join(parts))
    out, metric, folder = tmp_path / "out.mp4", tmp_path / "m.mkv", tmp_path / "m"
    status, _, err = call("video", source, "-o", out, "--metric", metric, "--no-legend", capsys=capsys)
    assert status == 1 and len(err) == 1 and "64×48, 32×48" in err[0], err
    assert len(times(out)) == len(times(metric)) == 12
    depths = [depth_m for _, depth_m in results.read_metric_video(metric)]
    assert {depth_m.shape for depth_m in depths} == {(48, 64)}
    assert (depths[-1][:, :16] == 0).all() and (depths[-1][:, 16:48] > 0).all() and (depths[-1][:, 48:] == 0).all()
    assert call("video", source, "--no-picture", "--metric", folder, capsys=capsys)[0] == 1
    assert {read_png16(path)[0].shape for path in folder.glob("*.png")} == {(48, 64), (48, 32)}


def test_a_missing_encoder_is_named(stub, tmp_path, monkeypatch, capsys):
    source = write_video(tmp_path / "clip.mp4")
    monkeypatch.setattr(results, "H264", ("h264_of_nobody",))
    status, _, err = call("video", source, "-o", tmp_path / "out.mp4", capsys=capsys)
    assert status == 2 and len(err) == 1 and "h264_of_nobody" in err[0] and "pip install" in err[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4"]


def test_an_encoder_that_fails_leaves_nothing(stub, tmp_path, monkeypatch, capsys):
    source = write_video(tmp_path / "clip.mp4")
    before = b"an older result"
    (tmp_path / "out.mp4").write_bytes(before)

    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(muxer.Muxer, "finish", full)
    status, _, err = call("video", source, "-o", tmp_path / "out.mp4", capsys=capsys)
    assert status == 2 and len(err) == 1 and "no space left on the disk" in err[0] and "out.mp4" in err[0]
    assert (tmp_path / "out.mp4").read_bytes() == before and leftovers(tmp_path) == []


RUN = """
import sys, time
sys.path.insert(0, {tests!r})
from onedepth import predictor
from onedepth.cli import main
from stub_runtime import StubRuntime
class Slow(StubRuntime):
    def answers(self, images, **options):
        time.sleep({pause})
        return super().answers(images, **options)
stub = Slow()
predictor.open_runtime = lambda *_: stub
{before}
main({arguments!r})
"""


def start(arguments: list[object], pause: float = 0.0, before: str = "") -> subprocess.Popen:
    tests = str(Path(__file__).parents[1])
    code = RUN.format(tests=tests, pause=pause, before=before, arguments=[str(a) for a in arguments])
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.parametrize("metric", [False, True])
def test_a_full_disk_in_the_middle(metric, tmp_path):
    """The largest file that the process may write is smaller than the result."""
    noise = [np.random.default_rng(n).integers(0, 256, (96, 128, 3), dtype=np.uint8) for n in range(30)]
    source = write_video(tmp_path / "clip.mp4", pts=range(30), size=(128, 96), images=noise)
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    )
    place = ["--no-picture", "--metric", tmp_path / "m.mkv"] if metric else ["-o", tmp_path / "out.mp4"]
    job = start(["video", source, *place], before=limit)
    _, err = job.communicate(timeout=60)
    assert job.returncode == 2, err
    assert len(err.splitlines()) == 1 and "cannot write" in err and "larger than this system allows" in err, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4"]


def test_ctrl_c_leaves_a_whole_file(tmp_path):
    source = write_video(tmp_path / "clip.mp4", pts=range(400))
    job = start(["video", source, "-o", tmp_path / "out.mp4", "--range", "1:5"], pause=0.05)
    until = time.monotonic() + 30
    while not any(p.stat().st_size for p in tmp_path.glob(".onedepth-*")) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(job.pid, signal.SIGINT)
    out, err = job.communicate(timeout=60)
    assert job.returncode == 130, (out, err)
    assert len(err.splitlines()) == 1 and "interrupted" in err and "out.mp4" in err
    frames = times(tmp_path / "out.mp4")
    assert 0 < len(frames) < 400 and f"{len(frames)} frames are done" in err
    assert frames == times(source)[: len(frames)] and leftovers(tmp_path) == []


def test_resume_of_a_folder(stub, tmp_path, capsys):
    source = write_video(tmp_path / "clip.mp4", pts=range(40))
    folder = tmp_path / "metres"
    arguments = ["video", source, "--no-picture", "--metric", folder, "--stabilize", "off"]
    assert call(*arguments, capsys=capsys)[0] == 0
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    for number in (7, 30, 31, 39):
        (folder / f"clip_{number:06d}_depth_mm.png").unlink()
    (folder / "frames.csv").unlink()
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    status, _, err = call(*arguments, capsys=capsys)
    assert status == 2 and "--resume" in err[0]
    assert call(*arguments, "--resume", capsys=capsys)[0] == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    assert {name: (folder / name).stat().st_mtime_ns for name in kept} == kept
    status, _, err = call(*arguments, "--resume", "--focal", 50, capsys=capsys)
    assert status == 2 and len(err) == 1 and "focal" in err[0]


def test_a_folder_of_frames(stub, tmp_path, capsys):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(12):  # img2 before img10
        Image.fromarray(picture(number, 24, 32)).save(folder / f"img{number}.png")
    (folder / "img5.png").write_text("not a picture")
    out = tmp_path / "out.mp4"
    status, _, err = call("video", folder, "-o", out, "--fps", "30000/1001", capsys=capsys)
    assert status == 1 and len(err) == 1 and "img5.png" in err[0]
    step = Fraction(1001, 30_000)
    assert [pts for pts, _ in times(out)] == [number * step for number in range(12) if number != 5]
    status, _, err = call("video", tmp_path / "frames" / "*.webp", "-o", out, capsys=capsys)
    assert status == 2 and "*.webp" in err[0]
    status, _, err = call("video", folder, "-o", out, "--fps", "0", capsys=capsys)
    assert status == 2 and "--fps 0" in err[0]


def test_depth_beyond_16_bits_is_told(stub, tmp_path, capsys):
    source = write_video(tmp_path / "clip.mp4", pts=range(3))
    for place in (tmp_path / "m.mkv", tmp_path / "m"):
        status, _, err = call("video", source, "--no-picture", "--metric", place, "--focal", 900, capsys=capsys)
        assert status == 0 and len(err) == 1 and "3 frames reach beyond 65.535 m" in err[0], err
    assert read_png16(tmp_path / "m" / "clip_000000_depth_mm.png")[0].max() == np.float32(65.535)
