"""Where somebody with a camera stands, and what he takes in: as in NYU Depth v2's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onedepth.canonical import NYU_FOCAL
from onedepth.data.furnished.layout import Room
from onedepth.data.furnished.mesh import Item, Mesh
from onedepth.data.furnished.raster import draw, empty_view
from onedepth.depth import Intrinsics

TRIES = 14
GLANCE = (36, 48)  # height and width of the look that a view is judged by, pixels
PROXY_FACES = 2500
PROXY_STRIDE = 100_000  # face numbers between one item and the next
# Of the training pictures' median depths: the middle in metres, and the spread of its logarithm.
USUAL_MEDIAN_M, MEDIAN_SPREAD = 2.85, 0.37
NEAREST_M = 0.7
FARTHEST_M = 10.0


@dataclass(frozen=True)
class View:
    """A camera in a room.

    Attributes:
        eye: float64 `[3]`, metres; y up.
        turn: float64 `[3, 3]`; rows are the camera's right, down and forward in the room's frame.
        intrinsics: in pixels of the picture.
    """

    eye: NDArray[np.float64]
    turn: NDArray[np.float64]
    intrinsics: Intrinsics

    @property
    def pose(self) -> NDArray[np.float64]:
        """From the room's frame to the camera's, `[3, 4]`."""
        return np.hstack([self.turn, -(self.turn @ self.eye)[:, None]])


def draw_intrinsics(rng: np.random.Generator, height: int, width: int) -> Intrinsics:
    """A focal length within a tenth of NYU's, the principal point near the middle."""
    focal = NYU_FOCAL * width * rng.uniform(0.9, 1.1)
    return Intrinsics(
        float(focal), float(focal),
        (width - 1) / 2 + float(rng.uniform(-0.01, 0.01)) * width,
        (height - 1) / 2 + float(rng.uniform(-0.01, 0.01)) * width,
    )  # fmt: skip


