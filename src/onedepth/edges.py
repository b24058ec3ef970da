"""Edges of a depth map, and how far pixels are from them: Canny's detector and a truncated distance transform.

Canny 1986 (IEEE TPAMI 8(6)) with the conventions of scikit-image's `feature.canny`, since iBims-1's published numbers
were made with it: Sobel kernels whose smoothing weights are 1 2 1, thresholds on the values as they are, maxima
found by interpolating along the gradient, hysteresis over eight neighbours.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)


def canny(
    values: NDArray[np.floating], valid: NDArray[np.bool_], sigma: float, low: float, high: float
) -> NDArray[np.bool_]:
    """Edges one pixel wide, bool `[H, W]`.

    Args:
        values: `[H, W]`.
        valid: bool `[H, W]`; pixels where it is False have no influence, and neither they nor their eight neighbours
            can be edges.
        sigma: of the Gaussian that smooths first, in pixels.
        low: gradients below it are no edge (a step of 1, unsmoothed, has gradient 4).
        high: an edge is followed from where the gradient reaches this.
    """
    weight = valid.astype(np.float64)
    kernel = _gaussian(sigma)
    share = _convolve(weight, kernel) + np.finfo(np.float64).eps
    smooth = _convolve(np.where(valid, values, 0).astype(np.float64), kernel) / share
    along_rows, along_columns = _sobel(smooth)
    gradient = np.hypot(along_rows, along_columns)
    inside = _eroded(valid)
    rows, columns = np.nonzero(inside & (gradient >= low) & (gradient > 0))
    thin = np.zeros(values.shape, bool)
    greatest = _is_maximum(gradient, along_rows, along_columns, rows, columns)
    thin[rows[greatest], columns[greatest]] = True
    return _connected(thin & (gradient >= high), thin)


def distance_to(edges: NDArray[np.bool_], limit: int) -> NDArray[np.float64]:
    """float64 `[H, W]`: Euclidean distance of each pixel to the nearest edge in pixels, at most `limit`."""
    height, width = edges.shape
    rows = np.where(edges, 0.0, np.inf)
    nearest = rows.copy()
    for step in range(1, min(limit, height - 1) + 1):  # distance along the column
        np.minimum(nearest[step:], rows[:-step] + step, out=nearest[step:])
        np.minimum(nearest[:-step], rows[step:] + step, out=nearest[:-step])
    squared = nearest**2
    result = squared.copy()
    for step in range(1, min(limit, width - 1) + 1):
        np.minimum(result[:, step:], squared[:, :-step] + step**2, out=result[:, step:])
        np.minimum(result[:, :-step], squared[:, step:] + step**2, out=result[:, :-step])
    return np.minimum(np.sqrt(result), limit)


def _gaussian(sigma: float) -> NDArray[np.float64]:
    radius = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return kernel / kernel.sum()


def _convolve(values: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along both axes, with zeros outside."""
    radius = len(kernel) // 2
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (radius, radius)
        padded = np.pad(values, padding)
        length = values.shape[axis]
        values = sum(
            (weight * np.take(padded, range(start, start + length), axis) for start, weight in enumerate(kernel)),
            start=np.zeros(values.shape),
        )
    return values


def _sobel(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Differences along the rows' index and along the columns' index; the border is continued by reflection."""
    padded = np.pad(values, 1, mode="symmetric")
    across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return across[2:] - across[:-2], down[:, 2:] - down[:, :-2]


def _eroded(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels whose eight neighbours are valid too; the outermost pixels are not."""
    padded = np.pad(valid, 1)
    height, width = valid.shape
    inside = valid.copy()
    for i, j in _NEIGHBOURS:
        inside &= padded[1 + i : 1 + i + height, 1 + j : 1 + j + width]
    return inside


def _is_maximum(
    gradient: NDArray[np.float64],
    along_rows: NDArray[np.float64],
    along_columns: NDArray[np.float64],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Bool `[n]`: which of the pixels have no greater gradient beside them along their gradient's direction."""
    gi, gj = along_rows[rows, columns], along_columns[rows, columns]
    si, sj = np.sign(gi).astype(np.intp), np.sign(gj).astype(np.intp)
    steep = np.abs(gi) >= np.abs(gj)
    # The direction leaves the square of the eight neighbours between a straight one and a diagonal one.
    straight_i, straight_j = np.where(steep, si, 0), np.where(steep, 0, sj)
    smaller, larger = np.minimum(np.abs(gi), np.abs(gj)), np.maximum(np.abs(gi), np.abs(gj))
    w = smaller / larger
    own = gradient[rows, columns]
    greatest = np.ones(len(rows), bool)
    for sign in (1, -1):
        straight = gradient[rows + sign * straight_i, columns + sign * straight_j]
        diagonal = gradient[rows + sign * si, columns + sign * sj]
        greatest &= straight * (1 - w) + diagonal * w <= own
    return greatest


def _connected(seeds: NDArray[np.bool_], candidates: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The candidates that a path over eight neighbours joins to a seed."""
    height, width = candidates.shape
    free = np.pad(candidates, 1).ravel()
    reached = np.zeros_like(free)
    steps = np.array([i * (width + 2) + j for i, j in _NEIGHBOURS])
    front = np.flatnonzero(np.pad(seeds, 1))
    while front.size:
        reached[front] = True
        free[front] = False
        around = np.unique(front[:, None] + steps)
        front = around[free[around]]
    return reached.reshape(height + 2, width + 2)[1:-1, 1:-1]


IBIMS_SIGMA = math.sqrt(2)
IBIMS_LOW, IBIMS_HIGH = 0.15, 0.3
"""iBims-1's settings, for depth scaled to 0…1."""
