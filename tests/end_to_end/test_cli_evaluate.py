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
from layouts import MINIATURES, write_mat_file, write_splits
from onedepth.contestants import seen
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
    for pair in data:
        where = tmp_path / "said" / f"{pair.id}.npy"
        where.parent.mkdir(parents=True, exist_ok=True)
        np.save(where, np.where(pair.valid, pair.depth_m * 1.1, 1).astype(np.float32))
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
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_ends_in_one_line_and_writes_nothing(what, place, capsys):
    arguments, words = MISTAKES[what]
    before = sorted(place.rglob("*"))
    status, out, err = call("evaluate", "--data", "pairs", *arguments, "--json", "r.json", capsys=capsys)
    assert status == 2 and out == "" and len(err) == 1 and words in err[0], err
    assert sorted(place.rglob("*")) == before


def test_a_page_that_cannot_be_written_leaves_the_table(place, capsys):
    status, out, err = call(
        "evaluate", "--data", "pairs", "--predictions", "far", "--html", "pairs/index.csv/r.html", capsys=capsys
    )
    assert status == 2 and "5 images" in out and "cannot write" in err[0]
