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
