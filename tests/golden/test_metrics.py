"""Every metric of two 2×2 images, worked by hand."""

import math

import numpy as np
import pytest

from onedepth.metrics import METRICS, Mean, count_invalid_predictions, depth_metrics, measure

ALL = np.ones((2, 2), dtype=bool)


def test_linear_errors_by_hand():
    # ratio p/t:        1    3/2            9/5    2/4
    true = np.array([[1.0, 2.0], [5.0, 4.0]])
    pred = np.array([[1.0, 3.0], [9.0, 2.0]])
    assert depth_metrics(pred, true, ALL) == pytest.approx(
        {
            "delta1": 0.25,  # max(p/t, t/p) = 1, 1.5, 1.8, 2 against 1.25
            "delta2": 0.50,  # against 1.5625
            "delta3": 0.75,  # against 1.953125
            "abs_rel": 0.45,  # (0/1 + 1/2 + 4/5 + 2/4) / 4 = 1.8 / 4
            "sq_rel": 1.175,  # (0/1 + 1/2 + 16/5 + 4/4) / 4 = 4.7 / 4
            "sq_rel_t2": 0.285,  # (0/1 + 1/4 + 16/25 + 4/16) / 4 = 1.14 / 4
            "rmse": 2.2912878,  # √((0 + 1 + 16 + 4) / 4) = √5.25
            # g = ln p − ln t = 0, 0.405465, 0.587787, −0.693147; g² = 0, 0.164402, 0.345493, 0.480453
            "rmse_log": 0.4975811,  # √(0.990348 / 4) = √0.247587
            "log10": 0.1830984,  # log10(1 · 1.5 · 1.8 · 2) / 4 = log10(5.4) / 4 = 0.732394 / 4
            "silog": 49.189216,  # mean g = 0.300105 / 4 = 0.075026; 100 · √(0.247587 − 0.005629)
            # 1/p − 1/t = 0, −1/6, −4/45, 1/4; squares 0, 0.0277778, 0.0079012, 0.0625: their mean 0.0245448
            "irmse": 156.66765,
        },
        rel=1e-6,
    )


def test_logarithmic_errors_by_hand():
    # p = t · 2^k with k = 1, −1, 1, 3: mean k = 1, mean |k| = 1.5, mean k² = 3, variance = 3 − 1² = 2
    true = np.array([[1.0, 2.0], [0.5, 1.0]])
    pred = np.array([[2.0, 1.0], [1.0, 8.0]])
    assert depth_metrics(pred, true, ALL) == pytest.approx(
        {
            "delta1": 0.0,
            "delta2": 0.0,
            "delta3": 0.0,  # even 2 is more than 1.953125
            "abs_rel": 2.375,  # (1 + 0.5 + 1 + 7) / 4 = 9.5 / 4
            "sq_rel": 12.75,  # (1/1 + 1/2 + 0.25/0.5 + 49/1) / 4 = 51 / 4
            "sq_rel_t2": 12.8125,  # (1/1 + 1/4 + 0.25/0.25 + 49/1) / 4 = 51.25 / 4
            "rmse": math.sqrt(12.8125),  # (1 + 1 + 0.25 + 49) / 4 = 51.25 / 4
            "rmse_log": math.sqrt(3) * math.log(2),
            "log10": 1.5 * math.log10(2),
            "silog": 100 * math.sqrt(2) * math.log(2),
            # 1/p − 1/t = −1/2, 1/2, −1, −7/8; squares 0.25, 0.25, 1, 0.765625
            "irmse": 1000 * math.sqrt(2.265625 / 4),
        },
        rel=1e-12,
    )


