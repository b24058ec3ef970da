"""How much the depths of a video jump from frame to frame, beside what its motion explains.

Two figures, both means of │Δ ln depth│ (0.01 is one per cent from one frame to the next), both one frame at a time with
only the frame before kept:

`TrueMotion`, where exact depth z and the camera's path are known, as in `onedepth.data.flythrough`. A prediction p is
off by e = ln p − ln z; a point x of frame k is seen at x′ in frame k − 1, by its true depth and the two poses:

    inconsistency = mean over k of  mean over x seen in both  │e_k(x) − e_{k−1}(x′)│

Nothing that the camera does counts, and neither does an error that stays with its point: metres 20 % off everywhere
score 0. x′ is rounded to a pixel. Points hidden in frame k − 1 are left out: there the true depth is more than 2 % from
the point's.
`onedepth.temporal` has the field's temporal alignment error, which moves points by their predicted depth; in it an
error that stays counts where the camera moves.

`Flicker`, for any footage. x′ is found by the optical flow between the frames themselves:

    flicker = mean over k of  mean over x followed  │ln p_k(x) − ln p_{k−1}(x′)│

A point is followed where the flow there and back returns to within half a pixel of a picture 160 wide or high, and the
grey levels agree. After the warping error of Lai et al. (Learning blind video temporal consistency, ECCV 2018), which
is of colours; the logarithm makes near and far count alike and a constant factor not at all. Its limits:

- what is really coming nearer counts: at 1 m/s and 30 frames a second, things 3 m away change by 1.1 % a frame. Compare
  programs on the same footage, not footage with footage;
- a film that stands still, or is blurred over time, scores 0. Only a figure of truth (AbsRel, `TrueMotion`) tells;
- edges of moving things and what appears behind them are not looked at, nor what is thinner than four pixels of 640;
- the flow is our own (`onedepth.optical_flow`), twice as fine as the one `onedepth.stabilise` follows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onedepth.blas import one_thread
from onedepth.depth import Intrinsics
from onedepth.optical_flow import flow, inside, pyramid, sample
from onedepth.reduction import Reduction
from onedepth.temporal import checked_pose

SAME_SURFACE = 0.02  # relative difference of depth up to which two pixels show one point
FOLLOWED_PX = 0.5
FOLLOWED_GREY = 12.0  # grey levels; less than an edge, more than a camera's noise
SIDE = 160  # longest side of the pictures that are followed, pixels


class _Mean:
    def __init__(self) -> None:
        self.sum, self.count = 0.0, 0

    def add(self, values: NDArray[np.floating]) -> bool:
        """Add the mean of some values; False if there is none."""
        if not values.size:
            return False
        self.sum += float(np.mean(values, dtype=np.float64))
        self.count += 1
        return True


class TrueMotion:
    """Frame-to-frame inconsistency along the true motion; see the module's text.

    Attributes:
        frames: how many were added.
        apart: how many neighbouring frames had no point in common; they are in no mean.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.apart = 0
        self._mean = _Mean()
        self._before: tuple[NDArray[np.floating], NDArray[np.floating], Intrinsics, NDArray[np.float64]] | None = None

    def add(
        self,
        depth_m: NDArray[np.floating],
        true_m: NDArray[np.floating],
        intrinsics: Intrinsics,
        camera_to_world: NDArray[np.floating],
    ) -> None:
        """Add the next frame.

        Args:
            depth_m: `[H, W]`, predicted metres; pixels that are NaN, infinite or not above 0 take no part.
            true_m: `[H, W]`, true metres; likewise.
            intrinsics: of this frame, in its pixels.
            camera_to_world: `[4, 4]`, camera frame (x right, y down, z forward, metres) to a world that stands still.

        Raises:
            ValueError: the pose is no rigid motion, or arrays are of different shapes.
        """
        if depth_m.shape != true_m.shape:
            raise ValueError(f"depth_m is of shape {depth_m.shape}, true_m of {true_m.shape}; expected the same")
        pose = checked_pose(camera_to_world)
        known = _is_depth(depth_m) & _is_depth(true_m)
        error = np.full(depth_m.shape, np.nan)
        error[known] = np.log(depth_m[known].astype(np.float64) / true_m[known])
        now = (error, true_m, intrinsics, pose)
        if self._before is not None and not self._mean.add(_changes(now, self._before)):
            self.apart += 1
        self._before = now
        self.frames += 1

    def result(self) -> float:
        """The inconsistency, natural logarithm: 0.01 is one per cent from frame to frame.

        Raises:
            ValueError: no two neighbouring frames had a point in common.
        """
        return _result(self._mean, self.frames)


