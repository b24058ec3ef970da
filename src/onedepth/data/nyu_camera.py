"""The colour camera of NYU Depth v2."""

from __future__ import annotations

from onedepth.depth import Intrinsics

NYU_INTRINSICS = Intrinsics(518.857901, 519.469611, 325.582449, 253.736166)
"""In pixels of its 640×480 pictures, from the toolbox of the data set."""


def nyu_intrinsics(height: int, width: int) -> Intrinsics:
    """The camera in pixels of a copy of the data, which somebody may have resized."""
    if (height, width) == (480, 640):
        return NYU_INTRINSICS
    sx, sy = width / 640, height / 480
    k = NYU_INTRINSICS
    return Intrinsics(k.fx * sx, k.fy * sy, (k.cx + 0.5) * sx - 0.5, (k.cy + 0.5) * sy - 0.5)
