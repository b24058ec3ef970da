"""Figures of flicker: of jitter that is known, and of none."""

import numpy as np
import pytest

from moving_box import texture
from onedepth.data.flythrough import fly_through
from onedepth.flicker import Flicker, TrueMotion


@pytest.fixture(scope="module")
def walk():
    return list(fly_through(7, 11, 8, 96, 128))


def true_motion(walk, factors):
    figure = TrueMotion()
    for frame, factor in zip(walk, factors, strict=True):
        figure.add(frame.depth_m * factor, frame.depth_m, frame.intrinsics, frame.camera_to_world)
    return figure.result()


def still(count=6):
    return [np.clip(texture(np.random.default_rng(0), 60, 80, 120, 1.5), 0, 255).astype(np.uint8)] * count


def flicker(images, depths_m):
    figure = Flicker()
    for image, depth_m in zip(images, depths_m, strict=True):
        figure.add(image, depth_m)
    return figure


def test_truth_and_a_constant_factor_do_not_jump(walk):
    assert true_motion(walk, [1.0] * 8) < 1e-6
    assert true_motion(walk, [1.7] * 8) == pytest.approx(0, abs=1e-6)


def test_a_factor_that_jumps_counts_as_its_logarithm(walk):
    assert true_motion(walk, [1, 1.1] * 4) == pytest.approx(np.log(1.1), rel=1e-5)


def test_an_error_fixed_to_the_picture_counts_where_the_camera_moves():
    """By more than half a pixel, that is: points are looked up at the nearest one."""
    figure = TrueMotion()
    tilted = 1 + 0.3 * np.arange(128) / 128
    for frame in list(fly_through(7, 11, 25, 96, 128))[::8]:
        figure.add(frame.depth_m * tilted, frame.depth_m, frame.intrinsics, frame.camera_to_world)
    assert figure.result() > 1e-4


def test_unknown_pixels_take_no_part(walk):
    figure = TrueMotion()
    for frame in walk:
        depth_m, true_m = frame.depth_m.copy(), frame.depth_m.copy()
        depth_m[:10], true_m[20:30] = np.nan, 0
        figure.add(depth_m, true_m, frame.intrinsics, frame.camera_to_world)
    assert figure.result() < 1e-6


def test_flicker_of_a_still_picture():
    plane = np.full((60, 80), 3, np.float32)
    assert flicker(still(), [plane] * 6).result() == 0
    jumps = [plane * np.float32(1.05 ** (k % 2)) for k in range(6)]
    assert flicker(still(), jumps).result() == pytest.approx(np.log(1.05), rel=1e-4)


def test_flicker_follows_the_motion():
    """Depth that moves with the picture does not flicker; depth that stays behind does."""
    large = np.clip(texture(np.random.default_rng(0), 60, 120, 120, 1.5), 0, 255).astype(np.uint8)
    slope = np.exp(0.05 * np.sin(np.arange(120) / 4)) + np.zeros((60, 1))
    images = [large[:, 2 * k : 2 * k + 80] for k in range(8)]
    along = flicker(images, [slope[:, 2 * k : 2 * k + 80] for k in range(8)]).result()
    behind = flicker(images, [slope[:, :80]] * 8).result()
    assert along < 0.1 * behind


def test_cuts_and_changes_of_size_are_in_no_mean():
    other = np.random.default_rng(9).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    near, far = np.full((60, 80), 1, np.float32), np.full((60, 80), 4, np.float32)
    figure = flicker([*still(3), other], [near, near, near, near])
    figure.add(np.zeros((30, 40, 3), np.uint8), far[:30, :40])
    assert figure.frames == 5
    assert figure.result() == 0


def test_nothing_in_common():
    with pytest.raises(ValueError, match="of 1 frames no two neighbours"):
        flicker(still(1), [np.ones((60, 80), np.float32)]).result()
    with pytest.raises(ValueError, match="expected the same"):
        flicker(still(1), [np.ones((60, 81), np.float32)])
