"""Several protocols that look at one prediction: what they have in common is measured once.

Their crops overlap, so the picture falls into regions by which of the crops a pixel is in, and a protocol's sums are
those of its regions added up (`Sums` of disjoint pixels add to those of all). Their caps differ only for a few
pixels, which are measured for each protocol on their own. So nothing is approximated: the numbers are those of
`measure(*apply(...))`, protocol by protocol, but for the order of additions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from onedepth.data.pair import Pair
from onedepth.metrics import Sums, mark_invalid, measure, measure_ways
from onedepth.protocols import Protocol, apply, counts, inside

Place = tuple[tuple[slice, slice], ...]
"""Rectangles of a picture, which make up a region."""


def measure_all(protocols: Sequence[Protocol], pred_m: NDArray[np.floating], pair: Pair) -> list[Sums]:
    """Sums of one prediction under each of the protocols, as `measure` says them of what `apply` returns.

    Args:
        protocols: that take pictures and predictions of these sizes (`apply` raises otherwise).
        pred_m: depth in metres, the one that all of them ask for.
        pair: picture and truth.
    """
    together = [
        protocol
        for protocol in protocols
        if protocol.geometry is None and protocol.alignment == "none" and pred_m.shape == pair.depth_m.shape
    ]
    shared = dict(zip(together, _measure_shared(together, pred_m, pair), strict=True))
    return [
        shared[protocol] if protocol in shared else measure(*apply(protocol, pred_m, pair), swapped=protocol.swapped)
        for protocol in protocols
    ]


def _measure_shared(protocols: Sequence[Protocol], pred_m: NDArray[np.floating], pair: Pair) -> list[Sums]:
    if not protocols:
        return []
    true_m, pred_m = pair.depth_m, mark_invalid(pred_m)
    near, far = max(p.min_depth_m for p in protocols), min(p.max_depth_m for p in protocols)
    common, special = pair.valid, None  # count under every protocol; count, or are clipped, not as under all others
    if not (true_m.min() > near and true_m.max() < far):
        common = pair.valid & (true_m > near) & (true_m < far)
        special = pair.valid & ~common
    clipped = pred_m
    if not (pred_m.min() >= near and pred_m.max() <= far):
        clipped = np.clip(pred_m, near, far)
        if len({(p.min_depth_m, p.max_depth_m) for p in protocols}) > 1:
            apart = (pred_m < near) | (pred_m > far)  # False where it is NaN, which is NaN for all
            special = common & apart if special is None else special | (common & apart)
            common = common & ~apart
    totals = [Sums() for _ in protocols]
    for members, place in _regions(pair.depth_m.shape[0], pair.depth_m.shape[1], tuple(protocols)):
        ways = {protocols[index].swapped for index in members}
        sums = measure_ways(_at(clipped, place), _at(true_m, place), _at(common, place), ways)
        for index in members:
            totals[index] += sums[protocols[index].swapped]
        if special is None or not (here := _at(special, place)).any():
            continue
        pred, true = _at(pred_m, place)[here], _at(true_m, place)[here]
        for index in members:
            protocol = protocols[index]
            valid = counts(protocol, true, np.ones(true.shape, np.bool_))
            pred_here = np.clip(pred, protocol.min_depth_m, protocol.max_depth_m)
            totals[index] += measure(pred_here, true, valid, swapped=protocol.swapped)
    return totals


def _at(values: NDArray, place: Place) -> NDArray:
    if len(place) == 1:
        return values[place[0]]
    return np.concatenate([values[part].ravel() for part in place])


@lru_cache(maxsize=16)
def _regions(height: int, width: int, protocols: tuple[Protocol, ...]) -> tuple[tuple[tuple[int, ...], Place], ...]:
    """Pixels by which of the protocols' crops they are in: the protocols' numbers, and where the pixels are."""
    crops = [inside(protocol, height, width) for protocol in protocols]
    bounds = [
        [axis.indices(length)[:2] for axis in axes]
        for length, axes in zip((height, width), zip(*crops, strict=True), strict=True)
    ]
    rows, columns = (sorted({cut for bound in axis for cut in bound}) for axis in bounds)
    regions: dict[tuple[int, ...], list[tuple[slice, slice]]] = {}
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            members = tuple(
                index
                for index, ((first, last), (start, stop)) in enumerate(zip(*bounds, strict=True))
                if first <= top and bottom <= last and start <= left and right <= stop
            )
            if members:
                regions.setdefault(members, []).append((slice(top, bottom), slice(left, right)))
    return tuple((members, tuple(place)) for members, place in regions.items())
