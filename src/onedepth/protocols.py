"""Evaluation protocols: which pixels count, within which depths, from how many views (docs/protocols.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onedepth import alignment as alignments
from onedepth.alignment import AlignmentName
from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.errors import DataError
from onedepth.metrics import mark_invalid
from onedepth.resampling import Geometry, Shape, bilinear

Bounds = tuple[int, int]
Shares = tuple[float, float]


@dataclass(frozen=True)
class Protocol:
    """One way to compare a prediction with the truth.

    Attributes:
        name: what it is called in reports.
        description: one line for people.
        crop: rows and columns that count, each half-open as in a slice; None: the whole picture.
        crop_shares: the same as shares of height and width, rounded down, for pictures of several sizes.
        size: height and width in pixels that pictures must have for the crop to fit them; None: any.
        least_aspect: pictures must be so many times as wide as high; None: any.
        min_depth_m: smallest depth that counts; truth below it is invalid, predictions are clipped to it.
        max_depth_m: largest depth that counts, likewise.
        open_range: the two bounds themselves do not count as truth.
        dense: made for truth without holes; an image that has some inside crop and cap is named in the report.
        mirrored: the prediction is the mean over the picture and its mirror image, each clipped to the cap first.
        geometry: picture and truth are brought to a size of their own first; None: they stay as they are.
        resize: a prediction of another size than the truth's is resized ("bilinear") or refused ("no").
        alignment: what is fitted to each image's truth, one of `onedepth.alignment.ALIGNMENTS`.
        aggregation: "images": the mean of each image's metrics; "pixels": metrics of all images' pixels together.
        swapped: prediction and truth change places in the formulas.
    """

    name: str
    description: str
    crop: tuple[Bounds, Bounds] | None = None
    crop_shares: tuple[Shares, Shares] | None = None
    size: Shape | None = None
    least_aspect: float | None = None
    min_depth_m: float = 0.1
    max_depth_m: float = 10.0
    open_range: bool = False
    dense: bool = False
    mirrored: bool = False
    geometry: Geometry | None = None
    resize: Literal["no", "bilinear"] = "no"
    alignment: AlignmentName = "none"
    aggregation: Literal["images", "pixels"] = "images"
    swapped: bool = False

    def aligned(self, alignment: AlignmentName) -> Protocol:
        """The same protocol with another alignment, which its name then says."""
        if alignment == self.alignment:
            return self
        name = self.name.partition("+")[0] + ("" if alignment == "none" else f"+{alignment}")
        return replace(self, name=name, alignment=alignment)


_EIGEN_CROP = ((20, 460), (24, 616))
_KITTI_COLUMNS = (0.03594771, 0.96405229)
_KITTI_ASPECT = 2.5  # its pictures are 1224×370 to 1242×376

_ALL = (
    Protocol(
        name="eigen",
        description="rows 20–459, columns 24–615 of 640×480, 0.1–10 m, one pass, mean over images",
        crop=_EIGEN_CROP,
        size=(480, 640),
    ),
    Protocol(
        name="densedepth",
        description="rows 20–459, columns 24–615 of 640×480, 0.1–10 m, two mirrored passes, mean over images",
        crop=_EIGEN_CROP,
        size=(480, 640),
        dense=True,
        mirrored=True,
        resize="bilinear",
    ),
    Protocol(
        name="densedepth-head",
        description="as densedepth, but prediction and truth exchanged and all pixels pooled, as its repository prints",
        crop=_EIGEN_CROP,
        size=(480, 640),
        dense=True,
        mirrored=True,
        resize="bilinear",
        aggregation="pixels",
        swapped=True,
    ),
    Protocol(
        name="bts",
        description="rows 45–470, columns 41–600 of 640×480, 1 mm–10 m, one pass, mean over images",
        crop=((45, 471), (41, 601)),
        size=(480, 640),
        min_depth_m=1e-3,
        open_range=True,
    ),
    Protocol(
        name="fastdepth",
        description="224×224 of the middle 304×228 of 333×250, 0.1–10 m, one pass, mean over images",
        size=(480, 640),
        geometry=Geometry(rows=250, crop=(228, 304), size=(224, 224)),
    ),
    Protocol(
        name="kitti-garg",
        description="Garg's crop, 1 mm–80 m, one pass, mean over images",
        crop_shares=((0.40810811, 0.99189189), _KITTI_COLUMNS),
        least_aspect=_KITTI_ASPECT,
        min_depth_m=1e-3,
        max_depth_m=80.0,
        open_range=True,
        resize="bilinear",
    ),
    Protocol(
        name="kitti-eigen",
        description="Eigen's crop, 1 mm–80 m, one pass, mean over images",
        crop_shares=((0.3324324, 0.91351351), (0.0359477, 0.96405229)),
        least_aspect=_KITTI_ASPECT,
        min_depth_m=1e-3,
        max_depth_m=80.0,
        open_range=True,
        resize="bilinear",
    ),
    Protocol(
        name="full",
        description="whole pictures of any size, 0.1–10 m, one pass, mean over images",
    ),
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}
"""Every protocol by its name."""


def fitting(shape: Shape, protocols: Iterable[Protocol] | None = None) -> list[Protocol]:
    """Those of the protocols (by default all) that pictures of this height and width can be compared under."""
    return [p for p in protocols or PROTOCOLS.values() if _misfit(p, shape) is None]


def apply(
    protocol: Protocol, pred_m: NDArray[np.floating], pair: Pair
) -> tuple[NDArray[np.floating], NDArray[np.float32], NDArray[np.bool_]]:
    """What the metrics compare: prediction, truth and validity inside the protocol's crop and cap.

    Invalid predictions (NaN, infinite, not above 0) come out as NaN: a clip would make them look like depths.

    Args:
        protocol: one of `PROTOCOLS`, or one's own.
        pred_m: `[H, W]`, predicted depth in metres, of the pair's size, or of the size of the protocol's geometry, or,
            where the protocol resizes predictions, of any.
        pair: picture and truth.

    Returns:
        Prediction `[h, w]` in metres, aligned and clipped to the cap; truth `[h, w]` in metres; valid, bool `[h, w]`.

    Raises:
        DataError: the picture is not of the size that the protocol's crop is made for.
        ValueError: the prediction is of a size that the protocol does not take.
    """
    check_size(protocol, pair)
    mistake = prediction_misfit(protocol, pred_m.shape, pair)
    if mistake is not None:
        raise ValueError(mistake)
    true_m, valid, pred = pair.depth_m, pair.valid, pred_m
    if protocol.geometry is not None:
        if pred.shape != protocol.geometry.size:
            pred = protocol.geometry.nearest(pred)
        true_m, valid = protocol.geometry.nearest(true_m), protocol.geometry.nearest(valid)
    elif pred.shape != true_m.shape:
        pred = bilinear(mark_invalid(pred), (true_m.shape[0], true_m.shape[1]))
    crop = inside(protocol, true_m.shape[0], true_m.shape[1])
    true_m, pred = true_m[crop], mark_invalid(pred[crop])
    valid = counts(protocol, true_m, valid[crop])
    if protocol.alignment != "none":
        pred = alignments.fit(protocol.alignment, pred[valid], true_m[valid])(pred)
    return np.clip(pred, protocol.min_depth_m, protocol.max_depth_m), true_m, valid


def counts(protocol: Protocol, true_m: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the valid pixels have a truth within the protocol's cap."""
    # Comparisons with NaN are False: a truth that is not a number is invalid here too.
    if protocol.open_range:
        return valid & (true_m > protocol.min_depth_m) & (true_m < protocol.max_depth_m)
    return valid & (true_m >= protocol.min_depth_m) & (true_m <= protocol.max_depth_m)


