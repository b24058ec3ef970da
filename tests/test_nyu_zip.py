"""DenseDepth's nyu_data.zip: what is read, from which process, and what each mistake is told."""

from __future__ import annotations

import multiprocessing
import pickle
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from layouts import SCENES, message_of, nyu_members, png, write_nyu_zip
from onedepth.data import zip_archive
from onedepth.data.holdout import room_of
from onedepth.data.nyu_camera import NYU_INTRINSICS
from onedepth.data.nyu_zip import NyuZipData
from onedepth.data.zip_archive import ZipArchive
from onedepth.depth import Intrinsics

FIRST_IMAGE = f"data/nyu2_train/{SCENES[0]}_out/1.jpg"
FIRST_DEPTH = FIRST_IMAGE.replace(".jpg", ".png")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_nyu_zip(tmp_path / "nyu_data.zip")


def corrupted(archive: Path, name: str, at: int = 40, byte: int = 0xA5) -> None:
    """Change a byte in the middle of a member's content."""
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo(name).header_offset + 30 + len(name)
    content = bytearray(archive.read_bytes())
    content[start + at] ^= byte
    archive.write_bytes(content)


def test_training_depth_is_8_bit_of_ten_metres(archive: Path):
    pair = NyuZipData(archive, val_scenes=0)[0]
    assert pair.id == f"nyu2_train/{SCENES[0]}_out/1"
    assert pair.image.shape == (48, 64, 3)
    assert pair.depth_m[0, 5] == np.float32(50 / 255 * 10)  # stored as 50
    assert pair.depth_m[0, 0] == 0
    assert not pair.valid[0, 0]
    assert pair.valid[0, 1:].all()


def test_test_depth_is_16_bit_millimetres(archive: Path):
    data = NyuZipData(archive, "test")
    assert data.ids == ("nyu2_test/00000_colors", "nyu2_test/00001_colors")
    assert data[0].depth_m[0, 5] == np.float32(0.5)  # stored as 500
    assert data[1].depth_m[0, 5] == np.float32(0.501)


def test_the_camera_is_nyus_at_the_pictures_size(archive: Path, tmp_path: Path):
    camera = NyuZipData(archive)[0].intrinsics  # a tenth of the size
    assert camera == Intrinsics(
        pytest.approx(51.8857901), pytest.approx(51.9469611), pytest.approx(32.1082449), pytest.approx(24.9236166)
    )
    full = write_nyu_zip(tmp_path / "full.zip", size=(480, 640), count=1)
    assert Intrinsics(518.857901, 519.469611, 325.582449, 253.736166) == NYU_INTRINSICS  # the toolbox's
    assert NyuZipData(full)[0].intrinsics == NYU_INTRINSICS


@pytest.mark.parametrize("inner", ["", "data"])
def test_the_unpacked_files_are_the_same_pairs(archive: Path, tmp_path: Path, inner: str):
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "unpacked")
    packed, loose = NyuZipData(archive), NyuZipData(tmp_path / "unpacked" / inner)
    assert packed.ids == loose.ids
    assert loose.check() == []
    for one, other in zip(packed, loose, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.depth_m, other.depth_m)


def test_whole_rooms_are_held_out(archive: Path):
    train, val = (NyuZipData(archive, split, val_scenes=2) for split in ("train", "val"))
    everything = NyuZipData(archive, val_scenes=0)
    assert set(train.ids) | set(val.ids) == set(everything.ids)
    assert not set(train.ids) & set(val.ids)
    rooms = [{room_of(Path(name).parent.name) for name in one.ids} for one in (train, val)]
    assert rooms[1] == {"bedroom_0001", "office_0004"}
    assert not rooms[0] & rooms[1]
    # The rows of training are those left over, in their order.
    assert list(train.ids) == [name for name in everything.ids if name not in set(val.ids)]


def test_parts_of_one_recording_are_one_room():
    assert room_of("basement_0001a_out") == room_of("basement_0001b") == "basement_0001"
    assert room_of("cafe_0001_out") == "cafe_0001"


@pytest.mark.parametrize(("split", "scenes"), [("train", -1), ("train", 6), ("val", 0)])
def test_rooms_to_hold_out_must_be_there(archive: Path, split: str, scenes: int):
    assert f"val_scenes is {scenes}, expected" in message_of(NyuZipData, archive, split, val_scenes=scenes)


