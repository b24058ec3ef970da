"""Paired bootstrap intervals."""

import math
from dataclasses import replace

import numpy as np
import pytest

from onedepth.comparison import compare
from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.evaluate import evaluate
from onedepth.metrics import METRICS, Sums
from onedepth.protocols import PROTOCOLS

FULL = PROTOCOLS["full"]
POOLED = replace(FULL, name="pooled", aggregation="pixels")


def make_pairs(count=40, seed=0):
    rng = np.random.default_rng(seed)
    pairs = []
    for index in range(count):
        true = rng.uniform(1, 9, (4, rng.integers(3, 9))).astype(np.float32)
        image = np.zeros((*true.shape, 3), np.uint8)
        image[..., 0] = index
        pairs.append(Pair(f"p{index}", image, true, np.ones(true.shape, bool), Intrinsics(5, 5, 2, 2)))
    return pairs


def noisy(pairs, size, seed):
    """Predicts the truth with noise of this size, always the same for the same picture."""

    def predict(image, intrinsics):
        index = int(image[0, 0, 0])
        rng = np.random.default_rng((seed, index))
        true = pairs[index].depth_m
        return (true * np.exp(rng.normal(0, size, true.shape))).astype(np.float32)

    return predict


def reports(protocol, pairs, *sizes):
    return [evaluate(noisy(pairs, size, seed), pairs, protocol) for seed, size in enumerate(sizes)]


@pytest.mark.parametrize("protocol", [FULL, POOLED])
def test_the_value_is_the_difference_and_the_better_one_is_better(protocol):
    first, second = reports(protocol, make_pairs(), 0.5, 0.1)
    comparison = compare(first, second, resamples=300)
    assert comparison.images == 40 and [d.key for d in comparison.differences] == list(METRICS)
    for difference in comparison.differences:
        expected = second.metrics[difference.key] - first.metrics[difference.key]
        assert difference.value == pytest.approx(expected, rel=1e-9)
        assert difference.low <= difference.value <= difference.high
        assert difference.verdict == "better", difference
    assert {d.verdict for d in compare(second, first, resamples=300).differences} == {"worse"}


@pytest.mark.parametrize("protocol", [FULL, POOLED])
def test_equals_are_undecided_and_a_model_is_itself(protocol):
    first, second = reports(protocol, make_pairs(), 0.3, 0.3)
    assert sum(d.verdict == "undecided" for d in compare(first, second).differences) >= 9
    for difference in compare(first, first).differences:
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
        assert difference.verdict == "undecided"


def test_the_same_seed_gives_the_same_intervals():
    first, second = reports(FULL, make_pairs(), 0.3, 0.25)
    assert compare(first, second, seed=3) == compare(first, second, seed=3)
    assert compare(first, second, seed=3) != compare(first, second, seed=4)


@pytest.mark.parametrize("protocol", [FULL, POOLED])
def test_intervals_against_drawing_images_one_by_one(protocol):
    first, second = reports(protocol, make_pairs(12), 0.4, 0.3)
    rng = np.random.default_rng(9)
    draws = {"rmse": [], "silog": [], "delta1": []}
    for _ in range(1500):
        picked = rng.integers(0, 12, 12)
        for key, values in draws.items():
            one, other = (together(report, picked, key) for report in (first, second))
            values.append(other - one)
    found = {d.key: d for d in compare(first, second, resamples=4000).differences}
    for key, values in draws.items():
        low, high = np.percentile(values, (2.5, 97.5))
        width = high - low
        assert found[key].low == pytest.approx(low, abs=0.1 * width)
        assert found[key].high == pytest.approx(high, abs=0.1 * width)


def together(report, picked, key):
    images = [report.images[index] for index in picked]
    if report.protocol.aggregation == "pixels":
        return sum((image.sums for image in images), Sums()).metrics()[key]
    return sum(image.metrics[key] for image in images) / len(images)


def test_only_images_that_both_have_are_compared():
    pairs = make_pairs(6)
    first = evaluate(noisy(pairs, 0.2, 1), pairs, FULL)
    second = evaluate(noisy(pairs, 0.2, 2), pairs[2:], FULL)
    comparison = compare(first, second)
    assert comparison.images == 4
    expected = second.metrics["rmse"] - np.mean([image.metrics["rmse"] for image in first.images[2:]])
    assert {d.key: d for d in comparison.differences}["rmse"].value == pytest.approx(expected)
    assert compare(first, replace(second, images=())).differences == ()


def test_an_infinite_error_is_undecided_but_deltas_are_not_lost():
    pairs = make_pairs(20)
    good, _ = reports(FULL, pairs, 0.1, 0.1)
    broken = evaluate(lambda image, k: np.zeros(image.shape[:2], np.float32), pairs, FULL)
    found = {d.key: d for d in compare(good, broken, resamples=200).differences}
    assert not math.isfinite(found["rmse"].value) and found["rmse"].verdict == "undecided"
    assert found["delta1"].verdict == "worse"
    both = {d.key: d for d in compare(broken, broken, resamples=200).differences}
    assert math.isnan(both["rmse"].value) and both["rmse"].verdict == "undecided"


def test_other_protocols_are_not_compared():
    pairs = make_pairs(3)
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(*reports(FULL, pairs, 0.1), *reports(POOLED, pairs, 0.1))
