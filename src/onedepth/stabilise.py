"""Depth maps of neighbouring frames made to agree: what a video shows without flicker.

A stabiliser takes frames in order and gives their depth maps back in order, perhaps some frames later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Stabiliser(Protocol):
    """One video's filter; all its frames have one size."""

    def push(self, image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Depth maps that are ready now, in order of frames."""
        ...

    def finish(self) -> list[NDArray[np.float32]]:
        """Those held back."""
        ...


class Off:
    """Every depth map as the model gave it."""

    def push(self, image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> list[NDArray[np.float32]]:  # noqa: ARG002
        """The depth map itself."""
        return [depth_m]

    def finish(self) -> list[NDArray[np.float32]]:
        """Nothing was held back."""
        return []


STABILISERS: dict[str, Callable[[], Stabiliser]] = {
    "off": Off,
}
