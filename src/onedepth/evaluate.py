"""Predictor × data × protocol → report."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.errors import DataError
from onedepth.metrics import METRICS, Mean, count_invalid_predictions, depth_metrics, mark_invalid
from onedepth.protocols import Protocol, apply, check_size

Predict = Callable[[NDArray[np.uint8], Intrinsics], NDArray[np.float32]]
"""Image uint8 `[H, W, 3]` and its camera → depth float32 `[H, W]` in metres."""


@dataclass(frozen=True)
class ImageResult:
    """Metrics of one image.

    Attributes:
        id: the pair's id.
        pixels: how many pixels were compared.
        invalid_predictions: how many of them got no depth (NaN, infinite, not above 0).
        metrics: by the keys of `onedepth.metrics.METRICS`.
    """

    id: str
    pixels: int
    invalid_predictions: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        protocol: how predictions were compared.
        metrics: mean over `images` of each metric, by the keys of `onedepth.metrics.METRICS`.
        images: each image's own numbers, in the data's order.
        excluded: ids of pairs without one valid true pixel inside crop and cap; they are in no mean.
        failed: one message for each pair that could not be read or is not of the protocol's size; likewise.
    """

    protocol: Protocol
    metrics: dict[str, float]
    images: tuple[ImageResult, ...]
    excluded: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many images the means are over."""
        return len(self.images)

    @property
    def invalid_predictions(self) -> int:
        """How many compared pixels got no depth, in all images together."""
        return sum(image.invalid_predictions for image in self.images)

    def table(self) -> str:
        """Plain text for people: the means, and under them whatever is not as it should be."""
        names = list(METRICS.values())
        cells = [f"{self.metrics[key]:.4f}" for key in METRICS]
        widths = [max(len(name), len(cell)) for name, cell in zip(names, cells, strict=True)]
        lines = [
            f"{self.count} images, protocol {self.protocol.name}: {self.protocol.description}",
            "  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True)),
            "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)),
        ]
        if self.invalid_predictions:
            ids = [image.id for image in self.images if image.invalid_predictions]
            lines.append(
                f"invalid predictions (NaN, infinite or not above 0): {self.invalid_predictions} pixels "
                f"in {len(ids)} images: {', '.join(ids)}"
            )
        if self.excluded:
            lines.append(f"{len(self.excluded)} without valid truth, not counted: {', '.join(self.excluded)}")
        if self.failed:
            lines.append(f"{len(self.failed)} failed, not counted:")
            lines.extend(f"  {message}" for message in self.failed)
        return "\n".join(lines)

    def to_json(self) -> str:
        """The whole report as strict JSON; an infinite error (see `invalid_predictions`) is null."""
        content = {
            "protocol": asdict(self.protocol),
            "count": self.count,
            "metrics": _finite(self.metrics),
            "invalid_predictions": self.invalid_predictions,
            "excluded": self.excluded,
            "failed": self.failed,
            "images": [asdict(image) | {"metrics": _finite(image.metrics)} for image in self.images],
        }
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """One line for each image: id, pixels, invalid_predictions and the metrics, unrounded."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", "pixels", "invalid_predictions", *METRICS])
        for image in self.images:
            writer.writerow(
                [image.id, image.pixels, image.invalid_predictions, *(image.metrics[key] for key in METRICS)]
            )
        return text.getvalue()


def evaluate(
    predict: Predict,
    pairs: Sequence[Pair],
    protocol: Protocol,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Compare a predictor with the truth of every pair, one pair in memory at a time.

    A pair that cannot be read, or is not of the protocol's size, is named in the report and the work goes on.

    Args:
        predict: image and camera → depth in metres, of the image's size.
        pairs: the data.
        protocol: one of `onedepth.protocols.PROTOCOLS`, or one's own.
        progress: called after each pair with how many are done and how many there are.

    Raises:
        DataError: not one pair could be compared.
        ValueError: the prediction is not of the image's size.
    """
    mean = Mean()
    images: list[ImageResult] = []
    excluded: list[str] = []
    failed: list[str] = []
    for index in range(len(pairs)):
        try:
            pair = pairs[index]
            check_size(protocol, pair)
        except DataError as error:
            failed.append(str(error))
        else:
            result = _compare(predict, pair, protocol)
            if result is None:
                excluded.append(pair.id)
            else:
                mean.add(result.metrics)
                images.append(result)
        if progress is not None:
            progress(index + 1, len(pairs))
    if not images:
        first = f"; the first failure: {failed[0]}" if failed else ""
        raise DataError(
            f"none of {len(pairs)} pairs could be compared under protocol {protocol.name!r}: "
            f"{len(excluded)} without valid truth, {len(failed)} failed{first}"
        )
    return Report(protocol, mean.result(), tuple(images), tuple(excluded), tuple(failed))


def mirror(image: NDArray[np.uint8], intrinsics: Intrinsics) -> tuple[NDArray[np.uint8], Intrinsics]:
    """The image `[H, W, 3]` with left and right exchanged, and the camera that would have taken it."""
    flipped = Intrinsics(intrinsics.fx, intrinsics.fy, image.shape[1] - 1 - intrinsics.cx, intrinsics.cy)
    return np.ascontiguousarray(image[:, ::-1]), flipped  # runtimes take no negative strides


def predict_mirrored(predict: Predict, image: NDArray[np.uint8], intrinsics: Intrinsics) -> NDArray[np.float32]:
    """float32 `[H, W]`: mean in metres of the prediction and the mirror image's prediction, mirrored back.

    Where either is invalid (NaN, infinite, not above 0) the mean is NaN.
    """
    direct = mark_invalid(predict(image, intrinsics))
    back = mark_invalid(predict(*mirror(image, intrinsics)))[:, ::-1]
    return ((direct + back) / 2).astype(np.float32, copy=False)


def _compare(predict: Predict, pair: Pair, protocol: Protocol) -> ImageResult | None:
    """One image's numbers, or None where it has no valid truth."""
    if protocol.mirrored:
        pred_m = predict_mirrored(predict, pair.image, pair.intrinsics)
    else:
        pred_m = predict(pair.image, pair.intrinsics)
    pred, true, valid = apply(protocol, pred_m, pair)
    if not valid.any():
        return None
    return ImageResult(
        id=pair.id,
        pixels=int(np.count_nonzero(valid)),
        invalid_predictions=count_invalid_predictions(pred, valid),
        metrics=depth_metrics(pred, true, valid),
    )


def _finite(metrics: dict[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in metrics.items()}
