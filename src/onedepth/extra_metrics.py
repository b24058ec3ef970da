"""Metrics that cost more than a network's own time, and are therefore asked for by name.

A group is one function and one line in `EXTRAS`. Its values are per image, and reports average them over the images
where they are defined: an image whose truth has no edge has no boundary score (NaN).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onedepth.boundaries import boundary_f1, ibims_boundaries
from onedepth.depth import Intrinsics
from onedepth.point_cloud import f_scores

Measure = Callable[[NDArray[np.floating], NDArray[np.floating], NDArray[np.bool_], Intrinsics], dict[str, float]]
"""Prediction and truth in metres, valid, and the camera → values by key; arrays `[H, W]`."""


@dataclass(frozen=True)
class Extra:
    """A group of metrics.

    Attributes:
        names: key of each, and the name it is shown by.
        higher_is_better: keys of those that grow with quality.
        measure: of one image.
        description: one line for people.
    """

    names: dict[str, str]
    higher_is_better: frozenset[str]
    measure: Measure
    description: str


def _boundaries(
    pred_m: NDArray[np.floating], true_m: NDArray[np.floating], valid: NDArray[np.bool_], camera: Intrinsics
) -> dict[str, float]:
    del camera
    return {"boundary_f1": boundary_f1(pred_m, true_m, valid)} | ibims_boundaries(pred_m, true_m, valid)


def _points(
    pred_m: NDArray[np.floating], true_m: NDArray[np.floating], valid: NDArray[np.bool_], camera: Intrinsics
) -> dict[str, float]:
    five, ten = f_scores(pred_m, true_m, valid, camera)
    return {"f_5cm": five, "f_10cm": ten}


EXTRAS: dict[str, Extra] = {
    "boundaries": Extra(
        names={"boundary_f1": "boundaryF1", "dbe_acc": "DBEacc", "dbe_comp": "DBEcomp"},
        higher_is_better=frozenset({"boundary_f1"}),
        measure=_boundaries,
        description="Depth Pro's boundary F1, iBims-1's boundary accuracy and completeness in pixels",
    ),
    "points": Extra(
        names={"f_5cm": "F5cm", "f_10cm": "F10cm"},
        higher_is_better=frozenset({"f_5cm", "f_10cm"}),
        measure=_points,
        description="F-score of the point clouds at 5 and 10 cm",
    ),
}
"""Groups by name; see `onedepth.boundaries` and `onedepth.point_cloud`."""
