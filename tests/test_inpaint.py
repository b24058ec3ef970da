"""In-painting: equal to a direct solution of the equations as they are written, and kind to what is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layouts import colours
from onedepth.data.inpaint import inpaint, weights
from onedepth.data.synthetic import render_scene
from onedepth.errors import DataError


def by_the_book(grey: np.ndarray, depth_m: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Pixel by pixel, in double precision, with a dense solver."""
    height, width = grey.shape
    matrix, right = np.eye(height * width), np.where(valid, depth_m, 0).ravel().astype(float)
    for y in range(height):
        for x in range(width):
            if valid[y, x]:
                continue
            near = [
                (j, i)
                for j in range(max(0, y - 1), min(height, y + 2))
                for i in range(max(0, x - 1), min(width, x + 2))
            ]
            values = np.array([grey[one] for one in near])
            others = [one for one in near if one != (y, x)]
            squares = np.array([(grey[one] - grey[y, x]) ** 2 for one in others])
            spread = max(0.6 * values.var(), squares.min() / np.log(100), 2e-6)
            weight = np.exp(-squares / spread)
            for one, share in zip(others, weight / weight.sum(), strict=True):
                matrix[y * width + x, one[0] * width + one[1]] = -share
    return np.linalg.solve(matrix, right).reshape(height, width)


