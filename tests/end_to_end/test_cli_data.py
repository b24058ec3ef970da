"""`onedepth data`: looking at data of every layout, and rewriting it as the folder layout."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import call
from layouts import (
    MINIATURES,
    metres_256,
    nyu_members,
    png,
    write_kitti,
    write_mat_file,
    write_nyu_zip,
    write_siblings,
    write_splits,
)
from onedepth.data.files import FilePairs
from onedepth.data.folder import FolderData
from onedepth.data.nyu_zip import NyuZipData

OPTIONS = {
    "bts": ["--files", "nyudepthv2_train_files_with_gt.txt"],
    "kitti": ["--files", "eigen_train_files_with_gt.txt"],
    "nyu_zip": ["--split", "test"],
}


def convert(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, list[str]]:
    return call("data", "convert", *arguments, capsys=capsys)


@pytest.mark.parametrize("layout", MINIATURES)
def test_every_layout_is_recognised_seen_and_converted(layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = tmp_path / "source"
    source.mkdir()
    data = MINIATURES[layout](source)
    path, options = data.path, OPTIONS.get(layout, [])  # pyright: ignore
    sheet = tmp_path / "sheet.png"
    status, out, errors = call("data", "inspect", path, *options, "--sheet", sheet, capsys=capsys)
    assert (status, errors) == (0, [])
    lines = [line.strip() for line in out.splitlines()]
    assert f"layout  {layout}" in lines
    assert any(line.startswith("pairs  3") for line in lines)
    assert "sizes  64×48 (3)" in lines
    assert "truth  98.4% of pixels; 0 pairs have none" in lines  # 63 of 64 columns
    assert "depth  0.125–8.125 m" in lines
    assert "problems  0" in lines
    with Image.open(sheet) as picture:
        assert picture.width > 3 * 2 * 64
    status, out, errors = convert(path, *options, "-o", tmp_path / "out", capsys=capsys)
    assert (status, errors) == (0, [])
    assert "3 of 3 pairs" in out
    copy = FolderData(tmp_path / "out")
    assert copy.check() == []
    assert copy.ids == data.ids
    for one, other in zip(copy, data, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.depth_m, other.depth_m)
        np.testing.assert_array_equal(one.valid, other.valid)
        assert one.intrinsics == other.intrinsics


def test_all_splits_are_converted_and_jpegs_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    members = nyu_members()
    path = write_nyu_zip(tmp_path / "nyu_data.zip", members)
    status, out, _ = call("data", "inspect", path, capsys=capsys)
    assert status == 0
    assert "(train 12, val 2, test 2)" in out
    assert convert(path, "-o", tmp_path / "out", capsys=capsys)[0] == 0
    for split in ("train", "val", "test"):
        assert FolderData(tmp_path / "out", split).ids == NyuZipData(path, split).ids
    copied = [one.read_bytes() for one in sorted((tmp_path / "out/rgb").rglob("*.jpg"))]
    assert len(copied) == 14
    assert set(copied) == {content for name, content in members.items() if name.endswith(".jpg")}


def test_the_mat_files_splits_are_recognised(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write_mat_file(tmp_path / "nyu_depth_v2_labeled.mat")  # two rooms
    write_splits(tmp_path / "splits.mat", train=(1, 3), test=(2,))
    status, out, _ = call("data", "inspect", path, capsys=capsys)
    assert status == 0
    assert "(train 1, val 1, test 1)" in out


def test_a_conversion_goes_on_where_it_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    source, whole, stopped = (tmp_path / name for name in ("source", "whole", "stopped"))
    write_siblings(source)
    convert(source, "-o", whole, capsys=capsys)
    reads = []
    read = FilePairs._read

    def killed(self, row: int):
        if len(reads) == 2:
            raise KeyboardInterrupt
        reads.append(row)
        return read(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(FilePairs, "_read", killed)
        assert convert(source, "-o", stopped, capsys=capsys)[0] == 130
    assert not (stopped / "index.csv").exists()
    with (stopped / ".onedepth-convert").open("a") as file:
        file.write("attic/2,rgb/at")  # a kill in the middle of a line
    (stopped / "rgb/attic/0.png").write_bytes(b"not to be written again")
    status, out, _ = convert(source, "-o", stopped, capsys=capsys)
    assert status == 0
    assert "2 pairs were there already" in out
    assert (stopped / "index.csv").read_text() == (whole / "index.csv").read_text()
    assert (stopped / "rgb/attic/0.png").read_bytes() == b"not to be written again"
    assert (stopped / "depth/attic/2.png").read_bytes() == (whole / "depth/attic/2.png").read_bytes()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = tmp_path / "source"
    write_siblings(source)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    status, _, errors = convert(source, "-o", tmp_path / "out", capsys=capsys)
    assert status == 2
    assert "is not empty; choose another folder" in errors[0]
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["mine.txt"]
    convert(source, "-o", tmp_path / "new", capsys=capsys)
    status, _, errors = convert(source, "--limit", 1, "-o", tmp_path / "new", capsys=capsys)
    assert status == 2
    assert "holds another conversion" in errors[0]


def test_damaged_pairs_are_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = tmp_path / "source"
    write_siblings(source)
    (source / "rgb/attic/1.png").write_bytes(b"no picture")
    status, out, errors = call("data", "inspect", source, capsys=capsys)
    assert status == 1
    assert "problems  1" in out
    assert "attic/1.png: cannot be read as an image" in out
    assert errors == []
    status, out, errors = convert(source, "-o", tmp_path / "out", capsys=capsys)
    assert status == 1
    assert "2 of 3 pairs" in out
    assert len(errors) == 1
    assert "attic/1.png: cannot be read as an image" in errors[0]
    with (tmp_path / "out/index.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["attic/0", "attic/2"]


def test_depth_beyond_the_format_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = tmp_path / "source"
    write_kitti(source)
    depth = np.full((48, 64), 70 * 256, np.uint16)
    depth[0] = 256
    truth = source / "data_depth_annotated/train/2011_09_26_drive_0057_sync/proj_depth/groundtruth/image_02"
    (truth / "0000000000.png").write_bytes(png(depth))
    (truth / "0000000001.png").write_bytes(metres_256(0))
    status, out, _ = convert(source, *OPTIONS["kitti"], "-o", tmp_path / "out", capsys=capsys)
    assert status == 0
    assert f"{47 * 64} pixels lie beyond 65.535 m" in out
    pair = FolderData(tmp_path / "out")[0]
    assert pair.valid[0].all()
    assert not pair.valid[1:].any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such file or folder"),
        (["."], "of no known layout, expected index.csv"),
        ([".", "--layout", "foldr"], "--layout: no such layout 'foldr', there are folder, siblings"),
        ([".", "--layout", "bts"], "needs a list of pairs, name it by --files"),
        ([".", "--layout", "siblings", "--split", "val"], "--split: the layout siblings has no such option"),
        ([".", "--sample", "0"], "--sample: expected 1 or more, got 0"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    status, out, errors = call("data", "inspect", *arguments, capsys=capsys)
    assert (status, out) == (2, "")
    assert len(errors) == 1
    assert said in errors[0]


def test_convert_fills_depth_where_asked(tmp_path, capsys):
    pytest.importorskip("scipy")
    (tmp_path / "rgb").mkdir()
    (tmp_path / "depth").mkdir()
    truth = np.zeros((12, 16), np.uint16)
    truth[::4, ::4] = 2000
    for name, values in (("a", truth), ("b", np.zeros_like(truth))):
        Image.fromarray(np.full((12, 16, 3), 99, np.uint8)).save(tmp_path / "rgb" / f"{name}.png")
        Image.fromarray(values).save(tmp_path / "depth" / f"{name}.png")
    status, out, err = call("data", "convert", tmp_path, "--inpaint", "-o", tmp_path / "out", capsys=capsys)
    assert status == 1 and "1 of 2 pairs" in out  # the other has nothing to fill from: named, and left out
    assert len(err) == 1 and "b" in err[0]
    [row] = [line for line in (tmp_path / "out" / "index.csv").read_text().splitlines()[1:] if line]
    filled = np.asarray(Image.open(tmp_path / "out" / row.split(",")[2]))
    assert (filled[truth > 0] == 2000).all()
    assert (np.abs(filled.astype(int) - 2000) <= 1).all()  # the mean of equal depths, everywhere


def test_a_stopped_conversion_that_fills_ends_like_an_undisturbed_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("scipy")
    source, whole, stopped = (tmp_path / name for name in ("source", "whole", "stopped"))
    write_siblings(source)
    assert convert(source, "--inpaint", "-o", whole, capsys=capsys)[0] == 0
    read = FilePairs._read
    for number in range(3):  # killed at every pair in turn
        reads = []

        def killed(self, row: int, reads: list[int] = reads):
            if reads:
                raise KeyboardInterrupt
            reads.append(row)
            return read(self, row)

        with monkeypatch.context() as patch:
            patch.setattr(FilePairs, "_read", killed)
            assert convert(source, "--inpaint", "-o", stopped, capsys=capsys)[0] == (130 if number < 2 else 0)
        assert (stopped / "index.csv").exists() == (number == 2)
    files = {one.relative_to(whole) for one in whole.rglob("*") if one.is_file()}
    assert files == {one.relative_to(stopped) for one in stopped.rglob("*") if one.is_file()}
    for name in files:
        assert (stopped / name).read_bytes() == (whole / name).read_bytes(), name
    assert all(pair.valid.all() for pair in FolderData(stopped))
