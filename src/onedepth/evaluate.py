"""Predictions × data × protocols → reports, in one pass over the data."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.errors import DataError
from onedepth.extra_metrics import EXTRAS
from onedepth.metrics import METRICS, Mean, Sums, mark_invalid
from onedepth.predictions import MissingPredictionError, ModelPredictions, Predict, Predictions, View, mirror
from onedepth.protocols import Protocol, apply, camera, check_size, pixels_inside, prediction_misfit
from onedepth.shared_pixels import measure_all

__all__ = ["Compared", "ImageResult", "Predict", "Report", "evaluate", "evaluate_all", "mirror", "predict_mirrored"]

_MOST_IDS = 50  # in a line for people

LABELS: dict[str, str] = METRICS | {key: name for extra in EXTRAS.values() for key, name in extra.names.items()}
"""Key of each metric a report can hold, and the name it is shown by."""


@dataclass(frozen=True)
class ImageResult:
    """Metrics of one image.

    Attributes:
        id: the pair's id.
        pixels: how many pixels were compared.
        invalid_predictions: how many of them got no depth (NaN, infinite, not above 0).
        metrics: by the keys of `LABELS`; NaN where this image has no such score.
        sums: what the metrics follow from, and those of several images together.
    """

    id: str
    pixels: int
    invalid_predictions: int
    metrics: dict[str, float]
    sums: Sums = field(repr=False)


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        protocol: how predictions were compared.
        metrics: of all `images` together, as the protocol puts them together, by the keys of `LABELS`.
        images: each image's own numbers, in the data's order.
        excluded: ids of pairs without one valid true pixel inside crop and cap; they are in no mean.
        failed: one message for each pair that could not be read or compared; likewise.
        missing: ids of pairs for which there is no prediction; likewise.
        sparse: ids of images whose truth has holes although the protocol is made for dense truth; they are counted.
        one_view: the protocol averages over two views and the predictions are files, so they count as they are.
        undefined: of metrics that not every image has, how many have none; the mean is over the others.
    """

    protocol: Protocol
    metrics: dict[str, float]
    images: tuple[ImageResult, ...]
    excluded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    sparse: tuple[str, ...] = ()
    one_view: bool = False
    undefined: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many images the numbers are over."""
        return len(self.images)

    @property
    def invalid_predictions(self) -> int:
        """How many compared pixels got no depth, in all images together."""
        return sum(image.invalid_predictions for image in self.images)

    def notes(self) -> list[str]:
        """Whatever is not as it should be, one line each."""
        lines = []
        if self.invalid_predictions:
            ids = [image.id for image in self.images if image.invalid_predictions]
            lines.append(
                f"invalid predictions (NaN, infinite or not above 0): {self.invalid_predictions} pixels "
                f"in {len(ids)} images: {_listed(ids)}"
            )
        if self.one_view:
            lines.append("predictions are files and count as they are: the mirrored average is not ours to make")
        if self.sparse:
            lines.append(f"{len(self.sparse)} with holes in the truth, which this protocol is not made for")
        for key, count in self.undefined.items():
            lines.append(f"{LABELS[key]} is over {self.count - count} images, {count} have none")
        if self.excluded:
            lines.append(f"{len(self.excluded)} without valid truth, not counted: {_listed(self.excluded)}")
        if self.missing:
            lines.append(f"{len(self.missing)} without a prediction, not counted: {_listed(self.missing)}")
        if self.failed:
            lines.append(f"{len(self.failed)} failed, not counted:")
            lines.extend(f"  {message}" for message in self.failed)
        return lines

    def table(self) -> str:
        """Plain text for people: the numbers, and under them whatever is not as it should be."""
        names = [LABELS[key] for key in self.metrics]
        cells = [f"{value:.4f}" for value in self.metrics.values()]
        widths = [max(len(name), len(cell)) for name, cell in zip(names, cells, strict=True)]
        lines = [
            f"{self.count} images, protocol {self.protocol.name}: {self.protocol.description}",
            "  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True)),
            "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)),
        ]
        return "\n".join(lines + self.notes())

    def content(self) -> dict[str, object]:
        """The whole report as values for JSON; what is infinite (see `invalid_predictions`) or undefined is None."""
        return {
            "protocol": asdict(self.protocol),
            "count": self.count,
            "metrics": _finite(self.metrics),
            "invalid_predictions": self.invalid_predictions,
            "excluded": self.excluded,
            "failed": self.failed,
            "missing": self.missing,
            "sparse": self.sparse,
            "one_view": self.one_view,
            "undefined": self.undefined,
            "images": [
                {
                    "id": image.id,
                    "pixels": image.pixels,
                    "invalid_predictions": image.invalid_predictions,
                    "metrics": _finite(image.metrics),
                }
                for image in self.images
            ],
        }

    def to_json(self) -> str:
        """`content` as strict JSON."""
        return json.dumps(self.content(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """One line for each image: id, pixels, invalid_predictions and the metrics, unrounded."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", "pixels", "invalid_predictions", *self.metrics])
        for image in self.images:
            writer.writerow([image.id, image.pixels, image.invalid_predictions, *image.metrics.values()])
        return text.getvalue()


