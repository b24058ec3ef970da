"""Where errors lie: over depth and over the picture, gathered one image at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onedepth.evaluate import Compared
from onedepth.protocols import Protocol

DEPTH_BINS = 20
GRID = (12, 16)
"""Rows and columns of the map over the picture."""


@dataclass
class Errors:
    """Of one contestant; sums over pixels, invalid predictions left out (reports count them).

    Attributes:
        pixels: `[DEPTH_BINS]`, how many pixels have a truth in each bin of depth.
        relative: `[DEPTH_BINS]`, Σ │p − t│ / t.
        signed: `[DEPTH_BINS]`, Σ (p − t) / t.
        cell_pixels: `[*GRID]`, how many pixels lie in each cell of the picture.
        cell_relative: `[*GRID]`, Σ │p − t│ / t.
    """

    pixels: NDArray[np.float64] = field(default_factory=lambda: np.zeros(DEPTH_BINS))
    relative: NDArray[np.float64] = field(default_factory=lambda: np.zeros(DEPTH_BINS))
    signed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(DEPTH_BINS))
    cell_pixels: NDArray[np.float64] = field(default_factory=lambda: np.zeros(GRID))
    cell_relative: NDArray[np.float64] = field(default_factory=lambda: np.zeros(GRID))


class ErrorFigures:
    """Give it to `evaluate_all` as `observe`; it looks at one protocol and keeps sums, no images.

    Attributes:
        protocol: whose comparisons count.
        edges_m: `[DEPTH_BINS + 1]`, bounds of the bins of true depth, evenly spaced over the protocol's cap.
        errors: by name of contestant.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.edges_m = np.linspace(0, protocol.max_depth_m, DEPTH_BINS + 1)
        self.errors: dict[str, Errors] = {}

    def __call__(self, compared: Compared) -> None:
        """Add one image."""
        if compared.protocol != self.protocol:
            return
        errors = self.errors.setdefault(compared.name, Errors())
        known = compared.valid & np.isfinite(compared.pred_m)
        rows, columns = np.nonzero(known)
        true = compared.true_m[known].astype(np.float64)
        relative = (compared.pred_m[known] - true) / true
        size = np.abs(relative)
        # The farthest depth that counts belongs into the last bin.
        depth = np.minimum((true / self.protocol.max_depth_m * DEPTH_BINS).astype(np.intp), DEPTH_BINS - 1)
        errors.pixels += np.bincount(depth, minlength=DEPTH_BINS)
        errors.relative += np.bincount(depth, size, DEPTH_BINS)
        errors.signed += np.bincount(depth, relative, DEPTH_BINS)
        height, width = known.shape
        cell = rows * GRID[0] // height * GRID[1] + columns * GRID[1] // width
        errors.cell_pixels += np.bincount(cell, minlength=GRID[0] * GRID[1]).reshape(GRID)
        errors.cell_relative += np.bincount(cell, size, GRID[0] * GRID[1]).reshape(GRID)
