"""What holds of boundary and point-cloud metrics for every image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onedepth.boundaries import boundary_f1, ibims_boundaries
from onedepth.depth import Intrinsics
from onedepth.point_cloud import f_scores

# No two neighbours at one depth, and no two depths, exactly a threshold (5 or 10 cm) apart: rounding would decide.
CAMERA = Intrinsics(10.7, 10.7, 4.0, 4.0)
LEVELS = st.sampled_from([1.0, 1.037, 1.091, 1.31, 2.07, 3.1])
FEW = settings(max_examples=40)


@st.composite
def cases(draw):
    """Prediction, truth and validity, with at least one valid pixel."""
    shape = (9, 10)
    pred, true = (draw(arrays(np.float64, shape, elements=LEVELS)) for _ in range(2))
    valid = draw(arrays(np.bool_, shape, elements=st.sampled_from([True, True, True, False])))
    valid[4, 4] = True
    return pred, true, valid


def scores(pred, true, valid):
    f1 = boundary_f1(pred, true, valid)
    return [f1, *ibims_boundaries(pred, true, valid).values(), *f_scores(pred, true, valid, CAMERA)]


@FEW
@given(cases(), st.sampled_from([np.nan, np.inf, 0.0, -1.0, 1e6]))
def test_invalid_pixels_have_no_influence(case, junk):
    pred, true, valid = case
    before = scores(*case)
    after = scores(np.where(valid, pred, junk), np.where(valid, true, junk), valid)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-12)


@FEW
@given(cases(), st.integers(-4, 4))
def test_boundaries_do_not_know_the_scale(case, exponent):
    pred, true, valid = case
    scaled = pred * 2.0**exponent
    np.testing.assert_array_equal(boundary_f1(scaled, true, valid), boundary_f1(pred, true, valid))
    after, before = (list(ibims_boundaries(p, true, valid).values()) for p in (scaled, pred))
    np.testing.assert_array_equal(after, before)


@FEW
@given(cases())
def test_mirroring_both_changes_nothing(case):
    pred, true, valid = case
    f1 = boundary_f1(pred[:, ::-1], true[:, ::-1], valid[:, ::-1])
    np.testing.assert_allclose(f1, boundary_f1(pred, true, valid), rtol=1e-12)
    mirrored = Intrinsics(CAMERA.fx, CAMERA.fy, pred.shape[1] - 1 - CAMERA.cx, CAMERA.cy)
    after = f_scores(pred[:, ::-1], true[:, ::-1], valid[:, ::-1], mirrored)
    assert after == pytest.approx(f_scores(pred, true, valid, CAMERA))


@FEW
@given(cases())
def test_bounds_and_perfection(case):
    pred, true, valid = case
    f1, acc, comp, five, ten = scores(*case)
    assert np.isnan(f1) or 0 <= f1 <= 1
    assert np.isnan(acc) or (0 <= acc <= 10 and 0 <= comp <= 10)
    assert 0 <= five <= ten <= 1 or five == pytest.approx(ten)
    assert f_scores(true, true, valid, CAMERA) == [1.0, 1.0]
    assert f_scores(pred, true, valid, CAMERA) == pytest.approx(f_scores(true, pred, valid, CAMERA))
