"""draft"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from onedepth.canonical import NYU_FOCAL, canonical_focal_px

Float = NDArray[np.float32]
ROUNDS = 3


@lru_cache(maxsize=8)
def _rays(height, width, size, factor):
    focal = canonical_focal_px(*size, NYU_FOCAL) / factor
    x = ((np.arange(width) - (width - 1) / 2) / focal)[None, :] + np.zeros((height, 1))
    y = ((np.arange(height) - (height - 1) / 2) / focal)[:, None] + np.zeros((1, width))
    o = np.zeros_like(x)
    turn_x = np.stack((-x * y, 1 + x * x, -y)).reshape(3, -1)
    turn_y = np.stack((-(1 + y * y), x * y, x)).reshape(3, -1)
    return x.astype(np.float32), y.astype(np.float32), turn_x.astype(np.float32), turn_y.astype(np.float32), focal


def depth_change(motion: Float, log: Float, size, factor) -> Float:
    height, width = log.shape
    x, y, turn_x, turn_y, focal = _rays(height, width, size, factor)
    near = np.exp(np.median(log) - log)  # reciprocal depth around 1
    flat = near.ravel()
    ax = np.concatenate((np.stack((flat, np.zeros_like(flat), -x.ravel() * flat)), turn_x))
    ay = np.concatenate((np.stack((np.zeros_like(flat), flat, -y.ravel() * flat)), turn_y))
    both = np.concatenate((ax, ay), axis=1)
    seen = motion.reshape(-1) * np.float32(1 / focal)
    count = flat.size
    weights = np.ones(count, np.float32)
    prior = np.diag([1e-4 * count] * 3 + [1e-6 * count] * 3)
    for _ in range(ROUNDS):
        weighted = both * np.concatenate((weights, weights))
        unknowns = np.linalg.solve((weighted @ both.T).astype(np.float64) + prior, weighted @ seen).astype(np.float32)
        off = (unknowns @ both - seen) * np.float32(focal)
        square = off[:count] ** 2 + off[count:] ** 2
        typical = max(2 * float(np.median(square[::3])), 0.01)
        weights = 1 / (1 + square * np.float32(1 / typical))
        weights *= weights
    change = unknowns[2] * near + unknowns[3] * y - unknowns[4] * x
    return np.clip(change, -0.1, 0.1)
