"""Folders of furnished rooms: the same bytes however they came about, in a layout that everything else reads."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("numba", reason="the extra `train` brings it")

from command_line import call
from furniture_archive import write_archive
from onedepth.data.folder import FolderData
from onedepth.data.furnished import catalogue
from onedepth.data.furnished.collection import render_collection
from onedepth.data.furnished.render import HEIGHT, WIDTH, Studio, frame_intrinsics
from onedepth.errors import OutputError

SEED, COUNT = 3, 6


def render(out: Path, furniture: Path, count: int = COUNT, workers: int = 1, advance: Callable = lambda: None) -> int:
    return render_collection(out, count, SEED, furniture, workers, advance)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def furniture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("furniture")
    write_archive(folder / "tests.sh3f")
    return folder


@pytest.fixture(scope="module")
def undisturbed(furniture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rooms") / "out"
    assert render(out, furniture) == 0
    return out


def test_it_is_the_folder_layout(undisturbed: Path, furniture: Path, capsys: pytest.CaptureFixture[str]):
    data = FolderData(undisturbed, split="train")
    assert data.ids == tuple(f"{number:06d}" for number in range(COUNT))
    assert data.check() == []
    for number in (0, COUNT - 1):
        pair, frame = data[number], Studio(furniture).frame(SEED, number)
        assert pair.image.shape == (HEIGHT, WIDTH, 3) and pair.image.std() > 5
        assert pair.intrinsics == frame.intrinsics == frame_intrinsics(SEED, number)
        assert pair.valid.mean() > 0.99 and ((frame.depth_m > 0) == pair.valid).all()
        np.testing.assert_allclose(pair.depth_m[pair.valid], frame.depth_m[pair.valid], atol=0.00051, rtol=0)
        assert np.abs(pair.image.astype(int) - frame.image).mean() < 12  # a JPEG of it
    status, said, complaints = call("data", "inspect", undisturbed, capsys=capsys)
    assert (status, complaints) == (0, []) and "folder" in said and str(COUNT) in said


def test_frames_differ(undisturbed: Path):
    pictures = {path.read_bytes() for path in undisturbed.glob("*/*.*")}
    assert len(pictures) == 2 * COUNT


def test_two_workers_make_the_same_files(undisturbed: Path, furniture: Path, tmp_path: Path):
    render(tmp_path / "out", furniture, workers=2)
    assert content(tmp_path / "out") == content(undisturbed)


def test_broken_off_and_resumed(undisturbed: Path, furniture: Path, tmp_path: Path):
    out, left = tmp_path / "out", [3]

    def advance() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(out, furniture, advance=advance)
    expected = (undisturbed / "index.csv").read_text().splitlines()
    assert (out / "index.csv").read_text().splitlines() == expected[:4]  # the three that are there
    (out / "depth" / "000000.png").unlink()  # as if it had ended between a frame's two files
    (out / "rgb" / "000001.jpg").write_bytes(b"")  # as a power cut may leave it
    assert render(out, furniture) == 1  # frame 2; the others are rendered in another order than before
    assert content(out) == content(undisturbed)
    kept = (out / "depth" / "000002.png").stat().st_mtime_ns
    assert render(out, furniture) == COUNT
    assert (out / "depth" / "000002.png").stat().st_mtime_ns == kept


def test_a_disk_that_fails(undisturbed: Path, furniture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save = Image.Image.save

    def full(self: Image.Image, to: Path, form: str, **options: int) -> None:
        if form == "PNG" and saved:
            raise OSError(28, "No space left on device")
        saved.append(to)
        save(self, to, form, **options)

    saved: list[Path] = []
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputError, match=r"000000\.png: no space left"):
        render(tmp_path / "out", furniture, count=1)
    monkeypatch.undo()
    assert (tmp_path / "out" / "index.csv").read_text() == "id,rgb,depth,split,fx,fy,cx,cy\n"
    render(tmp_path / "out", furniture, count=1)
    for name in ("rgb/000000.jpg", "depth/000000.png"):
        assert (tmp_path / "out" / name).read_bytes() == (undisturbed / name).read_bytes()
    assert len(content(tmp_path / "out")) == 4  # with the index and the journal


def test_more_frames_go_on_and_the_index_says_how_many(undisturbed: Path, furniture: Path, tmp_path: Path):
    render(tmp_path / "out", furniture, count=1)
    assert render(tmp_path / "out", furniture, count=2) == 1
    with (undisturbed / "index.csv").open() as file:
        expected = list(csv.DictReader(file))[:2]
    with (tmp_path / "out" / "index.csv").open() as file:
        assert list(csv.DictReader(file)) == expected


def wrong(*arguments: object, capsys: pytest.CaptureFixture[str]) -> str:
    status, said, complaints = call("render-rooms", *arguments, capsys=capsys)
    assert (status, said, len(complaints)) == (2, "", 1)
    return complaints[0]


def test_the_command(undisturbed: Path, furniture: Path, capsys: pytest.CaptureFixture[str]):
    before = content(undisturbed)
    arguments = [undisturbed, "--count", COUNT, "--seed", SEED, "--furniture", furniture]
    status, said, complaints = call("render-rooms", *arguments, capsys=capsys)
    assert (status, complaints) == (0, []) and f"{COUNT} frames were there already" in said
    assert content(undisturbed) == before


def test_a_folder_of_other_frames_is_left_alone(
    undisturbed: Path, furniture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    before = content(undisturbed)
    message = wrong(undisturbed, "--count", 9, "--seed", SEED + 1, "--furniture", furniture, capsys=capsys)
    assert f'"seed": {SEED}' in message and "choose another folder" in message
    write_archive(tmp_path / "other.sh3f")
    assert "choose another folder" in wrong(
        undisturbed, "--count", 9, "--seed", SEED, "--furniture", tmp_path, capsys=capsys
    )
    assert content(undisturbed) == before
    assert "is not empty" in wrong(tmp_path, "--count", 1, "--furniture", furniture, capsys=capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["other.sh3f"]


@pytest.mark.parametrize("option", ["--count=0", "--count=1000001", "--seed=-1", "--workers=0"])
def test_numbers_out_of_range(option: str, furniture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    count = [] if "count" in option else ["--count", 1]
    message = wrong(tmp_path / "out", *count, option, "--furniture", furniture, capsys=capsys)
    assert option[2:].split("=", maxsplit=1)[0] in message and option.split("=")[1] in message
    assert not (tmp_path / "out").exists()


def test_missing_and_damaged_furniture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out"
    monkeypatch.setattr(catalogue, "DEBIAN_FOLDER", tmp_path / "nowhere")
    assert "Debian's package sweethome3d-furniture" in wrong(out, "--count", 1, capsys=capsys)
    assert "sweethome3d-furniture" in wrong(out, "--count", 1, "--furniture", tmp_path, capsys=capsys)
    (tmp_path / "broken.sh3f").write_bytes(b"PK")
    assert str(tmp_path / "broken.sh3f") in wrong(out, "--count", 1, "--furniture", tmp_path, capsys=capsys)
    assert not out.exists()