def camera(protocol: Protocol, pair: Pair) -> Intrinsics:
    """The camera of what `apply` returns, in its pixels."""
    height, width = pair.depth_m.shape
    intrinsics = pair.intrinsics
    if protocol.geometry is not None:
        intrinsics = protocol.geometry.intrinsics(intrinsics, height, width)
        height, width = protocol.geometry.size
    rows, columns = inside(protocol, height, width)
    return Intrinsics(intrinsics.fx, intrinsics.fy, intrinsics.cx - columns.start, intrinsics.cy - rows.start)


def pixels_inside(protocol: Protocol, pair: Pair) -> int:
    """How many pixels what `apply` returns has, with and without a truth."""
    height, width = pair.depth_m.shape if protocol.geometry is None else protocol.geometry.size
    rows, columns = inside(protocol, height, width)
    return len(range(*rows.indices(height))) * len(range(*columns.indices(width)))


def picture(protocol: Protocol, pair: Pair) -> NDArray[np.uint8]:
    """uint8 `[h, w, 3]`: the part of the image that `apply` compares, pixel by pixel."""
    image = pair.image if protocol.geometry is None else protocol.geometry.image(pair.image)
    return image[inside(protocol, image.shape[0], image.shape[1])]


def check_size(protocol: Protocol, pair: Pair) -> None:
    """Refuse a picture that the protocol's crop is not made for.

    Raises:
        DataError: naming the pair and both sizes.
    """
    height, width = pair.depth_m.shape
    expected = _misfit(protocol, (height, width))
    if expected is not None:
        raise DataError(
            f"pair {pair.id!r} is {width}×{height}, protocol {protocol.name!r} expects {expected}; "
            "'full' takes any size"
        )


def prediction_misfit(protocol: Protocol, shape: tuple[int, ...], pair: Pair) -> str | None:
    """What is wrong with the shape of a prediction of this pair; None where the protocol takes it."""
    taken = [pair.depth_m.shape] if protocol.geometry is None else [protocol.geometry.size, pair.depth_m.shape]
    if shape in taken or (len(shape) == 2 and min(shape) > 0 and protocol.resize == "bilinear"):
        return None
    expected = " or ".join(map(str, dict.fromkeys(taken)))
    return f"pair {pair.id!r}: prediction of shape {shape}, expected {expected} under protocol {protocol.name!r}"


def _misfit(protocol: Protocol, shape: Shape) -> str | None:
    """What pictures the protocol expects instead of those of this height and width; None if it takes them."""
    if protocol.size is not None and shape != protocol.size:
        return f"{protocol.size[1]}×{protocol.size[0]}"
    if protocol.least_aspect is not None and shape[1] < protocol.least_aspect * shape[0]:
        return f"pictures at least {protocol.least_aspect:g} times as wide as high"
    return None


def inside(protocol: Protocol, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the protocol's crop in a picture of this size."""
    if protocol.crop is not None:
        rows, columns = protocol.crop
        return slice(*rows), slice(*columns)
    if protocol.crop_shares is not None:
        rows, columns = protocol.crop_shares
        return (
            slice(int(rows[0] * height), int(rows[1] * height)),
            slice(int(columns[0] * width), int(columns[1] * width)),
        )
    return slice(0, height), slice(0, width)
