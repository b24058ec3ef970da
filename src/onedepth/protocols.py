"""Evaluation protocols: which pixels count, within which depths, from how many views (docs/protocols.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onedepth.data.pair import Pair
from onedepth.errors import DataError
from onedepth.metrics import mark_invalid

Bounds = tuple[int, int]


@dataclass(frozen=True)
class Protocol:
    """One way to compare a prediction with the truth.

    Attributes:
        name: what it is called in reports.
        crop: rows and columns that count, each half-open as in a slice; None: the whole picture.
        size: height and width in pixels that pictures must have for the crop to fit them; None: any.
        min_depth_m: smallest depth that counts; truth below it is invalid, predictions are clipped to it.
        max_depth_m: largest depth that counts, likewise.
        mirrored: the prediction is the mean over the picture and its mirror image.
        description: one line for people.
    """

    name: str
    crop: tuple[Bounds, Bounds] | None
    size: tuple[int, int] | None
    min_depth_m: float
    max_depth_m: float
    mirrored: bool
    description: str


PROTOCOLS: dict[str, Protocol] = {
    "eigen": Protocol(
        name="eigen",
        crop=((20, 460), (24, 616)),
        size=(480, 640),
        min_depth_m=0.1,
        max_depth_m=10.0,
        mirrored=False,
        description="rows 20–459, columns 24–615 of 640×480, 0.1–10 m, one pass, mean over images",
    ),
    "densedepth": Protocol(
        name="densedepth",
        crop=((20, 460), (24, 616)),
        size=(480, 640),
        min_depth_m=0.1,
        max_depth_m=10.0,
        mirrored=True,
        description="rows 20–459, columns 24–615 of 640×480, 0.1–10 m, two mirrored passes, mean over images",
    ),
    "full": Protocol(
        name="full",
        crop=None,
        size=None,
        min_depth_m=0.1,
        max_depth_m=10.0,
        mirrored=False,
        description="whole pictures of any size, 0.1–10 m, one pass, mean over images",
    ),
}


def apply(
    protocol: Protocol, pred_m: NDArray[np.floating], pair: Pair
) -> tuple[NDArray[np.floating], NDArray[np.float32], NDArray[np.bool_]]:
    """What the metrics compare: prediction, truth and validity inside the protocol's crop and cap.

    Invalid predictions (NaN, infinite, not above 0) come out as NaN: a clip would make them look like depths.

    Args:
        protocol: one of `PROTOCOLS`, or one's own.
        pred_m: `[H, W]`, predicted depth in metres, of the pair's size.
        pair: picture and truth.

    Returns:
        Prediction `[h, w]` in metres, clipped to the cap; truth `[h, w]` in metres; valid, bool `[h, w]`.

    Raises:
        DataError: the picture is not of the size that the protocol's crop is made for.
        ValueError: the prediction is not of the picture's size.
    """
    check_size(protocol, pair)
    if pred_m.shape != pair.depth_m.shape:
        raise ValueError(f"pair {pair.id!r}: prediction of shape {pred_m.shape}, expected {pair.depth_m.shape}")
    rows, columns = protocol.crop or ((0, None), (0, None))
    inside = (slice(*rows), slice(*columns))
    true_m = pair.depth_m[inside]
    # Comparisons with NaN are False: a truth that is not a number is invalid here too.
    valid = pair.valid[inside] & (true_m >= protocol.min_depth_m) & (true_m <= protocol.max_depth_m)
    clipped = np.clip(mark_invalid(pred_m[inside]), protocol.min_depth_m, protocol.max_depth_m)
    return clipped, true_m, valid


def check_size(protocol: Protocol, pair: Pair) -> None:
    """Refuse a picture that the protocol's crop is not made for.

    Raises:
        DataError: naming the pair and both sizes.
    """
    height, width = pair.depth_m.shape
    if protocol.size is not None and protocol.size != (height, width):
        raise DataError(
            f"pair {pair.id!r} is {width}×{height}, protocol {protocol.name!r} expects "
            f"{protocol.size[1]}×{protocol.size[0]}; 'full' takes any size"
        )
