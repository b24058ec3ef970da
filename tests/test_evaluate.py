"""Protocols and reports: what counts, what does not, and what is said about it."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.errors import DataError
from onedepth.evaluate import evaluate, mirror, predict_mirrored
from onedepth.metrics import METRICS
from onedepth.protocols import PROTOCOLS, apply

FULL, EIGEN, DENSEDEPTH = PROTOCOLS["full"], PROTOCOLS["eigen"], PROTOCOLS["densedepth"]


def make_pair(name="a", depth_m=None, valid=None):
    depth_m = np.full((480, 640), 2.0, np.float32) if depth_m is None else depth_m
    height, width = depth_m.shape
    image = np.zeros((height, width, 3), np.uint8)
    valid = np.ones(depth_m.shape, bool) if valid is None else valid
    return Pair(name, image, depth_m, valid, Intrinsics(500.0, 510.0, 300.0, 250.0))


def always(metres):
    return lambda image, intrinsics: np.full(image.shape[:2], metres, np.float32)


def predicting(depth_m):
    return lambda image, intrinsics: depth_m


def test_a_constant_predictor_against_the_formulas():
    rng = np.random.default_rng(1)
    pairs = []
    for index in range(3):
        valid = rng.random((12, 16)) < 0.7
        depth = np.where(valid, rng.uniform(0.5, 9, (12, 16)), 0).astype(np.float32)
        pairs.append(make_pair(str(index), depth, valid))
    report = evaluate(always(3.0), pairs, FULL)
    expected = {key: [] for key in METRICS}
    for pair in pairs:
        truth = [float(t) for t, v in zip(pair.depth_m.flat, pair.valid.flat, strict=True) if v]
        n = len(truth)
        logs = [math.log(3.0 / t) for t in truth]
        for k in (1, 2, 3):
            expected[f"delta{k}"].append(sum(max(3.0 / t, t / 3.0) < 1.25**k for t in truth) / n)
        expected["abs_rel"].append(sum(abs(3.0 - t) / t for t in truth) / n)
        expected["sq_rel"].append(sum((3.0 - t) ** 2 / t for t in truth) / n)
        expected["sq_rel_t2"].append(sum((3.0 - t) ** 2 / t**2 for t in truth) / n)
        expected["irmse"].append(1000 * math.sqrt(sum((1 / 3.0 - 1 / t) ** 2 for t in truth) / n))
        expected["rmse"].append(math.sqrt(sum((3.0 - t) ** 2 for t in truth) / n))
        expected["rmse_log"].append(math.sqrt(sum(g * g for g in logs) / n))
        expected["log10"].append(sum(abs(math.log10(3.0 / t)) for t in truth) / n)
        variance = sum(g * g for g in logs) / n - (sum(logs) / n) ** 2
        expected["silog"].append(100 * math.sqrt(variance))
    for row, pair in zip(report.images, pairs, strict=True):
        assert (row.id, row.pixels, row.invalid_predictions) == (pair.id, pair.valid.sum(), 0)
    for key, values in expected.items():
        assert [row.metrics[key] for row in report.images] == pytest.approx(values)
        assert report.metrics[key] == pytest.approx(sum(values) / 3)


@pytest.mark.parametrize("protocol", [EIGEN, DENSEDEPTH])
def test_the_crop_is_rows_20_to_459_and_columns_24_to_615(protocol):
    pair = make_pair()
    wrong = np.full((480, 640), 9.0, np.float32)
    wrong[20:460, 24:616] = 2.0
    if protocol.mirrored:  # the crop's columns are their own mirror image
        assert wrong[240, 24] == wrong[240, ::-1][24]
    assert evaluate(predicting(wrong), [pair], protocol).metrics["rmse"] == 0.0
    for row, column in ((20, 24), (20, 615), (459, 24), (459, 615)):
        touched = wrong.copy()
        touched[row, column] = 3.0
        assert evaluate(predicting(touched), [pair], protocol).metrics["rmse"] > 0.0
    assert evaluate(predicting(wrong), [pair], protocol).images[0].pixels == 440 * 592
    assert evaluate(predicting(wrong), [pair], FULL).metrics["rmse"] > 0.0


def test_truth_outside_the_cap_is_invalid_and_its_bounds_are_not():
    depth = np.array([[0.0999, 0.1, 10.0, 10.001, np.nan, np.inf]], np.float32)
    _, _, valid = apply(FULL, np.ones((1, 6), np.float32), make_pair(depth_m=depth))
    assert valid.tolist() == [[False, True, True, False, False, False]]
    stored = np.array([[True, False, True, True, True, True]])
    _, _, valid = apply(FULL, np.ones((1, 6), np.float32), make_pair(depth_m=depth, valid=stored))
    assert valid.tolist() == [[False, False, True, False, False, False]]


def test_predictions_are_clipped_to_the_cap_but_invalid_ones_are_not():
    pred = np.array([[0.01, 5.0, 12.0, 0.0, -1.0, np.nan, np.inf]], np.float32)
    clipped, _, _ = apply(FULL, pred, make_pair(depth_m=np.ones((1, 7), np.float32)))
    np.testing.assert_allclose(clipped, [[0.1, 5.0, 10.0, np.nan, np.nan, np.nan, np.nan]], rtol=1e-6)


def test_another_cap_is_another_protocol():
    far = replace(FULL, name="far", max_depth_m=80.0)
    pair = make_pair(depth_m=np.full((2, 2), 40.0, np.float32))
    assert evaluate(always(40.0), [pair], far).metrics["delta1"] == 1.0
    with pytest.raises(DataError, match="1 without valid truth"):
        evaluate(always(40.0), [pair], FULL)


def test_names_of_protocols_are_their_keys():
    assert all(protocol.name == key for key, protocol in PROTOCOLS.items())


def test_mirror_moves_the_camera_too():
    image = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    flipped, camera = mirror(image, Intrinsics(5.0, 6.0, 1.0, 0.5))
    np.testing.assert_array_equal(flipped[:, 0], image[:, 3])
    assert camera == Intrinsics(5.0, 6.0, 2.0, 0.5)
    again, camera = mirror(flipped, camera)
    np.testing.assert_array_equal(again, image)
    assert camera == Intrinsics(5.0, 6.0, 1.0, 0.5)


def test_the_mirrored_prediction_is_mirrored_back_and_averaged():
    image = np.zeros((1, 4, 3), np.uint8)
    image[0, 0] = 200  # a mark at the left

    def predict(image, intrinsics):
        """1 m at the mark and 2 m elsewhere; 4 m more where the camera is mirrored."""
        depth = np.where(image[..., 0] > 0, 1.0, 2.0) + (4.0 if intrinsics.cx == 2.0 else 0.0)
        return depth.astype(np.float32)

    result = predict_mirrored(predict, image, Intrinsics(5.0, 5.0, 1.0, 0.0))
    np.testing.assert_array_equal(result, [[3.0, 4.0, 4.0, 4.0]])  # the means of 1 and 5, 2 and 6
    assert result.dtype == np.float32


def test_the_mean_of_two_views_does_not_hide_an_invalid_one():
    pair = make_pair()
    broken = np.full((480, 640), 2.0, np.float32)
    broken[100, 100] = -1.0  # with its mirror pixel's 5.0 the mean would be the truth
    broken[100, 539] = 5.0
    assert evaluate(predicting(broken), [pair], DENSEDEPTH).invalid_predictions == 2


class WithBrokenFile(Sequence[Pair]):
    """Three pairs, of which the second cannot be read."""

    def __len__(self):
        return 3

    def __getitem__(self, index):  # pyright: ignore[reportIncompatibleMethodOverride]
        if index == 1:
            raise DataError("rgb/b.png: cannot be read")
        return make_pair(f"p{index}")


def test_what_cannot_be_counted_is_named_and_the_rest_is():
    report = evaluate(always(2.0), WithBrokenFile(), EIGEN)
    assert [row.id for row in report.images] == ["p0", "p2"]
    assert report.failed == ("rgb/b.png: cannot be read",)
    blind = make_pair("blind", valid=np.zeros((480, 640), bool))
    small = make_pair("small", depth_m=np.ones((48, 64), np.float32))
    report = evaluate(always(2.0), [blind, make_pair("good"), small], EIGEN)
    assert (report.count, report.excluded, report.metrics["delta1"]) == (1, ("blind",), 1.0)
    assert report.failed == ("pair 'small' is 64×48, protocol 'eigen' expects 640×480; 'full' takes any size",)
    table = report.table()
    assert "1 without valid truth, not counted: blind" in table
    assert "pair 'small' is 64×48" in table


def test_nothing_to_compare_is_an_error_of_one_line():
    with pytest.raises(DataError, match=r"none of 1 pairs .* 1 failed; the first failure: pair 'a' is 2×1") as caught:
        evaluate(always(2.0), [make_pair(depth_m=np.ones((1, 2), np.float32))], EIGEN)
    assert "\n" not in str(caught.value)


def test_a_prediction_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"prediction of shape \(3, 4\), expected \(480, 640\)"):
        evaluate(predicting(np.ones((3, 4), np.float32)), [make_pair()], EIGEN)


def test_invalid_predictions_are_loud_and_json_stays_strict():
    pred = np.full((480, 640), 2.0, np.float32)
    pred[0, 0] = np.nan  # outside the crop: not counted
    pred[30, 30:33] = [np.nan, np.inf, 0.0]
    report = evaluate(predicting(pred), [make_pair("a")], EIGEN)
    assert report.invalid_predictions == 3
    assert report.metrics["delta1"] == 1 - 3 / (440 * 592)
    assert report.metrics["rmse"] == math.inf
    assert "invalid predictions (NaN, infinite or not above 0): 3 pixels in 1 images: a" in report.table()

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(report.to_json(), parse_constant=refuse)
    assert content["metrics"]["rmse"] is None
    assert content["images"][0]["invalid_predictions"] == 3
    assert next(csv.DictReader(io.StringIO(report.to_csv())))["rmse"] == "inf"


def test_the_report_as_table_json_and_csv():
    pairs = [make_pair("a"), make_pair("b, with a comma")]
    report = evaluate(always(3.0), pairs, EIGEN)
    first, names, values = report.table().splitlines()
    assert first.startswith("2 images, protocol eigen: rows 20–459")
    assert names.split() == list(METRICS.values())
    shown = dict(zip(METRICS, values.split(), strict=True))
    assert (shown["abs_rel"], shown["rmse"], shown["delta2"]) == ("0.5000", "1.0000", "1.0000")
    content = json.loads(report.to_json())
    assert content["metrics"] == report.metrics
    assert (content["count"], content["protocol"]["crop"]) == (2, [[20, 460], [24, 616]])
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [row["id"] for row in rows] == ["a", "b, with a comma"]
    assert {key: float(rows[1][key]) for key in METRICS} == report.images[1].metrics


def test_progress_is_told_after_each_pair():
    told = []
    evaluate(always(2.0), WithBrokenFile(), EIGEN, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
