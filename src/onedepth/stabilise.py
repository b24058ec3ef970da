"""Depth of a video without flicker: frames and their depths in, steadier depths out.

A model that sees one frame at a time jitters: most of all by a factor common to the whole frame, and less, slowly
varying over the picture, in shape. Both are averaged over time here, in ln depth, along the motion:

1. **Motion.** Optical flow to the frame before, on pictures of about 80 × 60 (`onedepth.optical_flow`).
2. **What the camera does to depth.** Walking towards a wall makes it nearer, and an average that does not know that
   lags behind. The camera's own motion is fitted to flow and depth (`onedepth.ego_motion`). The stabilised depth of the
   frame before, moved by the flow and changed by that, is the *expected* depth.
3. **Trust**, 0…1 for every pixel: grey levels must agree, but for a change of brightness common to the frame; the depth
   may not be far from what is expected; and it may not be off the same way for several frames. What was hidden, what
   jumps and what comes nearer by itself is taken as the model says it.
4. **Average.** A pixel that was trusted for n frames counts n, at most `MOST` − 1:
   s = expected + (measured − expected) / (n + 1). The factor common to the frame is the median of measured − expected.
   It is taken off first, and followed more slowly.
5. The difference to the model's depth, a small picture, is enlarged and multiplied onto it: edges stay as sharp as the
   model made them.

A cut, that is a frame whose grey levels are not found in the one before, begins anew, and so does a change of size.
Memory does not grow with the length of the video. What was measured, and against what: docs/stabilisation.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onedepth.blas import one_thread
from onedepth.ego_motion import depth_change
from onedepth.optical_flow import blurred, doubled, flow, gradient, halved, inside, pyramid, sample
from onedepth.reduction import Reduction

Float = NDArray[np.floating]  # float32 throughout
Size = tuple[int, int]

SIDE = 160  # longest side of the fields that are filtered, pixels
MOST = 10  # frames of its past that a pixel counts at most
MOST_LEVEL = 16  # the same for the factor common to a frame
AHEAD = 8  # frames that `best` looks ahead at least
CHUNK = 8  # frames that it gives back at once

JUMP = 0.15  # ln depth: half trusted is a pixel that is so far from what is expected,
LAG = 0.04  # or that stays so far for several frames;
_TRUST_SIGMA = 0.8  # pixels of half the fields' size
_LAG_SHARE = 0.25  # what the newest frame counts in the mean that tells
GREY = 5.0  # grey levels: half trusted is a pixel that changed so much,
GREY_PER_GRADIENT = 0.5  # and this many pixels' worth of its gradient
LEVEL = 0.25  # ln depth: half trusted is a frame whose common factor is so far from what is expected
CUT = 0.5  # it is a cut where the pictures correlate by less than this,
CUT_GREY = 4.0  # unless they differ by no more than noise, grey levels (root of the mean square)


class Stabiliser(Protocol):
    """Takes the frames of a video one by one, in order, and gives back as many depth maps in the same order."""

    def push(self, image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Take the next frame.

        Args:
            image: uint8 `[H, W, 3]`, RGB. Frames of another size than the one before begin anew.
            depth_m: float32 `[H, W]`, the model's metres for it. A pixel that is NaN, infinite or not above 0 has no
                depth, is given back as it is and has no influence.

        Returns:
            Depth maps float32 `[H, W]` that are ready now, in order of frames.

        Raises:
            ValueError: image and depth are of different sizes.
        """
        ...

    def finish(self) -> list[NDArray[np.float32]]:
        """The depth maps that were held back, in order; after it the stabiliser is as new."""
        ...


