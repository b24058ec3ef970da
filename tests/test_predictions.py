"""Folders of depth files by any program."""

import numpy as np
import pytest
from PIL import Image

from onedepth.data.pair import Pair
from onedepth.depth import Depth, Intrinsics
from onedepth.errors import DataError
from onedepth.evaluate import evaluate, evaluate_all
from onedepth.predictions import FilePredictions, MissingPredictionError, ModelPredictions, View
from onedepth.protocols import PROTOCOLS

FULL = PROTOCOLS["full"]
CAMERA = Intrinsics(10.0, 10.0, 3.5, 2.5)


def make_pair(name, shape=(6, 8)):
    rng = np.random.default_rng(len(name))
    true = (np.round(rng.uniform(1, 9, shape) * 1000) / 1000).astype(np.float32)
    return Pair(name, np.zeros((*shape, 3), np.uint8), true, np.ones(shape, bool), CAMERA)


def write(folder, name, ending, depth_m):
    path = folder / f"{name}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending.endswith(".npy"):
        np.save(path, depth_m)
    elif ending.endswith(".npz"):
        image = np.zeros((*depth_m.shape, 3), np.uint8)
        Depth(depth_m, image, CAMERA, "given", "model").save(path)
    else:
        Image.fromarray(np.rint(depth_m * 1000).astype(np.uint16)).save(path)


@pytest.mark.parametrize("ending", FilePredictions.ENDINGS)
def test_every_kind_of_file_says_the_same_metres(tmp_path, ending):
    pair = make_pair("room/a.b 1")
    write(tmp_path, pair.id, ending, pair.depth_m)
    depth_m = FilePredictions(tmp_path).depth_m(pair, View())
    assert depth_m is not None
    np.testing.assert_allclose(depth_m, pair.depth_m, atol=1e-6)
    report = evaluate_all({"x": FilePredictions(tmp_path)}, [pair], [FULL])["x"]["full"]
    assert report.metrics["rmse"] < 1e-6


def test_files_and_the_model_that_wrote_them_agree(tmp_path):
    pairs = [make_pair(name) for name in "ab"]

    def predict(image, intrinsics):
        return np.full(image.shape[:2], 4.0, np.float32)

    for pair in pairs:
        write(tmp_path, pair.id, ".npy", predict(pair.image, CAMERA))
    both = evaluate_all({"m": ModelPredictions(predict), "f": FilePredictions(tmp_path)}, pairs, [FULL])
    assert both["m"]["full"] == both["f"]["full"] == evaluate(predict, pairs, FULL)


def test_a_missing_prediction_is_named_and_in_no_mean(tmp_path):
    pairs = [make_pair(name) for name in "abc"]
    for pair in pairs[::2]:
        write(tmp_path, pair.id, ".npy", pair.depth_m)
    report = evaluate_all({"x": FilePredictions(tmp_path)}, pairs, [FULL])["x"]["full"]
    assert (report.count, report.missing, report.metrics["rmse"]) == (2, ("b",), 0.0)
    assert "1 without a prediction, not counted: b" in report.table()
    with pytest.raises(MissingPredictionError, match=r"pair 'b': no prediction in .*, expected b.npy, b.npz, b.png"):
        FilePredictions(tmp_path).find("b")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"of x under protocol 'full': .* 3 without a prediction"):
        evaluate_all({"x": FilePredictions(tmp_path / "none")}, pairs, [FULL])


def test_invalid_predictions_in_files_are_counted_not_clipped(tmp_path):
    pair = make_pair("a")
    depth_m = pair.depth_m.copy()
    depth_m[0, :3] = [np.nan, -1.0, 0.0]
    write(tmp_path, "a", ".npy", depth_m)
    report = evaluate_all({"x": FilePredictions(tmp_path)}, [pair], [FULL])["x"]["full"]
    assert report.invalid_predictions == 3 and np.isinf(report.metrics["rmse"])
    holes = np.rint(pair.depth_m * 1000).astype(np.uint16)
    holes[2, 2] = 0
    (tmp_path / "a.npy").unlink()
    Image.fromarray(holes).save(tmp_path / "a.png")
    report = evaluate_all({"x": FilePredictions(tmp_path)}, [pair], [FULL])["x"]["full"]
    assert report.invalid_predictions == 1


