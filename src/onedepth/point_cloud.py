"""How much of the scene stands within a few centimetres of where it should: F-score of point clouds.

Pixels become points by the camera's intrinsics. Precision is the share of predicted points that have a true point
within the threshold, recall the share of true points that have a predicted one, F = 2PR / (P + R) (Knapitsch et al.,
Tanks and Temples, 2017; for monocular depth Örnek et al., arXiv 2203.08122). A pixel without a valid prediction counts
against precision, as a point far from everything.

Distances are exact and against whole clouds. Of each cloud at most `MAX_POINTS` points ask, evenly spaced in
scan order, so the cost is bounded and the result the same every time; the statistical error of a share of 10,000 is
below 0.5 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onedepth.depth import Intrinsics

THRESHOLDS_M = (0.05, 0.10)
MAX_POINTS = 10_000

_PAIRS_AT_ONCE = 1 << 20


def unproject(
    depth_m: NDArray[np.floating], intrinsics: Intrinsics, where: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Points `[n, 3]` in metres (x right, y down, z forward) of a depth map, in scan order.

    Args:
        depth_m: `[H, W]`, metres along the optical axis.
        intrinsics: in pixels of the depth map.
        where: bool `[H, W]`, which pixels; None takes all.
    """
    if where is None:
        where = np.ones(depth_m.shape, bool)
    rows, columns = np.nonzero(where)
    z = depth_m[rows, columns].astype(np.float64)
    return np.stack(
        ((columns - intrinsics.cx) / intrinsics.fx * z, (rows - intrinsics.cy) / intrinsics.fy * z, z), axis=1
    )


def f_scores(
    pred_m: NDArray[np.floating],
    true_m: NDArray[np.floating],
    valid: NDArray[np.bool_],
    intrinsics: Intrinsics,
    *,
    thresholds_m: Sequence[float] = THRESHOLDS_M,
    max_points: int = MAX_POINTS,
) -> list[float]:
    """F-score at each threshold, 0…1.

    Args:
        pred_m: `[H, W]`, predicted depth in metres.
        true_m: `[H, W]`, true depth in metres.
        valid: bool `[H, W]`, where the truth is known; other pixels have no influence.
        intrinsics: of the camera, in pixels of these arrays.
        thresholds_m: in metres.
        max_points: how many points of each cloud ask for a neighbour; see the module's text.

    Raises:
        ValueError: no pixel is valid.
    """
    if not valid.any():
        raise ValueError("no pixel is valid: there is no true point")
    known = valid & np.isfinite(pred_m) & (pred_m > 0)
    truth, prediction = unproject(true_m, intrinsics, valid), unproject(pred_m, intrinsics, known)
    if not len(prediction):
        return [0.0 for _ in thresholds_m]
    share_known = len(prediction) / len(truth)
    result = []
    for radius in thresholds_m:
        precision = share_known * float(within(_some(prediction, max_points), truth, radius).mean())
        recall = float(within(_some(truth, max_points), prediction, radius).mean())
        result.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return result


def within(queries: NDArray[np.float64], cloud: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    """Bool `[q]`: which queries `[q, 3]` have a point of the cloud `[n, 3]` no further away than `radius`.

    Points are sorted into cubes. Sharing one whose diagonal is the radius proves a neighbour; whoever is still without
    one looks at the points of the 27 cubes around it whose side is the radius, nearest columns first.
    """
    found = _share_a_cube(queries, cloud, radius / np.sqrt(3.001))
    corner = np.minimum(cloud.min(axis=0), queries.min(axis=0)) - 2 * radius
    cubes = np.floor((cloud - corner) / radius).astype(np.int64)
    sides = np.maximum(cubes.max(axis=0), np.floor((queries.max(axis=0) - corner) / radius).astype(np.int64)) + 3
    factors = np.array([sides[1] * sides[2], sides[2], 1])
    numbers = cubes @ factors
    order = np.argsort(numbers)
    cloud = cloud[order]
    occupied, starts = np.unique(numbers[order], return_index=True)
    starts = np.append(starts, len(cloud))
    waiting = np.flatnonzero(~found)
    homes = np.floor((queries[waiting] - corner) / radius).astype(np.int64)
    for x, y in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        if not waiting.size:
            break
        cube = (homes + np.array((x, y, 0))) @ factors
        # Cubes that follow each other in z have numbers that do, too: three at once.
        first = starts[np.searchsorted(occupied, cube - 1)]
        last = starts[np.searchsorted(occupied, cube + 1, side="right")]
        hit = _near_any(queries[waiting], cloud, first, last, radius)
        found[waiting[hit]] = True
        waiting, homes = waiting[~hit], homes[~hit]
    return found


def _some(points: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """At most so many of the points, evenly spaced in their order."""
    return points if len(points) <= most else points[np.arange(most) * len(points) // most]


def _share_a_cube(queries: NDArray[np.float64], cloud: NDArray[np.float64], side: float) -> NDArray[np.bool_]:
    corner = np.minimum(cloud.min(axis=0), queries.min(axis=0))
    there = np.floor((cloud - corner) / side).astype(np.int64)
    asked = np.floor((queries - corner) / side).astype(np.int64)
    sides = np.maximum(there.max(axis=0), asked.max(axis=0)) + 1
    factors = np.array([sides[1] * sides[2], sides[2], 1])
    return np.isin(asked @ factors, there @ factors)


def _near_any(
    queries: NDArray[np.float64],
    cloud: NDArray[np.float64],
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    radius: float,
) -> NDArray[np.bool_]:
    """Bool `[q]`: whether any of `cloud[first:last]` is within the radius of its query."""
    hit = np.zeros(len(queries), bool)
    counts = last - first
    ends = np.cumsum(counts)
    start = 0
    while start < len(queries):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")))
        part = counts[start:stop]
        asking = np.repeat(np.arange(start, stop), part)
        offset = np.arange(len(asking)) - np.repeat(np.cumsum(part) - part, part)
        apart = cloud[first[asking] + offset] - queries[asking]
        near = np.einsum("ij,ij->i", apart, apart) <= radius**2
        hit[asking[near]] = True
        start = stop
    return hit
