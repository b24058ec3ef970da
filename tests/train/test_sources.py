"""What is done about damaged pairs, and about val pairs that are trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from command_line import write_pairs
from onedepth.errors import DataError
from onedepth.train.augment import Batch
from onedepth.train.module import DepthModule
from onedepth.train.recipe import parse
from onedepth.train.sources import FolderSource, check_apart, checked, open_source


def folder_source(path: Path, **more) -> FolderSource:
    return FolderSource(layout="folder", path=str(path), **more)


def never(text: str) -> None:
    pytest.fail(f"nothing is to be said: {text}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pairs(tmp_path, ("train", "train", "train", "val"))
    return tmp_path


def test_whole_data_is_taken_as_it_is(folder: Path):
    source = folder_source(folder)
    pairs = open_source(source)
    assert checked(source, pairs, never) is pairs


def test_damaged_pairs_stop(folder: Path):
    (folder / "rgb/1.png").write_bytes(b"no picture")
    (folder / "depth/2.png").unlink()
    source = folder_source(folder)
    with pytest.raises(DataError) as error:
        checked(source, open_source(source), never)
    assert str(error.value).startswith(f"{folder / 'rgb/1.png'}: cannot be read as an image")
    assert "; 1 more damaged" in str(error.value)
    assert "damaged: skip" in str(error.value)


def test_damaged_pairs_are_left_out_and_said(folder: Path):
    (folder / "rgb/1.png").write_bytes(b"no picture")
    source = folder_source(folder, damaged="skip", split="train")
    said: list[str] = []
    pairs = checked(source, open_source(source), said.append)
    assert pairs.ids == ("0", "2")
    assert [pair.id for pair in pairs] == ["0", "2"]  # nothing stands in for the third
    assert said[0] == "left out 1 damaged of 3 pairs:"
    assert said[1].startswith(f"  1: {folder / 'rgb/1.png'}")
    assert len(said) == 2


def test_nothing_but_damage_stops_in_any_case(folder: Path):
    (folder / "rgb/3.png").unlink()
    source = folder_source(folder, damaged="skip", split="val")
    with pytest.raises(DataError, match="all 1 are damaged"):
        checked(source, open_source(source), never)


def test_val_pairs_are_not_trained_on(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    train, val = (open_source(folder_source(folder, split=split)) for split in ("train", "val"))
    check_apart(train, val)
    with pytest.raises(DataError, match=r"share 1 of 1 val pairs, such as '3'"):
        check_apart(open_source(folder_source(folder)), val)
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # the same ids of another place are other pairs
    write_pairs(elsewhere, ("val", "val", "val", "val"))
    check_apart(train, open_source(folder_source(elsewhere)))


@pytest.mark.parametrize("skipped", ["train", "beside"])
def test_what_only_decoding_shows_follows_the_setting_of_its_own_source(skipped: str, capsys):
    sources = {name: {"layout": "folder", "path": name} for name in ("train", "val", "beside")}
    sources[skipped]["damaged"] = "skip"
    recipe = parse({"name": "r", "data": sources, "schedule": {"epochs": 1}})
    step = SimpleNamespace(recipe=recipe, global_step=3, left_out={})
    image, none = torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 4)
    batch = Batch(image, torch.zeros(1, 1, 4, 4), none, none)
    of_skipped = replace(batch, **{"damaged" if skipped == "train" else "damaged_beside": ("a.png: broken",)})
    of_other = replace(batch, **{"damaged_beside" if skipped == "train" else "damaged": ("b.png: broken",)})
    DepthModule._leave_out(step, of_skipped)  # pyright: ignore[reportArgumentType]
    assert "left out, 1 so far: a.png: broken" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"b\.png: broken; training stopped at step 3"):
        DepthModule._leave_out(step, of_other)  # pyright: ignore[reportArgumentType]
