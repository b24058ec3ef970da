"""The numbers of the field, for one image, in float64.

With p the prediction and t the truth of the n valid pixels, both in metres, and g = ln p − ln t:

| key      | formula                       | unit | source                                                 |
|----------|-------------------------------|------|--------------------------------------------------------|
| delta1   | share of max(p/t, t/p) < 1.25 | 1    | Eigen et al. 2014 (arXiv 1406.2283), section 4         |
| delta2   | the same, < 1.25²             | 1    | Eigen et al. 2014                                      |
| delta3   | the same, < 1.25³             | 1    | Eigen et al. 2014                                      |
| abs_rel  | mean(│p − t│ / t)             | 1    | Eigen et al. 2014                                      |
| sq_rel   | mean((p − t)² / t)            | m    | Eigen et al. 2014; its t is *not* squared, so in m     |
| rmse     | √mean((p − t)²)               | m    | Eigen et al. 2014                                      |
| rmse_log | √mean(g²)                     | 1    | Eigen et al. 2014; natural logarithm                   |
| log10    | mean(│log10 p − log10 t│)     | 1    | Saxena et al. 2009 (Make3D), DenseDepth (1812.11941)   |
| silog    | 100 · √(mean(g²) − mean(g)²)  | 0.01 | KITTI benchmark, BTS (1907.10326): Eigen's with λ = 1  |

A prediction that is NaN, infinite or not above zero is *invalid*. It is never clipped or left out, for either
would flatter: it misses every δ and makes every error infinite, and `count_invalid_predictions` counts them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

METRICS: dict[str, str] = {
    "delta1": "δ1",
    "delta2": "δ2",
    "delta3": "δ3",
    "abs_rel": "AbsRel",
    "sq_rel": "SqRel",
    "rmse": "RMSE",
    "rmse_log": "RMSElog",
    "log10": "log10",
    "silog": "SILog",
}
"""Key of each metric, and the name it is shown by."""


def depth_metrics(pred_m: ArrayLike, true_m: ArrayLike, valid: ArrayLike) -> dict[str, float]:
    """The metrics of one image, by the keys of `METRICS`.

    Args:
        pred_m: `[H, W]`, predicted depth in metres.
        true_m: `[H, W]`, true depth in metres.
        valid: bool `[H, W]`; pixels where it is False have no influence, whatever they hold.

    Raises:
        ValueError: shapes differ, no pixel is valid, or a valid pixel's truth is not a finite number above 0.
    """
    p, t = _valid_pixels(pred_m, true_m, valid)
    if p.size == 0:
        raise ValueError("no pixel is valid: an image without truth has no metrics")
    if not np.all(_is_depth(t)):
        raise ValueError("true_m holds a value that is not a finite number above 0 where valid is True")
    known = _is_depth(p)
    p_known, t_known = p[known], t[known]
    ratio = np.maximum(p_known / t_known, t_known / p_known)
    result = {f"delta{k}": np.count_nonzero(ratio < 1.25**k) / p.size for k in (1, 2, 3)}
    if not np.all(known):
        return result | {key: np.inf for key in METRICS if key not in result}
    error = p - t
    g = np.log(p) - np.log(t)
    result |= {
        "abs_rel": np.mean(np.abs(error) / t),
        "sq_rel": np.mean(error**2 / t),
        "rmse": np.sqrt(np.mean(error**2)),
        "rmse_log": np.sqrt(np.mean(g**2)),
        "log10": np.mean(np.abs(np.log10(p) - np.log10(t))),
        "silog": 100 * np.std(g),  # = the formula above, but it cannot fall below zero by rounding
    }
    return {key: float(value) for key, value in result.items()}


def count_invalid_predictions(pred_m: ArrayLike, valid: ArrayLike) -> int:
    """How many valid pixels got no depth: a prediction of NaN, infinity, zero or less.

    Args:
        pred_m: `[H, W]`, predicted depth in metres.
        valid: bool `[H, W]`, where the truth is known.
    """
    p, _ = _valid_pixels(pred_m, pred_m, valid)
    return int(np.count_nonzero(~_is_depth(p)))


def mark_invalid(pred_m: NDArray[np.floating]) -> NDArray[np.floating]:
    """Put NaN wherever a prediction is invalid, so that no later clip or mean can hide it."""
    return np.where(_is_depth(pred_m), pred_m, np.nan).astype(pred_m.dtype, copy=False)


class Mean:
    """Mean over images, one image at a time: each image counts the same, however many valid pixels it has."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, float] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """Add one image's values.

        Raises:
            ValueError: other keys than the first image's.
        """
        if self.count and values.keys() != self._sums.keys():
            raise ValueError(f"keys {sorted(values)} came, expected {sorted(self._sums)}")
        self._sums = {key: self._sums.get(key, 0.0) + value for key, value in values.items()}
        self.count += 1

    def result(self) -> dict[str, float]:
        """The mean of each value.

        Raises:
            ValueError: nothing was added.
        """
        if not self.count:
            raise ValueError("the mean of no image")
        return {key: total / self.count for key, total in self._sums.items()}


def _valid_pixels(
    pred_m: ArrayLike, true_m: ArrayLike, valid: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """float64 `[n]` each: prediction and truth of the valid pixels."""
    p, t, mask = np.asarray(pred_m), np.asarray(true_m), np.asarray(valid)
    if not p.shape == t.shape == mask.shape:
        raise ValueError(f"prediction {p.shape}, truth {t.shape} and valid {mask.shape} must be of one shape")
    if mask.dtype != np.bool_:  # 0 and 1 as numbers would pick pixels by position
        raise ValueError(f"valid is of type {mask.dtype}, expected bool")
    return p[mask].astype(np.float64), t[mask].astype(np.float64)


def _is_depth(depth_m: NDArray[np.floating]) -> NDArray[np.bool_]:
    return np.isfinite(depth_m) & (depth_m > 0)
