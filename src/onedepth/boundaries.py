"""How well depth edges stand where they should.

`ibims_boundaries` — iBims-1 (Koch et al., arXiv 1805.01328, section 3.2): edges of the prediction, found by Canny's
detector on depth scaled to 0…1, against true edges, with distances truncated at 10 pixels.

| key      | what                                                                                          | unit  |
|----------|-----------------------------------------------------------------------------------------------|-------|
| dbe_acc  | mean distance to the true edges, over predicted edge pixels nearer than 10 to one             | pixel |
| dbe_comp | mean distance of predicted edge pixels to true ones and of true ones to predicted ones, of all | pixel |

That is `dbe_comp` as the data set's own evaluation script has it, with which published tables were made; the paper's
text speaks of the true edges' distances alone. iBims-1 brings hand-checked true edges: give them as `true_edges`.
For other data the same detector finds them in the truth.

`boundary_f1` — Depth Pro (Bochkovskii et al., arXiv 2410.02073, section 4): a boundary lies between two neighbours
whose depths' ratio exceeds a threshold; F1 of predicted against true boundaries, with precision and recall averaged
over the four directions in which depth may rise, at ten thresholds from 1.05 to 1.25, averaged with weights in
proportion to the threshold. It does not change when either depth is scaled. Differences: pairs with an invalid pixel
are left out, and a truth without any boundary has no score (NaN) where the original's is 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onedepth.edges import IBIMS_HIGH, IBIMS_LOW, IBIMS_SIGMA, canny, distance_to

TRUNCATION_PX = 10
"""Distance at which iBims-1 stops counting."""

F1_THRESHOLDS = np.linspace(1.05, 1.25, 10)
"""Ratios of neighbouring depths at which Depth Pro looks."""


def ibims_boundaries(
    pred_m: NDArray[np.floating],
    true_m: NDArray[np.floating],
    valid: NDArray[np.bool_],
    true_edges: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """`dbe_acc` and `dbe_comp` in pixels; both NaN where the truth has no edge, both 10 where the prediction has none.

    Args:
        pred_m: `[H, W]`, predicted depth in metres; invalid ones (NaN, infinite, not above 0) make no edge.
        true_m: `[H, W]`, true depth in metres.
        valid: bool `[H, W]`; pixels where it is False have no influence.
        true_edges: bool `[H, W]`, edges that the data set brings; None finds them in the truth.
    """
    truth = depth_edges(true_m, valid) if true_edges is None else true_edges & valid
    if not truth.any():
        return {"dbe_acc": math.nan, "dbe_comp": math.nan}
    found = depth_edges(pred_m, valid & np.isfinite(pred_m) & (pred_m > 0))
    to_truth = distance_to(truth, TRUNCATION_PX)
    near = to_truth[found]
    near = near[near < TRUNCATION_PX]
    if not near.size:
        return {"dbe_acc": float(TRUNCATION_PX), "dbe_comp": float(TRUNCATION_PX)}
    to_found = distance_to(found, TRUNCATION_PX)
    both = to_truth[found].sum() + to_found[truth].sum()
    return {
        "dbe_acc": float(near.mean()),
        "dbe_comp": float(both / (np.count_nonzero(found) + np.count_nonzero(truth))),
    }


def depth_edges(depth_m: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bool `[H, W]`: iBims-1's edges of a depth map, which is first scaled so that its valid pixels span 0…1."""
    if not valid.any():
        return np.zeros(depth_m.shape, bool)
    known = depth_m[valid].astype(np.float64)
    near, far = known.min(), known.max()
    if near == far:
        return np.zeros(depth_m.shape, bool)
    scaled = (np.where(valid, depth_m, near).astype(np.float64) - near) / (far - near)
    return canny(scaled, valid, IBIMS_SIGMA, IBIMS_LOW, IBIMS_HIGH)


def boundary_f1(pred_m: NDArray[np.floating], true_m: NDArray[np.floating], valid: NDArray[np.bool_]) -> float:
    """Depth Pro's scale-invariant boundary F1, 0…1; NaN where the truth has no boundary.

    Args:
        pred_m: `[H, W]`, predicted depth in metres; an invalid one (NaN, infinite, not above 0) is part of no boundary.
        true_m: `[H, W]`, true depth in metres.
        valid: bool `[H, W]`; pixels where it is False have no influence.
    """
    known = np.isfinite(pred_m) & (pred_m > 0)
    pred = np.where(known & valid, pred_m, np.nan).astype(np.float64)
    true = np.where(valid, true_m, np.nan).astype(np.float64)
    precision, recall = np.zeros(len(F1_THRESHOLDS)), np.zeros(len(F1_THRESHOLDS))
    any_truth = False
    for pred_ratio, true_ratio in zip(_ratios(pred), _ratios(true), strict=True):
        # Comparisons with NaN are False: a pair with an unknown pixel is no boundary of its map. One whose truth is
        # unknown must not count against the prediction either, but there `valid` made the prediction NaN too.
        near = (pred_ratio > F1_THRESHOLDS[0]) | (true_ratio > F1_THRESHOLDS[0])
        p, t = pred_ratio[near], true_ratio[near]  # few
        any_truth |= bool((t > F1_THRESHOLDS[0]).any())
        for index, threshold in enumerate(F1_THRESHOLDS):
            found, there = p > threshold, t > threshold
            both = np.count_nonzero(found & there)
            precision[index] += both / max(1, np.count_nonzero(found)) / 4
            recall[index] += both / max(1, np.count_nonzero(there)) / 4
    if not any_truth:
        return math.nan
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(np.average(f1, weights=F1_THRESHOLDS))


def _ratios(depth_m: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Ratio of each pixel's depth and its neighbour's: to the right, to the left, downwards, upwards."""
    right = depth_m[:, :-1] / depth_m[:, 1:]
    down = depth_m[:-1] / depth_m[1:]
    return right, 1 / right, down, 1 / down