def looking(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Turn of a camera, `[3, 3]`: yaw from +z towards +x, pitch upwards, roll clockwise; radians."""
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    right = np.array([-np.cos(yaw), 0.0, np.sin(yaw)])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward])


def scaled_camera(k: Intrinsics, factor: float) -> NDArray[np.float64]:
    """fx, fy, cx, cy of the picture made `factor` times as large."""
    return np.array([k.fx * factor, k.fy * factor, (k.cx + 0.5) * factor - 0.5, (k.cy + 0.5) * factor - 0.5])


def chained(pose: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pose `[3, 4]` that does `before` first."""
    return np.hstack([pose[:, :3] @ before[:, :3], (pose[:, :3] @ before[:, 3] + pose[:, 3])[:, None]])


class Spheres:
    """Which items can be in a view: by the sphere around each."""

    def __init__(self, items: Sequence[Item]) -> None:
        middles, radii = [], []
        for item in items:
            low, high = item.mesh.bounds
            scale = float(np.linalg.norm(item.pose[:, 0]))
            middles.append(item.pose[:, :3] @ ((low + high) / 2) + item.pose[:, 3])
            radii.append(float(np.linalg.norm(high - low)) / 2 * scale)
        self.middles, self.radii = np.array(middles), np.array(radii)

    def seen(self, pose: NDArray[np.float64], camera: NDArray[np.float64], height: int, width: int) -> NDArray[np.intp]:
        """Numbers of the items that may be seen, near ones first."""
        at = self.middles @ pose[:, :3].T + pose[:, 3]
        visible = at[:, 2] > -self.radii
        for axis, focal, centre, size in ((0, camera[0], camera[2], width), (1, camera[1], camera[3], height)):
            for sign, edge in ((1, (size - centre) / focal), (-1, centre / focal)):
                # Distance beyond the plane through the eye and the picture's edge.
                visible &= (sign * at[:, axis] - edge * at[:, 2]) / np.hypot(1, edge) < self.radii
        chosen = np.flatnonzero(visible)
        return chosen[np.argsort(at[chosen, 2] - self.radii[chosen], kind="stable")]


_PROXIES: dict[int, tuple[Mesh, NDArray[np.float32], NDArray[np.int32]]] = {}


def proxy(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices and faces of a mesh's largest faces, to see it at a glance."""
    if len(mesh.faces) <= PROXY_FACES:
        return mesh.vertices, mesh.faces
    known = _PROXIES.get(id(mesh))
    if known is None or known[0] is not mesh:
        corner = mesh.vertices[mesh.faces]
        area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
        largest = mesh.faces[np.sort(np.argsort(-area, kind="stable")[:PROXY_FACES])]
        used, faces = np.unique(largest, return_inverse=True)
        known = (mesh, mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32))
        _PROXIES[id(mesh)] = known
    return known[1], known[2]


def find_view(rng: np.random.Generator, room: Room, intrinsics: Intrinsics, width: int) -> View:
    """Of several views at random the one whose distances are nearest to what real pictures have.

    Args:
        rng: draws.
        room: to stand in.
        intrinsics: in pixels of the picture.
        width: of the picture, pixels.
    """
    target = USUAL_MEDIAN_M * np.exp(rng.normal(0, MEDIAN_SPREAD))
    emptiest = rng.uniform(0.25, 0.75)
    spheres = Spheres(room.items)
    rows, columns = GLANCE
    camera = scaled_camera(intrinsics, columns / width)
    best, best_cost = None, np.inf
    for _ in range(TRIES):
        view = _stand(rng, room, intrinsics)
        if view is None:
            continue
        inverse, numbers = empty_view(rows, columns)
        for i in spheres.seen(view.pose, camera, rows, columns):
            item = room.items[i]
            vertices, faces = proxy(item.mesh)
            draw(vertices, faces, chained(view.pose, item.pose), camera, i * PROXY_STRIDE, inverse, numbers)
        cost = _cost(inverse, numbers < PROXY_STRIDE, target, emptiest)
        if cost < best_cost:
            best, best_cost = view, cost
        if cost < 0.08:
            break
    if best is None:  # a room so full that nobody can stand in it: look down from under the ceiling
        s = room.space
        eye = np.array([0.2, s.height - 0.2, 0.2])
        best = View(eye, looking(np.arctan2(s.width, s.length), -0.5, 0.0), intrinsics)
    return best


def _stand(rng: np.random.Generator, room: Room, intrinsics: Intrinsics) -> View | None:
    s = room.space
    eye = np.array(
        [
            rng.uniform(0.15, s.width - 0.15),
            np.clip(rng.normal(1.38, 0.22), 0.75, 1.95),
            rng.uniform(0.15, s.length - 0.15),
        ]
    )
    if rng.random() < 0.6:  # with the back to a wall
        axis = int(rng.integers(2)) * 2
        size = s.width if axis == 0 else s.length
        eye[axis] = rng.uniform(0.15, 0.6) if rng.random() < 0.5 else size - rng.uniform(0.15, 0.6)
    margin = 0.12
    for x0, x1, y0, y1, z0, z1 in s.taken:
        if (
            x0 - margin < eye[0] < x1 + margin
            and z0 - margin < eye[2] < z1 + margin
            and y0 - margin < eye[1] < y1 + margin
        ):
            return None
    aim = np.array([rng.uniform(0, s.width), rng.uniform(0, s.length)]) - eye[[0, 2]]
    yaw = np.arctan2(aim[0], aim[1]) + rng.normal(0, 0.1)
    pitch = np.clip(rng.normal(-0.2, 0.16), -0.62, 0.18)
    roll = np.clip(rng.normal(0, 0.025), -0.09, 0.09)
    return View(eye, looking(yaw, pitch, roll), intrinsics)


def _cost(inverse: NDArray[np.float32], bare: NDArray[np.bool_], target_m: float, emptiest: float) -> float:
    """How far a view is from a good one."""
    flat = np.sort(1 / np.maximum(inverse.ravel(), 1e-3))
    near, low, median, high = (float(flat[int(q * (len(flat) - 1))]) for q in (0.01, 0.05, 0.5, 0.95))
    cost = abs(np.log(median / target_m))
    cost += 3 * max(0.0, NEAREST_M - near) + 2 * max(0.0, high - FARTHEST_M)
    cost += 1.5 * max(0.0, 0.55 - np.log(high / low))  # mostly one surface
    cost += 2 * max(0.0, float(bare.mean()) - emptiest)  # walls and floor alone
    return cost
