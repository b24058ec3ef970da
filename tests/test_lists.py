"""Layouts of loose files named by lists or by each other: cameras, units and mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layouts import (
    CALIBRATION,
    colours,
    message_of,
    metres_256,
    millimetres,
    png,
    ramp_m,
    write_bts,
    write_files,
    write_kitti,
    write_siblings,
)
from onedepth.canonical import NYU_FOCAL
from onedepth.data.bts import BtsData
from onedepth.data.kitti import DAYS, KittiData, read_calibration
from onedepth.data.siblings import SiblingsData
from onedepth.depth import Intrinsics
from onedepth.errors import RecipeError
from onedepth.train.recipe import parse

LIST = "nyudepthv2_train_files_with_gt.txt"
EIGEN = "eigen_train_files_with_gt.txt"
RGB = "kitchen_0028b/rgb_00000.png"
DEPTH = "kitchen_0028b/sync_depth_00000.png"
DRIVE = "2011_09_26/2011_09_26_drive_0057_sync/image_02/data"
TRUTH = "2011_09_26_drive_0057_sync/proj_depth/groundtruth/image_02"
CENTRE = (31.5, 23.5)  # of 64×48 pixels


# -- lists


def test_bts_ids_and_focal_lengths(tmp_path: Path):
    data = write_bts(tmp_path)
    assert data.ids == tuple(f"kitchen_0028b/rgb_{number:05d}" for number in range(3))
    assert data[0].intrinsics == Intrinsics(51.88579, 51.88579, *CENTRE)
    (tmp_path / LIST).write_text(f"{RGB} {DEPTH}\n\n{RGB},{DEPTH}\n")
    data = BtsData(tmp_path, tmp_path / LIST)
    assert data.ids == ("kitchen_0028b/rgb_00000", "kitchen_0028b/rgb_00000@3")
    assert data[1].intrinsics == Intrinsics(pytest.approx(NYU_FOCAL * 64), pytest.approx(NYU_FOCAL * 64), *CENTRE)


def test_bts_depth_elsewhere_and_in_256ths(tmp_path: Path):
    write_bts(tmp_path)
    write_files(tmp_path / "elsewhere", {DEPTH: metres_256(2)})
    data = BtsData(tmp_path, LIST, 1, depth_path=tmp_path / "elsewhere", unit="m/256")
    np.testing.assert_array_equal(data[0].depth_m, ramp_m(2).astype(np.float32))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\na.png\n", ":2: 1 fields, expected RGB DEPTH, or RGB DEPTH FOCAL"),
        ("a b 1 2\n", ":1: 4 fields"),
        ("a,b,1,2\n", ":1: 4 fields"),
        ("a ../b\n", ":1: '../b', expected a path inside the folder"),
        ("C:\\a b\n", ":1: 'C:\\\\a', expected a path inside the folder"),
        ("a b wide\n", ":1: focal length is 'wide'"),
        ("a b -1\n", ":1: focal length is '-1'"),
        ("a b nan\n", ":1: focal length is 'nan'"),
        ("\n", ": holds no lines"),
        ("\xff", ": cannot be read as a list of pairs"),
    ],
)
@pytest.mark.parametrize("layout", [BtsData, KittiData])
def test_a_bad_list_is_told_with_its_line(tmp_path: Path, layout: type, text: str, said: str):
    (tmp_path / LIST).write_bytes(text.encode("latin-1"))
    message = message_of(layout, tmp_path, LIST)
    assert message.startswith(f"{tmp_path / LIST}{said}")


def test_no_list_or_no_such_unit(tmp_path: Path):
    assert "no such list of pairs" in message_of(BtsData, tmp_path, "list.txt")
    assert "no such list of pairs" in message_of(KittiData, tmp_path, "list.txt")
    assert "no unit 'cm', there are mm, m/256" in message_of(BtsData, tmp_path, "list.txt", unit="cm")
    assert "limit is 0" in message_of(BtsData, tmp_path, "list.txt", 0)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (RGB, None, f"{LIST}:1: rgb file '{RGB}' does not exist"),
        (DEPTH, None, f"{LIST}:1: depth file '{DEPTH}' does not exist"),
        (RGB, b"hello", f"{RGB}: cannot be read as an image"),
        (DEPTH, b"hello", f"{DEPTH}: cannot be read as a depth PNG"),
        (DEPTH, png(np.ones((48, 64), np.uint8)), f"{DEPTH}: 8-bit grey PNG came, expected depth as 16-bit grey PNG"),
        (DEPTH, png(np.ones((24, 32), np.uint16)), f"{DEPTH}: depth is 32×24, expected 64×48 as its image"),
    ],
)
def test_damaged_files_are_found_and_named(tmp_path: Path, name: str, content: bytes | None, said: str):
    data = write_bts(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    (damage,) = data.check()
    assert damage.id == data.ids[0]
    assert said in damage.message
    assert message_of(data.__getitem__, 0) == damage.message
    assert data.without([damage.id]).check() == []


def test_truth_without_one_valid_pixel_is_a_pair(tmp_path: Path):
    data = write_bts(tmp_path)
    (tmp_path / DEPTH).write_bytes(png(np.zeros((48, 64), np.uint16)))
    assert data.check() == []
    assert not data[0].valid.any()
    assert not data[0].depth_m.any()


# -- KITTI


def test_kittis_camera_is_the_calibrations(tmp_path: Path):
    data = write_kitti(tmp_path)
    assert data[0].intrinsics == Intrinsics(721.5377, 721.5377, 609.5593, 172.8540)
    assert read_calibration(tmp_path / "2011_09_26/calib_cam_to_cam.txt")["02"] == DAYS["2011_09_26"]
    other = CALIBRATION.replace("P_rect_02: 7.215377e+02", "P_rect_02: 7.000000e+02")
    (tmp_path / "2011_09_26/calib_cam_to_cam.txt").write_text(other)
    assert KittiData(tmp_path, EIGEN)[0].intrinsics.fx == 700  # above the list's focal length


@pytest.mark.parametrize(
    ("day", "focal", "camera"),
    [
        ("2011_10_03", "", DAYS["2011_10_03"]),
        ("2011_10_03", "718.856", DAYS["2011_10_03"]),
        ("2011_10_03", "700.0", Intrinsics(700, 700, *CENTRE)),
        ("2012_01_01", "700.0", Intrinsics(700, 700, *CENTRE)),
        ("2012_01_01", "", Intrinsics(721.5377, 721.5377, *CENTRE)),
    ],
)
def test_without_a_calibration_the_camera_is_the_days_or_the_lists(
    tmp_path: Path, day: str, focal: str, camera: Intrinsics
):
    rgb = f"{day}/{day}_drive_0001_sync/image_02/data/0000000001.png"
    depth = f"{day}_drive_0001_sync/proj_depth/groundtruth/image_02/0000000001.png"
    write_files(tmp_path, {rgb: png(colours(0)), depth: metres_256(0), "list.txt": f"{rgb} {depth} {focal}\n"})
    data = KittiData(tmp_path, "list.txt")
    assert data.check() == []
    assert data[0].intrinsics == camera


def test_kittis_lines_without_truth_are_pairs_without_truth(tmp_path: Path):
    write_kitti(tmp_path)
    (tmp_path / EIGEN).write_text(f"{DRIVE}/0000000000.png None 721.5377\n")
    data = KittiData(tmp_path, EIGEN)
    assert data.check() == []
    assert not data[0].valid.any()
    assert data[0].depth_m.shape == (48, 64)


@pytest.mark.parametrize("part", ["", "train/", "val/"])
def test_kittis_depth_lies_in_any_of_its_folders(tmp_path: Path, part: str):
    write_files(
        tmp_path,
        {
            f"raw/{DRIVE}/1.png": png(colours(0)),
            f"depth/{part}{TRUTH}/1.png": metres_256(1),
            "list.txt": f"{DRIVE}/1.png,{TRUTH}/1.png\n",
        },
    )
    data = KittiData(tmp_path / "raw", tmp_path / "list.txt", depth_path=tmp_path / "depth")
    assert data.check() == []
    assert data[0].depth_m[0, 1] == 0.25


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("P_rect_02: 1 2 3\n", "P_rect_02 is '1 2 3', expected a 3×4 projection matrix"),
        ("P_rect_02: " + "x " * 12, "expected a 3×4 projection matrix"),
        ("P_rect_02: " + "0 " * 12, "expected a 3×4 projection matrix"),
        ("calib_time: today\n", "no line P_rect_02 in it"),
    ],
)
def test_a_bad_calibration(tmp_path: Path, text: str, said: str):
    write_kitti(tmp_path)
    path = tmp_path / "2011_09_26/calib_cam_to_cam.txt"
    path.write_text(text)
    message = message_of(KittiData, tmp_path, EIGEN)
    assert message.startswith(f"{path}: ")
    assert said in message


# -- siblings


def test_siblings_are_pairs_by_name(tmp_path: Path):
    data = write_siblings(tmp_path)
    assert data.ids == ("attic/0", "attic/1", "attic/2")
    (tmp_path / "rgb/attic/.hidden.png").write_bytes(b"")
    (tmp_path / "depth/attic/notes.txt").write_bytes(b"")
    assert SiblingsData(tmp_path).ids == data.ids


def test_a_sibling_that_is_alone_is_damaged(tmp_path: Path):
    write_siblings(tmp_path)
    (tmp_path / "rgb/attic/0.png").unlink()
    (tmp_path / "depth/attic/2.png").unlink()
    first, last = SiblingsData(tmp_path).check()
    assert first.message == f"{tmp_path}: pair 'attic/0': rgb file 'rgb/attic/0.jpg' does not exist in {tmp_path}"
    assert last.message == f"{tmp_path}: pair 'attic/2': depth file 'depth/attic/2.png' does not exist in {tmp_path}"


def test_mistakes_with_siblings(tmp_path: Path):
    assert "no folder 'rgb' in it, expected rgb and depth" in message_of(SiblingsData, tmp_path)
    write_files(tmp_path, {"rgb/x": "", "depth/x": ""})
    assert "no pictures in rgb and depth" in message_of(SiblingsData, tmp_path)
    write_files(tmp_path, {"rgb/1.png": png(colours(0)), "rgb/1.jpg": "", "depth/1.png": millimetres(0)})
    assert "1.jpg and 1.png have one name" in message_of(SiblingsData, tmp_path)


# -- recipes


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            {"layout": "bts", "path": "p", "files": "lists/nyudepthv2_test_files_with_gt.txt"},
            "files: this list",
        ),
        ({"layout": "kitti", "path": "p", "files": "eigen_test_files.txt"}, "data.val.files: this list is named test"),
        ({"layout": "nyu_zip", "path": "p", "split": "test"}, "data.val.split"),
        ({"layout": "nyu_mat", "path": "p", "split": "test"}, "data.val.split"),
        ({"layout": "nyu_test_zip", "path": "p"}, "data.val.layout: no such layout"),
    ],
)
def test_test_data_is_no_source(source: dict[str, str], said: str):
    train = {"layout": "kitti", "path": "p", "files": "train_test_inputs/latest_train.txt"}  # not a test list
    values = {"name": "x", "schedule": {"epochs": 1}, "data": {"train": train, "val": train}}
    parse(values)
    with pytest.raises(RecipeError) as error:
        parse(values | {"data": {"train": train, "val": source}})
    assert said in str(error.value)
