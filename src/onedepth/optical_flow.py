"""Where each pixel was a frame before: dense optical flow of small pictures, in NumPy.

Lucas and Kanade's (IJCAI 1981) registration of windows, coarse to fine, in Baker and Matthews' inverse compositional
form (IJCV 56(3), 2004): gradients are those of the picture that stands still, so that a step costs one sampling and two
blurs. Windows are Gaussian and every pixel has one. After each step the motion of windows that have texture spreads to
those that have none (normalised convolution). Brightness may change: windows are compared without their means.

Pictures are meant to be reduced to about 80 × 60 pixels first: it is the smooth part of the motion, to a tenth of such
a pixel, for a millisecond of one core.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]  # float32 throughout

STEPS = 3  # at each level
SMALLEST_SIDE = 8  # of the coarsest level, pixels
# Chosen on two rendered walks with known flow; docs/log.md, 2026-11-25.
_WINDOW = 2.5  # sigma of the windows, pixels
_MEAN = 8.0  # sigma of the means that are taken off, pixels
_STIFF = 24.0  # (grey levels / pixel)²: what holds a window still against its noise
_KNOWN = 100.0  # (grey levels / pixel)²: texture with which a window knows its motion half as well as one can
_SPREAD = 3.5  # sigma over which motion spreads to windows that know less, pixels


def pyramid(grey: Float) -> list[Float]:
    """The picture `[h, w]` and its halves, finest first, without their local means; what `flow` wants of a picture."""
    levels = [np.asarray(grey, np.float32)]
    while min(levels[-1].shape) >= 2 * SMALLEST_SIDE:
        levels.append(halved(levels[-1]))
    return [level - blurred(level, _MEAN) for level in levels]


def flow(now: list[Float], other: list[Float]) -> Float:
    """Flow `[2, h, w]` (x, y), pixels: what is at `p` in one picture is at `p + flow` in the other.

    Args:
        now: `pyramid` of the picture whose pixels ask.
        other: `pyramid` of the one in which they look, of the same size.
    """
    motion = np.zeros((2, *now[-1].shape), np.float32)
    for still, moving in zip(reversed(now), reversed(other), strict=True):
        height, width = still.shape
        if motion.shape[1:] != still.shape:
            motion = doubled(motion, height, width) * np.float32(2)
        gx, gy = gradient(still)
        sums = blurred(np.stack((gx * gx, gx * gy, gy * gy)), _WINDOW)
        xx, xy, yy = sums[0] + np.float32(_STIFF), sums[1], sums[2] + np.float32(_STIFF)
        inverse = 1 / (xx * yy - xy * xy)
        gradients = np.stack((gx, gy))
        # The smaller eigenvalue says how well a window knows its motion: Shi and Tomasi, CVPR 1994.
        half, apart = (sums[0] + sums[2]) / 2, (sums[0] - sums[2]) / 2
        known = np.maximum(half - np.sqrt(apart * apart + xy * xy), 0)
        known = known / (known + np.float32(_KNOWN)) + np.float32(0.01)
        share = blurred(known, _SPREAD)
        for _ in range(STEPS):
            error = sample(moving[None], motion)[0] - still
            bx, by = blurred(gradients * error, _WINDOW)
            step = np.stack((xy * by - yy * bx, xy * bx - xx * by)) * inverse
            motion = blurred((motion + np.clip(step, -1, 1)) * known, _SPREAD) / share
    return motion


def sample(values: Float, motion: Float) -> Float:
    """`values` `[c, h, w]` at each pixel's place plus `motion` `[2, h, w]` (x, y), bilinear, held at the border."""
    _, height, width = values.shape
    columns, rows = _grid(height, width)
    x = np.clip(columns + motion[0], 0, width - 1)
    y = np.clip(rows + motion[1], 0, height - 1)
    left, top = x.astype(np.int32), y.astype(np.int32)  # not below zero: down
    np.minimum(left, max(width - 2, 0), out=left)
    np.minimum(top, max(height - 2, 0), out=top)
    x -= left
    y -= top
    right, below = (1 if width > 1 else 0), (width if height > 1 else 0)
    at = top * np.int32(width) + left
    flat = values.reshape(len(values), -1)
    upper = np.take(flat, at, axis=1)
    upper += (np.take(flat, at + right, axis=1) - upper) * x
    at += below
    lower = np.take(flat, at, axis=1)
    lower += (np.take(flat, at + right, axis=1) - lower) * x
    upper += (lower - upper) * y
    return upper


def inside(motion: Float) -> NDArray[np.bool_]:
    """Bool `[h, w]`: whether a pixel's place plus `motion` is in the picture."""
    _, height, width = motion.shape
    columns, rows = _grid(height, width)
    x, y = columns + motion[0], rows + motion[1]
    return (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)


def blurred(values: Float, sigma: float) -> Float:
    """Gaussian mean of `[..., h, w]` over the pixels that are there."""
    height, width = values.shape[-2:]
    return _blur_matrix(height, sigma) @ values @ _blur_matrix(width, sigma).T


def gradient(values: Float) -> tuple[Float, Float]:
    """Central differences along x and y, `[h, w]` each; at the border, beyond which values are held, half of a step."""
    half = values * np.float32(0.5)
    return _differences(half.T).T, _differences(half)


def _differences(half: Float) -> Float:
    """Along the first axis, of half the values. Without np.pad, which takes longer than all of this."""
    result = np.empty_like(half)
    np.subtract(half[2:], half[:-2], out=result[1:-1])
    last = len(half) - 1
    np.subtract(half[min(1, last)], half[0], out=result[0])
    np.subtract(half[last], half[max(0, last - 1)], out=result[last])
    return result


def halved(values: Float) -> Float:
    """Means of 2 × 2 pixels; an odd last row or column is held."""
    height, width = values.shape
    if height % 2 or width % 2:
        values = np.pad(values, ((0, height % 2), (0, width % 2)), mode="edge")
    rows = values[::2] + values[1::2]
    return (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)


def doubled(values: Float, height: int, width: int) -> Float:
    """The inverse of `halved`, bilinear: `[..., h, w]` to `[..., height, width]`."""
    return _double_matrix(height, values.shape[-2]) @ values @ _double_matrix(width, values.shape[-1]).T


@lru_cache(maxsize=16)
def _grid(height: int, width: int) -> tuple[Float, Float]:
    return np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]


@lru_cache(maxsize=64)
def _blur_matrix(length: int, sigma: float) -> Float:
    """`[length, length]`: a product with this blurs. At these sizes it is the quickest blur there is in NumPy."""
    apart = np.arange(length)[:, None] - np.arange(length)[None, :]
    weights = np.exp(-0.5 * (apart / sigma) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=64)
def _double_matrix(large: int, small: int) -> Float:
    """`[large, small]`: pixel i of the large has its centre at (i - ½) / 2 of the small."""
    at = np.clip((np.arange(large) - 0.5) / 2, 0, small - 1)
    first = np.minimum(np.floor(at).astype(int), max(small - 2, 0))
    matrix = np.zeros((large, small), np.float32)
    np.add.at(matrix, (np.arange(large), first), 1 - (at - first))
    np.add.at(matrix, (np.arange(large), np.minimum(first + 1, small - 1)), at - first)
    return matrix