class Unchanged:
    """`off`: what comes goes."""

    def push(self, image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """See `Stabiliser`; the very array is given back."""
        _check(image, depth_m)
        return [depth_m]

    def finish(self) -> list[NDArray[np.float32]]:
        """Nothing is held back."""
        return []


class Causal:
    """`fast`: from this frame and those before it, without delay."""

    def __init__(self) -> None:
        self._before: tuple[_Frame, _State] | None = None

    def push(self, image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """See `Stabiliser`; one frame in, one out."""
        with one_thread():
            frame, state, _ = _follow(self._before, image, depth_m)
            self._before = (frame, state)
            return [_corrected(depth_m, frame, state.log)]

    def finish(self) -> list[NDArray[np.float32]]:
        """Nothing is held back; the frames so far are forgotten."""
        self._before = None
        return []


class BothWays:
    """`best`: from the frames before and after, 8 to 15 of them.

    The same average is run from the end of the window back to the frame, and the two are put together by what they
    count (a two-filter smoother: Fraser and Potter, IEEE TAC 14(4), 1969). What lags in the one leads in the other.

    At most `AHEAD + CHUNK` depth maps are held: 16 × 4 bytes a pixel, 20 MB for 640×480 and 530 MB for 3840×2160.
    """

    def __init__(self) -> None:
        self._held: list[_Held] = []

    def push(self, image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """See `Stabiliser`; nothing for a while, then `CHUNK` depth maps at once."""
        _check(image, depth_m)
        ready = []
        if self._held and self._held[-1].frame.reduction.size != _size(depth_m):
            ready = self.finish()
        before = (self._held[-1].frame, self._held[-1].state) if self._held else None
        with one_thread():
            frame, state, begins = _follow(before, image, depth_m)
        self._held.append(_Held(frame, state, begins, depth_m))
        if len(self._held) >= AHEAD + CHUNK:
            ready += self._released(CHUNK)
        return ready

    def finish(self) -> list[NDArray[np.float32]]:
        """The last of them, with whatever follows each."""
        return self._released(len(self._held))

    def _released(self, count: int) -> list[NDArray[np.float32]]:
        """The first `count` of what is held."""
        with one_thread():
            return self._put_together(count)

    def _put_together(self, count: int) -> list[NDArray[np.float32]]:
        ready: list[NDArray[np.float32]] = []
        later: _State | None = None
        for number in range(len(self._held) - 1, -1, -1):
            held = self._held[number]
            expected = None
            if later is not None and not self._held[number + 1].begins:
                expected = _expected(later, self._held[number + 1].frame, held.frame)
            if number < count:
                ready.append(_corrected(held.depth_m, held.frame, _joined(held.state, expected)))
            # Of what follows, no more counts than every frame has: else the last of a chunk would stand apart.
            later = _updated(expected, held.frame, AHEAD, AHEAD)
        del self._held[:count]
        return ready[::-1]


STABILISERS: dict[str, Callable[[], Stabiliser]] = {"off": Unchanged, "fast": Causal, "best": BothWays}
"""By name, from the quickest to the steadiest."""


@dataclass(frozen=True)
class _Frame:
    """What is kept of a frame.

    Attributes:
        reduction: from its size to that of the fields.
        grey: levels 0…255 `[h, w]`.
        levels: `pyramid` of half of that.
        log: ln depth `[h, w]`.
        known: 1 where there is a depth, 0 elsewhere, `[h, w]`; or just 1.
    """

    reduction: Reduction
    grey: Float
    levels: list[Float]
    log: Float
    known: Float | np.float32

    @classmethod
    def of(cls, image: NDArray[np.uint8], depth_m: NDArray[np.float32], reduction: Reduction) -> _Frame:
        grey = reduction.grey(image)
        log, whole = reduction.log_depth(depth_m)
        known: Float | np.float32 = np.float32(1)
        if not whole:
            there = np.isfinite(log)
            log = np.where(there, log, np.median(log[there]) if there.any() else np.float32(0))
            known = there.astype(np.float32)
        return cls(reduction, grey, pyramid(halved(grey)), log, known)


@dataclass(frozen=True)
class _State:
    """What the frames up to one say of it.

    Attributes:
        log: ln depth `[h, w]`.
        weight: how many frames it is the mean of `[h, w]`.
        lag: running mean of measured less expected ln depth `[h, w]`.
        frames: how many frames its level is the mean of.
    """

    log: Float
    weight: Float
    lag: Float
    frames: float


@dataclass(frozen=True)
class _Expected:
    """The state of a neighbouring frame, brought to this one.

    Attributes:
        log: ln depth `[h, w]`, at the neighbour's level.
        weight: how many frames it counts for `[h, w]`: less where it is not trusted.
        lag: as in `_State`.
        level: how much this frame's measured depth is above it in the middle, ln.
        frames: as in `_State`.
    """

    log: Float
    weight: Float
    lag: Float
    level: np.float32
    frames: float


@dataclass(frozen=True)
class _Held:
    frame: _Frame
    state: _State
    begins: bool  # the first of the video, or after a cut
    depth_m: NDArray[np.float32]


def _check(image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> None:
    if image.shape != (*depth_m.shape, 3):
        raise ValueError(f"image is of shape {image.shape}, depth_m of {depth_m.shape}; expected [H, W, 3] and [H, W]")


def _size(depth_m: NDArray[np.float32]) -> Size:
    return depth_m.shape[0], depth_m.shape[1]


def _follow(
    before: tuple[_Frame, _State] | None, image: NDArray[np.uint8], depth_m: NDArray[np.float32]
) -> tuple[_Frame, _State, bool]:
    """The next frame, what all so far say of it, and whether it begins anew."""
    _check(image, depth_m)
    size = _size(depth_m)
    if before is None or before[0].reduction.size != size:
        frame = _Frame.of(image, depth_m, Reduction(size, SIDE))
        return frame, _updated(None, frame), True
    frame = _Frame.of(image, depth_m, before[0].reduction)
    expected = _expected(before[1], before[0], frame)
    return frame, _updated(expected, frame), expected is None


def _expected(state: _State, neighbour: _Frame, frame: _Frame) -> _Expected | None:
    """What the neighbour's state lets expect of a frame; None across a cut."""
    height, width = frame.grey.shape
    coarse = flow(frame.levels, neighbour.levels)
    motion = doubled(coarse, height, width) * np.float32(2)
    grey, log, weight, lag = sample(np.stack((neighbour.grey, state.log, state.weight, state.lag)), motion)
    log -= doubled(
        depth_change(coarse, halved(frame.log), frame.reduction.size, 2 * frame.reduction.factor), height, width
    )
    seen = inside(motion)
    if _is_cut(frame.grey[seen], grey[seen]):
        return None
    trust = _agreement(frame.grey, grey) * seen
    trust *= frame.known
    off = frame.log - log
    level = _middle(off[trust * weight > 0.5])
    off -= level
    lag += np.float32(_LAG_SHARE) * (off - lag)
    trust *= _gate(off, JUMP) * _gate(lag, LAG)
    trust = _smoothed(trust)
    return _Expected(log, weight * trust, lag * trust, level, state.frames)


def _is_cut(grey: Float, moved: Float) -> bool:
    """Whether the grey levels `[n]` of two pictures have nothing to do with each other."""
    if not grey.size:
        return True
    grey, moved = grey - grey.mean(), moved - moved.mean()
    apart = grey - moved
    if float(apart @ apart) <= CUT_GREY**2 * grey.size:
        return False
    return float(grey @ moved) < CUT * np.sqrt(float(grey @ grey) * float(moved @ moved))


def _agreement(grey: Float, moved: Float) -> Float:
    """How far two pictures' grey levels agree, 0…1 `[h, w]`, but for a change of brightness common to all."""
    apart = grey - moved
    apart -= np.median(apart[::2, ::2])
    along_x, along_y = gradient(grey)
    tolerance = (np.abs(along_x) + np.abs(along_y)) * np.float32(GREY_PER_GRADIENT) + np.float32(GREY)
    return _gate(apart / tolerance, 1)


def _gate(values: Float | np.float32, scale: float) -> Float:
    """1 for values well below `scale` either way, ½ at it, 0 far above."""
    square = np.square(values * np.float32(1 / scale))
    return np.reciprocal(np.square(square) + np.float32(1))


def _smoothed(trust: Float) -> Float:
    """Trust `[h, w]` that does not change from pixel to pixel, and is little where some neighbours have little."""
    height, width = trust.shape
    least = trust[::2].copy()
    np.minimum(least[: height // 2], trust[1::2], out=least[: height // 2])
    few = least[:, ::2].copy()
    np.minimum(few[:, : width // 2], least[:, 1::2], out=few[:, : width // 2])
    return np.square(doubled(blurred(few, _TRUST_SIGMA), height, width))


def _middle(values: Float) -> np.float32:
    """Median of some four thousand of the values `[n]`; 0 of none."""
    return np.float32(np.median(values[:: max(1, values.size // 4000)])) if values.size else np.float32(0)


def _updated(expected: _Expected | None, frame: _Frame, most: int = MOST, most_level: int = MOST_LEVEL) -> _State:
    """What is expected and what is measured, put together."""
    if expected is None:
        none = np.zeros_like(frame.log)
        return _State(frame.log, none + frame.known, none, 1.0)
    weight = np.minimum(expected.weight, np.float32(most - 1)) + frame.known
    frames = min(expected.frames * float(_gate(expected.level, LEVEL)) + 1, most_level)
    off = frame.log - expected.log - expected.level
    log = expected.log + off * (frame.known / np.maximum(weight, np.float32(1e-6)))
    return _State(log + expected.level * np.float32(1 / frames), weight, expected.lag, frames)


def _joined(state: _State, expected: _Expected | None) -> Float:
    """The ln depth `[h, w]` by the frames up to one and by those after it."""
    if expected is None:
        return state.log
    above = state.log - expected.log
    level = _middle(above[expected.weight > 0.5])
    share = expected.weight / np.maximum(expected.weight + state.weight, np.float32(1e-6))
    weight = expected.frames * float(_gate(level, LEVEL))
    share_level = weight / (weight + state.frames)
    return state.log - (above - level) * share - level * np.float32(share_level)


def _corrected(depth_m: NDArray[np.float32], frame: _Frame, log: Float) -> NDArray[np.float32]:
    """The model's depth `[H, W]`, brought to ln depth `[h, w]` where it is known."""
    factor = np.exp(np.clip(log - frame.log, -1, 1) * frame.known)
    steady_m = np.multiply(depth_m, frame.reduction.enlarged(factor), dtype=np.float32)
    if isinstance(frame.known, np.ndarray):  # what has no depth is left as it is
        steady_m = np.where((depth_m > 0) & (depth_m < np.inf), steady_m, depth_m)
    return steady_m