def test_a_row_that_is_named_twice_keeps_an_id_of_its_own(tmp_path: Path):
    members = nyu_members()
    members["data/nyu2_train.csv"] += f"{FIRST_IMAGE},{FIRST_DEPTH}\n".encode()
    data = NyuZipData(write_nyu_zip(tmp_path / "a.zip", members), val_scenes=0)
    assert data.ids[-1] == f"nyu2_train/{SCENES[0]}_out/1@{len(data)}"
    assert len(set(data.ids)) == len(data)
    np.testing.assert_array_equal(data[0].image, data[-1].image)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_members(tmp_path: Path, method: int):
    data = NyuZipData(write_nyu_zip(tmp_path / "a.zip", method=method))
    assert data.check() == []
    with zipfile.ZipFile(data.path) as file:
        assert data.image_bytes(0) == file.read(FIRST_IMAGE)


# -- processes


def _sum(data: NyuZipData, index: int) -> tuple[int, float]:
    pair = data[index]
    return int(pair.image.sum()), float(pair.depth_m.sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_read_on_their_own(archive: Path, method: str):
    data = NyuZipData(archive, val_scenes=0)
    expected = [_sum(data, index) for index in range(len(data))]  # the parent's file is open before the fork
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap(_sum, [(data, index) for index in range(len(data))], chunksize=1) == expected


def test_threads_read_at_the_same_time(archive: Path):
    data = NyuZipData(archive, val_scenes=0)
    expected = [_sum(data, index) for index in range(len(data))]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda index: _sum(data, index), [*range(len(data))] * 5)) == expected * 5


def test_a_pickle_is_small_and_notices_another_file(tmp_path: Path):
    few, many = (write_nyu_zip(tmp_path / f"{count}.zip", count=count) for count in (1, 100))
    sizes = [len(pickle.dumps(NyuZipData(path, val_scenes=0))) for path in (few, many)]
    assert (sizes[1] - sizes[0]) / (99 * len(SCENES)) < 250  # bytes a pair
    pickled = pickle.dumps(NyuZipData(few))
    write_nyu_zip(few, count=2)
    assert "has changed since it was opened" in message_of(pickle.loads(pickled).__getitem__, 0)


# -- damage


def test_a_damaged_member_is_named(archive: Path):
    corrupted(archive, FIRST_IMAGE, at=900)
    data = NyuZipData(archive, val_scenes=0)
    assert data.check() == []  # it begins well
    assert message_of(data.__getitem__, 0) == (
        f"{archive}: member {FIRST_IMAGE!r}: its checksum is not the archive's, the member is damaged"
    )
    assert data[1].id.endswith("/2")


def test_a_member_that_begins_as_no_picture(archive: Path):
    corrupted(archive, FIRST_IMAGE, at=0)
    (damage,) = NyuZipData(archive, val_scenes=0).check()
    assert damage.id == f"nyu2_train/{SCENES[0]}_out/1"
    assert "begins as neither JPEG nor PNG" in damage.message


def test_a_directory_that_points_elsewhere(archive: Path):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo(FIRST_IMAGE).header_offset
    content[start : start + 4] = b"none"
    archive.write_bytes(content)
    data = NyuZipData(archive, val_scenes=0)
    assert "is not where the archive's directory says" in data.check()[0].message
    assert "is not where the archive's directory says" in message_of(data.__getitem__, 0)


def test_a_row_that_points_nowhere(tmp_path: Path):
    members = nyu_members()
    del members[FIRST_DEPTH]
    path = write_nyu_zip(tmp_path / "a.zip", members)
    data = NyuZipData(path, val_scenes=0)
    (damage,) = data.check()
    assert damage.message == f"{path}: data/nyu2_train.csv line 1 names {FIRST_DEPTH!r}, which is not there"
    assert message_of(data.__getitem__, 0) == damage.message
    assert len(data.without([damage.id])) == len(data) - 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((48, 64), np.uint16), "16-bit grey PNG came, expected depth as 8-bit grey PNG with 255 = 10 m"),
        (np.ones((48, 64, 3), np.uint8), "8-bit colour PNG came"),
        (np.ones((24, 32), np.uint8), "depth is 32×24, expected 64×48 as its image"),
        (None, "something that is no PNG came"),
    ],
)
def test_a_depth_of_another_kind_or_size(tmp_path: Path, values: np.ndarray | None, said: str):
    members = nyu_members()
    members[FIRST_DEPTH] = b"hello" if values is None else png(values)
    data = NyuZipData(write_nyu_zip(tmp_path / "a.zip", members), val_scenes=0)
    (damage,) = data.check()
    assert f"member {FIRST_DEPTH!r}" in damage.message
    assert said in damage.message
    assert repr(FIRST_DEPTH) in message_of(data.__getitem__, 0)


