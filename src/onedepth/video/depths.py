"""Frames → metric depth: decoding runs ahead, several frames are predicted at once, the order is kept."""

from __future__ import annotations

import math
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from onedepth.canonical import canonical_focal_px
from onedepth.depth import Depth, FocalSource, Intrinsics
from onedepth.errors import OnedepthError
from onedepth.stabilise import STABILISERS, Stabiliser
from onedepth.video.source import Facts, Frame, Source

if TYPE_CHECKING:
    from onedepth.predictor import Predictor

T = TypeVar("T")
AHEAD = 3
"""Frames that are decoded and wait for the model."""
AT_ONCE = 2
"""Frames that are predicted at the same time: while one is in a serial part of the network, another keeps the cores
busy."""


class Ahead(Generic[T]):
    """An iterator whose items are made in a thread of their own, some ahead of their use.

    What the iterator raises is raised where its items are taken.
    """

    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._queue: queue.Queue[tuple[str, T | BaseException | None]] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._items = items
        self._thread = threading.Thread(target=self._run, name="onedepth-reader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        while True:
            kind, item = self._queue.get()
            if kind == "item":
                yield item  # pyright: ignore[reportReturnType]
            elif kind == "error":
                raise item  # pyright: ignore[reportGeneralTypeIssues]
            else:
                return

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._queue.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def _put(self, kind: str, item: T | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put((kind, item), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put("item", item):
                    return
        except BaseException as error:
            self._put("error", error)
        else:
            self._put("end", None)
        finally:
            close = getattr(self._items, "close", None)  # a generator's file is closed in the thread that reads it
            if close is not None:
                close()


def depth_stream(
    predictor: Predictor,
    source: Source,
    *,
    focal_px: float | None = None,
    fov_deg: float | None = None,
    stabilise: str = "off",
    wanted: Callable[[Frame], bool] | None = None,
    stopped: threading.Event | None = None,
) -> Iterator[tuple[Frame, Depth]]:
    """Each frame with its depth, in order.

    At most `AHEAD` frames are decoded ahead, `AT_ONCE` predicted at a time, and what the stabiliser looks ahead is held
    back; nothing else is kept. Of a live source nothing is read ahead: each frame is the newest. A stabiliser begins
    anew where the frames change size.

    Args:
        predictor: the model.
        source: where the frames come from; the caller closes it.
        focal_px: focal length in pixels of the upright frames.
        fov_deg: horizontal field of view in degrees, instead.
        stabilise: key of `STABILISERS`.
        wanted: which frames to predict; the others are left out. For all, None.
        stopped: set, it ends the frames; those already predicted still come.

    Raises:
        OnedepthError: unknown stabiliser, impossible camera, or a source that cannot be read at all.
    """
    make = stabiliser(stabilise)
    cameras = Cameras(predictor, source.facts, focal_px, fov_deg)
    steady = _Steady(make, cameras)
    if source.facts.live:
        for frame in source.frames():
            if stopped is not None and stopped.is_set():
                break
            yield from steady.push(frame, cameras.depth_m(frame.image))
        yield from steady.finish()
        return
    at_once = AT_ONCE if predictor.concurrent else 1
    ahead = Ahead(source.frames(), AHEAD)
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="onedepth-model")
    pending: deque[tuple[Frame, Future[NDArray[np.float32]]]] = deque()
    try:
        for frame in ahead:
            if stopped is not None and stopped.is_set():
                break
            if wanted is not None and not wanted(frame):
                continue
            pending.append((frame, pool.submit(cameras.depth_m, frame.image)))
            if len(pending) > at_once:
                first, answer = pending.popleft()
                yield from steady.push(first, answer.result())
        while pending:
            first, answer = pending.popleft()
            yield from steady.push(first, answer.result())
        yield from steady.finish()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ahead.close()


def stabiliser(name: str) -> Callable[[], Stabiliser]:
    """What makes a stabiliser of `STABILISERS`.

    Raises:
        OnedepthError: there is none of this name.
    """
    if name not in STABILISERS:
        raise OnedepthError(f"--stabilize: no such way {name!r}, there are {', '.join(STABILISERS)}")
    return STABILISERS[name]


class Cameras:
    """The camera of a source's frames, for each size that they have, and the model behind it."""

    def __init__(self, predictor: Predictor, facts: Facts, focal_px: float | None, fov_deg: float | None) -> None:
        self._predictor, self._facts = predictor, facts
        self._focal_px, self._fov_deg = focal_px, fov_deg
        self._known: dict[tuple[int, int], tuple[Intrinsics, FocalSource]] = {}

    def of(self, height: int, width: int) -> tuple[Intrinsics, FocalSource]:
        """Intrinsics of frames of this size, and how their focal length is known."""
        if (height, width) not in self._known:
            focal, known = self._predictor.focal(
                height, width, focal_px=self._focal_px, fov_deg=self._fov_deg, exif_px=self._facts.focal_px
            )
            aspect = float(self._facts.sample_aspect)
            if known == "assumed":  # canonical for the picture's area; wide pixels are fewer along a row
                focal = canonical_focal_px(height, width, self._predictor.card.canonical_focal) / math.sqrt(aspect)
            camera = Intrinsics(focal, focal * aspect, (width - 1) / 2, (height - 1) / 2)
            self._known[height, width] = camera, known
        return self._known[height, width]

    def depth_m(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Metres `[H, W]`; the model sees pixels that are not square as square ones."""
        height, width = image.shape[:2]
        camera, _ = self.of(height, width)
        if self._facts.sample_aspect == 1:
            return self._predictor.depth_m(image, camera)
        from PIL import Image

        wide = max(1, round(width * self._facts.sample_aspect))
        square = np.asarray(Image.fromarray(image).resize((wide, height), Image.Resampling.BILINEAR))
        depth_m = self._predictor.depth_m(square, Intrinsics.centred(camera.fy, height, wide))
        return np.asarray(Image.fromarray(depth_m).resize((width, height), Image.Resampling.NEAREST))

    def result(self, frame: Frame, depth_m: NDArray[np.float32]) -> Depth:
        """The `Depth` of a frame."""
        camera, known = self.of(*depth_m.shape)
        name = f"{self._facts.name}_{frame.index:06d}"
        return Depth(depth_m, frame.image, camera, known, self._predictor.card.title, name)


class _Steady:
    """Frames and the depths that a stabiliser gives back for them, some later."""

    def __init__(self, make: Callable[[], Stabiliser], cameras: Cameras) -> None:
        self._make, self._cameras = make, cameras
        self._filter: Stabiliser | None = None
        self._waiting: deque[Frame] = deque()

    def push(self, frame: Frame, depth_m: NDArray[np.float32]) -> Iterator[tuple[Frame, Depth]]:
        """What is ready after one more frame."""
        if self._waiting and self._waiting[-1].image.shape != frame.image.shape:
            yield from self.finish()
        if self._filter is None or self._shape != frame.image.shape:
            self._filter, self._shape = self._make(), frame.image.shape
        self._waiting.append(frame)
        yield from self._out(self._filter.push(frame.image, depth_m))

    def finish(self) -> Iterator[tuple[Frame, Depth]]:
        """What was held back."""
        if self._filter is not None:
            yield from self._out(self._filter.finish())
            self._filter = None

    def _out(self, depths: list[NDArray[np.float32]]) -> Iterator[tuple[Frame, Depth]]:
        for depth_m in depths:
            frame = self._waiting.popleft()
            yield frame, self._cameras.result(frame, depth_m)
