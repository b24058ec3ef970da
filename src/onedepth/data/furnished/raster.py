"""What each pixel sees: triangles into a depth buffer, compiled by Numba.

The camera frame is OpenCV's (x right, y down, z forward), the middles of pixels lie at whole numbers. 1 / z is
linear in the picture, so the depth of a pixel is that of the triangle's plane at the pixel's middle, to the
precision of the float32 in which 1 / z is stored.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

NEAR_M = 0.05
NOTHING = -1


def empty_view(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Buffers for `draw`: 1 / depth, float32 `[H, W]`, 1/m, 0 = nothing seen; face number, int32 `[H, W]`, -1."""
    return np.zeros((height, width), np.float32), np.full((height, width), NOTHING, np.int32)


@njit(cache=True, error_model="numpy")
def _fill(x0, y0, w0, x1, y1, w1, x2, y2, w2, number, inverse, numbers):
    height, width = inverse.shape
    top = max(0, math.ceil(min(y0, y1, y2)))
    bottom = min(height - 1, math.floor(max(y0, y1, y2)))
    if top > bottom:
        return
    if math.ceil(min(x0, x1, x2)) > min(width - 1, math.floor(max(x0, x1, x2))) or max(x0, x1, x2) < 0:
        return
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area == 0:
        return
    # 1 / z = w0 + slope_x (x - x0) + slope_y (y - y0)
    slope_x = ((w1 - w0) * (y2 - y0) - (w2 - w0) * (y1 - y0)) / area
    slope_y = ((w2 - w0) * (x1 - x0) - (w1 - w0) * (x2 - x0)) / area
    for y in range(top, bottom + 1):
        left, right = 1e30, -1e30
        # Where the row crosses the three edges.
        for edge in range(3):
            if edge == 0:
                ax, ay, bx, by = x0, y0, x1, y1
            elif edge == 1:
                ax, ay, bx, by = x1, y1, x2, y2
            else:
                ax, ay, bx, by = x2, y2, x0, y0
            if ay > by:  # from above to below, so that neighbours find the same crossing to the last bit
                ax, ay, bx, by = bx, by, ax, ay
            if ay <= y <= by:
                if by > ay:
                    x = ax + (bx - ax) * ((y - ay) / (by - ay))
                    left, right = min(left, x), max(right, x)
                else:
                    left, right = min(left, ax, bx), max(right, ax, bx)
        first = max(0, math.ceil(left)) if left < width else width
        last = min(width - 1, math.floor(right)) if right >= 0 else -1
        base = w0 + slope_y * (y - y0) - slope_x * x0
        for column in range(first, last + 1):
            w = np.float32(base + slope_x * column)
            if w > inverse[y, column]:
                inverse[y, column] = w
                numbers[y, column] = number


@njit(cache=True, error_model="numpy")
def draw(vertices, faces, pose, camera, first, inverse, numbers):
    """Draw a mesh into the buffers where it is nearer than what is there; both sides of a face are seen.

    Args:
        vertices: float32 `[V, 3]`, metres.
        faces: int32 `[F, 3]`.
        pose: float64 `[3, 4]`, from the mesh's frame to the camera's.
        camera: float64 `[4]`: fx, fy, cx, cy in pixels of the buffers.
        first: number of the mesh's first face.
        inverse: float32 `[H, W]`, 1 / depth, 1/m.
        numbers: int32 `[H, W]`, the faces seen.
    """
    count = vertices.shape[0]
    fx, fy, cx, cy = camera[0], camera[1], camera[2], camera[3]
    points = np.empty((count, 3))
    flat = np.empty((count, 3))
    for i in range(count):
        vx, vy, vz = np.float64(vertices[i, 0]), np.float64(vertices[i, 1]), np.float64(vertices[i, 2])
        for row in range(3):
            points[i, row] = pose[row, 0] * vx + pose[row, 1] * vy + pose[row, 2] * vz + pose[row, 3]
        z = points[i, 2]
        if z >= NEAR_M:
            flat[i, 0] = fx * points[i, 0] / z + cx
            flat[i, 1] = fy * points[i, 1] / z + cy
            flat[i, 2] = 1 / z
    cut = np.empty((4, 3))
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        before = (points[a, 2] >= NEAR_M) + (points[b, 2] >= NEAR_M) + (points[c, 2] >= NEAR_M)
        if before == 0:
            continue
        if before == 3:
            _fill(
                flat[a, 0], flat[a, 1], flat[a, 2],
                flat[b, 0], flat[b, 1], flat[b, 2],
                flat[c, 0], flat[c, 1], flat[c, 2],
                first + face, inverse, numbers,
            )  # fmt: skip
            continue
        corners = 0
        for k in range(3):
            i, j = faces[face, k], faces[face, (k + 1) % 3]
            zi, zj = points[i, 2], points[j, 2]
            if zi >= NEAR_M:
                cut[corners] = flat[i]
                corners += 1
            if (zi >= NEAR_M) != (zj >= NEAR_M):
                share = (NEAR_M - zi) / (zj - zi)
                px = points[i, 0] + share * (points[j, 0] - points[i, 0])
                py = points[i, 1] + share * (points[j, 1] - points[i, 1])
                cut[corners, 0] = fx * px / NEAR_M + cx
                cut[corners, 1] = fy * py / NEAR_M + cy
                cut[corners, 2] = 1 / NEAR_M
                corners += 1
        for k in range(1, corners - 1):
            _fill(
                cut[0, 0], cut[0, 1], cut[0, 2],
                cut[k, 0], cut[k, 1], cut[k, 2],
                cut[k + 1, 0], cut[k + 1, 1], cut[k + 1, 2],
                first + face, inverse, numbers,
            )  # fmt: skip
