"""`onedepth evaluate` as a user meets it."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import call, write_pairs
from layouts import MINIATURES, nyu_test_members, write_mat_file, write_nyu_zip, write_splits
from onedepth.contestants import seen
from onedepth.data.nyu_test_zip import NyuTestZipData
from onedepth.data.recognise import Source
from onedepth.html_report import chosen
from onedepth.published import PUBLISHED, comparable

OPTIONS = {
    "bts": ["--files", "nyudepthv2_train_files_with_gt.txt"],
    "kitti": ["--files", "eigen_train_files_with_gt.txt"],
    "nyu_zip": ["--split", "test"],
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with pairs of 80×60, and predictions of another program: the truth, and a tenth more."""
    write_pairs(tmp_path / "pairs", splits=("val",) * 5)
    for name, factor in (("perfect", 1.0), ("far", 1.1)):
        (tmp_path / name).mkdir()
        for number in range(5):
            true = np.asarray(Image.open(tmp_path / "pairs" / "depth" / f"{number}.png")) / 1000
            np.save(tmp_path / name / f"{number}.npy", (true * factor).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_of_predictions(place, capsys):
    status, out, err = call(
        "evaluate", "--data", "pairs", "--predictions", "perfect", "--json", "r.json", capsys=capsys
    )
    assert (status, err) == (0, [])
    lines = out.splitlines()
    assert lines[0] == "perfect (perfect) on pairs  — not known whether it was trained on this data"
    assert lines[1].startswith("5 images, protocol full")  # the only one that pictures of 80×60 fit
    numbers = dict(zip(lines[2].split(), map(float, lines[3].split()), strict=True))
    assert numbers["δ1"] == 1 and numbers["RMSE"] == 0
    evaluated = json.loads(Path("r.json").read_text("utf-8"))["evaluated"]
    assert [one["name"] for one in evaluated] == ["perfect"] and evaluated[0]["seen"] == "unknown"


def test_several_side_by_side(place, capsys):
    arguments = ["--model", "onedepth-small", "--predictions", "far", "--predictions", "perfect"]
    files = ["--json", "r.json", "--csv", "r.csv", "--html", "r.html"]
    status, out, err = call(
        "evaluate", "--data", "pairs", *arguments, *files, "--trained-on-this", "far", capsys=capsys
    )
    assert (status, err) == (0, [])
    rows = {line.split("  ")[0]: line for line in out.splitlines()}
    assert rows["far"].endswith("trained on this data") and " 0.1000 " in rows["far"]
    assert re.search(r"perfect less onedepth-small [\d.]+, 95% intervals of 2000 paired resamples of 5 images", out)
    report = json.loads(Path("r.json").read_text("utf-8"))
    assert [one["seen"] for one in report["evaluated"]] == ["no", "trained", "unknown"]
    assert [(d["first"], d["second"]) for d in report["differences"]] == [
        (report["evaluated"][0]["name"], "far"),
        (report["evaluated"][0]["name"], "perfect"),
    ]
    assert report["differences"][1]["metrics"]["abs_rel"]["second_is"] == "better"
    lines = list(csv.DictReader(io.StringIO(Path("r.csv").read_text("utf-8"))))
    assert len(lines) == 15 and [float(row["rmse"]) for row in lines if row["name"] == "perfect"] == [0.0] * 5
    page = Path("r.html").read_text("utf-8")
    assert page.count("trained on this data</span>") >= 2 and "<script" not in page
    # Nothing is fetched: every source of a picture is in the page itself.
    assert set(re.findall(r'(?:src|href)="([^"]{5})', page)) == {"data:"}
    assert page.count("<img") == 3 * 5 * 4  # five images each: input, truth, prediction, error
    # Beside each of them what the colours mean: nearest, middle by ratio, farthest, in metres.
    marks = re.findall(r'class="scale"><span>([\d.]+)</span><span>([\d.]+)</span><span>([\d.]+) m</span>', page)
    assert len(marks) == 15
    for near, middle, far in (map(float, texts) for texts in marks):
        assert near < middle < far and middle == pytest.approx((near * far) ** 0.5, rel=0.1)


def test_slower_metrics_and_alignment_are_asked_for(place, capsys):
    arguments = ["--predictions", "far", "--align", "median", "--metrics", "points", "--metrics", "boundaries"]
    status, out, _ = call("evaluate", "--data", "pairs", *arguments, capsys=capsys)
    names, values = (line.split() for line in out.splitlines()[2:4])
    numbers = dict(zip(names, map(float, values), strict=True))
    assert status == 0 and "protocol full+median" in out
    # A tenth too far is forgiven by the median.
    assert numbers["AbsRel"] < 1e-4 and numbers["F5cm"] == 1.0 and numbers["DBEacc"] == 0.0


def test_what_is_missing_is_named_and_the_status_says_so(place, capsys):
    (place / "perfect" / "3.npy").unlink()
    (place / "perfect" / "1.npy").write_bytes(b"")
    status, out, _ = call("evaluate", "--data", "pairs", "--predictions", "perfect", capsys=capsys)
    assert status == 1 and "3 images, protocol full" in out
    assert "1 without a prediction, not counted: 3" in out
    assert "1 failed, not counted:\n  perfect/1.npy: is empty" in out


def test_a_page_about_protocols_with_published_rows(tmp_path, capsys):
    """Pictures of 640×480: what others published stands beside them, under its own protocol alone."""
    (tmp_path / "pairs").mkdir()
    (tmp_path / "said").mkdir()
    rng = np.random.default_rng(0)
    for number in range(2):
        true = np.kron(rng.uniform(1, 9, (12, 16)), np.ones((40, 40)))
        Image.fromarray(rng.integers(0, 255, (480, 640, 3), np.uint8)).save(tmp_path / "pairs" / f"{number}.jpg")
        Image.fromarray(np.rint(true * 1000).astype(np.uint16)).save(tmp_path / "pairs" / f"{number}.png")
        np.save(tmp_path / "said" / f"{number}.npy", (true * 1.2).astype(np.float32))
    index = "id,rgb,depth\n" + "".join(f"{n},{n}.jpg,{n}.png\n" for n in range(2))
    (tmp_path / "pairs" / "index.csv").write_text(index)
    status, _, _ = call(
        *("evaluate", "--data", tmp_path / "pairs", "--predictions", tmp_path / "said"),
        *("--html", tmp_path / "r.html", "--json", tmp_path / "r.json"),
        capsys=capsys,
    )
    assert status == 0
    reports = json.loads((tmp_path / "r.json").read_text("utf-8"))["evaluated"][0]["reports"]
    assert list(reports) == ["eigen", "densedepth", "densedepth-head", "bts", "fastdepth", "full"]
    assert reports["densedepth-head"]["metrics"]["abs_rel"] == pytest.approx(1 - 1 / 1.2, abs=0.02)
    page = (tmp_path / "r.html").read_text("utf-8")
    sections = dict(re.findall(r"<h2>Protocol ([\w-]+)</h2>(.*?)(?=<h2>)", page, flags=re.DOTALL))
    assert "AdaBins" in sections["bts"] and "AdaBins" not in sections["eigen"] + sections["full"]
    assert "issue #75" in sections["densedepth"] and ".604" in sections["fastdepth"]


def test_published_rows_have_a_source_and_a_protocol():
    assert all(row.source and row.metrics and row.data for row in PUBLISHED)
    assert {name for row in PUBLISHED for name in row.protocols} <= {
        *("densedepth", "densedepth-head", "bts", "fastdepth", "kitti-garg")
    }
    assert comparable("eigen") == [] and comparable("bts+median") == []


def test_worst_and_median_images_are_none_twice():
    class Row:
        def __init__(self, number):
            self.id, self.metrics = str(number), {"abs_rel": float(number)}

    worst, middle = chosen([Row(number) for number in range(101)])  # type: ignore[arg-type]
    assert [row.id for row in worst] == [str(n) for n in range(100, 88, -1)]
    assert "50" in {row.id for row in middle} and len(middle) == 12
    worst, middle = chosen([Row(number) for number in range(15)])  # type: ignore[arg-type]
    assert len(worst) == 12 and {row.id for row in middle} == {"0", "1", "2"}


@pytest.mark.parametrize(
    ("train", "val", "split", "expected"),
    [
        ({"path": "../x/nyu", "split": "train"}, {"path": "../x/nyu", "split": "val"}, "val", "chosen"),
        ({"path": "../x/nyu", "split": "train"}, {"path": "../x/nyu", "split": "val"}, "train", "trained"),
        ({"path": "../x/nyu", "split": "train"}, {"path": "../x/nyu", "split": "val"}, "test", "no"),
        ({"path": "../x/nyu", "split": "train"}, {"path": "../x/nyu", "split": "val"}, None, "trained"),
        ({"path": "mine"}, {"path": "mine"}, "val", "trained"),
        ({"layout": "synthetic", "count": 3}, {"path": "other"}, "val", "no"),
    ],
)
def test_a_card_says_whether_the_data_was_seen(train, val, split, expected):
    path = Path("/elsewhere") / ("mine" if train.get("path") == "mine" else "nyu")
    assert seen({"data": {"train": train, "val": val}}, Source("folder", path, split)) == expected


MAT = {"layout": "nyu_mat", "path": "../x/nyu_depth_v2_labeled.mat", "split": "train"}
ZIP = {"layout": "nyu_zip", "path": "nyu_data.zip", "split": "train", "val_scenes": 16}
LIST = {"layout": "kitti", "path": "kitti", "files": "lists/eigen_train.txt"}


@pytest.mark.parametrize(
    ("train", "data", "expected"),
    [
        (MAT, Source("nyu_mat", Path("renamed.mat"), "train"), "trained"),
        (MAT, Source("nyu_mat", Path("renamed.mat")), "trained"),
        (MAT, Source("nyu_mat", Path("renamed.mat"), "test"), "no"),
        (MAT, Source("nyu_test_zip", Path("nyu_test.zip"), "test"), "no"),
        (MAT, Source("nyu_zip", Path("nyu_data.zip"), "val"), "unknown"),  # the same rooms may be in both
        (MAT, Source("folder", Path("converted"), "val"), "no"),
        (ZIP, Source("nyu_zip", Path("unpacked"), "val", val_scenes=16), "no"),
        (ZIP, Source("nyu_zip", Path("unpacked"), "val"), "unknown"),  # other rooms are held out
        (LIST, Source("kitti", Path("/data/kitti"), files="eigen_train.txt"), "trained"),
        (LIST, Source("kitti", Path("/data/kitti"), files="eigen_test.txt"), "no"),
        (LIST, Source("siblings", Path("/data/kitti")), "unknown"),
    ],
)
def test_a_card_knows_data_of_other_layouts(train, data, expected):
    assert seen({"data": {"train": train, "val": {"layout": "synthetic"}}}, data) == expected


def test_without_a_recipe_it_is_not_known():
    nyu = Source("folder", Path("nyu"))
    assert seen({}, nyu) == seen({"data": "text"}, nyu) == "unknown"


@pytest.mark.parametrize("layout", MINIATURES)
def test_every_layout_is_recognised_and_evaluated(layout, tmp_path, capsys):
    data = MINIATURES[layout](tmp_path)
    write_scaled(data, tmp_path / "said")
    status, _, err = call(
        *("evaluate", "--data", data.path, *OPTIONS.get(layout, [])),  # pyright: ignore
        *("--predictions", tmp_path / "said", "--json", tmp_path / "r.json"),
        capsys=capsys,
    )
    assert (status, err) == (0, [])
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert (report["layout"], report["data"]) == (layout, str(data.path))  # pyright: ignore
    assert report["split"] == ("test" if layout in ("nyu_zip", "nyu_test_zip") else None)
    assert report["files"] == (OPTIONS[layout][1] if layout in ("bts", "kitti") else None)
    reports = report["evaluated"][0]["reports"]
    assert reports["full"]["count"] == 3 and reports["full"]["metrics"]["abs_rel"] == pytest.approx(0.1, abs=1e-3)


def test_the_mat_files_test_split(tmp_path, capsys):
    path = write_mat_file(tmp_path / "nyu_depth_v2_labeled.mat")
    write_splits(tmp_path / "splits.mat", train=(1, 3), test=(2,))
    status, out, _ = call("evaluate", "--data", path, "--split", "test", "--csv", tmp_path / "r.csv", capsys=capsys)
    assert status == 0 and f"{path}, split test" in out
    assert [row["id"] for row in csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text("utf-8")))] == ["nyu-0002"]