class Flicker:
    """The no-reference figure; see the module's text.

    Frames of another size than the one before begin anew: what lies between them is in no mean.

    Attributes:
        frames: how many were added.
        apart: how many neighbouring frames had no pixel that could be followed, as at a cut; they are in no mean.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.apart = 0
        self._mean = _Mean()
        self._reduction: Reduction | None = None
        self._before: tuple[NDArray[np.float32], list[NDArray[np.float32]], NDArray[np.float32]] | None = None

    def add(self, image: NDArray[np.uint8], depth_m: NDArray[np.floating]) -> None:
        """Add the next frame.

        Args:
            image: uint8 `[H, W, 3]`, RGB.
            depth_m: `[H, W]`, metres; pixels that are NaN, infinite or not above 0 take no part.

        Raises:
            ValueError: image and depth are of different sizes.
        """
        size = (image.shape[0], image.shape[1])
        if depth_m.shape != size:
            raise ValueError(f"image is of size {size}, depth_m of {depth_m.shape}; expected the same")
        if self._reduction is None or self._reduction.size != size:
            self._reduction, self._before = Reduction(size, SIDE), None
        with one_thread():
            grey = self._reduction.grey(image)
            log, _ = self._reduction.log_depth(depth_m)
            now = (grey, pyramid(grey), log)
            if self._before is not None and not self._mean.add(_followed_changes(now, self._before)):
                self.apart += 1
        self._before = now
        self.frames += 1

    def result(self) -> float:
        """The flicker, natural logarithm: 0.01 is one per cent from frame to frame.

        Raises:
            ValueError: no two neighbouring frames had a pixel that could be followed.
        """
        return _result(self._mean, self.frames)


def _result(mean: _Mean, frames: int) -> float:
    if not mean.count:
        raise ValueError(f"of {frames} frames no two neighbours have a point in common")
    return mean.sum / mean.count


def _is_depth(depth_m: NDArray[np.floating]) -> NDArray[np.bool_]:
    return (depth_m > 0) & (depth_m < np.inf)


def _changes(
    now: tuple[NDArray[np.floating], NDArray[np.floating], Intrinsics, NDArray[np.float64]],
    before: tuple[NDArray[np.floating], NDArray[np.floating], Intrinsics, NDArray[np.float64]],
) -> NDArray[np.float64]:
    """│e_k − e_{k−1}│ `[n]` of the points that both frames see."""
    error, true_m, intrinsics, pose = now
    error_before, true_before, intrinsics_before, pose_before = before
    rows, columns = np.nonzero(np.isfinite(error))
    z = true_m[rows, columns].astype(np.float64)
    points = np.stack(
        ((columns - intrinsics.cx) / intrinsics.fx * z, (rows - intrinsics.cy) / intrinsics.fy * z, z), axis=1
    )
    back = np.linalg.inv(pose_before) @ pose
    points = points @ back[:3, :3].T + back[:3, 3]
    height, width = error_before.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.rint(points[:, 0] / points[:, 2] * intrinsics_before.fx + intrinsics_before.cx)
        y = np.rint(points[:, 1] / points[:, 2] * intrinsics_before.fy + intrinsics_before.cy)
    seen = (points[:, 2] > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x[seen].astype(np.intp), y[seen].astype(np.intp)
    there = error_before[y, x]
    same = np.isfinite(there)
    same[same] = np.abs(points[seen][same, 2] / true_before[y[same], x[same]] - 1) <= SAME_SURFACE
    return np.abs(error[rows, columns][seen][same] - there[same])


def _followed_changes(
    now: tuple[NDArray[np.float32], list[NDArray[np.float32]], NDArray[np.float32]],
    before: tuple[NDArray[np.float32], list[NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """│ln p_k − ln p_{k−1}│ `[n]` of the pixels that can be followed."""
    back, forth = flow(now[1], before[1]), flow(before[1], now[1])
    there = sample(np.concatenate((forth, np.stack((before[0], before[2])))), back)
    astray = np.hypot(*(back + there[:2]))
    lit = now[0] - there[2]
    followed = inside(back) & (astray <= FOLLOWED_PX) & (np.abs(lit - np.median(lit)) <= FOLLOWED_GREY)
    change = np.abs(now[2] - there[3])[followed]
    return change[np.isfinite(change)]
