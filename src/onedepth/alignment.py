"""Fitting a prediction to the truth before it is compared: what a protocol may forgive.

Each way fits one or two numbers to an image's valid pixels, p predicted and t true, in metres:

| name                  | aligned prediction | fitted by                                                            |
|-----------------------|--------------------|----------------------------------------------------------------------|
| none                  | p                  | nothing: metres are metres                                           |
| median                | s · p              | s = median(t) / median(p): the "scaled" rows of papers               |
| scale                 | s · p              | least Σ (s·p − t)²                                                   |
| scale-shift           | s · p + b          | least Σ (s·p + b − t)²                                               |
| scale-shift-disparity | 1 / (s/p + b)      | least Σ (s/p + b − 1/t)²: MiDaS (Ranftl et al., arXiv 1907.01341)    |
| log-scale             | s · p              | least Σ (ln s + ln p − ln t)², so ln s = mean(ln t − ln p)           |

An aligned value that is not above zero lies beyond what the fit can say: in depth it becomes the nearest, in
disparity the farthest depth that the protocol counts. Invalid predictions (NaN, infinite, not above 0) fit nothing
and stay invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

AlignmentName = Literal["none", "median", "scale", "scale-shift", "scale-shift-disparity", "log-scale"]

ALIGNMENTS: tuple[AlignmentName, ...] = get_args(AlignmentName)

_SMALLEST = 1e-9  # metres, or 1/metre: below every cap, above zero


@dataclass(frozen=True)
class Alignment:
    """A fitted alignment: scale · x + shift, where x is depth in metres or its inverse."""

    scale: float = 1.0
    shift: float = 0.0
    in_disparity: bool = False

    def __call__(self, pred_m: NDArray[np.floating]) -> NDArray[np.floating]:
        """Align predicted metres of any shape; NaN stays NaN."""
        if self == Alignment():
            return pred_m
        if self.in_disparity:
            return 1 / np.maximum(self.scale / pred_m + self.shift, _SMALLEST)
        return np.maximum(self.scale * pred_m + self.shift, _SMALLEST)


def fit(name: AlignmentName, pred_m: NDArray[np.floating], true_m: NDArray[np.floating]) -> Alignment:
    """Fit one image.

    Args:
        name: one of `ALIGNMENTS`.
        pred_m: `[n]`, predicted metres of the valid pixels; invalid ones are left out.
        true_m: `[n]`, true metres.
    """
    known = np.isfinite(pred_m) & (pred_m > 0)
    if name == "none" or not known.any():
        return Alignment()
    return _FITS[name](pred_m[known].astype(np.float64), true_m[known].astype(np.float64))


def _median(p: NDArray[np.float64], t: NDArray[np.float64]) -> Alignment:
    return Alignment(scale=float(np.median(t) / np.median(p)))


def _scale(p: NDArray[np.float64], t: NDArray[np.float64]) -> Alignment:
    return Alignment(scale=float(np.dot(p, t) / np.dot(p, p)))


def _scale_shift(p: NDArray[np.float64], t: NDArray[np.float64]) -> Alignment:
    return Alignment(*_line(p, t))


def _scale_shift_disparity(p: NDArray[np.float64], t: NDArray[np.float64]) -> Alignment:
    return Alignment(*_line(1 / p, 1 / t), in_disparity=True)


def _log_scale(p: NDArray[np.float64], t: NDArray[np.float64]) -> Alignment:
    return Alignment(scale=float(np.exp(np.mean(np.log(t / p)))))


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Scale and shift of the least-squares line; a constant x has the scale 0."""
    apart = x - x.mean()
    spread = float(np.dot(apart, apart))
    # A constant's mean may miss it by a rounding, whose square is no spread.
    scale = float(np.dot(apart, y) / spread) if spread > len(x) * (1e-12 * float(np.abs(x).max())) ** 2 else 0.0
    return scale, float(y.mean() - scale * x.mean())


_FITS: dict[AlignmentName, Callable[[NDArray[np.float64], NDArray[np.float64]], Alignment]] = {
    "median": _median,
    "scale": _scale,
    "scale-shift": _scale_shift,
    "scale-shift-disparity": _scale_shift_disparity,
    "log-scale": _log_scale,
}
