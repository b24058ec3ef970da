"""90 % intervals: how errors become them, and that they hold what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onedepth import models
from onedepth.data.pair import Pair
from onedepth.data.synthetic import SyntheticData
from onedepth.depth import Depth, Intrinsics
from onedepth.errors import OnedepthError
from onedepth.intervals import coverage, cross_validated_coverage, errors_of, factor, normalised_errors
from onedepth.outputs import read_png16
from onedepth.predictor import Predictor
from onedepth.protocols import PROTOCOLS

CAMERA = Intrinsics(2.0, 2.0, 0.5, 0.5)
FULL = PROTOCOLS["full"]


def pair_of(depth_m: np.ndarray, valid: np.ndarray | None = None) -> Pair:
    image = np.zeros((*depth_m.shape, 3), np.uint8)
    return Pair(
        "a", image, depth_m.astype(np.float32), np.ones(depth_m.shape, bool) if valid is None else valid, CAMERA
    )


def test_errors_by_hand():
    # Off by factors of 2, 1, e and 1/2, at expected ln 2, 1, 2 and 2 ln 2: quotients of 1, 0, 1/2 and 1/2.
    true_m = np.array([[1.0, 2.0], [3.0, 4.0]])
    pred_m = true_m * np.array([[2, 1], [math.e, 0.5]])
    doubt = np.array([[math.log(2), 1], [2, 2 * math.log(2)]])
    errors = normalised_errors(pred_m, doubt, pair_of(true_m), FULL)
    np.testing.assert_allclose(errors, [1, 0, 0.5, 0.5], rtol=1e-6, atol=1e-7)


def test_invalid_pixels_and_the_crop_do_not_count():
    true_m = np.full((480, 640), 2.0)
    valid = np.ones((480, 640), bool)
    valid[100:300] = False
    pred_m, doubt = np.full((480, 640), 2.0), np.ones((480, 640))
    pred_m[100:300] = np.nan
    pred_m[:20] = pred_m[460:] = 9
    errors = normalised_errors(pred_m, doubt, pair_of(true_m, valid), PROTOCOLS["eigen"])
    assert len(errors) == 2000
    assert (errors == 0).all()


def test_factor_and_coverage_by_hand():
    ten = [np.arange(1, 11) / 10]
    assert factor(ten) == pytest.approx(0.9)
    assert coverage(ten, 0.9) == pytest.approx(0.9)
    # Images weigh alike: one of many small errors does not drown one of few large ones.
    two = [np.full(1000, 0.1), np.array([1.0, 2.0, 3.0, 4.0, 5.0])]
    assert factor(two) == pytest.approx(4.0)
    assert coverage(two, 4.0) == pytest.approx(0.9)


@given(st.lists(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 9, width=32)), min_size=1, max_size=6))
def test_the_factor_is_the_least_that_covers(errors):
    found = factor(errors)
    assert coverage(errors, found) >= 0.9 - 1e-9
    smaller = np.concatenate(errors)
    smaller = smaller[smaller < found]
    assert not len(smaller) or coverage(errors, smaller.max()) < 0.9


def test_cross_validation_does_not_vouch_for_itself():
    # Each quarter errs on its own scale: a factor from the others covers it wholly or not at all.
    errors = [np.full(50, scale) for scale in (1.0, 10.0, 100.0, 1000.0) for _ in range(3)]
    assert coverage(errors, factor(errors)) == 1
    assert cross_validated_coverage(errors) == pytest.approx(0.75)
    rng = np.random.default_rng(0)
    alike = [rng.laplace(size=2000).__abs__() for _ in range(40)]
    assert cross_validated_coverage(alike) == pytest.approx(0.9, abs=0.01)
    assert factor(alike) == pytest.approx(math.log(10), rel=0.02)  # P(|x| > t) = e^-t for a Laplace distribution


def test_intervals_of_a_depth():
    depth_m = np.array([[1.0, 2.0]], np.float32)
    depth = Depth(
        depth_m, np.zeros((1, 2, 3), np.uint8), CAMERA, "given", "m 1", "p", np.full((1, 2), math.log(2), np.float32)
    )
    near, far = depth.interval_m()
    np.testing.assert_allclose(near, [[0.5, 1]], rtol=1e-6)
    np.testing.assert_allclose(far, [[2, 4]], rtol=1e-6)
    assert near.dtype == far.dtype == np.float32
    silent = Depth(depth_m, np.zeros((1, 2, 3), np.uint8), CAMERA, "given", "m 1")
    with pytest.raises(OnedepthError, match="m 1 says nothing of its errors"):
        silent.interval_m()


def test_the_shipped_model_says_what_it_is_off():
    predictor = Predictor(models.find())
    scene = SyntheticData(1, height=96, width=128)[0]
    if not predictor.card.interval:
        with pytest.raises(OnedepthError, match="no output `uncertainty`"):
            errors_of(predictor, [scene], FULL)
        return
    (errors,) = errors_of(predictor, [scene], FULL)
    assert np.isfinite(errors).all()
    assert (errors >= 0).all()


def test_without_what_is_not_to_be_believed(tmp_path):
    depth_m = np.array([[1.0, 2.0, 3.0]], np.float32)
    doubt = np.log(np.array([[1.1, 1.249, 1.251]], np.float32))
    depth = Depth(depth_m, np.zeros((1, 3, 3), np.uint8), CAMERA, "given", "m 1", "p", doubt)
    kept = depth.within(0.25)
    np.testing.assert_array_equal(kept.depth_m, [[1, 2, np.nan]])
    assert kept.depth_m.dtype == np.float32
    np.testing.assert_array_equal(depth.depth_m, [[1, 2, 3]])  # the whole one is as it was
    np.testing.assert_array_equal(read_png16(kept.save(tmp_path / "kept.png"))[0], [[1, 2, 0]])
    for share in (0, -1, math.nan, math.inf):
        with pytest.raises(OnedepthError, match="above 0"):
            depth.within(share)
