"""NYU Depth v2 in arrays: nyu_test.zip and nyu_depth_v2_labeled.mat with splits.mat."""

from __future__ import annotations

import pickle
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from layouts import message_of, npy, nyu_test_members, write_mat_file, write_nyu_zip, write_splits
from onedepth.data.nyu_mat import NyuMatData
from onedepth.data.nyu_test_zip import NyuTestZipData
from onedepth.data.zip_archive import MemberReader, ZipArchive
from onedepth.errors import MissingExtraError

# -- nyu_test.zip

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


@pytest.mark.parametrize("method", METHODS)
def test_parts_of_a_member_from_anywhere(tmp_path: Path, method: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(MemberReader, "_EVERY", 4096)
    monkeypatch.setattr(MemberReader, "_CHUNK", 512)
    rng = np.random.default_rng(0)
    content = bytes(np.cumsum(rng.integers(0, 2, 60_000)).astype(np.uint8)) + bytes(40_000)  # the end packs very well
    reader = ZipArchive(write_nyu_zip(tmp_path / "a.zip", {"big": content}, method)).open("big")
    places = [(0, 10), (99_990, 10), (50_000, 7000), (4096, 4096), (0, 100_000), (70_000, 0), (65_000, 35_000)]
    for offset, count in places + [(int(at), 100) for at in rng.integers(0, 99_000, 50)]:
        assert reader.read(offset, count) == content[offset : offset + count]
    assert "expected 100001" in message_of(reader.read, 100_000, 1)


@pytest.mark.parametrize("method", METHODS)
def test_arrays_are_not_held_in_memory(tmp_path: Path, method: int):
    rgb, depth = np.zeros((100, 48, 64, 3), np.uint8), np.ones((100, 48, 64), np.float32)
    members = {"eigen_test_rgb.npy": npy(rgb), "eigen_test_depth.npy": npy(depth)}
    path = write_nyu_zip(tmp_path / "a.zip", members, method)
    data = NyuTestZipData(path)
    assert len(data) == 100
    tracemalloc.start()
    for pair in data:
        assert pair.valid.all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (rgb.nbytes + depth.nbytes) / 4


@pytest.mark.parametrize("method", METHODS)
def test_test_pairs_in_any_order(tmp_path: Path, method: int):
    data = NyuTestZipData(write_nyu_zip(tmp_path / "a.zip", nyu_test_members(), method))
    assert data.ids == ("eigen_test/0000", "eigen_test/0001", "eigen_test/0002")
    assert data.crop == (20, 459, 24, 615)
    assert [data[n].depth_m[0, 1] for n in (2, 0, 1)] == [0.375, 0.125, 0.25]
    assert len(NyuTestZipData(data.path, 2)) == 2


def test_doubles_and_missing_truth(tmp_path: Path):
    depth = np.full((3, 48, 64), 2.5)
    depth[0, 0, :3] = (np.nan, np.inf, -1)
    members = nyu_test_members() | {"eigen_test_depth.npy": npy(depth)}
    del members["eigen_test_crop.npy"]
    data = NyuTestZipData(write_nyu_zip(tmp_path / "a.zip", members))
    assert data.crop is None
    pair = data[0]
    assert pair.depth_m.dtype == np.float32
    assert pair.depth_m[0, :4].tolist() == [0, 0, 0, 2.5]
    assert pair.valid[0, :4].tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("eigen_test_rgb.npy", None, "holds no eigen_test_rgb.npy, expected DenseDepth's nyu_test.zip"),
        ("eigen_test_rgb.npy", b"no array", "cannot be read as an .npy array"),
        ("eigen_test_rgb.npy", npy(np.ones((3, 48, 64), np.uint8)), "uint8 [3, 48, 64], expected uint8 [N, H, W, 3]"),
        ("eigen_test_rgb.npy", npy(np.ones((3, 48, 64, 3))), "float64 [3, 48, 64, 3], expected uint8"),
        ("eigen_test_rgb.npy", npy(np.asfortranarray(np.ones((3, 8, 4, 3), np.uint8))), "in another order"),
        ("eigen_test_depth.npy", npy(np.ones((2, 48, 64))), "float64 [2, 48, 64], expected float [3, 48, 64]"),
        ("eigen_test_depth.npy", npy(np.ones((3, 48, 64), np.uint16)), "uint16 [3, 48, 64], expected float"),
        ("eigen_test_depth.npy", npy(np.ones((3, 48, 64)))[:-8], "takes 73856 bytes, there are 73848"),
        ("eigen_test_crop.npy", npy(np.ones(3)), "float64 [3], expected four numbers"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, name: str, content: bytes | None, said: str):
    members = nyu_test_members()
    del members[name]
    path = write_nyu_zip(tmp_path / "a.zip", members | ({} if content is None else {name: content}))
    assert said in message_of(NyuTestZipData, path)


def test_an_array_that_is_damaged_inside(tmp_path: Path):
    rng = np.random.default_rng(0)
    members = nyu_test_members() | {"eigen_test_rgb.npy": npy(rng.integers(0, 9, (3, 48, 64, 3)).astype(np.uint8))}
    path = write_nyu_zip(tmp_path / "a.zip", members, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    content[60:400] = bytes(340)
    path.write_bytes(content)
    assert "member 'eigen_test_rgb.npy': c" in message_of(lambda: NyuTestZipData(path)[2])


@pytest.mark.parametrize("name", ["eigen_test_rgb.npy", "eigen_test_depth.npy"])
def test_one_changed_value_is_found_at_the_last_image(tmp_path: Path, name: str):
    members = nyu_test_members()
    path = write_nyu_zip(tmp_path / "a.zip", members)
    content = bytearray(path.read_bytes())
    content[content.index(members[name]) + 3000] ^= 1
    path.write_bytes(content)
    said = f"member '{name}': its checksum is not the archive's, it is damaged somewhere"
    data = NyuTestZipData(path)
    for copy in (data, pickle.loads(pickle.dumps(data))):
        assert [copy[0].id, copy[1].id] == ["eigen_test/0000", "eigen_test/0001"]
        assert said in message_of(lambda copy=copy: copy[2])
    whole = NyuTestZipData(write_nyu_zip(tmp_path / "b.zip", members))
    assert len([*whole, *whole]) == 6
    assert NyuTestZipData(path)[2].id == "eigen_test/0002"  # alone it says nothing of the others


# -- nyu_depth_v2_labeled.mat

SCENES = ("kitchen_0028a", "office_0001", "kitchen_0028b", "attic_0001", "cafe_0001", "cafe_0001")


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    return write_mat_file(tmp_path / "nyu_depth_v2_labeled.mat", SCENES)


def test_the_official_split_counts_from_one(mat: Path):
    write_splits(mat.with_name("splits.mat"))
    assert NyuMatData(mat, "test").ids == ("nyu-0005", "nyu-0006")
    assert NyuMatData(mat, "train", val_scenes=0).ids == tuple(f"nyu-000{n}" for n in (1, 2, 3, 4))
    assert len(NyuMatData(mat)) == 6
    first = NyuMatData(mat, "test")[0]
    np.testing.assert_array_equal(first.image, NyuMatData(mat)[4].image)


def test_rooms_are_held_out_of_the_training_pairs(mat: Path):
    write_splits(mat.with_name("splits.mat"))
    train, val = (NyuMatData(mat, split, val_scenes=1).ids for split in ("train", "val"))
    assert val == ("nyu-0001", "nyu-0003")  # kitchen_0028, both parts of it; of attic, kitchen, office the middle one
    assert train == ("nyu-0002", "nyu-0004")


def test_a_split_is_never_made_up(mat: Path, tmp_path: Path):
    splits = mat.with_name("splits.mat")
    assert f"{splits}: no such file; the official split needs it" in message_of(NyuMatData, mat, "test")
    splits.write_bytes(b"not MATLAB" * 30)
    assert f"{splits}: cannot be read as MATLAB 5" in message_of(NyuMatData, mat, "test")
    splits.write_bytes(mat.read_bytes())
    assert f"{splits}: cannot be read as MATLAB 5" in message_of(NyuMatData, mat, "test")
    elsewhere = tmp_path / "elsewhere.mat"
    write_splits(elsewhere)
    assert len(NyuMatData(mat, "test", splits=elsewhere)) == 2


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ((5, 7), "testNdxs goes from 5 to 7, expected 1 to 6"),
        ((0, 5), "testNdxs goes from 0 to 5, expected 1 to 6"),
        ((5, 5), "testNdxs names a pair twice"),
        ((5.5,), "expected whole numbers"),
        ((), "expected whole numbers"),
    ],
)
def test_numbers_of_a_split_that_cannot_be(mat: Path, test: tuple, said: str):
    write_splits(mat.with_name("splits.mat"), test=test)
    assert said in message_of(NyuMatData, mat, "test")


