"""How well the depths of a video agree with each other when its camera's path is known.

Temporal alignment error (Yang et al., Depth Any Video, arXiv 2410.10815; Chen et al., Video Depth Anything, arXiv
2501.12375): the points of each frame are put where the next frame's camera sees them, and their depth is compared with
what that frame says, as │projected − said│ / said, averaged over the pixels that both know; and the same back. The
result is the mean over all neighbouring frames and both directions, as a share (papers print it in per cent).

    TAE = 1 / (2 (N − 1)) · Σ_k [ AbsRel(k seen from k + 1, k + 1) + AbsRel(k + 1 seen from k, k) ]

Differences from the published script: where several points fall on one pixel the nearest counts, since it hides the
others (there the last one written does); each frame has its own intrinsics (there the first's); frames that see
nothing in common are counted apart and are in no mean (there they count as a perfect 0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onedepth.depth import Intrinsics
from onedepth.point_cloud import unproject


class TemporalAlignment:
    """The error of a video, one frame at a time; only the frame before is kept.

    Attributes:
        frames: how many were added.
        apart: how many directions between neighbouring frames had no pixel in common; they are in no mean.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.apart = 0
        self._sum = 0.0
        self._count = 0
        self._before: tuple[NDArray[np.floating], Intrinsics, NDArray[np.float64]] | None = None

    def add(
        self,
        depth_m: NDArray[np.floating],
        intrinsics: Intrinsics,
        camera_to_world: NDArray[np.floating],
        valid: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add the next frame.

        Args:
            depth_m: `[H, W]`, metres; pixels that are NaN, infinite or not above 0 take no part.
            intrinsics: of this frame, in its pixels.
            camera_to_world: `[4, 4]`, camera frame (x right, y down, z forward, metres) to a world that stands still.
            valid: bool `[H, W]`; pixels where it is False take no part, such as those of things that move.

        Raises:
            ValueError: the pose is no rigid motion, or arrays are of different shapes.
        """
        pose = checked_pose(camera_to_world)
        known = np.isfinite(depth_m) & (depth_m > 0)
        if valid is not None:
            if valid.shape != depth_m.shape:
                raise ValueError(f"valid is of shape {valid.shape}, expected {depth_m.shape}")
            known &= valid
        depth_m = np.where(known, depth_m, np.nan)
        now = (depth_m, intrinsics, pose)
        if self._before is not None:
            for source, target in ((self._before, now), (now, self._before)):
                error = _directed(source, target)
                if error is None:
                    self.apart += 1
                else:
                    self._sum += error
                    self._count += 1
        self._before = now
        self.frames += 1

    def result(self) -> float:
        """The temporal alignment error as a share.

        Raises:
            ValueError: no two neighbouring frames had a pixel in common.
        """
        if not self._count:
            raise ValueError(f"of {self.frames} frames no two neighbours have a pixel in common")
        return self._sum / self._count


def reproject(
    depth_m: NDArray[np.floating],
    intrinsics: Intrinsics,
    to_target: NDArray[np.float64],
    target_intrinsics: Intrinsics,
    target_shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Depth `[H', W']` of a frame's points as another camera sees them; NaN where none falls.

    Args:
        depth_m: `[H, W]`, metres; NaN where unknown.
        intrinsics: of the source.
        to_target: `[4, 4]`, source camera frame to target camera frame.
        target_intrinsics: of the target.
        target_shape: rows and columns of the target.
    """
    points = unproject(depth_m, intrinsics, np.isfinite(depth_m))
    points = points @ to_target[:3, :3].T + to_target[:3, 3]
    points = points[points[:, 2] > 0]  # before the camera
    z = points[:, 2]
    columns = np.rint(points[:, 0] / z * target_intrinsics.fx + target_intrinsics.cx)
    rows = np.rint(points[:, 1] / z * target_intrinsics.fy + target_intrinsics.cy)
    height, width = target_shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    pixels = rows[inside].astype(np.intp) * width + columns[inside].astype(np.intp)
    seen = np.full(height * width, np.inf)
    np.minimum.at(seen, pixels, z[inside])
    return np.where(np.isfinite(seen), seen, np.nan).reshape(height, width)


def _directed(
    source: tuple[NDArray[np.floating], Intrinsics, NDArray[np.float64]],
    target: tuple[NDArray[np.floating], Intrinsics, NDArray[np.float64]],
) -> float | None:
    """Mean relative difference of the source, seen from the target, to the target; None without a common pixel."""
    to_target = np.linalg.inv(target[2]) @ source[2]
    said = target[0].astype(np.float64)
    seen = reproject(source[0], source[1], to_target, target[1], (said.shape[0], said.shape[1]))
    both = np.isfinite(seen) & np.isfinite(said)
    if not both.any():
        return None
    return float(np.mean(np.abs(seen[both] - said[both]) / said[both]))


def checked_pose(pose: NDArray[np.floating]) -> NDArray[np.float64]:
    """The pose in float64 `[4, 4]`.

    Raises:
        ValueError: it is no rigid motion.
    """
    matrix = np.asarray(pose, np.float64)
    if matrix.shape != (4, 4):
        raise ValueError(f"camera_to_world is of shape {matrix.shape}, expected (4, 4)")
    rotation = matrix[:3, :3]
    rigid = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4) and np.linalg.det(rotation) > 0
    if not (rigid and np.isfinite(matrix).all() and np.allclose(matrix[3], (0, 0, 0, 1))):
        raise ValueError("camera_to_world is no rigid motion: expected [[R, t], [0, 1]] with a rotation R")
    return matrix
