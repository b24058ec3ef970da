"""Depth of a video without flicker: frames and their depths in, steadier depths out.

A model that sees one frame at a time jitters: by a factor common to the whole frame most of all, and by less, slowly varying over the
picture, in shape. Both are averaged over time here, in ln depth, along the motion:

1. **Motion.** Optical flow to the frame before, on pictures of about 80 × 60 (`onedepth.optical_flow`).
2. **What the camera does to depth.** Walking towards a wall makes it nearer, and an average that does not know lags
   behind. The camera's small motion (rotation ω, translation t) is fitted to flow and depth: with normalised coordinates x, y, depth Z,

       flow_x = (t_x − x t_z) / Z − ω_x x y + ω_y (1 + x²) − ω_z y
       flow_y = (t_y − y t_z) / Z − ω_x (1 + y²) + ω_y x y + ω_z x         Δ ln Z = t_z / Z + ω_x y − ω_y x

   (Longuet-Higgins and Prazdny, Proc. R. Soc. B 208, 1980), linear in the six unknowns, by weighted least squares that give little
   weight to what moves by itself. The stabilised depth of the frame before is moved by flow and Δ ln Z: the *expected* depth.
3. **Trust**, 0…1 for every pixel: grey levels must agree (up to a change of brightness common to the frame); the depth
   may not be far from what is expected; and it may not differ the same way for several frames. What was hidden, what jumps and what is coming
   nearer by itself is thus taken as the model says it.
4. **Average.** A pixel that was trusted for n frames counts n, at most `MOST`: s = expected + (measured − expected) / (n + 1).
   The factor common to the frame is the median of (measured − expected), and follows more slowly.
5. The difference to the model's depth, a small picture, is enlarged and multiplied onto it: edges stay as sharp as the model
   made them.

A cut, that is a frame whose grey levels are not found in the one before, begins anew, and so does a change of size.
Memory does not grow with the length of the video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onedepth.ego_motion import depth_change
from onedepth.optical_flow import doubled, flow, gradient, halved, inside, pyramid, sample
from onedepth.reduction import Reduction

Float = NDArray[np.float32]
P = dict(beta=0.25, lag=0.04, jump=0.15, photo=5.0, grad=0.5)

SIDE = 160  # longest side of the fields that are filtered, pixels
MOST = 10.0  # frames of its past that a pixel counts at most
MOST_SCALE = 16.0  # the same for the factor common to a frame


class Stabiliser(Protocol):
    """Takes the frames of a video one by one, in order, and gives back as many depth maps in the same order."""

    def push(self, image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Take the next frame.

        Args:
            image: uint8 `[H, W, 3]`, RGB.
            depth_m: float32 `[H, W]`, the model's metres for it.

        Returns:
            Depth maps that are ready now, in order of frames.
        """
        ...

    def finish(self) -> list[NDArray[np.float32]]:
        """The depth maps that were held back; after it the stabiliser is as new."""
        ...


@dataclass(frozen=True)
class _Frame:
    """What is kept of a frame: grey levels `[h, w]`, their pyramid from half that size on, ln depth `[h, w]`, 1 where it is known."""

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
    """What the frames so far say of one frame.

    Attributes:
        log: ln depth `[h, w]`.
        weight: how many frames it is the mean of `[h, w]`.
        lag: running mean of measured − expected `[h, w]`.
        frames: how many frames its level is the mean of.
    """

    log: Float
    weight: Float
    lag: Float
    frames: float


def _fresh(frame: _Frame) -> _State:
    return _State(frame.log, np.zeros_like(frame.log) + frame.known, np.zeros_like(frame.log), 1.0)


@dataclass(frozen=True)
class _Expected:
    """A neighbour's state brought to a frame.

    Attributes:
        log: ln depth `[h, w]`, at the neighbour's level.
        weight: how many frames it counts for `[h, w]`, less where it is not trusted.
        lag: as in `_State`.
        level: how much the frame's measured depth is above it, in the middle.
        frames: as in `_State`.
    """

    log: Float
    weight: Float
    lag: Float
    level: np.float32
    frames: float


def _expected(state: _State, neighbour: _Frame, frame: _Frame) -> _Expected | None:
    """None across a cut."""
    height, width = frame.grey.shape
    coarse = flow(frame.levels, neighbour.levels)
    motion = np.stack([doubled(part, height, width) for part in coarse]) * np.float32(2)
    moved = sample(np.stack((neighbour.grey, state.log, state.weight, state.lag)), motion)
    grey, log, weight, lag = moved
    change = depth_change(coarse, halved(frame.log), frame.reduction.size, 2 * frame.reduction.factor)
    log -= doubled(change, height, width)
    trust = _agreement(frame.grey, grey) * inside(motion)
    trusted = trust > 0.5
    if np.count_nonzero(trusted) < 0.3 * trusted.size:
        return None
    trust *= frame.known
    off = frame.log - log
    sure = off[(trust * weight) > 0.5]
    level = np.float32(np.median(sure[:: max(1, sure.size // 4000)])) if sure.size else np.float32(0)
    off -= level
    beta = np.float32(P["beta"])
    lag += beta * (off - lag)
    trust *= _gate(off, P["jump"]) * _gate(lag, P["lag"])
    return _Expected(log, weight * trust, lag * trust, level, state.frames)


def _agreement(grey: Float, moved: Float) -> Float:
    apart = grey - moved
    apart -= np.median(apart[::2, ::2])
    along_x, along_y = gradient(grey)
    tolerance = np.abs(along_x) + np.abs(along_y)
    tolerance *= np.float32(P["grad"])
    tolerance += np.float32(P["photo"])
    return _gate(apart / tolerance, 1)


def _gate(values: Float, scale: float) -> Float:
    """1 for values well below `scale` either way, ½ at it, 0 far above."""
    square = values * np.float32(1 / scale)
    square *= square
    square *= square
    square += 1
    return np.reciprocal(square, out=square)


def _updated(expected: _Expected | None, frame: _Frame) -> _State:
    if expected is None:
        return _fresh(frame)
    before = np.minimum(expected.weight, np.float32(MOST - 1))
    weight = before + frame.known
    frames = min(expected.frames + 1, MOST_SCALE)
    share = frame.known / np.maximum(weight, np.float32(1e-6))
    off = frame.log - expected.log - expected.level
    return _State(expected.log + off * share + expected.level / np.float32(frames), weight, expected.lag, frames)


def _corrected(depth_m, frame: _Frame, log: Float):
    factor = np.exp(np.clip(log - frame.log, -1, 1) * frame.known)
    return depth_m * frame.reduction.enlarged(factor)


class Off:
    def push(self, image, depth_m):
        return [depth_m]

    def finish(self):
        return []


class Fast:
    def __init__(self) -> None:
        self._before: tuple[_Frame, _State] | None = None

    def push(self, image, depth_m):
        size = (depth_m.shape[0], depth_m.shape[1])
        same = self._before is not None and self._before[0].reduction.size == size
        frame = _Frame.of(image, depth_m, self._before[0].reduction if same else Reduction(size, SIDE))
        expected = _expected(self._before[1], self._before[0], frame) if same else None
        state = _updated(expected, frame)
        self._before = (frame, state)
        return [_corrected(depth_m, frame, state.log)]

    def finish(self):
        self._before = None
        return []
