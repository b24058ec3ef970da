"""`evaluate-video`: the figures of known jitter, and the verb."""

import json

import numpy as np
import pytest

import stub_runtime
from command_line import call
from onedepth.canonical import NYU_FOCAL, canonical_focal_px
from onedepth.predictor import Predictor
from onedepth.steadiness import measure, table, walk
from videos import write_video


class Jitter:
    """Not a model but the truth of a walk, every second frame a tenth farther."""

    def __init__(self, frames):
        self._frames, self._number = frames, -1

    def depth_m(self, image, intrinsics):
        del image, intrinsics
        self._number += 1
        return self._frames[self._number].truth.depth_m * np.float32(1.1 if self._number % 2 else 1)


@pytest.fixture(scope="module")
def shots():
    return list(walk(7, 11, 12, 96, 128))


def test_known_jitter_has_its_figures_and_is_taken_out(shots):
    off, fast, best = measure(Jitter(shots), shots)
    assert [row.stabiliser for row in (off, fast, best)] == ["off", "fast", "best"]
    assert [row.frames for row in (off, fast, best)] == [12, 12, 12]
    assert off.inconsistency == pytest.approx(np.log(1.1), rel=1e-5)
    assert off.alignment == pytest.approx((0.1 + 0.1 / 1.1) / 2, rel=0.02)
    assert off.abs_rel == pytest.approx(0.05, rel=1e-5)
    assert fast.inconsistency < 0.5 * off.inconsistency
    assert fast.flicker < 0.6 * off.flicker


def test_ways_are_as_asked_for_and_each_frame_is_announced(shots):
    done = []
    rows = measure(Jitter(shots), shots, ["best"], lambda: done.append(1))
    assert [row.stabiliser for row in rows] == ["best"]
    assert len(done) == 12
    assert "inconsistency" in table(rows)


def test_without_a_truth_there_is_flicker_alone(tmp_path, capsys, monkeypatch):
    stub_runtime.use(monkeypatch, stub_runtime.StubRuntime())
    clip = tmp_path / "clip.mp4"
    write_video(clip, pts=range(6))
    report = tmp_path / "report.json"
    status, out, errors = call("evaluate-video", clip, "--json", report, capsys=capsys)
    assert (status, errors) == (0, [])
    assert f"{clip}, 6 frames" in out
    assert "inconsistency" not in out
    (footage,) = json.loads(report.read_text())["footage"]
    assert [way["stabiliser"] for way in footage["ways"]] == ["off", "fast", "best"]
    assert footage["ways"][0]["flicker"] > 0
    assert footage["ways"][0]["abs_rel"] is None


def test_a_walk_on_the_command_line(capsys, monkeypatch):
    stub_runtime.use(monkeypatch, stub_runtime.StubRuntime())
    status, out, _ = call("evaluate-video", "--walk", 3, "--frames", 2, "--stabilize", "off", capsys=capsys)
    assert status == 0
    assert out.startswith("walk through room 3, 2 frames")
    assert "fast" not in out


def test_one_frame_has_no_change(tmp_path, capsys, monkeypatch):
    stub_runtime.use(monkeypatch, stub_runtime.StubRuntime())
    clip = tmp_path / "clip.mp4"
    write_video(clip, pts=[0])
    status, out, _ = call("evaluate-video", clip, capsys=capsys)
    assert status == 0
    assert "–" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--frames", "1"], "--frames 1: expected 2 to 1000000"),
        (["no.mp4"], "no.mp4"),
        (["--walk", "-1"], "room index is -1"),
        (["--stabilize", "much"], "much"),
        (["--json", "."], "it is a folder"),
    ],
)
def test_mistakes_are_said_in_a_line(arguments, expected, capsys, monkeypatch):
    stub_runtime.use(monkeypatch, stub_runtime.StubRuntime())
    status, out, errors = call("evaluate-video", *arguments, capsys=capsys)
    assert (status, out) == (2, "")
    assert expected in "\n".join(errors)


def test_shots_of_a_walk_know_their_camera(shots):
    assert shots[0].intrinsics.focal_px == pytest.approx(canonical_focal_px(96, 128, NYU_FOCAL))


def test_the_shipped_model_takes_part(shots):
    rows = measure(Predictor(threads=1), shots[:3], ["off"])
    assert 0 < rows[0].abs_rel < 1
