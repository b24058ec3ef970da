"""Pictures and depth maps made smaller by a whole factor, and small fields made large again in the same place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class Reduction:
    """Means over k × k pixels, with k so that the longest side is at most a given one.

    Attributes:
        size: rows and columns of what is reduced.
        factor: k; the last row and column of means may be over fewer pixels.
        small: rows and columns of what comes out.
    """

    def __init__(self, size: tuple[int, int], longest: int) -> None:
        self.size = size
        self.factor = max(1, -(-max(size) // longest))
        self.small = (-(-size[0] // self.factor), -(-size[1] // self.factor))

    def grey(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Grey levels 0…255, float32 `[h, w]`, of an image uint8 `[H, W, 3]`."""
        picture = Image.fromarray(np.ascontiguousarray(image))
        return np.asarray(picture.reduce(self.factor) if self.factor > 1 else picture, np.float32) @ _LUMA

    def log_depth(self, depth_m: NDArray[np.floating]) -> tuple[NDArray[np.float32], bool]:
        """Logarithm of the mean depth, float32 `[h, w]`, NaN where a pixel has none; and whether all have one.

        Args:
            depth_m: `[H, W]`, metres; a pixel that is NaN, infinite or not above 0 has none.
        """
        depth = np.ascontiguousarray(depth_m, np.float32)
        whole = bool(depth.min() > 0 and depth.max() < np.inf)
        if not whole:
            depth = np.where((depth > 0) & (depth < np.inf), depth, np.float32(np.nan))
        if self.factor > 1:
            depth = np.asarray(Image.fromarray(depth).reduce(self.factor))
        return np.log(depth), whole

    def enlarged(self, field: NDArray[np.float32]) -> NDArray[np.float32]:
        """A field `[h, w]` as `[H, W]`, bilinear."""
        if self.factor == 1:
            return field
        height, width = self.size
        box = (0, 0, width / self.factor, height / self.factor)
        return np.asarray(
            Image.fromarray(np.ascontiguousarray(field)).resize((width, height), Image.Resampling.BILINEAR, box=box)
        )
