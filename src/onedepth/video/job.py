"""A video job: decode, infer and encode side by side, in bounded memory."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onedepth.depth import Depth
from onedepth.errors import OnedepthError
from onedepth.video.depths import depth_stream
from onedepth.video.results import MetricFolder, Result
from onedepth.video.source import Frame, Source

if TYPE_CHECKING:
    from onedepth.predictor import Predictor

BEHIND = 3
"""Depth maps that wait to be drawn and encoded."""
WARM_UP = 12
"""Frames before a missing one that are predicted again when a folder is resumed, for the stabiliser to settle."""


@dataclass
class Outcome:
    """What came of a job.

    Attributes:
        frames: how many were written (or were there already).
        seconds: how long it took.
        problems: what was wrong with the source, one line each.
        interrupted: ended before the source did.
        depth: of the first frame: size and camera; None without frames.
        sizes: widths and heights that the frames had, in order of appearance.
    """

    frames: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    interrupted: bool = False
    depth: Depth | None = None
    sizes: list[tuple[int, int]] = field(default_factory=list)


def run(
    predictor: Predictor,
    source: Source,
    results: Sequence[Result],
    *,
    focal_px: float | None = None,
    fov_deg: float | None = None,
    stabilise: str = "off",
    every: int = 1,
    stopped: threading.Event | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Outcome:
    """Predict every frame of a source and write the results.

    Three stages run at the same time, with short queues between them: a thread that decodes, this one with the
    model's threads, and a thread that draws and encodes.

    Args:
        predictor: the model.
        source: where the frames come from; the caller closes it.
        results: what to write; `check` has passed.
        focal_px: focal length in pixels.
        fov_deg: horizontal field of view in degrees, instead.
        stabilise: key of `onedepth.stabilise.STABILISERS`.
        every: step between the source's indices.
        stopped: set, it ends the job with what is done, as a whole file.
        advance: called for each frame.

    Raises:
        OutputError: a result cannot be written; files that were begun are gone.
        OnedepthError: the source cannot be read at all, or an impossible camera.
    """
    outcome = Outcome()
    started = time.perf_counter()
    folders = [result for result in results if isinstance(result, MetricFolder) and result.there]

    def wanted(frame: Frame) -> bool:
        for folder in folders:
            folder.note(frame)
        ahead = range(frame.index, frame.index + WARM_UP * every + 1, every)
        if any(index not in folder.there for folder in folders for index in ahead):
            return True
        outcome.frames += 1
        advance()
        return False

    writer = _Writer(source, results, advance)
    try:
        for frame, depth in depth_stream(
            predictor,
            source,
            focal_px=focal_px,
            fov_deg=fov_deg,
            stabilise=stabilise,
            wanted=wanted if folders else None,
            stopped=stopped,
        ):
            height, width = depth.depth_m.shape
            if (width, height) not in outcome.sizes:
                outcome.sizes.append((width, height))
            if outcome.depth is None:
                outcome.depth = depth
            writer.add(frame, depth)
            outcome.frames += 1
    except BaseException as error:
        writer.abandon(error)
        raise
    writer.close()
    outcome.interrupted = stopped is not None and stopped.is_set()
    outcome.problems = list(source.problems)
    if len(outcome.sizes) > 1:
        sizes = ", ".join(f"{width}×{height}" for width, height in outcome.sizes)
        outcome.problems.append(
            f"{source.facts.label}: its frames change size ({sizes}); in a video all were brought to the first"
        )
    outcome.seconds = time.perf_counter() - started
    if outcome.frames == 0 and not outcome.interrupted:
        raise OnedepthError("; ".join(source.problems) or f"{source.facts.label}: no frame in it")
    return outcome


class _Writer:
    """A thread that gives frames to the results."""

    def __init__(self, source: Source, results: Sequence[Result], advance: Callable[[], None]) -> None:
        self._source, self._results, self._advance = source, results, advance
        self._queue: queue.Queue[tuple[Frame, Depth] | BaseException | None] = queue.Queue(BEHIND)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="onedepth-writer", daemon=True)
        self._thread.start()

    def add(self, frame: Frame, depth: Depth) -> None:
        """One more frame; waits while the queue is full.

        Raises:
            OutputError: an earlier frame could not be written.
        """
        self._put((frame, depth))

    def close(self) -> None:
        """Finish the files and move them into place.

        Raises:
            OutputError: they cannot be written.
        """
        self._put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self, error: BaseException) -> None:
        """Leave no file that was not there before."""
        if self._thread.is_alive():
            try:
                self._put(error)
            except BaseException:
                return
            self._thread.join()

    def _put(self, item: tuple[Frame, Depth] | BaseException | None) -> None:
        while self._thread.is_alive():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            first = self._queue.get()
            if not isinstance(first, tuple):
                return
            with ExitStack() as stack:
                adders = [stack.enter_context(result.open(self._source, first[1])) for result in self._results]
                item = first
                while item is not None:
                    if isinstance(item, BaseException):
                        raise item  # noqa: TRY301 -- through the results, which take back what they began
                    for add in adders:
                        add(*item)
                    self._advance()
                    item = self._queue.get()
        except BaseException as error:
            self._error = error
