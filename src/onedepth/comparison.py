"""Is one model better than another, or did the images fall so? Paired bootstrap intervals.

Both models saw the same images, so the images are drawn again, with replacement, as many as there are, and the
difference of the two models' numbers is taken on each draw (Efron and Tibshirani 1993, chapters 13 and 16: percentile
interval). Images of one scene are not independent of each other, so where a data set has few scenes the intervals
are too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onedepth.evaluate import ImageResult, Report
from onedepth.extra_metrics import EXTRAS
from onedepth.metrics import HIGHER_IS_BETTER, METRICS

RESAMPLES = 2000
LEVEL = 0.95

_BETTER_IF_HIGHER = HIGHER_IS_BETTER.union(*(extra.higher_is_better for extra in EXTRAS.values()))


@dataclass(frozen=True)
class Difference:
    """The second model's number less the first's.

    Attributes:
        key: of the metric.
        value: on the images as they are; NaN where a number is infinite.
        low: lower end of the interval.
        high: upper end.
    """

    key: str
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Of the second model: "better" or "worse" where the interval lies on one side of 0, else "undecided"."""
        if not np.isfinite([self.value, self.low, self.high]).all() or self.low <= 0 <= self.high:
            return "undecided"
        return "better" if (self.low > 0) == (self.key in _BETTER_IF_HIGHER) else "worse"


@dataclass(frozen=True)
class Comparison:
    """Two reports under the same protocol.

    Attributes:
        images: how many both have; only these are compared.
        differences: one for each metric that both have.
        resamples: how often the images were drawn.
        level: share of the draws inside the intervals.
    """

    images: int
    differences: tuple[Difference, ...]
    resamples: int
    level: float


def compare(
    first: Report, second: Report, *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> Comparison:
    """Intervals on second − first, image by image; the same seed gives the same ones.

    Args:
        first: what is compared with.
        second: what is compared.
        resamples: how often the images are drawn.
        level: share of the draws that the intervals hold.
        seed: of the draws.

    Raises:
        ValueError: the reports are of different protocols.
    """
    if first.protocol != second.protocol:
        raise ValueError(f"protocols {first.protocol.name!r} and {second.protocol.name!r} cannot be compared")
    theirs = {image.id: image for image in second.images}
    pairs = [(image, theirs[image.id]) for image in first.images if image.id in theirs]
    if not pairs:
        return Comparison(0, (), resamples, level)
    count = len(pairs)
    weights = np.ones((1 + resamples, count))  # the first row: the images as they are
    weights[1:] = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    one, other = ([pair[side] for pair in pairs] for side in (0, 1))
    a, b = _numbers(first, one, weights), _numbers(second, other, weights)
    tail = 50 * (1 - level)
    differences = []
    for key in (key for key in a if key in b):
        with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN, and so is what follows from it
            apart = b[key] - a[key]
        low, high = np.percentile(apart[1:], (tail, 100 - tail)) if np.isfinite(apart).all() else (np.nan, np.nan)
        differences.append(Difference(key, float(apart[0]), float(low), float(high)))
    return Comparison(count, tuple(differences), resamples, level)


def _numbers(report: Report, images: list[ImageResult], weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Each metric `[r]` of images that count as often as each row of `weights` `[r, n]` says."""
    pooled = report.protocol.aggregation == "pixels"
    result = _pooled(images, weights) if pooled else {}
    for key in report.metrics:
        if key not in result:
            values = np.array([image.metrics[key] for image in images])
            result[key] = _weighted_mean(values, weights)
    return {key: result[key] for key in report.metrics}


def _weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the images that have a value; NaN where none has."""
    there = ~np.isnan(values)
    weights, values = weights[:, there], values[there]
    total = weights.sum(axis=1)
    infinite = np.isinf(values)
    means = weights[:, ~infinite] @ values[~infinite]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = means / total
    means[(weights[:, infinite] > 0).any(axis=1)] = np.inf
    return means


def _pooled(images: list[ImageResult], weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """What `Sums.metrics` says of sums added as often as the weights say."""
    sums = [image.sums for image in images]
    known = np.array([s.pixels - s.invalid for s in sums], float)
    log_mean = np.array([s.log_mean for s in sums])

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return weights @ values

    pixels = total(np.array([s.pixels for s in sums], float))
    mean_log = total(known * log_mean) / np.maximum(1, total(known))
    spread = np.array([s.log_spread for s in sums]) + known * log_mean**2
    log_variance = np.maximum(0, total(spread) / pixels - mean_log**2)
    invalid = total(np.array([s.invalid for s in sums], float)) > 0

    def mean(name: str) -> NDArray[np.float64]:
        return total(np.array([getattr(s, name) for s in sums])) / pixels

    errors = {
        "abs_rel": mean("relative"),
        "sq_rel": mean("square_per_m"),
        "sq_rel_t2": mean("square_relative"),
        "rmse": np.sqrt(mean("square")),
        "rmse_log": np.sqrt(log_variance + mean_log**2),
        "log10": mean("log") / np.log(10),
        "silog": 100 * np.sqrt(log_variance),
        "irmse": 1000 * np.sqrt(mean("inverse_square")),
    }
    for values in errors.values():
        values[invalid] = np.inf
    deltas = {f"delta{k + 1}": total(np.array([s.within[k] for s in sums], float)) / pixels for k in range(3)}
    result = deltas | errors
    return {key: result[key] for key in METRICS}
