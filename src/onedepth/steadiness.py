"""How steady the depths of moving pictures are: a model and ways of taking out flicker, on one piece of footage.

What the figures are, their sources and their limits: `onedepth.flicker` and `onedepth.temporal`.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onedepth.data.flythrough import FlyFrame, fly_through
from onedepth.depth import Intrinsics
from onedepth.evaluation import aligned
from onedepth.flicker import Flicker, TrueMotion
from onedepth.metrics import Mean, depth_metrics
from onedepth.stabilise import STABILISERS
from onedepth.temporal import TemporalAlignment

if TYPE_CHECKING:
    from onedepth.predictor import Predictor
    from onedepth.video.source import Source


@dataclass(frozen=True)
class Shot:
    """A frame of the footage.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB.
        intrinsics: its camera, in pixels of `image`.
        truth: exact depth and pose, of a rendered walk; None of a real video.
    """

    image: NDArray[np.uint8]
    intrinsics: Intrinsics
    truth: FlyFrame | None = None


@dataclass(frozen=True)
class Steadiness:
    """The figures of one way. Those that need a truth are None without one; all are shares, 0.01 is one per cent.

    Attributes:
        stabiliser: key of `STABILISERS`.
        frames: how many were measured.
        flicker: change of depth from frame to frame along the optical flow; None where nothing could be followed.
        inconsistency: change of the error from frame to frame along the true motion.
        alignment: temporal alignment error.
        abs_rel: mean relative error of depth.
        stabilise_ms: processor time of the stabiliser for a frame, of all its threads.
    """

    stabiliser: str
    frames: int
    flicker: float | None
    inconsistency: float | None
    alignment: float | None
    abs_rel: float | None
    stabilise_ms: float


def measure(
    predictor: Predictor,
    shots: Iterable[Shot],
    stabilisers: Sequence[str] = tuple(STABILISERS),
    advance: Callable[[], None] = lambda: None,
) -> list[Steadiness]:
    """Predict each frame once and stabilise it in all ways; memory does not grow with the footage.

    Args:
        predictor: the model.
        shots: the footage, in order.
        stabilisers: keys of `STABILISERS`.
        advance: called for each frame.
    """
    ways = [_Way(name) for name in stabilisers]
    for shot in shots:
        depth_m = predictor.depth_m(shot.image, shot.intrinsics)
        for way in ways:
            way.push(shot, depth_m)
        advance()
    return [way.finish() for way in ways]


def walk(seed: int, room: int, frames: int, height: int = 480, width: int = 640) -> Iterator[Shot]:
    """A walk through a rendered room; see `fly_through`."""
    for frame in fly_through(seed, room, frames, height, width):
        yield Shot(frame.image, frame.intrinsics, frame)


def footage(predictor: Predictor, source: Source) -> Iterator[Shot]:
    """The frames of a video, without a truth."""
    from onedepth.video.depths import Cameras

    cameras = Cameras(predictor, source.facts, None, None)
    for frame in source.frames():
        yield Shot(frame.image, cameras.of(frame.image.shape[0], frame.image.shape[1])[0])


def table(rows: Sequence[Steadiness]) -> str:
    """Plain text for people; changes are against the first row."""
    first = rows[0]
    cells = [["", "flicker", "", *(("inconsistency", "", "TAE", "AbsRel") if _has_truth(first) else ()), "ms/frame"]]
    for row in rows:
        line = [row.stabiliser, _figure(row.flicker), _change(row.flicker, first.flicker)]
        if _has_truth(first):
            line += [_figure(row.inconsistency), _change(row.inconsistency, first.inconsistency)]
            line += [_figure(row.alignment), _figure(row.abs_rel)]
        cells.append([*line, f"{row.stabilise_ms:.1f}"])
    return "\n".join(aligned(cells))


def to_json(model: str, found: Sequence[tuple[str, Sequence[Steadiness]]]) -> str:
    """Strict JSON: the model, and for each piece of footage its figures."""
    content = {
        "model": model,
        "footage": [{"name": name, "ways": [asdict(row) for row in rows]} for name, rows in found],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


class _Way:
    """One stabiliser, and what is measured of it."""

    def __init__(self, name: str) -> None:
        self.name, self.stabiliser = name, STABILISERS[name]()
        self.flicker, self.true_motion = Flicker(), TrueMotion()
        self.alignment, self.accuracy = TemporalAlignment(), Mean()
        self.waiting: deque[Shot] = deque()
        self.cpu_s, self.frames = 0.0, 0

    def push(self, shot: Shot, depth_m: NDArray[np.float32]) -> None:
        """Stabilise the next frame; measure what comes back."""
        self.waiting.append(shot)
        self._measured(lambda: self.stabiliser.push(shot.image, depth_m))

    def finish(self) -> Steadiness:
        """Measure what was held back."""
        self._measured(self.stabiliser.finish)
        return Steadiness(
            self.name,
            self.frames,
            _result(self.flicker),
            _result(self.true_motion) if self.accuracy.count else None,
            _result(self.alignment) if self.accuracy.count else None,
            self.accuracy.result()["abs_rel"] if self.accuracy.count else None,
            1e3 * self.cpu_s / max(1, self.frames),
        )

    def _measured(self, work: Callable[[], list[NDArray[np.float32]]]) -> None:
        started = time.process_time()
        ready = work()
        self.cpu_s += time.process_time() - started
        for depth_m in ready:
            shot = self.waiting.popleft()
            self.frames += 1
            self.flicker.add(shot.image, depth_m)
            if shot.truth is not None:
                self._compare(depth_m, shot.truth)

    def _compare(self, depth_m: NDArray[np.float32], truth: FlyFrame) -> None:
        # Every second row and column: a quarter of the work, and the same figures to three digits.
        some, true_m, k = depth_m[::2, ::2], truth.depth_m[::2, ::2], truth.intrinsics
        camera = Intrinsics(k.fx / 2, k.fy / 2, k.cx / 2, k.cy / 2)
        self.true_motion.add(some, true_m, camera, truth.camera_to_world)
        self.alignment.add(some, camera, truth.camera_to_world)
        self.accuracy.add(depth_metrics(depth_m, truth.depth_m, np.ones(depth_m.shape, bool)))


def _result(figure: Flicker | TrueMotion | TemporalAlignment) -> float | None:
    """None of a single frame, or where no two neighbours have anything in common."""
    try:
        return figure.result()
    except ValueError:
        return None


def _has_truth(row: Steadiness) -> bool:
    return row.abs_rel is not None


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _change(value: float | None, first: float | None) -> str:
    return "" if value is None or not first or value == first else f"{value / first - 1:+.0%}"
