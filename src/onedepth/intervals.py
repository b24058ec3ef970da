"""How far off metres are to be expected: 90 % intervals from a network's own estimate of its errors, and their test.

A network with `network.uncertainty` answers a scale b of the error in ln depth for each pixel. On pairs that it was
not trained on, one factor is chosen such that nine of ten truths lie in depth_m · exp(± factor · b). The factor is
part of the model file, whose output `uncertainty` is factor · b.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onedepth.data.pair import Pair
from onedepth.errors import OnedepthError
from onedepth.predictor import Predictor
from onedepth.protocols import PROTOCOLS, Protocol, counts, inside

LEVEL = 0.9
_PIXELS = 2000  # of each image, evenly spread: neighbours tell the same
_LEAST = 1e-6


def normalised_errors(
    depth_m: NDArray[np.floating], uncertainty: NDArray[np.floating], pair: Pair, protocol: Protocol
) -> NDArray[np.float64]:
    """|ln depth − ln truth| / uncertainty at pixels of one image, evenly spread over its valid ones: at most 2000.

    Args:
        depth_m: `[H, W]`, predicted metres.
        uncertainty: `[H, W]`, above 0.
        pair: the truth.
        protocol: whose crop and range count; nothing is resized, mirrored or aligned.
    """
    height, width = depth_m.shape
    crop = inside(protocol, height, width) if protocol.geometry is None else np.s_[:, :]
    true_m = pair.depth_m[crop]
    valid = np.flatnonzero(counts(protocol, true_m, pair.valid[crop]))
    chosen = valid[:: max(1, len(valid) // _PIXELS)][:_PIXELS]
    pred, truth, doubt = (
        np.asarray(one[crop], np.float64).ravel()[chosen] for one in (depth_m, pair.depth_m, uncertainty)
    )
    pred = np.clip(pred, protocol.min_depth_m, protocol.max_depth_m)
    return np.abs(np.log(pred) - np.log(truth)) / np.maximum(doubt, _LEAST)


def factor(errors: Sequence[NDArray[np.float64]], level: float = LEVEL) -> float:
    """By what uncertainty is to be multiplied for `level` of all truths to lie in the intervals; images weigh alike.

    Args:
        errors: of each image, as `normalised_errors` gives them.
        level: share of the truths.
    """
    values = np.concatenate(errors)
    weights = np.concatenate([np.full(len(one), 1 / len(one)) for one in errors])
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, level - 1e-12)])


def coverage(errors: Sequence[NDArray[np.float64]], multiplied: float = 1.0) -> float:
    """Share of the truths within the intervals; images weigh alike."""
    return float(np.mean([np.mean(one <= multiplied) for one in errors]))


def cross_validated_coverage(errors: Sequence[NDArray[np.float64]], parts: int = 4, level: float = LEVEL) -> float:
    """Coverage of intervals whose factor comes from other images.

    Images are parted in runs, as they come: neighbours are of one scene and must not vouch for each other.
    """
    groups = [errors[i * len(errors) // parts : (i + 1) * len(errors) // parts] for i in range(parts)]
    found = []
    for i, group in enumerate(groups):
        others = [one for j, other in enumerate(groups) if j != i for one in other]
        found += [coverage([one], factor(others, level)) for one in group]
    return float(np.mean(found))


def errors_of(predictor: Predictor, pairs: Iterable[Pair], protocol: Protocol) -> list[NDArray[np.float64]]:
    """`normalised_errors` of a model file on pairs; those without a valid pixel are left out.

    Raises:
        OnedepthError: the file has no output `uncertainty`.
    """
    result = []
    for pair in pairs:
        depth = predictor.answer(pair.image, pair.intrinsics, "given", pair.id)
        if depth.uncertainty is None:
            raise OnedepthError(f"{predictor.path}: this model file has no output `uncertainty`")
        errors = normalised_errors(depth.depth_m, depth.uncertainty, pair, protocol)
        if len(errors):
            result.append(errors)
    return result


def calibrate(path: Path, pairs: Sequence[Pair], protocol: str) -> dict[str, Any]:
    """The factor for a model file whose own is 1, and how it fared on pairs that did not choose it.

    Args:
        path: of the model file.
        pairs: that it was not trained on.
        protocol: name of the protocol whose crop and range count.

    Returns:
        `level`, `factor`, `coverage` (cross-validated over four runs of pairs) and `count` of pairs.
    """
    errors = errors_of(Predictor(path), pairs, PROTOCOLS[protocol])
    if len(errors) < 4:  # too few to test: taken as they are
        return {"level": LEVEL, "factor": factor(errors) if errors else 1.0, "count": len(errors)}
    covered = cross_validated_coverage(errors)
    return {"level": LEVEL, "factor": round(factor(errors), 5), "coverage": round(covered, 4), "count": len(errors)}