def test_swapped_arguments_divide_by_the_prediction():
    true = np.array([[1.0, 2.0], [5.0, 4.0]])
    pred = np.array([[1.0, 3.0], [9.0, 2.0]])
    result = measure(pred, true, ALL, swapped=True).metrics()
    straight = depth_metrics(pred, true, ALL)
    assert result["abs_rel"] == pytest.approx((1 / 3 + 4 / 9 + 2 / 2) / 4)
    assert result["sq_rel"] == pytest.approx((1 / 3 + 16 / 9 + 4 / 2) / 4)
    for key in METRICS.keys() - {"abs_rel", "sq_rel", "sq_rel_t2"}:
        assert result[key] == pytest.approx(straight[key])
    pred[0, 0] = math.nan
    assert measure(pred, true, ALL, swapped=True).invalid == 1


def test_pooled_pixels_by_hand():
    # One image of one pixel and one of three: the mean over images is not the mean over pixels.
    one = measure(np.array([[2.0]]), np.array([[1.0]]), np.array([[True]]))
    three = measure(np.array([[4.0, 4.0, 4.0]]), np.array([[4.0, 4.0, 2.0]]), np.ones((1, 3), bool))
    pooled = (one + three).metrics()
    assert (pooled["abs_rel"], pooled["delta1"]) == (0.5, 0.5)  # (1 + 0 + 0 + 1) / 4; 2 of 4
    assert pooled["rmse"] == pytest.approx(math.sqrt(5 / 4))  # 1 + 0 + 0 + 4
    assert pooled["silog"] == pytest.approx(100 * math.log(2) / 2)  # g = ln 2, 0, 0, ln 2
    mean = Mean()
    mean.add(one.metrics())
    mean.add(three.metrics())
    assert mean.result()["abs_rel"] == pytest.approx((1 + 1 / 3) / 2)


def test_one_invalid_prediction_spoils_the_pool():
    good = measure(np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 2), bool))
    bad = measure(np.array([[np.nan, 1.0]]), np.ones((1, 2)), np.ones((1, 2), bool))
    both = good + bad
    assert (both.pixels, both.invalid) == (4, 1)
    assert both.metrics()["delta1"] == 0.75 and math.isinf(both.metrics()["rmse"])


def test_thresholds_are_strict():
    # 5/4 is 1.25 exactly: not below it
    result = depth_metrics(np.full((2, 2), 5.0), np.full((2, 2), 4.0), ALL)
    assert (result["delta1"], result["delta2"]) == (0.0, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_an_invalid_prediction_misses_every_delta_and_makes_every_error_infinite(bad):
    true = np.array([[1.0, 2.0], [5.0, 4.0]])
    pred = np.array([[1.0, 2.0], [5.0, bad]])
    result = depth_metrics(pred, true, ALL)
    assert {key: value for key, value in result.items() if key.startswith("delta")} == {
        "delta1": 0.75,
        "delta2": 0.75,
        "delta3": 0.75,
    }
    assert all(math.isinf(value) for key, value in result.items() if not key.startswith("delta"))
    assert result.keys() == METRICS.keys()
    assert count_invalid_predictions(pred, ALL) == 1
    assert count_invalid_predictions(pred, np.array([[True, True], [True, False]])) == 0


def test_what_has_no_answer_is_refused():
    ones = np.ones((2, 2))
    with pytest.raises(ValueError, match="no pixel is valid"):
        depth_metrics(ones, ones, ~ALL)
    with pytest.raises(ValueError, match="true_m"):
        depth_metrics(ones, 0 * ones, ALL)
    with pytest.raises(ValueError, match="one shape"):
        depth_metrics(np.ones((1, 2)), ones, ALL)
    with pytest.raises(ValueError, match="expected bool"):
        depth_metrics(ones, ones, ALL.astype(int))


def test_mean_counts_every_image_the_same():
    mean = Mean()
    with pytest.raises(ValueError, match="no image"):
        mean.result()
    mean.add({"rmse": 1.0, "log10": 0.5})
    mean.add({"rmse": 2.0, "log10": 0.0})
    assert (mean.count, mean.result()) == (2, {"rmse": 1.5, "log10": 0.25})
    with pytest.raises(ValueError, match="keys"):
        mean.add({"rmse": 1.0})
