"""Every kind of video: frames, timestamps, duration, size and aspect of the results are the source's."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from command_line import call
from onedepth.outputs import read_png16
from onedepth.video.results import read_metric_video
from videos import NTSC, packets, picture, times, write_video

MS = Fraction(1, 1000)
TOLERANCE = Fraction(1, 2000)  # Matroska's timestamps are whole milliseconds

# What: (suffix, how it is written, upright width and height).
CASES: dict[str, tuple[str, dict, tuple[int, int]]] = {
    "30000/1001": (".mp4", {}, (32, 24)),
    "Matroska": (".mkv", {}, (32, 24)),
    "transport stream": (".ts", {}, (32, 24)),
    "25 frames/s in QuickTime": (".mov", {"time_base": Fraction(1, 25), "rate": Fraction(25)}, (32, 24)),
    "variable rate": (".mp4", {"pts": [0, 100, 150, 400, 1000], "time_base": MS, "duration": 77}, (32, 24)),
    "variable rate in Matroska": (".mkv", {"pts": [0, 41, 150, 400, 1003], "time_base": MS, "duration": 50}, (32, 24)),
    "begins late": (".mp4", {"pts": [500, 540, 580], "time_base": MS, "duration": 40}, (32, 24)),
    "B frames": (".mp4", {"b_frames": True}, (32, 24)),
    "turned by 90°": (".mp4", {"rotation": 90}, (24, 32)),
    "turned by 180°": (".mp4", {"rotation": 180}, (32, 24)),
    "turned by 270°": (".mov", {"rotation": -90}, (24, 32)),
    "odd size": (".mkv", {"codec": "ffv1", "pix_fmt": "yuv444p", "size": (31, 23)}, (31, 23)),
    "odd height": (".mkv", {"codec": "ffv1", "pix_fmt": "yuv444p", "size": (32, 25)}, (32, 25)),
    "10 bit": (".mp4", {"pix_fmt": "yuv420p10le"}, (32, 24)),
    "sound": (".mp4", {"audio": "aac"}, (32, 24)),
    "one frame": (".mp4", {"pts": [0]}, (32, 24)),
    "alpha": (".mov", {"codec": "qtrle", "pix_fmt": "argb"}, (32, 24)),
    "wide pixels": (".mp4", {"sample_aspect": Fraction(16, 11)}, (32, 24)),
    "one pixel": (".mkv", {"codec": "ffv1", "pix_fmt": "yuv444p", "size": (1, 1)}, (1, 1)),
}


@pytest.fixture(params=CASES)
def case(request, tmp_path) -> tuple[Path, tuple[int, int], str]:
    suffix, how, size = CASES[request.param]
    return write_video(tmp_path / f"clip{suffix}", **how), size, request.param


def same_times(result: Path, source: Path, tolerance: Fraction | int = 0) -> None:
    ours, theirs = times(result), times(source)
    assert len(ours) == len(theirs)
    for (pts, _), (expected, _) in zip(ours, theirs, strict=True):
        assert abs(pts - expected) <= tolerance
    # The last frame lasts as long, so the whole does.
    assert abs(sum(ours[-1]) - sum(theirs[-1])) <= 2 * tolerance


def stream_of(path: Path, read: Callable) -> object:
    with av.open(str(path)) as container:
        return read(container.streams.video[0])


def test_every_result_keeps_to_its_source(case, stub, tmp_path, capsys):
    source, size, name = case
    out, metric = tmp_path / "out.mp4", tmp_path / "metres.mkv"
    status, said, err = call("video", source, "-o", out, "--metric", metric, "--no-legend", capsys=capsys)
    assert (status, err) == (0, []), err
    assert f"{size[0]}×{size[1]}" in said
    # An MP4 that comes from a Matroska or transport stream file has its times, which are rounded already.
    same_times(out, source)
    same_times(metric, source, TOLERANCE)
    for path in (out, metric):
        assert stream_of(path, lambda s: (s.width, s.height)) == size
    aspect = CASES[name][1].get("sample_aspect")
    assert stream_of(out, lambda s: s.sample_aspect_ratio) in ({aspect} if aspect else {None, 1})
    if source.suffix in {".mp4", ".mov"} and "variable" not in name and name != "one frame":
        rate = stream_of(source, lambda s: s.average_rate)
        assert stream_of(out, lambda s: s.average_rate) == rate
        assert stream_of(metric, lambda s: s.average_rate) == rate
    assert stream_of(out, lambda s: s.codec_context.name) == "h264"


def test_metres_come_back_to_the_millimetre(case, predictor, tmp_path, capsys):
    source, _, _ = case
    video, folder = tmp_path / "metres.mkv", tmp_path / "metres"
    for place in (video, folder):
        assert call("video", source, "--no-picture", "--metric", place, "--stabilize", "off", capsys=capsys)[0] == 0
    expected = [depth.depth_m for _, depth in predictor.stream(source)]
    assert expected and expected[0].dtype == np.float32
    for (_, depth_m), want in zip(read_metric_video(video), expected, strict=True):
        np.testing.assert_allclose(depth_m, want, atol=5.1e-4)
    pngs = sorted(folder.glob("*.png"))
    for path, want in zip(pngs, expected, strict=True):
        np.testing.assert_allclose(read_png16(path)[0], want, atol=5.1e-4)
    assert len((folder / "frames.csv").read_text().splitlines()) == len(pngs) + 1


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_the_picture_is_upright(rotation, predictor, tmp_path):
    shown = picture(0, 24, 32)
    turns = {0: 0, 90: 1, 180: 2, -90: -1}[rotation]
    # Stored so that turning it back by the metadata, counter-clockwise, gives the picture.
    stored = np.ascontiguousarray(np.rot90(shown, -turns))
    size = (stored.shape[1], stored.shape[0])
    path = write_video(tmp_path / "clip.mp4", pts=[0], size=size, rotation=rotation or None, images=[stored])
    (frame, depth), *_ = predictor.stream(path)
    assert frame.image.shape == shown.shape and depth.depth_m.shape == shown.shape[:2]
    np.testing.assert_allclose(frame.image.astype(int), shown, atol=12)


def test_players_and_we_agree_on_rotation(tmp_path):
    """FFmpeg's own angle: counter-clockwise, as PyAV says of `VideoFrame.rotation`."""
    from onedepth.video.upright import turn_of

    turns = {90: (True, False, True), 180: (False, True, True), -90: (True, True, False)}
    for rotation, turn in turns.items():
        path = write_video(tmp_path / f"{rotation}.mp4", pts=[0], rotation=rotation)
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
        assert (frame.rotation - rotation) % 360 == 0 and turn_of(frame) == turn