def test_an_empty_member(tmp_path: Path):
    members = nyu_members() | {FIRST_IMAGE: b""}
    data = NyuZipData(write_nyu_zip(tmp_path / "a.zip", members), val_scenes=0)
    assert "is empty" in data.check()[0].message


def test_an_encrypted_member(archive: Path):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        where = content.index(b"PK\1\2")
        assert file.start_dir == where
    for name in (FIRST_IMAGE,):  # its flags in the directory
        at = content.index(name.encode(), where) - 46
        content[at + 8] |= 1
    archive.write_bytes(content)
    data = NyuZipData(archive, val_scenes=0)
    assert "is encrypted" in data.check()[0].message


def test_another_way_of_packing(tmp_path: Path):
    data = NyuZipData(write_nyu_zip(tmp_path / "a.zip", packed_members_only=zipfile.ZIP_BZIP2), val_scenes=0)
    assert "is packed by method 12, expected stored or deflated" in data.check()[0].message


def test_no_archive(tmp_path: Path):
    path = tmp_path / "a.zip"
    assert "no such file" in message_of(NyuZipData, path)
    path.write_bytes(b"")
    assert "is empty" in message_of(NyuZipData, path)
    path.write_bytes(b"<html>Sign in" * 100)
    assert "is no ZIP archive" in message_of(NyuZipData, path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("other.txt", "x")
    assert "holds no data/nyu2_train.csv, expected DenseDepth's nyu_data.zip" in message_of(NyuZipData, path)


@pytest.mark.parametrize("part", [0.01, 0.5, 0.9, 0.999])
def test_an_archive_that_is_cut_off(archive: Path, part: float):
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * part)])
    assert "cut off" in message_of(NyuZipData, archive)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a.jpg\n", "line 1: 1 fields, expected image,depth"),
        (b"a.jpg,a.png,1\n", "line 1: 3 fields"),
        (b"\n\na.jpg,/etc/passwd\n", "line 3: '/etc/passwd', expected a path from the archive's root"),
        (b"a.jpg,../a.png\n", "line 1: '../a.png'"),
        (b"\xff\xfe,\n", "cannot be read as a CSV file in UTF-8"),
        (b"\n", "holds no rows"),
    ],
)
def test_a_bad_list(tmp_path: Path, text: bytes, said: str):
    path = write_nyu_zip(tmp_path / "a.zip", nyu_members() | {"data/nyu2_train.csv": text})
    message = message_of(NyuZipData, path)
    assert message.startswith(f"{path}: data/nyu2_train.csv")
    assert said in message


# -- the archive itself


def test_every_member_of_a_zip64_archive_with_a_comment_and_bytes_before_it(tmp_path: Path):
    contents = {f"folder/é-{number}.bin": bytes([number]) * (number + 1) for number in range(20)}
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        file.write(b"#!/bin/sh\n")
        with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
            archive.comment = b"made for a test, PK"
            for name, content in contents.items():
                with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                    member.write(content)
    archive = ZipArchive(path)
    assert len(archive) == 20
    assert {name: archive.read(name) for name in contents} == contents
    assert archive.head("folder/é-19.bin", 3) == bytes([19]) * 3
    start, length, stored = archive.place("folder/é-7.bin")
    assert stored
    assert path.read_bytes()[start : start + length] == contents["folder/é-7.bin"]
    assert "folder/none" not in archive


def test_numbers_beyond_32_bits_come_from_the_extra_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # As an archive above 4 GB has them, without writing one: zipfile takes 100 for the limit.
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(5):
            file.writestr(f"{number}", bytes([number]) * 150)
    monkeypatch.undo()
    content = path.read_bytes()
    assert b"PK\6\6" in content
    assert struct.pack("<I", 0xFFFFFFFF) in content[content.index(b"PK\1\2") :]
    archive = ZipArchive(path)
    assert [archive.read(f"{number}") for number in range(5)] == [bytes([number]) * 150 for number in range(5)]


def test_of_two_members_of_one_name_the_last_counts(tmp_path: Path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("a", "first")
        file.writestr("a", "second")
    assert ZipArchive(path).read("a") == b"second"


def test_a_member_too_large_to_be_a_picture(archive: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(zip_archive, "LARGEST_MEMBER", 1000)
    assert "expected at most 1000" in message_of(ZipArchive(archive).read, FIRST_IMAGE)
