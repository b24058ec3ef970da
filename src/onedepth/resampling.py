"""Pictures and depth maps at another size, as protocols ask for."""

from __future__ import annotations

from dataclasses import dataclass

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
        height, width = image.shape[:2]
        top, left = self._corner(height, width)
        first = _between_four(image, (self.rows, self._width(height, width)))
        middle = first[top : top + self.crop[0], left : left + self.crop[1]]
        return np.rint(_between_four(middle, self.size)).astype(np.uint8)

    def nearest(self, values: NDArray) -> NDArray:
        """The same of `[H, W]` by nearest neighbour: no depth is made up between two."""
        height, width = values.shape
        top, left = self._corner(height, width)
        rows = _nearest(_nearest(np.arange(self.size[0]), self.crop[0], self.size[0]) + top, height, self.rows)
        columns = _nearest(np.arange(self.size[1]), self.crop[1], self.size[1]) + left
        return values[np.ix_(rows, _nearest(columns, width, self._width(height, width)))]

    def intrinsics(self, intrinsics: Intrinsics, height: int, width: int) -> Intrinsics:
        """The camera that would have taken the result."""
        top, left = self._corner(height, width)
        first = scaled(intrinsics, (height, width), (self.rows, self._width(height, width)))
        middle = Intrinsics(first.fx, first.fy, first.cx - left, first.cy - top)
        return scaled(middle, self.crop, self.size)

    def _width(self, height: int, width: int) -> int:
        return width * self.rows // height

    def _corner(self, height: int, width: int) -> Shape:
        return round((self.rows - self.crop[0]) / 2), round((self._width(height, width) - self.crop[1]) / 2)


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


def _nearest(index: NDArray[np.intp], before: int, after: int) -> NDArray[np.intp]:
    """Where in a length `before` the pixels of a length `after` come from."""
    return index * before // after


def _between_four(image: NDArray[np.number], shape: Shape) -> NDArray[np.float64]:
    """float64 `[h, w, C]` of an image `[H, W, C]`."""
    values: NDArray[np.number] = image
    for axis, length in enumerate(shape):
        before = values.shape[axis]
        place = np.clip((np.arange(length) + 0.5) * before / length - 0.5, 0, before - 1)
        low = place.astype(np.intp)
        share = (place - low).astype(np.float64).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        here = np.take(values, low, axis).astype(np.float64)
        apart = np.take(values, np.minimum(low + 1, before - 1), axis).astype(np.float64)
        apart -= here
        apart *= share
        here += apart
        values = here
    return values.astype(np.float64, copy=False)
