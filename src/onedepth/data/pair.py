"""The one form that every data layout yields."""

from __future__ import annotations

from dataclasses import dataclass

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