MISTAKES = {
    "unknown protocol": (["--protocol", "eigne"], "did you mean eigen?"),
    "unknown alignment": (["--align", "mean"], "median"),
    "unknown metrics": (["--metrics", "edges"], "boundaries"),
    "no such folder": (["--predictions", "nowhere"], "nowhere: no such folder"),
    "a folder of something else": (["--predictions", "pairs"], "no prediction for any of 5 pairs"),
    "no such model": (["--model", "nothing.onnx"], "nothing.onnx"),
    "nobody of that name": (["--predictions", "far", "--trained-on-this", "fra"], "'far'"),
    "twice the same": (["--predictions", "far", "--predictions", "far"], "given twice"),
    "pictures of another size": (["--predictions", "far", "--protocol", "bts"], "expects 640×480"),
    "no such split": (["--predictions", "far", "--split", "test"], "no split 'test'"),
    "no such layout": (["--layout", "foldr"], "no such layout 'foldr', there are folder, siblings"),
    "an option of another layout": (["--unit", "mm"], "--unit: the layout folder has no such option"),
    "a page in a file": (["--html", "pairs/index.csv/r.html"], "a part of its path is a file"),
    "lines for a folder": (["--csv", "far"], "cannot write far: it is a folder"),
    "the data's own index": (["--csv", "pairs/index.csv"], "--csv: pairs/index.csv is the data as well"),
    "one file for two": (["--html", "./r.json"], "--html: r.json is what --json names as well"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_ends_in_one_line_and_writes_nothing(what, place, capsys, monkeypatch):
    monkeypatch.setattr("onedepth.predictor.Predictor.depth_m", None)  # no model runs before a mistake is found
    arguments, words = MISTAKES[what]
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    status, out, err = call("evaluate", "--data", "pairs", "--json", "r.json", *arguments, capsys=capsys)
    assert status == 2 and out == "" and len(err) == 1 and words in err[0], err
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


# -- data that is not as it should be: named, never replaced


def nothing_written(*arguments, capsys) -> str:
    """What an evaluation says that ends in one line, with no report beside it."""
    status, out, err = call("evaluate", *arguments, "--json", "never.json", capsys=capsys)
    assert status == 2 and out == "" and len(err) == 1, (status, out, err)
    assert not Path("never.json").exists()
    return err[0]


def write_scaled(data, folder: Path, factor=1.1):
    """Predictions of all pairs by another program."""
    for pair in data:
        where = folder / f"{pair.id}.npy"
        where.parent.mkdir(parents=True, exist_ok=True)
        np.save(where, np.where(pair.valid, pair.depth_m * factor, 1).astype(np.float32))


def test_data_of_no_layout(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("text.txt").write_text("no data")
    Path("text.zip").write_text("no archive")
    assert "empty: of no known layout, expected index.csv" in nothing_written("--data", "empty", capsys=capsys)
    assert "nowhere: no such file or folder" in nothing_written("--data", "nowhere", capsys=capsys)
    assert "of no known layout, expected a .mat file" in nothing_written("--data", "text.txt", capsys=capsys)
    assert "is no ZIP archive" in nothing_written("--data", "text.zip", capsys=capsys)


def test_an_archive_of_several_splits_wants_one_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_nyu_zip(Path("nyu_data.zip"))
    said = nothing_written("--data", "nyu_data.zip", capsys=capsys)
    assert "has the splits train, val, test; name one by --split" in said
    assert "no split 'tset'" in nothing_written("--data", "nyu_data.zip", "--split", "tset", capsys=capsys)
    MINIATURES["nyu_test_zip"](tmp_path)
    said = nothing_written("--data", "nyu_test.zip", "--split", "train", capsys=capsys)
    assert "no split 'train', there is only test" in said


def test_predictions_of_another_size(place, capsys):
    np.save("far/2.npy", np.ones((6, 8), np.float32))
    status, out, _ = call("evaluate", "--data", "pairs", "--predictions", "far", capsys=capsys)
    assert status == 1 and "4 images" in out
    assert "1 failed, not counted:\n  pair '2': prediction of shape (6, 8), expected (60, 80)" in out
    for number in range(5):
        np.save(f"far/{number}.npy", np.ones((6, 8), np.float32))
    said = nothing_written("--data", "pairs", "--predictions", "far", capsys=capsys)
    assert "none of 5 pairs could be compared" in said and "(6, 8), expected (60, 80)" in said


def test_truth_of_another_size_than_its_picture(place, capsys):
    Image.fromarray(np.full((30, 40), 1000, np.uint16)).save("pairs/depth/1.png")
    status, out, _ = call("evaluate", "--data", "pairs", "--predictions", "far", capsys=capsys)
    assert status == 1 and "4 images" in out and "1 failed, not counted:" in out
    assert re.search(r"depth/1.png: .*40×30.*80×60", out)


def test_truth_without_a_pixel_is_counted_and_named(place, capsys):
    Image.fromarray(np.zeros((60, 80), np.uint16)).save("pairs/depth/4.png")
    status, out, _ = call(
        "evaluate", "--data", "pairs", "--predictions", "far", "--json", "r.json", "--html", "r.html", capsys=capsys
    )
    assert status == 0 and "4 images" in out and "1 without valid truth, not counted: 4" in out
    report = json.loads(Path("r.json").read_text("utf-8"))["evaluated"][0]["reports"]["full"]
    assert (report["count"], report["excluded"]) == (4, ["4"])
    assert report["metrics"]["abs_rel"] == pytest.approx(0.1, abs=1e-3)
    assert "1 without valid truth, not counted: 4" in Path("r.html").read_text("utf-8")


def test_predictions_that_are_no_depths_are_counted(place, capsys):
    depth_m = np.load("far/0.npy")
    depth_m[:2, :3] = [[np.nan, -1.0, 0.0], [np.inf, -np.inf, np.nan]]
    np.save("far/0.npy", depth_m)
    status, out, _ = call(
        "evaluate", "--data", "pairs", "--predictions", "far", "--json", "r.json", "--html", "r.html", capsys=capsys
    )
    assert status == 0
    line = "invalid predictions (NaN, infinite or not above 0): 6 pixels in 1 images: 0"
    assert line in out and line in Path("r.html").read_text("utf-8")
    report = json.loads(Path("r.json").read_text("utf-8"))["evaluated"][0]["reports"]["full"]
    assert report["invalid_predictions"] == 6 and report["metrics"]["rmse"] is None


def test_predictions_of_which_none_is_a_depth(place, capsys):
    for number in range(5):
        np.save(f"far/{number}.npy", np.full((60, 80), np.nan, np.float32))
    status, out, err = call(
        "evaluate",
        "--data",
        "pairs",
        "--predictions",
        "far",
        "--predictions",
        "perfect",
        "--html",
        "r.html",
        capsys=capsys,
    )
    assert (status, err) == (0, []) and "24000 pixels in 5 images" in out
    assert "24000 pixels in 5 images" in Path("r.html").read_text("utf-8")


def test_another_mat_file(tmp_path, capsys, monkeypatch):
    h5py = pytest.importorskip("h5py")
    savemat = pytest.importorskip("scipy.io").savemat

    monkeypatch.chdir(tmp_path)
    Path("text.mat").write_text("no MATLAB file")
    assert "cannot be read as MATLAB 7.3" in nothing_written("--data", "text.mat", capsys=capsys)
    savemat("old.mat", {"images": np.zeros((3, 4))})
    assert "cannot be read as MATLAB 7.3" in nothing_written("--data", "old.mat", capsys=capsys)
    with h5py.File("other.mat", "w") as file:
        file["rawDepths"] = np.zeros((2, 4, 3))
    assert "no variable images in it" in nothing_written("--data", "other.mat", capsys=capsys)
    write_mat_file(Path("nyu_depth_v2_labeled.mat"))
    said = nothing_written("--data", "nyu_depth_v2_labeled.mat", "--split", "test", capsys=capsys)
    assert "splits.mat: no such file" in said
    write_splits(Path("splits.mat"), train=(1, 2), test=(3, 4))  # of three pairs
    said = nothing_written("--data", "nyu_depth_v2_labeled.mat", "--split", "test", capsys=capsys)
    assert "testNdxs goes from 3 to 4, expected 1 to 3" in said


def test_a_damaged_member_is_named_and_the_rest_counts(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = MINIATURES["nyu_zip"](tmp_path)
    write_scaled(data, Path("said"))
    content = bytearray(Path("nyu_data.zip").read_bytes())
    content[content.index(b"data/nyu2_test/00001_depth.png") + 80] ^= 255
    Path("nyu_data.zip").write_bytes(content)
    arguments = ("--data", "nyu_data.zip", "--split", "test", "--predictions", "said")
    status, out, _ = call("evaluate", *arguments, capsys=capsys)
    assert status == 1 and "2 images" in out
    assert "1 failed, not counted:\n  nyu_data.zip: member 'data/nyu2_test/00001_depth.png': its checksum" in out
    Path("nyu_data.zip").write_bytes(content[:-300])
    assert "is cut off" in nothing_written(*arguments, capsys=capsys)


def test_a_damaged_array_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = nyu_test_members()
    path = write_nyu_zip(Path("nyu_test.zip"), members)
    write_scaled(NyuTestZipData(path), Path("said"))
    content = bytearray(path.read_bytes())
    content[content.index(members["eigen_test_depth.npy"]) + 4000] ^= 16
    path.write_bytes(content)
    status, out, _ = call("evaluate", "--data", path, "--predictions", "said", capsys=capsys)
    assert status == 1 and "1 failed, not counted:\n  nyu_test.zip: member 'eigen_test_depth.npy': its checksum" in out
