"""Arithmetic of the canonical camera: which focal length a model's metres refer to, and at which size it works.

A network sees apparent sizes, so its metres hold for one focal length, the canonical one. A picture taken with a focal
length f is worth depth · f / f_canonical (Yin et al., Metric3D, arXiv 2307.10984, section 3.1). The canonical focal is
stated in pixels per image width of a 4:3 picture (NYU: 518.86 / 640); for another aspect it is taken for the 4:3
picture of the same number of pixels. Focal length over √(H·W) does not change under any resizing, stretching included,
nor when the camera is turned on its side.
"""

from __future__ import annotations

import math

NYU_FOCAL = 518.86 / 640
"""The canonical focal of models trained on NYU Depth v2: its camera's, from the toolbox of the data set."""

MIN_SIDE = 64
MAX_SIDE = 1024
"""Bounds of the working height and width, for pictures that are much longer than wide; see `longest_side`."""


def canonical_focal_px(height: int, width: int, canonical_focal: float) -> float:
    """The focal length in pixels at which a picture of this size needs no rescaling.

    Args:
        height: in pixels.
        width: in pixels.
        canonical_focal: in pixels per image width of a 4:3 picture.
    """
    return canonical_focal * math.sqrt(height * width * 4 / 3)


def longest_side(area: int, multiple: int) -> int:
    """The bound of the working height and width of a network of this working area, a multiple of its stride.

    At least `MAX_SIDE`, and twice the side of the square of that area, so that a picture four times as long as wide
    keeps its aspect: KITTI's network works at 384×1280.
    """
    return max(MAX_SIDE, math.ceil(2 * math.sqrt(area) / multiple) * multiple)


def working_size(height: int, width: int, area: int, multiple: int) -> tuple[int, int]:
    """Height and width at which the network works: the picture's aspect, a constant area, multiples of its stride.

    Halves are rounded to even, as ONNX's Round does.
    """
    scale = math.sqrt(area / (height * width))
    longest = longest_side(area, multiple)

    def side(length: int) -> int:
        return min(longest, max(MIN_SIDE, round(length * scale / multiple) * multiple))

    return side(height), side(width)
