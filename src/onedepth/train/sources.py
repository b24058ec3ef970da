"""Where a recipe's pairs come from: one section for each data layout, and what is done about damaged pairs.

A new layout is one class here, one line in `SOURCES` and one member of `Source`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from onedepth.data.bts import BtsData
from onedepth.data.folder import FolderData
from onedepth.data.kitti import KittiData
from onedepth.data.nyu_mat import NyuMatData
from onedepth.data.nyu_zip import NyuZipData
from onedepth.data.pair import PairData
from onedepth.data.siblings import SiblingsData
from onedepth.data.synthetic import SyntheticData
from onedepth.errors import DataError
from onedepth.train.section import Section

Count = Annotated[int, Field(ge=1)]


class RealSource(Section):
    """What all sources have in common whose pairs lie on a disk, where files can be damaged."""

    limit: Count | None = None
    """Take only the first so many pairs."""
    damaged: Literal["stop", "skip"] = "stop"
    """Of damaged pairs: stop before training, or train without them and say which."""


class FolderSource(RealSource):
    """RGB-D pairs in a folder with an `index.csv` (see `onedepth.data.folder`)."""

    layout: Literal["folder"]
    path: str
    split: str | None = None

    def open(self) -> PairData:
        """The data set."""
        return FolderData(_path(self.path), split=self.split, limit=self.limit)


class NyuZipSource(RealSource):
    """DenseDepth's `nyu_data.zip`, packed or unpacked (see `onedepth.data.nyu_zip`).

    Its test pairs are no source: nothing is trained or chosen on them. `val` are rooms held out of the training pairs.
    """

    layout: Literal["nyu_zip"]
    path: str
    split: Literal["train", "val"] = "train"
    val_scenes: Annotated[int, Field(ge=0)] | None = None

    def open(self) -> PairData:
        """The data set."""
        return NyuZipData(_path(self.path), self.split, self.limit, val_scenes=self.val_scenes)


class NyuMatSource(RealSource):
    """The labelled pairs of NYU Depth v2 (see `onedepth.data.nyu_mat`); its test pairs are no source."""

    layout: Literal["nyu_mat"]
    path: str
    split: Literal["train", "val"]
    splits: str | None = None
    val_scenes: Annotated[int, Field(ge=0)] | None = None

    def open(self) -> PairData:
        """The data set."""
        splits = None if self.splits is None else _path(self.splits)
        return NyuMatData(_path(self.path), self.split, self.limit, splits=splits, val_scenes=self.val_scenes)


class ListSource(RealSource):
    """What sources have in common whose pairs a list file names. A list named test is no source."""

    path: str
    files: str
    depth_path: str | None = None

    @field_validator("files")
    @classmethod
    def _not_test(cls, files: str) -> str:
        if re.search(r"(^|[^a-z])test([^a-z]|$)", Path(files).name.lower()):
            raise ValueError("this list is named test, nothing is trained or chosen on test data; give another list")
        return files

    @property
    def _depths(self) -> Path | None:
        return None if self.depth_path is None else _path(self.depth_path)


class BtsSource(ListSource):
    """Pairs of a list file in BTS's form (see `onedepth.data.bts`)."""

    layout: Literal["bts"]
    unit: Literal["mm", "m/256"] = "mm"

    def open(self) -> PairData:
        """The data set."""
        files = Path(self.files).expanduser()
        return BtsData(_path(self.path), files, self.limit, depth_path=self._depths, unit=self.unit)


class KittiSource(ListSource):
    """KITTI's raw recordings and annotated depth by a list file (see `onedepth.data.kitti`)."""

    layout: Literal["kitti"]

    def open(self) -> PairData:
        """The data set."""
        return KittiData(_path(self.path), Path(self.files).expanduser(), self.limit, depth_path=self._depths)


class SiblingsSource(RealSource):
    """Folders `rgb` and `depth` with equal names (see `onedepth.data.siblings`)."""

    layout: Literal["siblings"]
    path: str
    unit: Literal["mm", "m/256"] = "mm"

    def open(self) -> PairData:
        """The data set."""
        return SiblingsData(_path(self.path), self.limit, unit=self.unit)


class SyntheticSource(Section):
    """Rooms rendered from a seed (see `onedepth.data.synthetic`)."""

    layout: Literal["synthetic"]
    count: Count
    seed: Annotated[int, Field(ge=0)] = 0
    split: Literal["train", "val"] = "train"
    height: Count = 120
    width: Count = 160

    def open(self) -> PairData:
        """The data set."""
        return SyntheticData(self.count, seed=self.seed, height=self.height, width=self.width, split=self.split)


Source = Annotated[
    FolderSource | SiblingsSource | NyuZipSource | NyuMatSource | BtsSource | KittiSource | SyntheticSource,
    Field(discriminator="layout"),
]
SOURCES: dict[str, type[Section]] = {
    "folder": FolderSource,
    "siblings": SiblingsSource,
    "nyu_zip": NyuZipSource,
    "nyu_mat": NyuMatSource,
    "bts": BtsSource,
    "kitti": KittiSource,
    "synthetic": SyntheticSource,
}


def open_source(source: Source) -> PairData:
    """The data set that a recipe names; no picture is read.

    Raises:
        DataError: it is not there, or not as its layout says.
    """
    return source.open()


def checked(source: Source, pairs: PairData, say: Callable[[str], None]) -> PairData:
    """`pairs` of `source` as they may be trained on: all of them, or those that are not damaged.

    With `damaged: skip` the damaged ones are left out, and how many and which is said. They are never replaced.

    Raises:
        DataError: with `damaged: stop`, the first damaged pair and how many more there are; or all are damaged.
    """
    damage = pairs.check()
    if not damage:
        return pairs
    if not (isinstance(source, RealSource) and source.damaged == "skip"):
        more = f"; {len(damage) - 1} more damaged" if len(damage) > 1 else ""
        raise DataError(f"{damage[0].message}{more} (`damaged: skip` in the recipe's source leaves them out)")
    rest = pairs.without([one.id for one in damage])
    if not len(rest):
        raise DataError(f"{damage[0].message}; all {len(damage)} are damaged, none is left to train on")
    say(f"left out {len(damage)} damaged of {len(pairs)} pairs:")
    for one in damage:
        say(f"  {one.id}: {one.message}")
    return rest


def check_apart(train: PairData, val: PairData) -> None:
    """Refuse data sets of one place that share pairs: val numbers of such a run would say nothing.

    Raises:
        DataError: they share pairs.
    """
    if type(train) is not type(val) or getattr(train, "path", None) != getattr(val, "path", None):
        return
    shared = set(train.ids) & set(val.ids)
    if shared:
        raise DataError(
            f"data.train and data.val share {len(shared)} of {len(val)} val pairs, such as {min(shared)!r}; "
            "give them splits that differ"
        )


def _path(text: str) -> Path:
    return Path(text).expanduser()
