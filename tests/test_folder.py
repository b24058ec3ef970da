"""The folder layout: what is read, and what each mistake is told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onedepth.canonical import NYU_FOCAL
from onedepth.data.folder import FolderData
from onedepth.data.pair import Damage
from onedepth.depth import Intrinsics
from onedepth.errors import DataError

HEADER = "id,rgb,depth,split,fx,fy,cx,cy,scene"
ROWS = [
    "a,rgb/a.png,depth/a.png,train,6.5,6.25,3.5,2.0,kitchen",
    "b,rgb/b.jpg,depth/b.png,train,6.5,6.25,3.5,2.0,kitchen",
    "c,rgb/c.png,depth/c.png,val,,,,,attic",
]
NYU = Path(__file__).parents[2] / "shared" / "data" / "nyu"


def write_index(folder, header=HEADER, rows=ROWS):
    (folder / "index.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """Three pairs of 8×6 pixels."""
    rng = np.random.default_rng(0)
    (tmp_path / "rgb").mkdir()
    (tmp_path / "depth").mkdir()
    for name in ("a.png", "b.jpg", "c.png"):
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(tmp_path / "rgb" / name)
        depth = np.arange(48, dtype=np.uint16).reshape(6, 8) * 250
        Image.fromarray(depth).save(tmp_path / "depth" / f"{name[0]}.png")
    write_index(tmp_path)
    return tmp_path


def message_of(call, *args, **kwargs):
    with pytest.raises(DataError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_pair_is_what_was_written(folder):
    pair = FolderData(folder)[0]
    assert pair.id == "a"
    np.testing.assert_array_equal(pair.image, np.asarray(Image.open(folder / "rgb/a.png")))
    assert (pair.image.dtype, pair.depth_m.dtype, pair.valid.dtype) == (np.uint8, np.float32, np.bool_)
    assert pair.depth_m[0, 4] == 1.0  # 1000 mm
    assert pair.depth_m[5, 7] == 11.75
    assert not pair.valid[0, 0]  # stored as 0
    assert pair.valid.sum() == 47
    assert pair.intrinsics == Intrinsics(6.5, 6.25, 3.5, 2.0)
    assert pair.image.flags.writeable


def test_splits_limit_slices_and_ids(folder):
    assert FolderData(folder).ids == ("a", "b", "c")
    assert FolderData(folder, "train").ids == ("a", "b")
    assert FolderData(folder, "train", limit=1).ids == ("a",)
    assert len(FolderData(folder, limit=99)) == 3
    data = FolderData(folder)
    assert data[1:].ids == ("b", "c")
    assert data[-1].id == "c"
    assert [pair.id for pair in data] == ["a", "b", "c"]
    with pytest.raises(IndexError):
        data[3]


def test_without_intrinsics_the_canonical_focal_is_assumed(folder):
    write_index(folder, "id,rgb,depth", ["a,rgb/a.png,depth/a.png"])
    assert FolderData(folder)[0].intrinsics == Intrinsics.centred(NYU_FOCAL * 8, 6, 8)
    assert FolderData(folder, canonical_focal=0.5)[0].intrinsics == Intrinsics(4.0, 4.0, 3.5, 2.5)
    # A camera turned on its side keeps its focal length.
    for path in (folder / "rgb/a.png", folder / "depth/a.png"):
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    assert FolderData(folder, canonical_focal=0.5)[0].intrinsics == Intrinsics(4.0, 4.0, 2.5, 3.5)


def test_a_row_may_leave_all_four_intrinsics_empty(folder):
    assert FolderData(folder, "val")[0].intrinsics == Intrinsics.centred(NYU_FOCAL * 8, 6, 8)


def test_a_byte_order_mark_and_empty_lines_are_read_over(folder):
    text = "\n".join(["id,rgb,depth", "", "a,rgb/a.png,depth/a.png", ""])
    (folder / "index.csv").write_text(text, encoding="utf-8-sig")
    assert FolderData(folder).ids == ("a",)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_any_8_bit_image_becomes_rgb(folder, mode):
    name = "rgb/a.tif" if mode == "CMYK" else "rgb/a.png"
    Image.open(folder / "rgb/a.png").convert(mode).save(folder / name)
    write_index(folder, "id,rgb,depth", [f"a,{name},depth/a.png"])
    assert FolderData(folder)[0].image.shape == (6, 8, 3)


def test_a_palette_with_transparency_is_read_without_a_warning(folder):
    palette = Image.open(folder / "rgb/a.png").convert("P")
    palette.save(folder / "rgb/a.png", transparency=bytes(range(256)))
    assert FolderData(folder)[0].image.shape == (6, 8, 3)


def test_exif_orientation_is_not_applied(folder):
    picture = Image.open(folder / "rgb/b.jpg")
    exif = picture.getexif()
    exif[0x0112] = 6  # turn by 90°
    picture.save(folder / "rgb/b.jpg", exif=exif)
    assert FolderData(folder)[1].image.shape == (6, 8, 3)


def test_no_folder_or_no_index(tmp_path):
    assert "no such folder" in message_of(FolderData, tmp_path / "nowhere")
    message = message_of(FolderData, tmp_path)
    assert str(tmp_path / "index.csv") in message
    assert "id, rgb, depth" in message


INTRINSICS = "id,rgb,depth,fx,fy,cx,cy"
PLAIN = "id,rgb,depth"
A = "a,rgb/a.png,depth/a.png"


@pytest.mark.parametrize(
    ("header", "rows", "line", "said"),
    [
        ("id,rgb,split", ROWS, 1, "no column depth; there are 'id', 'rgb', 'split'"),
        ("id;rgb;depth", [], 1, "there are 'id;rgb;depth'"),
        ("", [], 1, "there are none"),
        ("id,rgb,depth,rgb", [], 1, "must differ"),
        ("id,rgb,depth,fx,fy", [], 1, "no column cx, cy"),
        (PLAIN, [A + ",more"], 2, "4 fields, expected 3"),
        (PLAIN, [A, "b,rgb/b.jpg"], 3, "2 fields, expected 3"),
        (PLAIN, [A, "b,rgb/b.jpg,depth/b.png", A], 4, "'a' stands already in line 2"),
        (PLAIN, [",rgb/a.png,depth/a.png"], 2, "id is ''"),
        (PLAIN, ["a\x1b[2J,rgb/a.png,depth/a.png"], 2, r"id is 'a\x1b[2J'"),
        (PLAIN, ["a,/etc/passwd,depth/a.png"], 2, "rgb is '/etc/passwd', expected a path inside the folder"),
        (PLAIN, ["a,rgb/a.png,../a.png"], 2, "depth is '../a.png', expected a path inside the folder"),
        (PLAIN, ["a,rgb/../../a.png,depth/a.png"], 2, "expected a path inside the folder"),
        (PLAIN, ["a,C:\\a.png,depth/a.png"], 2, "expected a path inside the folder"),
        (PLAIN, ["a,rgb\\..\\..\\a.png,depth/a.png"], 2, "expected a path inside the folder"),
        (PLAIN, ["a,,depth/a.png"], 2, "rgb is ''"),
        (INTRINSICS, [A + ",6,6,3,2", "b,rgb/b.jpg,depth/b.png,6,wide,3,2"], 3, "fy is 'wide'"),
        (INTRINSICS, [A + ",6,6,,2"], 2, "cx is '', expected a number"),
        (INTRINSICS, [A + ",nan,6,3,2"], 2, "fx is 'nan', expected a number above 0"),
        (INTRINSICS, [A + ",6,-6,3,2"], 2, "fy is '-6', expected a number above 0"),
        (INTRINSICS, [A + ",6,6,inf,2"], 2, "cx is 'inf'"),
    ],
)
def test_a_bad_index_is_told_with_file_and_line(folder, header, rows, line, said):
    write_index(folder, header, rows)
    message = message_of(FolderData, folder)
    assert message.startswith(f"{folder / 'index.csv'}:{line}: ")
    assert said in message


def test_an_index_without_rows_or_not_text(folder):
    write_index(folder, rows=[])
    assert "holds no rows" in message_of(FolderData, folder)
    (folder / "index.csv").write_bytes(b"id,rgb,depth\n\xff\xfe,a,b\n")
    assert "UTF-8" in message_of(FolderData, folder)
    (folder / "index.csv").write_text('id,rgb,depth\n"a,b,c\n', encoding="utf-8")
    assert "CSV" in message_of(FolderData, folder)


def test_splits_that_are_not_there(folder):
    assert "no split 'test', there are 'train', 'val'" in message_of(FolderData, folder, "test")
    write_index(folder, "id,rgb,depth", ["a,rgb/a.png,depth/a.png"])
    assert "no column split" in message_of(FolderData, folder, "val")


def test_files_of_another_split_may_be_elsewhere(folder):
    (folder / "rgb/c.png").unlink()
    assert FolderData(folder, "train").check() == []
    val = FolderData(folder, "val")
    (damage,) = val.check()
    assert damage == Damage("c", f"{folder / 'index.csv'}:4: rgb file 'rgb/c.png' does not exist in {folder}")
    assert message_of(val.__getitem__, 0) == damage.message


def test_a_folder_in_a_files_place_is_no_file(folder):
    write_index(folder, PLAIN, ["a,rgb,depth/a.png"])
    assert "index.csv:2: rgb file 'rgb' does not exist" in FolderData(folder).check()[0].message


def test_a_limit_below_one(folder):
    assert "limit is 0, expected 1 or more" in message_of(FolderData, folder, limit=0)


@pytest.mark.parametrize(
    ("depth", "said"),
    [
        (np.ones((6, 8), np.uint8), "8-bit grey PNG came, expected depth as 16-bit grey PNG"),
        (np.ones((6, 8, 3), np.uint8), "8-bit colour PNG came, expected depth as 16-bit grey PNG"),
        (np.ones((3, 4), np.uint16), "depth is 4×3, expected 8×6 as its image"),
        (np.ones((8, 6), np.uint16), "depth is 6×8, expected 8×6 as its image"),
    ],
)
def test_a_depth_of_another_kind_or_size(folder, depth, said):
    Image.fromarray(depth).save(folder / "depth/a.png")
    message = message_of(FolderData(folder).__getitem__, 0)
    assert message.startswith(str(folder / "depth/a.png"))
    assert said in message


def test_a_depth_that_is_no_png(folder):
    Image.fromarray(np.ones((6, 8), np.uint16)).save(folder / "depth/a.png", format="TIFF")
    assert "TIFF" in message_of(FolderData(folder).__getitem__, 0)


def test_an_image_of_16_bits(folder):
    Image.fromarray(np.ones((6, 8), np.uint16)).save(folder / "rgb/a.png")
    message = message_of(FolderData(folder).__getitem__, 0)
    assert message.startswith(str(folder / "rgb/a.png"))
    assert "expected 8 bits" in message


@pytest.mark.parametrize(("index", "name"), [(0, "rgb/a.png"), (1, "rgb/b.jpg"), (1, "depth/b.png")])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.6])
def test_a_truncated_file_is_named(folder, index, name, part):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * part)])
    message = message_of(FolderData(folder).__getitem__, index)
    assert message.startswith(f"{folder / name}: cannot be read")


@pytest.mark.skipif(not (NYU / "index.csv").is_file(), reason=f"the NYU pairs are not in {NYU}")
def test_the_nyu_pairs():
    assert len(FolderData(NYU, split="train")) == 715
    val = FolderData(NYU, split="val")
    assert len(val) == 80
    pair = val[0]
    assert pair.image.shape == (480, 640, 3)
    assert pair.depth_m.shape == (480, 640)
    assert pair.valid.all()
    assert 0.7 <= pair.depth_m.min() <= pair.depth_m.max() <= 10.0
    assert pair.intrinsics == Intrinsics(518.857901, 519.469611, 325.582449, 253.736166)
