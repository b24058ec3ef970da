"""What holds of the metrics for every image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onedepth.metrics import METRICS, depth_metrics, measure

DEPTHS = st.floats(0.125, 100, width=32)
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5))


@st.composite
def cases(draw):
    """Prediction, truth and validity of one shape, with at least one valid pixel."""
    shape = draw(SHAPES)
    pred = draw(arrays(np.float32, shape, elements=DEPTHS))
    true = draw(arrays(np.float32, shape, elements=DEPTHS))
    valid = draw(arrays(np.bool_, shape))
    valid[draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))] = True
    return pred, true, valid


# No deadline: a test is not decided by a clock.
@settings(deadline=None)
@given(cases(), st.integers(-6, 6))
def test_scaling_both_leaves_relative_metrics_alone(case, exponent):
    pred, true, valid = case
    scale = 2.0**exponent  # a power of two scales without rounding, so that no pixel moves across a threshold
    before = depth_metrics(pred, true, valid)
    after = depth_metrics(pred * scale, true * scale, valid)
    for key in ("delta1", "delta2", "delta3", "abs_rel", "sq_rel_t2"):
        assert after[key] == before[key]
    for key in ("rmse_log", "log10", "silog"):
        assert after[key] == pytest.approx(before[key], rel=1e-9, abs=1e-9)
    assert after["rmse"] == pytest.approx(before["rmse"] * scale)
    assert after["sq_rel"] == pytest.approx(before["sq_rel"] * scale)
    assert after["irmse"] == pytest.approx(before["irmse"] / scale)


@settings(deadline=None)
@given(cases(), st.floats(0.25, 4))
def test_scaling_the_prediction_alone_leaves_silog_alone(case, scale):
    pred, true, valid = case
    before = depth_metrics(pred, true, valid)["silog"]
    assert depth_metrics(pred.astype(float) * scale, true, valid)["silog"] == pytest.approx(before, abs=1e-9)


@settings(deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_pixels_does_not_matter(case, random):
    order = list(range(case[0].size))
    random.shuffle(order)
    shuffled = [values.ravel()[order] for values in case]
    assert depth_metrics(*shuffled) == pytest.approx(depth_metrics(*case), rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(cases(), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30]))
def test_invalid_pixels_have_no_influence(case, junk):
    pred, true, valid = case
    before = depth_metrics(pred, true, valid)
    junk = np.float32(junk)
    assert depth_metrics(np.where(valid, pred, junk), np.where(valid, true, junk), valid) == before


@settings(deadline=None)
@given(cases())
def test_the_truth_itself_is_perfect(case):
    _, true, valid = case
    assert depth_metrics(true, true, valid) == {key: float(key.startswith("delta")) for key in METRICS}


@settings(deadline=None)
@given(cases(), st.integers(0, 25), st.booleans(), st.sampled_from([1.0, np.nan, 0.0]))
def test_split_and_merge_equals_the_whole(case, cut, swapped, spoilt):
    pred, true, valid = (values.ravel() for values in case)
    pred[0] *= spoilt  # in one of three cases there is an invalid prediction
    whole = measure(pred, true, valid, swapped=swapped)
    left = measure(pred[:cut], true[:cut], valid[:cut], swapped=swapped)
    right = measure(pred[cut:], true[cut:], valid[cut:], swapped=swapped)
    for merged in (left + right, right + left):
        assert (merged.pixels, merged.invalid, merged.within) == (whole.pixels, whole.invalid, whole.within)
        assert merged.metrics() == pytest.approx(whole.metrics(), rel=1e-9, abs=1e-9)


def test_more_pixels_than_a_block_are_the_blocks_together():
    rng = np.random.default_rng(3)
    true = rng.uniform(1, 9, 100_000)
    pred = true * rng.uniform(0.5, 2, true.size)
    valid = rng.random(true.size) < 0.8
    result = depth_metrics(pred, true, valid)
    p, t = pred[valid], true[valid]
    assert result["silog"] == pytest.approx(100 * np.std(np.log(p / t)), rel=1e-12)
    assert result["irmse"] == pytest.approx(1000 * np.sqrt(np.mean((1 / p - 1 / t) ** 2)), rel=1e-12)
    assert result["delta1"] == np.mean(np.maximum(p / t, t / p) < 1.25)