def test_sizes_differ_only_where_the_protocol_has_a_rule(tmp_path):
    true = np.full((480, 640), 3.0, np.float32)
    pair = Pair("a", np.zeros((480, 640, 3), np.uint8), true, np.ones(true.shape, bool), CAMERA)
    write(tmp_path, "a", ".npy", true[::2, ::2])
    files = {"x": FilePredictions(tmp_path)}
    report = evaluate_all(files, [pair], [PROTOCOLS["densedepth"]])["x"]["densedepth"]
    assert report.metrics["rmse"] == pytest.approx(0, abs=1e-6)
    assert report.one_view and "mirrored average is not ours" in report.table()
    for name in ("eigen", "fastdepth", "full"):
        with pytest.raises(DataError, match=r"pair 'a': prediction of shape \(240, 320\), expected .*480, 640"):
            evaluate_all(files, [pair], [PROTOCOLS[name]])
    # FastDepth's protocol takes pictures of its own size, and whole ones, which it treats like the truth.
    for depth_m in (np.full((224, 224), 3.0, np.float32), true):
        write(tmp_path, "a", ".npy", depth_m)
        assert evaluate_all(files, [pair], [PROTOCOLS["fastdepth"]])["x"]["fastdepth"].metrics["rmse"] == 0.0


def test_two_files_for_one_pair_are_a_question(tmp_path):
    pair = make_pair("a")
    write(tmp_path, "a", ".npy", pair.depth_m)
    write(tmp_path, "a", ".png", pair.depth_m)
    with pytest.raises(DataError, match=r"a.npy and a.png .* which of them counts"):
        FilePredictions(tmp_path).depth_m(pair, View())


@pytest.mark.parametrize("name", ["../a", "/etc/a", "x/../../a", r"..\a", "C:a"])
def test_an_id_does_not_lead_out_of_the_folder(tmp_path, name):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "a.npy", np.ones((6, 8), np.float32))
    with pytest.raises(DataError, match="leads out of the folder"):
        FilePredictions(tmp_path / "in").find(name)


WRONG = {
    "whole numbers": (np.ones((6, 8), np.int32), "int32"),
    "three planes": (np.ones((6, 8, 3), np.float32), r"\(6, 8, 3\)"),
    "pickled": (np.array([{"a": 1}], dtype=object), "pickle|Object"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_array_of_another_kind_is_refused(tmp_path, what):
    values, words = WRONG[what]
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(DataError, match=words):
        FilePredictions(tmp_path).depth_m(make_pair("a"), View())


def test_damaged_files_are_refused_in_one_line(tmp_path):
    for ending in (".npy", ".npz", ".png"):
        for content in (b"", b"not at all"):
            (tmp_path / f"a{ending}").write_bytes(content)
            with pytest.raises(DataError) as caught:
                FilePredictions(tmp_path).depth_m(make_pair("a"), View())
            assert "\n" not in str(caught.value) and "a" + ending in str(caught.value)
        (tmp_path / f"a{ending}").unlink()
    with pytest.raises(DataError, match="no such folder"):
        FilePredictions(tmp_path / "nowhere")


def test_an_array_with_a_channel_is_taken(tmp_path):
    pair = make_pair("a")
    for shape in ((1, 6, 8), (6, 8, 1)):
        np.save(tmp_path / "a.npy", pair.depth_m.reshape(shape))
        np.testing.assert_array_equal(FilePredictions(tmp_path).depth_m(pair, View()), pair.depth_m)
