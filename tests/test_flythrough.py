"""A walk through a room: its camera path is exact, smooth and the same every time."""

import numpy as np
import pytest

from onedepth.data.flythrough import fly_through
from onedepth.errors import DataError
from onedepth.temporal import TemporalAlignment


def walk(frames=6, **options):
    return list(fly_through(3, 2, frames, 48, 64, **options))


def test_a_frame_does_not_depend_on_how_many_are_asked_for():
    for a, b in zip(walk(3), walk(6)[:3], strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.depth_m, b.depth_m)
        np.testing.assert_array_equal(a.camera_to_world, b.camera_to_world)


def test_kinds_and_shapes():
    frame = walk(1)[0]
    assert (frame.image.shape, frame.image.dtype) == ((48, 64, 3), np.uint8)
    assert (frame.depth_m.shape, frame.depth_m.dtype) == ((48, 64), np.float32)
    assert (frame.intrinsics.cx, frame.intrinsics.cy) == (31.5, 23.5)


@pytest.mark.parametrize("index", range(4))
def test_path_and_depth_agree(index):
    """Points put where the next camera sees them have the depth that its frame says."""
    figure = TemporalAlignment()
    for frame in fly_through(5, index, 5, 96, 128):
        assert frame.depth_m.min() > 0.05
        figure.add(frame.depth_m, frame.intrinsics, frame.camera_to_world)
    assert figure.result() < 0.01  # what rounding to whole pixels makes of it


@pytest.mark.parametrize("index", range(2))
def test_nobody_jumps(index):
    poses = np.array([f.camera_to_world for f in fly_through(5, index, 120, 8, 8)])
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    turns = np.degrees(np.arccos(np.clip((poses[1:, :3, 2] * poses[:-1, :3, 2]).sum(axis=1), -1, 1)))
    assert steps.max() < 0.06  # metres in a thirtieth of a second
    assert turns.max() < 3
    assert steps.sum() > 0.5
    assert turns.sum() > 15


def test_noise_and_drift():
    plain, noisy = (np.array([f.image for f in walk(2, noise=noise, drift=0)], float) for noise in (0, 4))
    off = noisy - plain
    assert off[(plain > 20) & (plain < 235)].std() == pytest.approx(4, rel=0.1)
    assert np.corrcoef(off[0].ravel(), off[1].ravel())[0, 1] < 0.1  # each frame its own
    drifting = [f.image.mean() for f in walk(25, noise=0, drift=0.3)]
    steady = [f.image.mean() for f in walk(25, noise=0, drift=0)]
    assert drifting[0] == pytest.approx(steady[0])
    assert abs(drifting[-1] / steady[-1] - 1) > 0.01


@pytest.mark.parametrize(
    "options", [{"frames": 0}, {"noise": -1}, {"noise": 51}, {"drift": 0.6}, {"height": 4}, {"seed": -1}, {"focal": 9}]
)
def test_arguments_out_of_range(options):
    with pytest.raises(DataError):
        fly_through(**({"seed": 0, "index": 0} | options))
