"""Motion that is known is found."""

import numpy as np
import pytest

from moving_box import texture
from onedepth.data.flythrough import fly_through
from onedepth.optical_flow import doubled, flow, halved, inside, pyramid, sample
from onedepth.reduction import Reduction


def grey(image):
    return image.mean(axis=2).astype(np.float32)


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (1, 0), (-3, 2), (6, -4)])
@pytest.mark.parametrize("brighter", [0.0, 5.0])
def test_a_shifted_picture(dx, dy, brighter):
    large = grey(texture(np.random.default_rng(0), 100, 120, 120, 1.5))
    now, other = large[20:80, 20:100], large[20 - dy : 80 - dy, 20 - dx : 100 - dx] + np.float32(brighter)
    found = flow(pyramid(now), pyramid(other))
    apart = np.hypot(found[0] - dx, found[1] - dy)[8:-8, 8:-8]
    assert apart.mean() < 0.1 + 0.05 * np.hypot(dx, dy)
    assert apart.max() < 0.5 + 0.1 * np.hypot(dx, dy)


def test_a_walk_through_a_room():
    """Against the motion that exact depth and path say: a fifth of a pixel of a picture 80 wide."""
    before, now = list(fly_through(7, 11, 30, 120, 160, noise=1))[-2:]
    reduction = Reduction((120, 160), 80)
    found = flow(*(pyramid(reduction.grey(f.image)) for f in (now, before)))
    rows, columns = np.mgrid[0.5:120:2, 0.5:160:2]
    k = now.intrinsics
    z = now.depth_m[::2, ::2].astype(float)
    points = np.stack(((columns - k.cx) / k.fx * z, (rows - k.cy) / k.fy * z, z, np.ones_like(z)), axis=-1)
    points = points @ (np.linalg.inv(before.camera_to_world) @ now.camera_to_world).T
    true = np.stack((points[..., 0] / points[..., 2] * k.fx + k.cx - columns,
                     points[..., 1] / points[..., 2] * k.fy + k.cy - rows)).astype(np.float32) / 2  # fmt: skip
    seen = inside(true)
    assert np.hypot(*true)[seen].mean() > 0.3
    assert np.hypot(*(found - true))[seen].mean() < 0.2


def test_nothing_to_see_stays_where_it_is():
    plain = pyramid(np.full((60, 80), 100, np.float32))
    assert np.abs(flow(plain, plain)).max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (40, 1), (2, 3), (17, 33)])
def test_any_size(shape):
    rng = np.random.default_rng(0)
    now, other = (pyramid(rng.uniform(0, 255, shape).astype(np.float32)) for _ in range(2))
    found = flow(now, other)
    assert found.shape == (2, *shape)
    assert np.isfinite(found).all()


def test_sample_is_bilinear_and_held_at_the_border():
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    motion = np.zeros((2, 3, 4), np.float32)
    np.testing.assert_array_equal(sample(values, motion), values)
    motion[0], motion[1] = 0.25, 0.5
    assert sample(values, motion)[0, 0, 0] == pytest.approx(0.25 + 0.5 * 4)
    motion[0] = 99
    motion[1] = 0
    np.testing.assert_array_equal(sample(values, motion)[0], values[0, :, 3:] + np.zeros(4, np.float32))
    assert not inside(motion).any()


def test_halves_and_doubles_keep_places():
    ramp = np.add.outer(np.arange(20), 2 * np.arange(31)).astype(np.float32)
    again = doubled(halved(ramp), 20, 31)
    np.testing.assert_allclose(again[2:-2, 2:-3], ramp[2:-2, 2:-3], atol=1e-3)


@pytest.mark.parametrize("size", [(120, 160), (121, 163), (7, 500), (1, 1)])
def test_reduced_and_enlarged_keeps_places(size):
    reduction = Reduction(size, 40)
    ramp = (np.arange(size[1], dtype=np.float32) + 10 + np.zeros((size[0], 1), np.float32)).astype(np.float32)
    log, whole = reduction.log_depth(ramp)
    assert whole
    assert log.shape == reduction.small
    assert max(log.shape) <= 40
    again = reduction.enlarged(np.exp(log))
    assert again.shape == size
    k = reduction.factor
    np.testing.assert_allclose(again[:, k : -2 * k], ramp[:, k : -2 * k], rtol=1e-4)
