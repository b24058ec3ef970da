"""Pictures and depth maps at another size, as protocols ask for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from onedepth.depth import Intrinsics

Shape = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True)
class Geometry:
    """Resize to a height, cut out the middle, resize again: how small networks are fed.

    Conventions decide the third digit of a metric, so they are OpenCV's, by which such networks are usually measured:
    images between the four nearest pixels (`INTER_LINEAR`: centres of pixels at halves, no smoothing), depth from
    pixel ⌊i · scale⌋ (`INTER_NEAREST`: corners at whole numbers).

    Attributes:
        rows: height of the first resize; the width follows the aspect, rounded down.
        crop: rows and columns cut out of the middle.
        size: rows and columns of the result, whatever that does to the aspect.
    """

    rows: int
    crop: Shape
    size: Shape

    def image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 `[h, w, 3]` of an image uint8 `[H, W, 3]`."""
        height, width, channels = image.shape
        rows, columns = _bands_of_image(self, height, width, channels)
        low = np.empty((self.size[0], width * channels))
        for out, there, weights in rows:
            low[out] = weights @ image[there].reshape(-1, width * channels).astype(np.float64)
        small = np.empty((self.size[0], self.size[1] * channels))
        for out, there, weights in columns:
            small[:, out] = low[:, there] @ weights.T
        return np.rint(small).astype(np.uint8).reshape(*self.size, channels)

    def nearest(self, values: NDArray) -> NDArray:
        """The same of `[H, W]` by nearest neighbour: no depth is made up between two."""
        height, width = values.shape
        return values.ravel()[_nearest_places(self, height, width)]

    def intrinsics(self, intrinsics: Intrinsics, height: int, width: int) -> Intrinsics:
        """The camera that would have taken the result."""
        top, left = self.corner(height, width)
        first = scaled(intrinsics, (height, width), (self.rows, self.width(height, width)))
        middle = Intrinsics(first.fx, first.fy, first.cx - left, first.cy - top)
        return scaled(middle, self.crop, self.size)

    def width(self, height: int, width: int) -> int:
        """Of the first resize."""
        return width * self.rows // height

    def corner(self, height: int, width: int) -> Shape:
        """Row and column of the first resize where the middle begins."""
        return round((self.rows - self.crop[0]) / 2), round((self.width(height, width) - self.crop[1]) / 2)


def scaled(intrinsics: Intrinsics, before: Shape, after: Shape) -> Intrinsics:
    """The camera of a picture that was resized from one shape to another."""
    y, x = after[0] / before[0], after[1] / before[1]
    return Intrinsics(
        intrinsics.fx * x, intrinsics.fy * y, (intrinsics.cx + 0.5) * x - 0.5, (intrinsics.cy + 0.5) * y - 0.5
    )


def bilinear(depth_m: NDArray[np.floating], shape: Shape) -> NDArray[np.float32]:
    """float32 `[H', W']`: depth at another size; NaN spreads to every pixel that it would have had a part in.

    Args:
        depth_m: `[H, W]`, metres, NaN where unknown.
        shape: rows and columns of the result. A map that shrinks is smoothed first.
    """
    from PIL import Image

    picture = Image.fromarray(np.asarray(depth_m, np.float32))
    return np.array(picture.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


@lru_cache(maxsize=4)
def _nearest_places(geometry: Geometry, height: int, width: int) -> NDArray[np.intp]:
    """`[h, w]`: where in a flattened `[height, width]` the pixels of `Geometry.nearest` are."""
    top, left = geometry.corner(height, width)
    rows = _nearest(np.arange(geometry.size[0]), geometry.crop[0], geometry.size[0]) + top
    columns = _nearest(np.arange(geometry.size[1]), geometry.crop[1], geometry.size[1]) + left
    rows, columns = _nearest(rows, height, geometry.rows), _nearest(columns, width, geometry.width(height, width))
    return rows[:, None] * width + columns


def _nearest(index: NDArray[np.intp], before: int, after: int) -> NDArray[np.intp]:
    """Where in a length `before` the pixels of a length `after` come from."""
    return index * before // after


_Band = tuple[slice, slice, NDArray[np.float64]]
"""Some numbers of the result, those of the source that they come from, and the weights between them."""

_BAND = 6


@lru_cache(maxsize=4)
def _bands_of_image(
    geometry: Geometry, height: int, width: int, channels: int
) -> tuple[tuple[_Band, ...], tuple[_Band, ...]]:
    """Both resizes of `Geometry.image` and the cut between them as one product, for rows, and for columns.

    Columns are those of a picture whose channels lie side by side.
    """
    top, left = geometry.corner(height, width)
    (rows, columns), first = geometry.crop, (geometry.rows, geometry.width(height, width))
    vertical = _between_two(rows, geometry.size[0]) @ _between_two(height, first[0])[top : top + rows]
    horizontal = _between_two(columns, geometry.size[1]) @ _between_two(width, first[1])[left : left + columns]
    return _bands(vertical, _BAND), _bands(np.kron(horizontal, np.eye(channels)), _BAND * channels)


def _bands(weights: NDArray[np.floating], count: int) -> tuple[_Band, ...]:
    """A matrix by `count` rows at a time, without the columns that are 0 there."""
    bands = []
    for start in range(0, len(weights), count):
        some = weights[start : start + count]
        used = np.flatnonzero(some.any(axis=0))
        there = slice(int(used[0]), int(used[-1]) + 1)
        bands.append((slice(start, start + len(some)), there, some[:, there].astype(np.float64)))
    return tuple(bands)


def _between_two(before: int, after: int) -> NDArray[np.float64]:
    """`[after, before]`: how much of each pixel of a line is in each of a resized one, as `INTER_LINEAR` has it."""
    place = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    low = place.astype(np.intp)
    weights = np.zeros((after, before))
    weights[np.arange(after), low] = 1 - (place - low)
    weights[np.arange(after), np.minimum(low + 1, before - 1)] += place - low
    return weights