def without_subtraction(image: np.ndarray, depth_m: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Elimination that only adds, multiplies and divides (Grassmann, Taksar, Heyman 1985), for narrow pictures.

    Each pixel's weights stay weights, so that a region's hold on its truth keeps its digits however small it is.
    """
    height, width = valid.shape
    count, reach = valid.size, width + 1
    # Of pixel and pixel - reach … pixel + reach; what comes to lie between a pixel and itself is never read.
    weight = np.zeros((count + reach, 2 * reach + 1))
    for at, value in weights(grey_of(image).astype(np.float32)).items():
        weight[:count, reach + at[0] * width + at[1]] += (value * ~valid).ravel()
    share = np.append(valid.astype(float), np.zeros(reach))  # of what is known for certain, and its depth times that
    depth = np.append(np.where(valid, depth_m, 0.0), np.zeros(reach))
    row, item = weight.strides
    whole = np.ones(count)
    for k in range(count):
        after = weight[k, reach + 1 :]
        whole[k] = share[k] + after.sum()
        # Rows below, pixels after: a parallelogram of the band.
        below = np.lib.stride_tricks.as_strided(weight[k + 1 :, reach - 1 :], (reach, 1 + reach), (row - item, item))
        part = below[:, 0] / whole[k]
        below[:, 1:] += part[:, None] * after
        share[k + 1 : k + 1 + reach] += part * share[k]
        depth[k + 1 : k + 1 + reach] += part * depth[k]
    for k in range(count)[::-1]:
        depth[k] = (depth[k] + weight[k, reach + 1 :] @ depth[k + 1 : k + 1 + reach]) / whole[k]
    return depth[:count].reshape(height, width)


def grey_of(image: np.ndarray) -> np.ndarray:
    return image @ np.array([0.2125, 0.7154, 0.0721]) / 255


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("shape", [(30, 40), (17, 23), (1, 9), (2, 2), (9, 1)])
def test_equal_to_the_equations_as_they_are_written(shape: tuple[int, int], direct: bool):
    image = (colours(3, *shape) // 12 + 100).astype(np.uint8)
    rng = np.random.default_rng(1)
    depth_m = rng.uniform(1, 60, shape).astype(np.float32)
    valid = rng.random(shape) < 0.1
    valid[0, 0] = True
    expected = by_the_book(grey_of(image), depth_m, valid)
    np.testing.assert_allclose(inpaint(image, depth_m, valid, tolerance=1e-9, direct=direct), expected, rtol=1e-3)


def test_a_rendered_room_within_a_thousandth_of_elimination():
    scene = render_scene(1, 3, 120, 160)
    valid = np.random.default_rng(0).random((120, 160)) < 0.05
    valid[:40] = False
    exact = inpaint(scene.image, scene.depth_m, valid, direct=True)
    np.testing.assert_allclose(inpaint(scene.image, scene.depth_m, valid, tolerance=1e-8), exact, rtol=1e-3)


def narrow(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture, depth and truth, in which regions hang on truth that is far away."""
    height, width = {"strip": (4000, 5), "scrambled strip": (4000, 5)}.get(kind, (600, 40))
    rng = np.random.default_rng(0)
    scene = render_scene(2, 3, 256, 256)
    image, depth_m = np.resize(scene.image, (height, width, 3)), np.resize(scene.depth_m, (height, width))
    valid = rng.random((height, width)) < 0.05
    valid[: height // 3] = False
    valid[-1, -1] = True
    if kind.startswith("scrambled"):
        image = rng.permutation(image.reshape(-1, 3)).reshape(image.shape)
    elif kind == "noise":
        image = rng.integers(0, 256, image.shape, np.uint8)
    elif kind == "one grey":
        image = np.full_like(image, 90)
    elif kind == "one known":
        valid = np.zeros_like(valid)
        valid[-1, -1] = True
    return image, depth_m, valid


@pytest.mark.parametrize(
    "kind", ["scene", "scrambled scene", "strip", "scrambled strip", "noise", "one grey", "one known"]
)
def test_regions_that_hang_on_distant_truth(kind: str):
    image, depth_m, valid = narrow(kind)
    np.testing.assert_allclose(inpaint(image, depth_m, valid), without_subtraction(image, depth_m, valid), rtol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(3, 9), st.integers(2, 6), st.integers(2, 6), st.integers(0, 999))
def test_plateaus_that_hang_by_a_thread(side: int, down: int, right: int, seed: int):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 256, (down, right), np.uint8).repeat(side, 0).repeat(side, 1)
    image = np.stack([levels] * 3, -1)
    depth_m = rng.uniform(1, 80, levels.shape).astype(np.float32)
    valid = np.zeros(levels.shape, np.bool_)
    valid[0, 0] = valid[-1, -1] = True
    np.testing.assert_allclose(inpaint(image, depth_m, valid), without_subtraction(image, depth_m, valid), rtol=1e-3)


@settings(max_examples=25)
@given(st.integers(2, 20), st.integers(2, 20), st.floats(0.01, 0.9), st.integers(0, 99))
def test_known_depths_stay_and_others_lie_between_them(height: int, width: int, share: float, seed: int):
    rng = np.random.default_rng(seed)
    depth_m = rng.uniform(1, 80, (height, width)).astype(np.float32)
    valid = rng.random((height, width)) < share
    valid[rng.integers(height), rng.integers(width)] = True
    depth_m[~valid] = np.nan  # is not read
    filled = inpaint(colours(seed, height, width), depth_m, valid)
    assert np.array_equal(filled[valid], depth_m[valid])
    assert filled.dtype == np.float32
    assert (filled >= depth_m[valid].min()).all()
    assert (filled <= depth_m[valid].max()).all()


def test_depth_stops_at_an_edge_of_the_image():
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, 15:] = 200
    depth_m, valid = np.zeros((20, 30), np.float32), np.zeros((20, 30), np.bool_)
    for x, depth in ((3, 2.0), (26, 8.0)):
        depth_m[10, x], valid[10, x] = depth, True
    filled = inpaint(image, depth_m, valid)
    assert np.abs(filled[:, :14] - 2).max() < 0.3
    assert np.abs(filled[:, 16:] - 8).max() < 0.3


def test_weights_sum_to_one():
    total = sum(weights(grey_of(colours(0, 11, 13)).astype(np.float32)).values())
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_nothing_to_do_and_nothing_to_go_by():
    depth_m = np.ones((4, 5), np.float32)
    full = inpaint(colours(0, 4, 5), depth_m, np.ones((4, 5), np.bool_))
    assert np.array_equal(full, depth_m)
    with pytest.raises(DataError, match="no pixel has a depth"):
        inpaint(colours(0, 4, 5), depth_m, np.zeros((4, 5), np.bool_))
    with pytest.raises(DataError, match="expected one size"):
        inpaint(colours(0, 5, 5), depth_m, depth_m > 0)