def test_a_split_without_its_variable(mat: Path):
    from scipy.io import savemat

    savemat(mat.with_name("splits.mat"), {"other": np.ones(3)})
    assert "no variable testNdxs in it, expected NYU's splits.mat" in message_of(NyuMatData, mat, "test")
    assert "no split 'all', there are train, val, test" in message_of(NyuMatData, mat, "all")


def test_no_matlab_file_or_another_one(tmp_path: Path):
    import h5py

    path = tmp_path / "a.mat"
    assert "no such file" in message_of(NyuMatData, path)
    path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    assert "cannot be read as MATLAB 7.3 (HDF5)" in message_of(NyuMatData, path)
    images = np.ones((2, 3, 8, 6), np.uint8)
    cases = [
        ({"other": images}, "no variable images in it"),
        ({"images": images.astype(float)}, "images is float64 [2, 3, 8, 6], expected uint8 [N, 3, W, H]"),
        ({"images": images.reshape(2, 8, 6, 3)}, "images is uint8 [2, 8, 6, 3]"),
        ({"images": images}, "no variable depths in it"),
        ({"images": images, "depths": np.ones((2, 6, 8))}, "depths is float64 [2, 6, 8], expected float [2, 8, 6]"),
        ({"images": images, "depths": np.ones((2, 8, 6), np.uint16)}, "depths is uint16 [2, 8, 6], expected float"),
    ]
    for number, (variables, said) in enumerate(cases):
        path = tmp_path / f"{number}.mat"
        with h5py.File(path, "w") as file:
            for name, content in variables.items():
                file[name] = content
        assert said in message_of(NyuMatData, path)


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_matlab_file_that_is_cut_off(mat: Path, part: float):
    content = mat.read_bytes()
    mat.write_bytes(content[: int(len(content) * part)])
    assert f"{mat}: cannot be read as MATLAB 7.3 (HDF5)" in message_of(NyuMatData, mat)


@pytest.mark.parametrize("name", ["h5py", "scipy.io"])
def test_a_missing_library_names_its_extra(mat: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    write_splits(mat.with_name("splits.mat"))
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'onedepth\[data\]'"):
        NyuMatData(mat, "test")