def test_sound_goes_through_packet_by_packet(stub, tmp_path, capsys):
    source = write_video(tmp_path / "clip.mp4", audio="aac")
    assert call("video", source, "-o", tmp_path / "out.mp4", capsys=capsys)[0] == 0
    assert packets(tmp_path / "out.mp4") == packets(source)
    assert call("video", source, "-o", tmp_path / "mute.mp4", "--no-audio", capsys=capsys)[0] == 0
    with av.open(str(tmp_path / "mute.mp4")) as container:
        assert not container.streams.audio


def test_sound_that_mp4_cannot_hold(stub, tmp_path, monkeypatch, capsys):
    source = write_video(tmp_path / "clip.mov", audio="pcm_mulaw")
    status, _, err = call("video", source, "-o", tmp_path / "out.mp4", capsys=capsys)
    assert status == 2 and len(err) == 1 and "pcm_mulaw" in err[0] and ".mov does" in err[0] and "--no-audio" in err[0]
    assert not (tmp_path / "out.mp4").exists()
    monkeypatch.chdir(tmp_path)
    status, said, _ = call("video", source, capsys=capsys)
    assert status == 0 and str(Path("depth") / "clip_depth.mov") in said
    assert [data for data, _ in packets(Path("depth") / "clip_depth.mov")] == [data for data, _ in packets(source)]


def test_span(stub, tmp_path, capsys):
    source = write_video(
        tmp_path / "clip.mp4", pts=range(50), time_base=Fraction(1, 25), rate=Fraction(25), audio="aac", key_every=7
    )
    out = tmp_path / "out.mp4"
    arguments = ["video", source, "-o", out, "--no-legend", "--metric", tmp_path / "m", "--stabilize", "off"]
    assert call(*arguments, "--start", "0:00.6", "--end", 1.4, "--every", 3, capsys=capsys)[0] == 0
    assert times(out) == [(Fraction(n, 25), Fraction(3 if n < 18 else 2, 25)) for n in range(0, 20, 3)]
    first = packets(out)
    assert 0 <= first[0][1] < 0.03 and abs(first[-1][1] - Fraction(8, 10)) < 0.05
    before = [data for data, when in packets(source) if 0.6 <= when < 1.4]
    assert [data for data, _ in first] == before
    assert sorted(p.name for p in (tmp_path / "m").glob("*.png"))[1] == "clip_000003_depth_mm.png"
    # Frame 15 of the source is the first.
    want = 5 - picture(15, 24, 32)[-1, -1, 1] / 63.75
    assert abs(read_png16(tmp_path / "m" / "clip_000000_depth_mm.png")[0][-1, -1] - want) < 0.1
    assert NTSC != 25
