"""The numbers of the field, in float64, from sums that can be added up.

With p the prediction and t the truth of the n valid pixels, both in metres, and g = ln p − ln t:

| key       | formula                       | unit | source                                                |
|-----------|-------------------------------|------|-------------------------------------------------------|
| delta1    | share of max(p/t, t/p) < 1.25 | 1    | Eigen et al. 2014 (arXiv 1406.2283), section 4        |
| delta2    | the same, < 1.25²             | 1    | Eigen et al. 2014                                     |
| delta3    | the same, < 1.25³             | 1    | Eigen et al. 2014                                     |
| abs_rel   | mean(│p − t│ / t)             | 1    | Eigen et al. 2014                                     |
| sq_rel    | mean((p − t)² / t)            | m    | Eigen et al. 2014's table and the code since          |
| sq_rel_t2 | mean((p − t)² / t²)           | 1    | the square of a relative error, as its name says      |
| rmse      | √mean((p − t)²)               | m    | Eigen et al. 2014                                     |
| rmse_log  | √mean(g²)                     | 1    | Eigen et al. 2014; natural logarithm                  |
| log10     | mean(│log10 p − log10 t│)     | 1    | Saxena et al. 2009 (Make3D), DenseDepth (1812.11941)  |
| silog     | 100 · √(mean(g²) − mean(g)²)  | 0.01 | KITTI benchmark, BTS (1907.10326): Eigen's with λ = 1 |
| irmse     | √mean((1/p − 1/t)²)           | 1/km | KITTI benchmark; 1000 times the value in 1/m          |

`sq_rel` is what papers print under that name since 2014; its t is not squared, so it is in metres and no relative
error. `sq_rel_t2` is the definition that some authors print since they noticed. The two must not be compared.

A prediction that is NaN, infinite or not above zero is *invalid*. It is never clipped or left out, for either
would flatter: it misses every δ and makes every error infinite, and `Sums.invalid` counts them.

Numbers of two sets of pixels are put together by adding their `Sums`: `measure(all)` is `measure(some) +
measure(rest)`. So pooling the pixels of all images needs no image twice and holds none. `Mean` is the other
way to put images together: the mean of each one's metrics.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

METRICS: dict[str, str] = {
    "delta1": "δ1",
    "delta2": "δ2",
    "delta3": "δ3",
    "abs_rel": "AbsRel",
    "sq_rel": "SqRel",
    "sq_rel_t2": "SqRel/t²",
    "rmse": "RMSE",
    "rmse_log": "RMSElog",
    "log10": "log10",
    "silog": "SILog",
    "irmse": "iRMSE",
}
"""Key of each metric, and the name it is shown by."""

UNITS: dict[str, str] = {"sq_rel": "m", "rmse": "m", "silog": "×100", "irmse": "1/km"}
"""Unit of each metric that has one, or by how much it is multiplied."""

HIGHER_IS_BETTER = frozenset({"delta1", "delta2", "delta3"})

_THRESHOLDS = (1.25, 1.25**2, 1.25**3)  # exact in float64

# Small enough that a block's arrays stay in the processor's cache and come from memory that is at hand: an
# image at once takes four times as long, most of it in the system's handing out of fresh pages.
_BLOCK = 1 << 15
_ONES = np.ones(_BLOCK)


@dataclass(frozen=True)
class Sums:
    """What all metrics of a set of pixels follow from; `a + b` is that of both sets together.

    Attributes:
        pixels: how many have a truth.
        invalid: how many of them got no depth; the sums below are over the others.
        within: how many are within 1.25, 1.25² and 1.25³ of the truth, as a ratio.
        relative: Σ │p − t│ / t.
        square: Σ (p − t)², m².
        square_per_m: Σ (p − t)² / t, m.
        square_relative: Σ (p − t)² / t².
        log: Σ │g│, natural logarithm.
        log_mean: mean of g.
        log_spread: Σ (g − its mean)²; kept instead of Σ g², which would lose SILog's digits.
        inverse_square: Σ (1/p − 1/t)², 1/m².
    """

    pixels: int = 0
    invalid: int = 0
    within: tuple[int, int, int] = (0, 0, 0)
    relative: float = 0.0
    square: float = 0.0
    square_per_m: float = 0.0
    square_relative: float = 0.0
    log: float = 0.0
    log_mean: float = 0.0
    log_spread: float = 0.0
    inverse_square: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        """Both sets of pixels together; they must not overlap."""
        mine, others = self.pixels - self.invalid, other.pixels - other.invalid
        known = max(1, mine + others)
        apart = other.log_mean - self.log_mean
        return Sums(
            pixels=self.pixels + other.pixels,
            invalid=self.invalid + other.invalid,
            within=(
                self.within[0] + other.within[0],
                self.within[1] + other.within[1],
                self.within[2] + other.within[2],
            ),
            relative=self.relative + other.relative,
            square=self.square + other.square,
            square_per_m=self.square_per_m + other.square_per_m,
            square_relative=self.square_relative + other.square_relative,
            log=self.log + other.log,
            # Chan, Golub, LeVeque 1979: means and spreads of two samples together.
            log_mean=(mine * self.log_mean + others * other.log_mean) / known,
            log_spread=self.log_spread + other.log_spread + apart**2 * (mine * others / known),
            inverse_square=self.inverse_square + other.inverse_square,
        )

    def metrics(self) -> dict[str, float]:
        """The metrics by the keys of `METRICS`.

        Raises:
            ValueError: of no pixel.
        """
        n = self.pixels
        if not n:
            raise ValueError("no pixel is valid: an image without truth has no metrics")
        result = {f"delta{k}": count / n for k, count in enumerate(self.within, start=1)}
        if self.invalid:
            return result | {key: math.inf for key in METRICS if key not in result}
        values = {
            "abs_rel": self.relative / n,
            "sq_rel": self.square_per_m / n,
            "sq_rel_t2": self.square_relative / n,
            "rmse": math.sqrt(self.square / n),
            "rmse_log": math.sqrt(self.log_spread / n + self.log_mean**2),
            "log10": self.log / n / math.log(10),
            "silog": 100 * math.sqrt(self.log_spread / n),
            "irmse": 1000 * math.sqrt(self.inverse_square / n),
        }
        return result | values


def measure(pred_m: ArrayLike, true_m: ArrayLike, valid: ArrayLike, *, swapped: bool = False) -> Sums:
    """The sums of one image's valid pixels.

    Args:
        pred_m: `[H, W]`, predicted depth in metres.
        true_m: `[H, W]`, true depth in metres.
        valid: bool `[H, W]`; pixels where it is False have no influence, whatever they hold.
        swapped: exchange prediction and truth in every formula, as DenseDepth's repository does at its HEAD:
            AbsRel and both SqRel then divide by the prediction. What counts as invalid stays the same.

    Raises:
        ValueError: shapes differ, or a valid pixel's truth is not a finite number above 0.
    """
    return measure_ways(pred_m, true_m, valid, (swapped,))[swapped]


def measure_ways(pred_m: ArrayLike, true_m: ArrayLike, valid: ArrayLike, swapped: Collection[bool]) -> dict[bool, Sums]:
    """`measure` with `swapped` as each of these says, for little more than the price of one.

    Raises:
        ValueError: as `measure`.
    """
    p, t, mask = _checked(pred_m, true_m, valid)
    totals = {way: Sums() for way in swapped}
    rows = max(1, _BLOCK * len(p) // max(1, p.size))
    for top in range(0, len(p), rows):
        inside, there, truth = mask[top : top + rows], p[top : top + rows], t[top : top + rows]
        whole = inside.all()  # then nothing has to be picked
        there, truth = (there.ravel(), truth.ravel()) if whole else (there[inside], truth[inside])
        for start in range(0, there.size, _BLOCK):  # more than one only where rows are very long
            block = _measure_block(there[start : start + _BLOCK], truth[start : start + _BLOCK], swapped)
            totals = {way: total + block[way] for way, total in totals.items()}
    return totals


def _measure_block(p: NDArray[np.floating], t: NDArray[np.floating], swapped: Collection[bool]) -> dict[bool, Sums]:
    """The sums of at most `_BLOCK` pixels `[n]` that all have a truth."""
    if not _all_depths(t):
        raise ValueError("true_m holds a value that is not a finite number above 0 where valid is True")
    pixels = p.size
    invalid = 0
    if not _all_depths(p):
        known = _is_depth(p)
        invalid = pixels - int(np.count_nonzero(known))
        p, t = p[known], t[known]
    if not p.size:
        return {way: Sums(pixels=pixels, invalid=invalid) for way in swapped}
    p, t = p.astype(np.float64), t.astype(np.float64)
    # max(p/t, t/p) < 1.25ᵏ, multiplied out: cheaper, and exact for what was float32.
    farther, nearer = np.maximum(p, t), np.minimum(p, t)
    within = [int(np.count_nonzero(farther < threshold * nearer)) for threshold in _THRESHOLDS]
    error = np.subtract(p, t, out=farther)
    g = np.divide(p, t, out=nearer)
    np.log(g, out=g)
    ones = _ONES[: p.size]  # a product with ones adds twice as fast as np.sum
    log_mean = float(np.dot(g, ones)) / p.size
    spare = np.abs(g)
    log = float(np.dot(spare, ones))
    g -= log_mean
    either = Sums(  # what is the same both ways, but for the sign of g
        pixels=pixels,
        invalid=invalid,
        within=(within[0], within[1], within[2]),
        square=float(np.dot(error, error)),
        log=log,
        log_mean=log_mean,
        log_spread=float(np.dot(g, g)),
    )
    result: dict[bool, Sums] = {}
    inverse_square = 0.0
    for way in swapped:
        relative = error / (p if way else t)
        if not result:
            inverse = np.divide(relative, t if way else p, out=spare)
            inverse_square = float(np.dot(inverse, inverse))
        result[way] = replace(
            either,
            relative=float(np.dot(np.abs(relative, out=spare), ones)),
            square_per_m=float(np.dot(error, relative)),
            square_relative=float(np.dot(relative, relative)),
            log_mean=-log_mean if way else log_mean,
            inverse_square=inverse_square,
        )
    return result


def depth_metrics(pred_m: ArrayLike, true_m: ArrayLike, valid: ArrayLike) -> dict[str, float]:
    """The metrics of one image, by the keys of `METRICS`; see `measure`.

    Raises:
        ValueError: shapes differ, no pixel is valid, or a valid pixel's truth is not a finite number above 0.
    """
    return measure(pred_m, true_m, valid).metrics()


def count_invalid_predictions(pred_m: ArrayLike, valid: ArrayLike) -> int:
    """How many valid pixels got no depth: a prediction of NaN, infinity, zero or less.

    Args:
        pred_m: `[H, W]`, predicted depth in metres.
        valid: bool `[H, W]`, where the truth is known.
    """
    p, _, mask = _checked(pred_m, pred_m, valid)
    return int(np.count_nonzero(~_is_depth(p[mask])))


def mark_invalid(pred_m: NDArray[np.floating]) -> NDArray[np.floating]:
    """Put NaN wherever a prediction is invalid, so that no later clip or mean can hide it."""
    if _all_depths(pred_m):
        return pred_m
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


def _checked(
    pred_m: ArrayLike, true_m: ArrayLike, valid: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.bool_]]:
    """The three as arrays of one shape."""
    p, t, mask = np.atleast_1d(pred_m), np.atleast_1d(true_m), np.atleast_1d(valid)
    if not p.shape == t.shape == mask.shape:
        raise ValueError(f"prediction {p.shape}, truth {t.shape} and valid {mask.shape} must be of one shape")
    if mask.dtype != np.bool_:  # 0 and 1 as numbers would pick pixels by position
        raise ValueError(f"valid is of type {mask.dtype}, expected bool")
    return p, t, mask


def _is_depth(depth_m: NDArray[np.floating]) -> NDArray[np.bool_]:
    return (depth_m > 0) & (depth_m < np.inf)


def _all_depths(depth_m: NDArray[np.floating]) -> bool:
    """Whether all are; quicker than asking each one. NaN is no minimum above 0."""
    return depth_m.size == 0 or bool(depth_m.min() > 0 and depth_m.max() < np.inf)
