"""Every protocol against a derivation of its own: plain loops over pixels, from the sources' definitions."""

import math
from dataclasses import replace

import numpy as np
import pytest

from onedepth.alignment import ALIGNMENTS, Alignment, fit
from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.errors import DataError
from onedepth.evaluate import evaluate, evaluate_all
from onedepth.metrics import METRICS, Sums, measure
from onedepth.predictions import ModelPredictions
from onedepth.protocols import PROTOCOLS, apply, camera, check_size, fitting, picture
from onedepth.resampling import Geometry, bilinear, scaled

NYU = ["eigen", "densedepth", "densedepth-head", "bts", "fastdepth"]
KITTI = ["kitti-garg", "kitti-eigen"]


def make_pairs(shape, farthest, holes, count=2):
    """Coarse truth with its own noise; the image's red channel tells a predictor what to say."""
    rng = np.random.default_rng(7)
    pairs = []
    for index in range(count):
        height, width = shape
        true = rng.uniform(0.05, farthest * 1.05, (height // 10, width // 10)).repeat(10, 0).repeat(10, 1)
        true = np.pad(true, ((0, height % 10), (0, width % 10)), "edge").astype(np.float32)
        valid = rng.random(shape) > holes
        image = np.zeros((*shape, 3), np.uint8)
        image[..., 0] = np.clip(true / farthest * 200 + 20, 0, 255)
        image[: height // 2, : width // 3, 0] = 255  # beyond the cap
        pairs.append(Pair(str(index), image, np.where(valid, true, 0), valid, Intrinsics(500.0, 510.0, 300.0, 200.0)))
    return pairs


def predictor(farthest):
    """Says red / 200 · farthest, less at the left, so that a mirrored pass says something else."""

    def predict(image, intrinsics):
        lean = np.linspace(0.9, 1.15, image.shape[1])
        return (image[..., 0] / 200 * farthest * lean).astype(np.float32)

    return predict


def derived(pred, true):
    """Metrics of lists of metres, one formula each."""
    n = len(true)
    pairs = list(zip(map(float, pred), map(float, true), strict=True))
    logs = [math.log(p) - math.log(t) for p, t in pairs]
    mean = math.fsum(logs) / n
    values = {f"delta{k}": sum(max(p / t, t / p) < 1.25**k for p, t in pairs) / n for k in (1, 2, 3)}
    return values | {
        "abs_rel": math.fsum(abs(p - t) / t for p, t in pairs) / n,
        "sq_rel": math.fsum((p - t) ** 2 / t for p, t in pairs) / n,
        "sq_rel_t2": math.fsum(((p - t) / t) ** 2 for p, t in pairs) / n,
        "rmse": math.sqrt(math.fsum((p - t) ** 2 for p, t in pairs) / n),
        "rmse_log": math.sqrt(math.fsum(g * g for g in logs) / n),
        "log10": math.fsum(abs(math.log10(p / t)) for p, t in pairs) / n,
        "silog": 100 * math.sqrt(math.fsum((g - mean) ** 2 for g in logs) / n),
        "irmse": 1000 * math.sqrt(math.fsum((1 / p - 1 / t) ** 2 for p, t in pairs) / n),
    }


def clip(value, low, high):
    return np.minimum(np.maximum(value, low), high)


def rederived(name, pair, predict):
    """Prediction and truth of the pixels that count, as the protocol's source says; nothing of protocols.py."""
    pred = predict(pair.image, None).astype(np.float64)
    true, valid = pair.depth_m, pair.valid
    height, width = true.shape
    if name in ("densedepth", "densedepth-head"):
        other = predict(pair.image[:, ::-1], None)[:, ::-1].astype(np.float64)
        pred = (clip(pred, 0.1, 10) + clip(other, 0.1, 10)) / 2
    if name == "fastdepth":
        pred, true, valid = fastdepth(pair, predict)
    low, high, strict = (0.1, 10.0, False) if name in ("eigen", "fastdepth", "full") else (1e-3, 10.0, True)
    if name.startswith("densedepth"):
        low, strict = 0.1, False
    if name.startswith("kitti"):
        high = 80.0
    top, bottom, left, right = {
        "bts": (45, 471, 41, 601),
        "fastdepth": (0, 224, 0, 224),
        "full": (0, height, 0, width),
        "kitti-garg": (
            int(0.40810811 * height),
            int(0.99189189 * height),
            int(0.03594771 * width),
            int(0.96405229 * width),
        ),
        "kitti-eigen": (
            int(0.3324324 * height),
            int(0.91351351 * height),
            int(0.0359477 * width),
            int(0.96405229 * width),
        ),
    }.get(name, (20, 459 + 1, 24, 615 + 1))
    where = np.zeros(true.shape, bool)
    where[top:bottom, left:right] = True
    where &= valid & ((true > low) & (true < high) if strict else (true >= low) & (true <= high))
    return clip(pred, np.float32(low), np.float32(high))[where], true[where]


def fastdepth(pair, predict):
    """Resize to 250 rows, cut 228×304 from the middle, resize to 224×224; pixel by pixel for the truth."""

    def between(image, rows, columns):
        height, width = image.shape[:2]
        y = np.clip((np.arange(rows) + 0.5) * height / rows - 0.5, 0, height - 1)
        x = np.clip((np.arange(columns) + 0.5) * width / columns - 0.5, 0, width - 1)
        planes = []
        for plane in np.moveaxis(image.astype(float), 2, 0):
            tall = np.stack([np.interp(y, np.arange(height), column) for column in plane.T], 1)
            planes.append(np.stack([np.interp(x, np.arange(width), row) for row in tall]))
        return np.stack(planes, 2)

    small = between(between(pair.image, 250, 333)[11:239, 14:318], 224, 224)
    true, valid = np.zeros((224, 224), np.float32), np.zeros((224, 224), bool)
    for row in range(224):
        for column in range(224):
            y = int((int(row * 228 / 224) + 11) * 480 / 250)
            x = int((int(column * 304 / 224) + 14) * 640 / 333)
            true[row, column], valid[row, column] = pair.depth_m[y, x], pair.valid[y, x]
    return predict(np.rint(small).astype(np.uint8), None).astype(np.float64), true, valid


@pytest.mark.parametrize("name", [*NYU, *KITTI, "full"])
def test_a_protocol_is_what_its_source_says(name):
    shape, farthest = ((375, 1242), 80.0) if name in KITTI else ((480, 640), 10.0)
    pairs = make_pairs(shape, farthest, holes=0.0 if name.startswith("densedepth") else 0.4)
    predict = predictor(farthest)
    report = evaluate(predict, pairs, PROTOCOLS[name])
    parts = [rederived(name, pair, predict) for pair in pairs]
    assert [row.pixels for row in report.images] == [len(true) for _, true in parts]
    if name == "densedepth-head":
        expected = derived(np.concatenate([t for _, t in parts]), np.concatenate([p for p, _ in parts]))
    else:
        each = [derived(pred, true) for pred, true in parts]
        expected = {key: sum(values[key] for values in each) / len(each) for key in METRICS}
    assert report.metrics == pytest.approx(expected, rel=1e-6)


def test_protocols_give_numbers_of_their_own():
    pairs = make_pairs((480, 640), 10.0, holes=0.0, count=1)
    by_name = evaluate_all({"m": ModelPredictions(predictor(10.0))}, pairs, [PROTOCOLS[name] for name in NYU])["m"]
    assert len({report.metrics["abs_rel"] for report in by_name.values()}) == len(NYU)
    head, straight = by_name["densedepth-head"], by_name["densedepth"]
    assert head.metrics["delta1"] == pytest.approx(straight.metrics["delta1"])


def test_an_image_is_shown_once_for_each_view():
    seen = []

    def predict(image, intrinsics):
        seen.append((image.shape, round(intrinsics.cx)))
        return np.ones(image.shape[:2], np.float32)

    pairs = make_pairs((480, 640), 10.0, holes=0.0, count=1)
    protocols = [PROTOCOLS[name] for name in [*NYU, "full"]]
    assert len(evaluate_all({"m": ModelPredictions(predict)}, pairs, protocols)["m"]) == 6
    # As it is, mirrored (639 − 300), and at FastDepth's size.
    assert sorted(seen) == sorted([((480, 640, 3), 300), ((480, 640, 3), 339), ((224, 224, 3), seen[-1][1])])


@pytest.mark.parametrize("name", [*NYU, *KITTI, "full"])
def test_pooling_parts_of_the_data_is_pooling_the_data(name):
    shape, farthest = ((375, 1242), 80.0) if name in KITTI else ((480, 640), 10.0)
    pairs = make_pairs(shape, farthest, holes=0.3, count=3)
    protocol = replace(PROTOCOLS[name], aggregation="pixels")
    whole = evaluate(predictor(farthest), pairs, protocol)
    parts = [evaluate(predictor(farthest), part, protocol) for part in (pairs[:1], pairs[1:])]
    merged = sum((image.sums for part in parts for image in part.images), Sums())
    assert merged.metrics() == pytest.approx(whole.metrics, rel=1e-12)


def test_protocols_take_the_pictures_they_are_made_for():
    assert {p.name for p in fitting((480, 640))} == {*NYU, "full"}
    assert {p.name for p in fitting((375, 1242))} == {*KITTI, "full"}
    assert {p.name for p in fitting((100, 120))} == {"full"}
    pair = make_pairs((480, 640), 10.0, 0.0, 1)[0]
    with pytest.raises(DataError, match=r"2.5 times as wide as high; 'full' takes any"):
        check_size(PROTOCOLS["kitti-garg"], pair)


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_picture_and_camera_belong_to_what_is_compared(name):
    shape = (375, 1242) if name in KITTI else (480, 640)
    pair = make_pairs(shape, 10.0, 0.0, 1)[0]
    pred, true, valid = apply(PROTOCOLS[name], np.ones(shape, np.float32), pair)
    assert pred.shape == true.shape == valid.shape == picture(PROTOCOLS[name], pair).shape[:2]
    known = camera(PROTOCOLS[name], pair)
    if PROTOCOLS[name].geometry is None:
        # What stands at the principal point stays there.
        rows, columns = np.nonzero(pair.depth_m == pair.depth_m[200, 300])
        there = np.nonzero(true == pair.depth_m[200, 300])
        assert (known.cy, known.cx) == (200 - (rows.min() - there[0].min()), 300 - (columns.min() - there[1].min()))
    else:
        assert known.fx == pytest.approx(500 * 333 / 640 * 224 / 304)


def test_sparse_truth_is_named_where_dense_truth_is_expected():
    pairs = make_pairs((480, 640), 9.0, holes=0.1, count=1)
    report = evaluate(predictor(9.0), pairs, PROTOCOLS["densedepth"])
    assert report.sparse == ("0",) and "1 with holes" in report.table()
    assert evaluate(predictor(9.0), pairs, PROTOCOLS["eigen"]).sparse == ()


def test_a_smaller_prediction_is_resized_only_by_a_rule():
    pair = make_pairs((480, 640), 10.0, 0.0, 1)[0]
    half = np.full((240, 320), 3.0, np.float32)
    half[100, 100] = np.nan
    pred, _, _ = apply(PROTOCOLS["densedepth"], half, pair)
    # Four pixels lie inside the invalid one, and those around them would have had a part of it.
    assert pred.shape == (440, 592) and np.isnan(pred[180:182, 176:178]).all() and np.isnan(pred).sum() == 16
    with pytest.raises(ValueError, match=r"\(240, 320\), expected \(480, 640\) under protocol 'bts'"):
        apply(PROTOCOLS["bts"], half, pair)


def test_geometry_moves_the_camera_with_the_picture():
    geometry = Geometry(rows=50, crop=(40, 60), size=(20, 30))
    # 100×200 → 50×100, rows 5–44 and columns 20–79, halved again: a pixel is 4×4 of the picture.
    image = np.zeros((100, 200, 3), np.uint8)
    image[60:64, 120:124] = 250
    small = geometry.image(image)
    row, column = np.unravel_index(small[..., 0].argmax(), (20, 30))
    known = geometry.intrinsics(Intrinsics(100.0, 100.0, 121.5, 61.5), 100, 200)
    assert (known.fx, known.fy) == (25.0, 25.0)
    assert abs(known.cx - column) <= 0.5 and abs(known.cy - row) <= 0.5
    assert scaled(Intrinsics(10.0, 20.0, 9.5, 4.5), (10, 20), (20, 20)) == Intrinsics(10.0, 40.0, 9.5, 9.5)


def test_bilinear_by_hand():
    np.testing.assert_allclose(bilinear(np.array([[1.0, 3.0]]), (1, 4)), [[1.0, 1.5, 2.5, 3.0]])


def test_alignments_by_hand():
    pred, true = np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 9.0])
    assert fit("none", pred, true) == Alignment()
    assert fit("median", pred, true) == Alignment(2.5)
    assert fit("scale", pred, true).scale == pytest.approx((3 + 10 + 36) / (1 + 4 + 16))
    line = fit("scale-shift", pred, true)  # t = 2p + 1
    assert (line.scale, line.shift) == pytest.approx((2.0, 1.0))
    inverse = fit("scale-shift-disparity", 1 / pred, 1 / true)  # 1/t = 2/p + 1
    assert (inverse.scale, inverse.shift, inverse.in_disparity) == (pytest.approx(2.0), pytest.approx(1.0), True)
    assert fit("log-scale", pred, true).scale == pytest.approx((3 * 2.5 * 2.25) ** (1 / 3))


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_alignment_forgives_its_own_mistake_and_invalid_pixels_fit_nothing(name):
    rng = np.random.default_rng(8)
    true = rng.uniform(1, 5, 50)
    wrong = {
        "none": true,
        "scale-shift": (true - 0.5) / 3,
        "scale-shift-disparity": 3 / (1 / true + 0.5),
    }.get(name, true / 3)
    pred = np.concatenate([wrong, [np.nan, -1.0, np.inf]])
    alignment = fit(name, pred, np.concatenate([true, [2.0, 2.0, 2.0]]))
    np.testing.assert_allclose(alignment(wrong), true)
    assert np.isnan(alignment(np.array([np.nan]))[0])
    # Nothing to fit at all.
    assert fit(name, np.array([np.nan]), np.array([1.0])) == Alignment()


def test_a_constant_is_aligned_to_the_mean():
    true = np.array([1.0, 2.0, 6.0])
    np.testing.assert_allclose(fit("scale-shift", np.full(3, 0.7), true)(np.full(3, 0.7)), 3.0)


def test_an_aligned_protocol_says_so_and_does_so():
    pairs = make_pairs((60, 80), 10.0, 0.2)
    aligned = PROTOCOLS["full"].aligned("median")
    assert aligned.name == "full+median" and aligned.aligned("none") == PROTOCOLS["full"]
    pair = pairs[0]
    counted = pair.valid & (pair.depth_m >= 0.1) & (pair.depth_m <= 10)
    pred = (pair.depth_m * 3 + np.linspace(0.1, 0.9, 80)).astype(np.float32)
    scale = np.median(pair.depth_m[counted]) / np.median(pred[counted])
    expected = measure(np.clip(pred * scale, 0.1, 10), pair.depth_m, counted).metrics()
    assert evaluate(lambda image, k: pred, [pair], aligned).metrics == pytest.approx(expected, rel=1e-5)


def test_a_disparity_that_falls_below_zero_is_far_not_invalid():
    alignment = Alignment(scale=1.0, shift=-0.5, in_disparity=True)
    pair = make_pairs((60, 80), 10.0, 0.0, 1)[0]
    far = alignment(np.array([4.0]))
    assert far[0] > PROTOCOLS["full"].max_depth_m and np.isfinite(far[0])
    near = Alignment(scale=1.0, shift=-5.0)(np.array([4.0]))
    assert 0 < near[0] < PROTOCOLS["full"].min_depth_m
    assert pair.valid.all()
