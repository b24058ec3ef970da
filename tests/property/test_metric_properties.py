"""What holds of the metrics for every image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onedepth.metrics import METRICS, depth_metrics

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
    for key in ("delta1", "delta2", "delta3", "abs_rel"):
        assert after[key] == before[key]
    for key in ("rmse_log", "log10", "silog"):
        assert after[key] == pytest.approx(before[key], rel=1e-9, abs=1e-9)
    assert after["rmse"] == pytest.approx(before["rmse"] * scale)
    assert after["sq_rel"] == pytest.approx(before["sq_rel"] * scale)


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
