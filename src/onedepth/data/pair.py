"""The one form that every data layout yields, and the contract of a data set of them."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from onedepth.depth import Intrinsics


@dataclass(frozen=True)
class Pair:
    """An image with its true depth.

    Attributes:
        id: name of the pair, unique in its data set.
        image: uint8 `[H, W, 3]`, RGB.
        depth_m: float32 `[H, W]`, metres along the optical axis; 0 where `valid` is False.
        valid: bool `[H, W]`; False where the truth is missing.
        intrinsics: camera in pixels of `image`.
    """

    id: str
    image: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    valid: NDArray[np.bool_]
    intrinsics: Intrinsics


@dataclass(frozen=True)
class Damage:
    """A pair that cannot be read as its layout says: its id, and one line that names file or member and reason."""

    id: str
    message: str


class PairData(Sequence[Pair], ABC):
    """Pairs that are read when they are asked for.

    A layout says how many rows there are and answers three questions about a row by its number; everything else
    is done here. A slice, and `without`, are the same data with fewer rows and read nothing. Data sets can be
    pickled, and used from several processes and threads at a time.
    """

    def __init__(self, count: int) -> None:
        self._rows: Sequence[int] = range(count)

    @abstractmethod
    def _id(self, row: int) -> str:
        """Name of a row's pair; reads no picture."""

    @abstractmethod
    def _read(self, row: int) -> Pair:
        """A row's pair.

        Raises:
            DataError: naming the file or member that cannot be read.
        """

    @abstractmethod
    def _damage(self, row: int) -> str | None:
        """What is wrong with a row as far as index, headers and sizes tell, in one line; None if nothing is."""

    def _jpeg(self, row: int) -> bytes | None:
        """A row's picture as it is stored, if that is a JPEG."""
        del row
        return None

    @property
    def ids(self) -> tuple[str, ...]:
        """The pairs' ids in order, without reading a picture."""
        return tuple(self._id(row) for row in self._rows)

    def check(self) -> list[Damage]:
        """Look at everything that can be seen without decoding a picture: existence, sizes, headers, kinds.

        What only decoding shows is a DataError when the pair is read.
        """
        messages = ((row, self._damage(row)) for row in self._rows)
        return [Damage(self._id(row), message) for row, message in messages if message is not None]

    def jpeg(self, index: int) -> bytes | None:
        """The picture number `index` as it is stored, if that is a JPEG; else None.

        Raises:
            DataError: it is missing or damaged.
        """
        return self._jpeg(self._rows[index])

    def without(self, ids: Collection[str]) -> Self:
        """The same data without the pairs of these ids."""
        dropped = frozenset(ids)
        return self._taking([row for row in self._rows if self._id(row) not in dropped])

    def _taking(self, rows: Sequence[int]) -> Self:
        part = copy.copy(self)
        part._rows = rows
        return part

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Pair | Self:
        """Read one pair, or take a slice without reading.

        Raises:
            DataError: a file that cannot be read, or whose kind or size is not the layout's.
        """
        if isinstance(index, slice):
            return self._taking(self._rows[index])
        return self._read(self._rows[index])
