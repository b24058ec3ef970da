"""One range of colours for a whole video: colours that follow each frame's own depths would breathe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from onedepth import render
from onedepth.errors import OnedepthError

FEWEST_SAMPLES, MOST_SAMPLES = 3, 16
FRAMES_A_SAMPLE = 50  # a sample costs about as much as a frame: this keeps them at 2 % of the work


def parse_range(text: str | None) -> tuple[float, float] | None:
    """Metres from "near:far", as in "0.5:8".

    Raises:
        OnedepthError: not two numbers with 0 < near < far.
    """
    if text is None:
        return None
    try:
        near_m, far_m = (float(part) for part in text.split(":"))
    except ValueError:
        raise OnedepthError(f"--range {text}: expected near:far in metres, as in 0.5:8") from None
    if not (np.isfinite(far_m) and 0 < near_m < far_m):
        raise OnedepthError(f"--range {text}: expected 0 < near < far in metres")
    return near_m, far_m


def samples_for(frames: int | None) -> int:
    """How many frames to look at for a range."""
    return min(MOST_SAMPLES, max(FEWEST_SAMPLES, (frames or 0) // FRAMES_A_SAMPLE))


def steady_range(
    images: Sequence[NDArray[np.uint8]], depth_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> tuple[float, float] | None:
    """Nearest and farthest metres worth a colour in all of several images: the 1st and 99th percentile.

    Args:
        images: uint8 `[H, W, 3]`, from all over the video.
        depth_of: metres `[H, W]` of an image.

    Returns:
        near_m < far_m; None without images.
    """
    if not images:
        return None
    return range_of([depth_of(image) for image in images])


def range_of(depths: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """The range of `steady_range`, of depth maps `[H, W]` in metres."""
    return render.auto_range(np.concatenate([depth_m[::3, ::3].ravel() for depth_m in depths])[None])
