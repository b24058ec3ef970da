"""Protocols measured together give the numbers that each gives alone."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.evaluate import evaluate, evaluate_all
from onedepth.metrics import measure
from onedepth.predictions import ModelPredictions
from onedepth.protocols import PROTOCOLS, Protocol, apply, fitting
from onedepth.shared_pixels import measure_all

NEAR_BOUNDS = [1e-4, 1e-3, 0.05, 0.1, 1.0, 9.99, 10.0, 10.5, 79.0, 80.0, 90.0]
"""At and around the caps of the protocols."""
NO_DEPTHS = [np.nan, np.inf, -np.inf, 0.0, -1.0]


def make_pair(depth_m, valid):
    image = np.random.default_rng(0).integers(0, 256, (*depth_m.shape, 3), np.uint8)
    return Pair("a", image, depth_m, valid, Intrinsics(500.0, 500.0, depth_m.shape[1] / 2, depth_m.shape[0] / 2))


def scatter(rng, values, choices, share):
    """Some of the values replaced by choices, anywhere."""
    places = rng.random(values.shape) < share
    values[places] = rng.choice(choices, np.count_nonzero(places))


def adversarial(rng, shape, shares, farthest=10.0):
    """A prediction and a pair: both with values at the caps, a prediction with no depths, a truth with holes."""
    bounds, invalid, holes = shares
    true = rng.uniform(0.5, farthest, shape).astype(np.float32)
    pred = (true * rng.uniform(0.6, 1.6, shape)).astype(np.float32)
    for values in (true, pred):
        scatter(rng, values, np.array(NEAR_BOUNDS, np.float32), bounds)
    scatter(rng, pred, np.array(NO_DEPTHS, np.float32), invalid)
    valid = rng.random(shape) >= holes
    return pred, make_pair(np.where(valid, true, np.float32(0)), valid)


def assert_same(protocols, pred, pair):
    for protocol, sums in zip(protocols, measure_all(protocols, pred, pair), strict=True):
        alone = measure(*apply(protocol, pred, pair), swapped=protocol.swapped)
        together, expected = asdict(sums), asdict(alone)
        for key in ("pixels", "invalid", "within"):
            assert together.pop(key) == expected.pop(key), (protocol.name, key)
        # A spread of almost nothing is a difference of roundings, so what is compared is what people see.
        for one in (together, expected):
            one["log_spread"] = np.sqrt(one["log_spread"])
        assert together == pytest.approx(expected, rel=1e-9, abs=1e-9), protocol.name


@pytest.mark.parametrize("bounds", [0.0, 0.3])
@pytest.mark.parametrize("invalid", [0.0, 0.01])
@pytest.mark.parametrize("holes", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("shape", [(480, 640), (375, 1242)])
def test_protocols_together_are_each_alone(shape, holes, invalid, bounds):
    rng = np.random.default_rng(3)
    protocols = [replace(p, mirrored=False) for p in fitting(shape)]
    assert len(protocols) > 2
    assert_same(protocols, *adversarial(rng, shape, (bounds, invalid, holes), 10.0 if shape[0] == 480 else 85.0))


@st.composite
def own_protocols(draw, height=12, width=16):
    def span(length):
        start = draw(st.integers(0, length - 1))
        return start, draw(st.integers(start + 1, length))

    number = draw(st.integers(2, 5))
    return [
        Protocol(
            name=str(index),
            description="",
            crop=draw(st.none() | st.just((span(height), span(width)))),
            min_depth_m=draw(st.sampled_from([1e-3, 0.1, 0.5])),
            max_depth_m=draw(st.sampled_from([5.0, 10.0, 80.0])),
            open_range=draw(st.booleans()),
            swapped=draw(st.booleans()),
        )
        for index in range(number)
    ]


@settings(deadline=None)
@given(own_protocols(), st.integers(0, 2**32), *[st.sampled_from([0.0, 0.05, 0.7])] * 3)
def test_any_crops_and_caps(protocols, seed, bounds, invalid, holes):
    assert_same(protocols, *adversarial(np.random.default_rng(seed), (12, 16), (bounds, invalid, holes), 12.0))


def test_a_constant_ratio_keeps_its_digits():
    """SILog is 0 here, and must not become the root of what sums lose when they cancel."""
    rng = np.random.default_rng(4)
    true = rng.uniform(1, 2, (480, 640)).astype(np.float32)
    pred = true * np.float32(4)
    pred[:20] *= np.float32(0.5)  # outside the crops
    pair = make_pair(true, np.ones(true.shape, bool))
    for sums in measure_all([PROTOCOLS["eigen"], PROTOCOLS["bts"]], pred, pair):
        assert sums.metrics()["silog"] == pytest.approx(0, abs=1e-9)


def test_an_evaluation_of_all_protocols_is_each_evaluation():
    rng = np.random.default_rng(5)
    data = [adversarial(rng, (480, 640), (0.02, 0.0, holes)) for holes in (0.0, 0.2)]
    pred = data[0][0]

    def predict(image, intrinsics):
        return np.resize(pred, image.shape[:2]) + np.float32(intrinsics.cx / 1000)

    pairs = [replace(pair, id=str(index)) for index, (_, pair) in enumerate(data)]
    protocols = fitting((480, 640))
    together = evaluate_all({"m": ModelPredictions(predict)}, pairs, protocols)["m"]
    for protocol in protocols:
        alone = evaluate(predict, pairs, protocol)
        report = together[protocol.name]
        assert report.metrics == pytest.approx(alone.metrics, rel=1e-9)
        for one, other in zip(report.images, alone.images, strict=True):
            assert (one.id, one.pixels, one.invalid_predictions) == (other.id, other.pixels, other.invalid_predictions)
            assert one.metrics == pytest.approx(other.metrics, rel=1e-9)
        assert report.sparse == alone.sparse
