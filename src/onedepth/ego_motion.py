"""What the camera's own motion does to depth, from optical flow and depth of one frame.

Between two neighbouring frames the camera turns by a small ω and a still point moves by t + ω × X in the camera's frame
(x right, y down, z forward). In normalised coordinates x, y and with depth Z that is (Longuet-Higgins and Prazdny,
Proc. R. Soc. B 208, 1980)

    flow_x = (t_x − x t_z) / Z − ω_x x y + ω_y (1 + x²) − ω_z y
    flow_y = (t_y − y t_z) / Z − ω_x (1 + y²) + ω_y x y + ω_z x
    Δ ln Z = t_z / Z + ω_x y − ω_y x

The first two are linear in the six unknowns: weighted least squares, over and over with less weight for what does not
fit (Geman and McClure's weights), which is what moves by itself. The third is then the answer. A depth that is wrong by
a factor gives a t wrong by it and the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from onedepth.canonical import NYU_FOCAL, canonical_focal_px

Float = NDArray[np.floating]  # float32 throughout

ROUNDS = 3
EVERY = 3  # pixels in reading order, of which one takes part: flow and depth are smooth, and the unknowns only six
MOST = 0.1  # of Δ ln Z between two frames: at 30 a second, 9 m/s towards a wall at 3 m
# Hold the unknowns to zero where nothing tells them, as in a picture without texture; relative to one pixel's equation.
_HOLD_T, _HOLD_TURN = 1e-4, 1e-6


@dataclass(frozen=True)
class _Grid:
    """Normalised coordinates of a small picture's pixels `[n]`, what a turn does to them `[3, n]`, their focal."""

    x: Float
    y: Float
    turn_x: Float
    turn_y: Float
    focal: float


@lru_cache(maxsize=8)
def _grid(shape: tuple[int, int], size: tuple[int, int], factor: int) -> _Grid:
    height, width = shape
    focal = canonical_focal_px(size[0], size[1], NYU_FOCAL) / factor
    x = np.tile((np.arange(width) - ((size[1] - 1) / factor - 1 + 1 / factor) / 2) / focal, height)
    y = np.repeat((np.arange(height) - ((size[0] - 1) / factor - 1 + 1 / factor) / 2) / focal, width)
    turn_x, turn_y = np.stack((-x * y, 1 + x * x, -y)), np.stack((-1 - y * y, x * y, x))
    x, y, turn_x, turn_y = (part.astype(np.float32) for part in (x, y, turn_x, turn_y))
    return _Grid(x, y, turn_x, turn_y, focal)


def depth_change(motion: Float, log: Float, size: tuple[int, int], factor: int) -> Float:
    """Δ ln Z `[h, w]`: how much farther, in ln depth, each still point is in the frame to which the flow leads.

    The focal length is taken to be the canonical one: where it is another, what turns of the camera do to depth is
    wrong by the ratio.

    Args:
        motion: `[2, h, w]`, flow (x, y) to the other frame, in pixels of the small picture.
        log: `[h, w]`, ln depth of this frame, up to a constant.
        size: rows and columns of the whole picture.
        factor: how many of its pixels are one of the small picture's.
    """
    shape = (log.shape[0], log.shape[1])
    grid = _grid(shape, size, factor)
    near = np.exp(np.median(log) - log).ravel()  # 1 / Z, around 1
    unknowns = _camera_motion(motion.reshape(2, -1)[:, ::EVERY], near[::EVERY], grid)
    change = unknowns[2] * near + unknowns[3] * grid.y - unknowns[4] * grid.x
    return np.clip(change, -MOST, MOST).reshape(shape)


def _camera_motion(motion: Float, near: Float, grid: _Grid) -> Float:
    """Motion t and turn ω of the camera `[6]`, by flow `[2, n]` and 1 / Z `[n]` at every so many-th pixel."""
    x, y = grid.x[::EVERY], grid.y[::EVERY]
    none = np.zeros_like(near)
    along_x = np.concatenate((np.stack((near, none, -x * near)), grid.turn_x[:, ::EVERY]))
    along_y = np.concatenate((np.stack((none, near, -y * near)), grid.turn_y[:, ::EVERY]))
    equations = np.concatenate((along_x, along_y), axis=1)  # [6, 2n]
    seen = motion.reshape(-1) * np.float32(1 / grid.focal)
    count = near.size
    hold = np.diag([_HOLD_T * count] * 3 + [_HOLD_TURN * count] * 3)
    weights = np.ones(count, np.float32)
    unknowns = np.zeros(6, np.float32)
    for _ in range(ROUNDS):
        weighted = equations * np.concatenate((weights, weights))
        matrix = (weighted @ equations.T).astype(np.float64) + hold
        unknowns = np.linalg.solve(matrix, weighted @ seen).astype(np.float32)
        off = (unknowns @ equations - seen) * np.float32(grid.focal)
        square = off[:count] ** 2 + off[count:] ** 2
        typical = max(2 * float(np.median(square)), 0.01)  # squared pixels
        weights = 1 / (1 + square * np.float32(1 / typical))
        weights *= weights
    return unknowns
