"""Where a recipe's pairs come from: one section for each data layout, and what is done about damaged pairs.

A new layout is one class here, one line in `SOURCES` and one member of `Source`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from onedepth.data.folder import FolderData
from onedepth.data.nyu_zip import NyuZipData
from onedepth.data.pair import PairData
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


Source = Annotated[FolderSource | NyuZipSource | SyntheticSource, Field(discriminator="layout")]
SOURCES: dict[str, type[Section]] = {"folder": FolderSource, "nyu_zip": NyuZipSource, "synthetic": SyntheticSource}


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
