"""What stabilisation takes away, and what it must not touch."""

import numpy as np
import pytest

from moving_box import film, texture
from onedepth.data.flythrough import fly_through
from onedepth.stabilise import MOST, STABILISERS

BOTH = ["fast", "best"]


def run(name, images, depths_m):
    stabiliser = STABILISERS[name]()
    out = [depth for image, depth_m in zip(images, depths_m, strict=True) for depth in stabiliser.push(image, depth_m)]
    return np.array(out + stabiliser.finish())


@pytest.fixture(scope="module")
def still():
    """One picture, uint8 `[60, 80, 3]`."""
    return np.clip(texture(np.random.default_rng(0), 60, 80, 120, 1.5), 0, 255).astype(np.uint8)


def test_off_is_identity(still):
    depth_m = np.ones((60, 80), np.float32)
    assert STABILISERS["off"]().push(still, depth_m)[0] is depth_m


def test_noise_falls_as_a_mean_of_so_many_frames_lets_expect(still):
    off = np.random.default_rng(1).normal(0, 0.01, (60, 60, 80)).astype(np.float32)
    falls = {}
    for name in BOTH:
        out = run(name, [still] * 60, 3 * np.exp(off))
        falls[name] = np.log(out[20:45] / 3).std() / off.std()
    # A recursive mean with gain a leaves a share a / (2 − a) of the variance.
    assert falls["fast"] == pytest.approx(np.sqrt(1 / (2 * MOST - 1)), rel=0.1)
    assert falls["best"] < 0.87 * falls["fast"]


@pytest.mark.parametrize("name", BOTH)
def test_the_factor_common_to_a_frame_is_steadied(still, name):
    level = np.random.default_rng(2).normal(0, 0.05, 60)
    depth_m = (2 + np.arange(80) / 40 + np.zeros((60, 1))).astype(np.float32)
    out = run(name, [still] * 60, [(depth_m * np.exp(v)).astype(np.float32) for v in level])
    left = np.log(out / depth_m)
    assert np.ptp(left, axis=(1, 2)).max() < 1e-3  # one factor for all of a frame
    jumps = np.abs(np.diff(left[:, 0, 0]))[16:].mean()
    assert jumps < 0.1 * np.abs(np.diff(level))[16:].mean()
    assert np.abs(left[20:, 0, 0]).mean() < 0.5 * np.abs(level[20:]).mean()


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("same", [False, True])
def test_a_moving_box_leaves_no_trail(name, same):
    shown = film(30, same=same)
    off = np.abs(np.log(run(name, shown.images, shown.depth_m) / shown.true_m))
    # The step at its edge is ln 2 = 0.69. Where box or background came into sight, next to nothing of it is left.
    assert off[shown.trail].mean() < 0.02
    assert np.quantile(off[shown.trail], 0.99) < 0.13
    assert np.quantile(off[~shown.trail], 0.999) < 0.1


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("box_m", [2.0, 3.2])
def test_behind_a_moving_box_it_is_no_worse_than_the_model(name, box_m):
    shown = film(30, box_m=box_m, shape=0.03, level=0.03)
    out = run(name, shown.images, shown.depth_m)
    level = [np.median(np.log(x / shown.true_m)[:, :50], axis=(1, 2))[:, None, None] for x in (out, shown.depth_m)]
    after, before = (
        np.abs(np.log(x / shown.true_m) - v)[10:] for x, v in zip((out, shown.depth_m), level, strict=True)
    )
    trail = shown.trail[10:]
    assert after[trail].mean() < 0.8 * before[trail].mean()
    assert np.quantile(after[trail], 0.99) < 1.2 * np.quantile(before[trail], 0.99)
    assert after[~trail].mean() < 0.8 * before[~trail].mean()


@pytest.mark.parametrize("name", BOTH)
def test_a_cut_begins_anew_at_once(name):
    rng = np.random.default_rng(3)
    first, second = (np.clip(texture(rng, 60, 80, 120, 1.5), 0, 255).astype(np.uint8) for _ in range(2))
    depth_m = [np.full((60, 80), value, np.float32) for value in [4] * 12 + [1] * 12]
    out = run(name, [first] * 12 + [second] * 12, depth_m)
    np.testing.assert_allclose(out, depth_m, rtol=1e-4)


@pytest.mark.parametrize("name", BOTH)
def test_brightness_may_change(still, name):
    off = np.random.default_rng(1).normal(0, 0.01, (40, 60, 80)).astype(np.float32)
    bright = [np.clip(still * (1 + 0.1 * np.sin(k / 5)), 0, 255).astype(np.uint8) for k in range(40)]
    out = run(name, bright, 3 * np.exp(off))
    assert np.log(out[20:] / 3).std() < 0.4 * off.std()


@pytest.mark.parametrize("name", BOTH)
def test_exact_depth_stays_nearly_exact_on_a_walk(name):
    """An average that follows motion badly, or does not know that a walk changes depth, lags behind."""
    frames = list(fly_through(7, 11, 45, 120, 160))
    out = run(name, [f.image for f in frames], [f.depth_m for f in frames])
    true_m = np.array([f.depth_m for f in frames])
    assert np.mean(np.abs(out - true_m) / true_m) < 0.011
    moved = np.abs(np.log(true_m[8:] / true_m[:-8]))
    assert moved.mean() > 0.03  # what is being followed


@pytest.mark.parametrize("name", BOTH)
def test_edges_are_as_sharp_as_the_models(name):
    """The correction is a small picture made large; depth itself is never resampled."""
    rng = np.random.default_rng(5)
    image = np.clip(texture(rng, 240, 320, 120, 4), 0, 255).astype(np.uint8)
    depth_m = np.where(np.arange(320) < 163, 2, 4).astype(np.float32) + np.zeros((240, 1), np.float32)
    out = run(name, [image] * 20, [(depth_m * np.exp(v)).astype(np.float32) for v in rng.normal(0, 0.03, 20)])
    np.testing.assert_allclose(out[:, :, 163] / out[:, :, 162], 2, rtol=0.01)
