"""Which layout data on disk has, and opening it without a recipe."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onedepth.data import LAYOUTS
from onedepth.data.folder import INDEX_NAME, splits_in
from onedepth.data.nyu_test_zip import RGB
from onedepth.data.nyu_zip import TRAIN_CSV
from onedepth.data.pair import PairData
from onedepth.data.zip_archive import ZipArchive
from onedepth.errors import DataError


@dataclass(frozen=True)
class Source:
    """Data by what opens it.

    Attributes:
        layout: one of `onedepth.data.LAYOUTS`.
        path: folder or file.
        split: which part of it; None: all, or a layout without splits.
        files: its list of pairs, where the layout has one.
        val_scenes: how many rooms are held out for the split "val", where somebody said so.
    """

    layout: str
    path: Path
    split: str | None = None
    files: str | None = None
    val_scenes: int | None = None

    @property
    def words(self) -> str:
        """For people."""
        files = f", list {self.files}" if self.files else ""
        return f"{self.path}{files}{f', split {self.split}' if self.split else ''}"


def layout_of(path: Path, files: str | None = None) -> str:
    """Name of the layout that data has, by its files.

    Args:
        path: the data.
        files: a list file, if there is one.

    Raises:
        DataError: nothing there, or nothing known.
    """
    if path.is_dir():
        days = any(re.fullmatch(r"20\d\d_\d\d_\d\d", child.name) for child in path.iterdir())
        tests = {
            "kitti": files is not None and days,
            "bts": files is not None,
            "folder": (path / INDEX_NAME).is_file(),
            "nyu_zip": (path / TRAIN_CSV).is_file() or (path / Path(TRAIN_CSV).name).is_file(),
            "siblings": (path / "rgb").is_dir() and (path / "depth").is_dir(),
        }
        known = f"{INDEX_NAME}, {TRAIN_CSV}, folders rgb and depth, or a list file named by --files"
    elif path.is_file():
        archive = ZipArchive(path) if path.suffix == ".zip" else ()
        tests = {"nyu_mat": path.suffix == ".mat", "nyu_zip": TRAIN_CSV in archive, "nyu_test_zip": RGB in archive}
        known = f"a .mat file, or a .zip with {TRAIN_CSV} or {RGB} in it"
    else:
        raise DataError(f"{path}: no such file or folder")
    for layout, is_it in tests.items():
        if is_it:
            return layout
    raise DataError(f"{path}: of no known layout, expected {known}; --layout names one of {', '.join(LAYOUTS)}")


def open_parts(path: Path, layout: str, options: Mapping[str, Any]) -> list[tuple[str, PairData]]:
    """Data by its splits; where there are none, or one is asked for, one part. The name of a missing split is "".

    Args:
        path: the data.
        layout: one of `LAYOUTS` that lies on a disk.
        options: arguments of the layout's class by name; those that are None are left to their defaults.

    Raises:
        DataError: an option that the layout does not have or needs, or data that is not as the layout says.
    """
    given = _arguments(path, layout, options)
    splits = [given["split"]] if "split" in given else _splits(path, layout)
    return [(split, LAYOUTS[layout](path, **given | ({"split": split} if split else {}))) for split in splits]


def open_one(path: Path, layout: str, options: Mapping[str, Any]) -> tuple[Source, PairData]:
    """Data as one: the split that is asked for, or all of it.

    Args:
        path: the data.
        layout: one of `LAYOUTS` that lies on a disk.
        options: as for `open_parts`.

    Raises:
        DataError: as `open_parts`, or data that is never read as a whole and no split is named.
    """
    given = _arguments(path, layout, options)
    if layout == "nyu_zip" and "split" not in given:  # depths of its train and its test are different in kind
        raise DataError(f"{path}: has the splits {', '.join(_splits(path, layout))}; name one by --split")
    pairs = LAYOUTS[layout](path, **given)
    split = given.get("split") or (_splits(path, layout)[0] if layout == "nyu_test_zip" else None)
    return Source(layout, path, split, given.get("files"), given.get("val_scenes")), pairs


def _arguments(path: Path, layout: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are given, of which the layout knows every one."""
    given = {name: value for name, value in options.items() if value is not None}
    taken = inspect.signature(LAYOUTS[layout]).parameters
    for name in given:
        if name not in taken:
            raise DataError(f"--{name.replace('_', '-')}: the layout {layout} has no such option")
    if "files" in taken and "files" not in given:
        raise DataError(f"{path}: the layout {layout} needs a list of pairs, name it by --files")
    return given


def _splits(path: Path, layout: str) -> list[str]:
    if layout == "folder":
        return splits_in(path)
    if layout == "nyu_test_zip":
        return ["test"]
    if layout == "nyu_zip":
        return ["train", "val", "test"]
    if layout == "nyu_mat" and path.with_name("splits.mat").is_file():
        return ["train", "val", "test"]
    return [""]