@dataclass(frozen=True)
class Compared:
    """One image under one protocol, for those who want to look at its pixels while they are there.

    Attributes:
        name: of the predictions, as in the call of `evaluate_all`.
        protocol: how they were compared.
        index: of the pair in the data.
        pair: the pair.
        said_m: `[H, W]`, the prediction in metres as the protocol asked for it, before crop and cap.
        result: the numbers.
    """

    name: str
    protocol: Protocol
    index: int
    pair: Pair
    said_m: NDArray[np.floating]
    result: ImageResult

    @cached_property
    def applied(self) -> tuple[NDArray[np.floating], NDArray[np.float32], NDArray[np.bool_]]:
        """Prediction, truth and validity `[h, w]` inside crop and cap (see `onedepth.protocols.apply`)."""
        return apply(self.protocol, self.said_m, self.pair)

    @property
    def pred_m(self) -> NDArray[np.floating]:
        """`[h, w]`, metres inside the protocol's crop, NaN where invalid."""
        return self.applied[0]

    @property
    def true_m(self) -> NDArray[np.float32]:
        """`[h, w]`, likewise."""
        return self.applied[1]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Bool `[h, w]`: what was compared."""
        return self.applied[2]


Observe = Callable[[Compared], None]
Progress = Callable[[int, int], None]


def evaluate(
    predict: Predict,
    pairs: Sequence[Pair],
    protocol: Protocol,
    *,
    progress: Progress | None = None,
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
    return evaluate_all({"": ModelPredictions(predict)}, pairs, [protocol], progress=progress)[""][protocol.name]


def evaluate_all(
    predictions: Mapping[str, Predictions],
    pairs: Sequence[Pair],
    protocols: Sequence[Protocol],
    *,
    extras: Sequence[str] = (),
    progress: Progress | None = None,
    observe: Observe | None = None,
) -> dict[str, dict[str, Report]]:
    """Compare several predictions with the truth of every pair under several protocols, in one pass over the data.

    Each pair is read once. Each model sees it once, and once more for every other view that a protocol asks for:
    mirrored, or at a size of its own.

    Args:
        predictions: by name.
        pairs: the data.
        protocols: of different names.
        extras: groups of `onedepth.extra_metrics.EXTRAS` to measure as well.
        progress: called after each pair with how many are done and how many there are.
        observe: called with every comparison; whatever it keeps stays in memory.

    Returns:
        Reports by name of predictions, then by name of protocol.

    Raises:
        DataError: not one pair could be compared, of one of the predictions under one of the protocols.
        ValueError: a model's prediction is not of the image's size.
    """
    tallies = {(name, p.name): _Tally(name, p, extras) for name in predictions for p in protocols}
    for index in range(len(pairs)):
        try:
            pair = pairs[index]
        except DataError as error:
            for tally in tallies.values():
                tally.failed.append(str(error))
        else:
            for name, source in predictions.items():
                for compared in _compare([tallies[name, p.name] for p in protocols], index, pair, source):
                    if observe is not None:
                        observe(compared)
        if progress is not None:
            progress(index + 1, len(pairs))
    return {name: {p.name: tallies[name, p.name].report(len(pairs)) for p in protocols} for name in predictions}


def predict_mirrored(predict: Predict, image: NDArray[np.uint8], intrinsics: Intrinsics) -> NDArray[np.float32]:
    """float32 `[H, W]`: mean in metres of the prediction and the mirror image's prediction, mirrored back.

    Where either is invalid (NaN, infinite, not above 0) the mean is NaN.
    """
    direct = predict(image, intrinsics)
    back = predict(*mirror(image, intrinsics))[:, ::-1]
    return _mean_of_views(direct, back)


def _compare(tallies: Sequence[_Tally], index: int, pair: Pair, source: Predictions) -> Iterator[Compared]:
    """One pair under every protocol that it counts for."""
    views = _Views(source, pair)
    asked = [(tally, tally.ask(pair, views)) for tally in tallies]
    alike: dict[int, list[_Tally]] = {}
    for tally, said in asked:
        if said is not None:
            alike.setdefault(id(said), []).append(tally)
    for _, said in asked:
        if said is None or id(said) not in alike:
            continue
        group = alike.pop(id(said))
        sums = measure_all([one.protocol for one in group], said, pair)
        for one, its in zip(group, sums, strict=True):
            compared = one.take(index, pair, said, its)
            if compared is not None:
                yield compared


class _Views:
    """The views of one pair, each predicted at most once."""

    def __init__(self, source: Predictions, pair: Pair) -> None:
        self.source = source
        self.pair = pair
        self._kept: dict[View, NDArray[np.floating] | None] = {}
        self._means: dict[tuple[View, tuple[float, float]], NDArray[np.float32]] = {}

    def depth_m(self, view: View) -> NDArray[np.floating] | None:
        if isinstance(self.source, ModelPredictions):
            if view not in self._kept:
                self._kept[view] = self.source.depth_m(self.pair, view)
            return self._kept[view]
        view = View(mirrored=view.mirrored)  # a file is what it is, whatever size a protocol likes
        if view not in self._kept:
            self._kept[view] = self.source.depth_m(self.pair, view)
        return self._kept[view]

    def under(self, protocol: Protocol) -> tuple[NDArray[np.floating], bool]:
        """The prediction that the protocol asks for, and whether it should have had a second view and has none.

        Raises:
            DataError: there is none, or a file's is of a size that the protocol does not take.
        """
        direct = self.depth_m(View(protocol.geometry))
        if direct is None:
            raise MissingPredictionError(f"pair {self.pair.id!r}: no prediction")
        mistake = prediction_misfit(protocol, direct.shape, self.pair)
        if mistake is not None and not isinstance(self.source, ModelPredictions):
            raise DataError(mistake)
        if not protocol.mirrored:
            return direct, False
        back = self.depth_m(View(protocol.geometry, mirrored=True))
        if back is None:
            return direct, True
        cap = (protocol.min_depth_m, protocol.max_depth_m)
        key = (View(protocol.geometry), cap)
        if key not in self._means:
            self._means[key] = _mean_of_views(direct, back, cap)
        return self._means[key], False


class _Tally:
    """What has been found of one source under one protocol."""

    def __init__(self, name: str, protocol: Protocol, extras: Sequence[str]) -> None:
        self.name = name
        self.protocol = protocol
        self.extras = [EXTRAS[extra] for extra in extras]
        self.images: list[ImageResult] = []
        self.excluded: list[str] = []
        self.failed: list[str] = []
        self.missing: list[str] = []
        self.sparse: list[str] = []
        self.one_view = False

    def ask(self, pair: Pair, views: _Views) -> NDArray[np.floating] | None:
        """The prediction of a pair; None where there is none to be compared, which is then noted."""
        try:
            check_size(self.protocol, pair)
            pred_m, one_view = views.under(self.protocol)
        except MissingPredictionError:
            self.missing.append(pair.id)
            return None
        except DataError as error:
            self.failed.append(str(error))
            return None
        mistake = prediction_misfit(self.protocol, pred_m.shape, pair)
        if mistake is not None:
            raise ValueError(mistake)
        self.one_view |= one_view
        return pred_m

    def take(self, index: int, pair: Pair, said_m: NDArray[np.floating], sums: Sums) -> Compared | None:
        """Note what was found of one pair; None where it does not count."""
        if not sums.pixels:
            self.excluded.append(pair.id)
            return None
        if self.protocol.dense and sums.pixels < pixels_inside(self.protocol, pair):
            self.sparse.append(pair.id)
        metrics = sums.metrics()
        result = ImageResult(pair.id, sums.pixels, sums.invalid, metrics, sums)
        compared = Compared(self.name, self.protocol, index, pair, said_m, result)
        for extra in self.extras:
            metrics |= extra.measure(*compared.applied, camera(self.protocol, pair))
        self.images.append(result)
        return compared

    def report(self, pairs: int) -> Report:
        """Put the images together.

        Raises:
            DataError: there is none.
        """
        if not self.images:
            of = f" of {self.name}" if self.name else ""
            missing = f", {len(self.missing)} without a prediction" if self.missing else ""
            first = f"; the first failure: {self.failed[0]}" if self.failed else ""
            raise DataError(
                f"none of {pairs} pairs could be compared{of} under protocol {self.protocol.name!r}: "
                f"{len(self.excluded)} without valid truth{missing}, {len(self.failed)} failed{first}"
            )
        if self.protocol.aggregation == "pixels":
            total = Sums()
            for image in self.images:
                total += image.sums
            metrics = total.metrics()
        else:
            mean = Mean()
            for image in self.images:
                mean.add({key: image.metrics[key] for key in METRICS})
            metrics = mean.result()
        undefined: dict[str, int] = {}
        for key in [key for key in self.images[0].metrics if key not in METRICS]:
            there = [image.metrics[key] for image in self.images if not math.isnan(image.metrics[key])]
            metrics[key] = math.fsum(there) / len(there) if there else math.nan
            if len(there) < len(self.images):
                undefined[key] = len(self.images) - len(there)
        return Report(
            protocol=self.protocol,
            metrics=metrics,
            images=tuple(self.images),
            excluded=tuple(self.excluded),
            failed=tuple(self.failed),
            missing=tuple(self.missing),
            sparse=tuple(self.sparse),
            one_view=self.one_view,
            undefined=undefined,
        )


def _mean_of_views(
    direct: NDArray[np.floating], back: NDArray[np.floating], cap: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """float32 `[H, W]`: mean of two views in metres, each clipped to the cap first; NaN where either is invalid."""
    mean = _clipped(direct, cap) + _clipped(np.ascontiguousarray(back), cap)
    mean /= 2
    return mean.astype(np.float32, copy=False)


def _clipped(depth_m: NDArray[np.floating], cap: tuple[float, float] | None) -> NDArray[np.floating]:
    if cap is None:
        return mark_invalid(depth_m)
    if depth_m.min() >= cap[0] and depth_m.max() <= cap[1]:  # as nearly always; not so where one is NaN
        return depth_m
    return np.clip(mark_invalid(depth_m), *cap)


def _listed(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_MOST_IDS])
    return shown if len(ids) <= _MOST_IDS else f"{shown} and {len(ids) - _MOST_IDS} more (all of them in --json)"


def _finite(metrics: dict[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in metrics.items()}
