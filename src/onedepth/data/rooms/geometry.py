"""What a camera in a room sees: exact depth, exact normals, by casting one ray per pixel.

World frame: metres, x and z along the floor, y down: the floor is y = 0, a ceiling of 2.5 m is y = -2.5.
A room spans x in 0…width and z in 0…length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onedepth.depth import Intrinsics

Vector = tuple[float, float, float]
Array = NDArray[np.floating]

TINY = 1e-30  # added to divisors: keeps 1 / 0 finite, in float32 too, and changes no other number
NEAREST_M = 0.05  # a solid nearer than this is not seen: the camera stands inside it
WALLS = 6  # surfaces 0…5 are the room's own: two faces per axis


@dataclass(frozen=True)
class Material:
    """A surface's looks, by the metre: cells (tiles, planks, stripes) under clouds of a second colour.

    Attributes:
        colour: linear RGB, 0…1, the share of light given back.
        second: linear RGB that `checker` and `cloud` mix in.
        cell_m: size of a cell along u and v, metres.
        stagger: 0 for a straight grid, 0.5 for bricks; above 1, each row is shifted at random.
        checker: how far every other cell takes the second colour, 0…1.
        tone: spread of brightness from cell to cell, 0…1.
        joint_m: width of the dark line between cells, metres.
        cloud_m: grain of the clouds along u and v, metres; long and thin is wood.
        cloud: how strongly the clouds mix in the second colour; above 1 they get sharp edges.
        glow: light of its own, for lamps and windows.
    """

    colour: Vector
    second: Vector = (0.0, 0.0, 0.0)
    cell_m: tuple[float, float] = (1e3, 1e3)
    stagger: float = 0.0
    checker: float = 0.0
    tone: float = 0.0
    joint_m: float = 0.0
    cloud_m: tuple[float, float] = (0.3, 0.3)
    cloud: float = 0.0
    glow: float = 0.0

    def numbers(self) -> tuple[float, ...]:
        """The attributes in one row, in the order in which `light` unpacks them."""
        return (*self.colour, *self.second, *self.cell_m, self.stagger, self.checker, self.tone, self.joint_m,
                *self.cloud_m, self.cloud, self.glow)  # fmt: skip


@dataclass(frozen=True)
class Solid:
    """A box, a ball or an upright cylinder, turned about the vertical.

    Attributes:
        shape: a key of `SHAPES`.
        centre: metres.
        half: half the extent along the solid's own x, y, z, metres; round solids take their radius from x.
        material: its surface.
        turn: (cosine, sine) of the turn that takes its z axis (0, 1) to the world's (sine, cosine).
        shadow: False for what is too small or too thin to bother the light.
    """

    shape: str
    centre: Vector
    half: Vector
    material: Material
    turn: tuple[float, float] = (1.0, 0.0)
    shadow: bool = True

    def moved(self, x: float, z: float, turn: tuple[float, float] = (1.0, 0.0)) -> Solid:
        """The solid turned about the origin, then shifted along the floor."""
        (cos, sin), (own_cos, own_sin), (cx, cy, cz) = turn, self.turn, self.centre
        centre = (x + cos * cx + sin * cz, cy, z - sin * cx + cos * cz)
        both = (cos * own_cos - sin * own_sin, sin * own_cos + cos * own_sin)
        return Solid(self.shape, centre, self.half, self.material, both, self.shadow)


@dataclass(frozen=True)
class Light:
    """A point light.

    Attributes:
        position: metres.
        power: linear RGB.
        shadows: False for a light that stands for a wide window, which blurs them away.
    """

    position: Vector
    power: Vector
    shadows: bool = True


@dataclass(frozen=True)
class Room:
    """A box seen from inside, and what stands in it.

    Attributes:
        size: width (x), height and length (z), metres.
        walls: six materials: the walls x = 0 and x = width, ceiling, floor, the walls z = 0 and z = length.
        solids: furniture, doors, pictures, lamps.
        lights: at least one.
        ambient: light that comes from everywhere.
        path: two floor positions (x, z), metres; the line between them is free to walk along.
    """

    size: Vector
    walls: tuple[Material, Material, Material, Material, Material, Material]
    solids: tuple[Solid, ...] = ()
    lights: tuple[Light, ...] = ()
    ambient: float = 0.3
    path: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 1.0), (1.0, 1.0))


@dataclass(frozen=True)
class Camera:
    """A pinhole camera somewhere in the world.

    Attributes:
        eye: metres.
        axes: the camera's right, down and forward directions in the world, unit vectors.
        intrinsics: in pixels.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """

    eye: Vector
    axes: tuple[Vector, Vector, Vector]
    intrinsics: Intrinsics
    height: int
    width: int

    @classmethod
    def looking(
        cls,
        eye: Vector,
        target: Vector,
        intrinsics: Intrinsics,
        height: int,
        width: int,
        *,
        roll: float = 0.0,
    ) -> Camera:
        """A camera that looks at `target`, not straight up or down; `roll`: tangent of half the roll."""
        fx, fy, fz = _unit((target[0] - eye[0], target[1] - eye[1], target[2] - eye[2]))
        rx, _, rz = _unit((fz, 0.0, -fx))
        right, down = (rx, 0.0, rz), (fy * rz, fz * rx - fx * rz, -fy * rx)
        # A turn from the tangent of its half: no sine, no cosine, no platform's opinion.
        cos, sin = (1 - roll * roll) / (1 + roll * roll), 2 * roll / (1 + roll * roll)
        rolled_right = _unit(tuple(cos * r + sin * d for r, d in zip(right, down, strict=True)))
        rolled_down = _unit(tuple(cos * d - sin * r for r, d in zip(right, down, strict=True)))
        return cls(eye, (rolled_right, rolled_down, (fx, fy, fz)), intrinsics, height, width)

    def rays(self) -> Array:
        """float64 `[3, H, W]`: world directions with a camera z of 1, so that the ray parameter is depth."""
        k = self.intrinsics
        u = ((np.arange(self.width) - k.cx) / k.fx)[None, :]
        v = ((np.arange(self.height) - k.cy) / k.fy)[:, None]
        right, down, forward = self.axes
        return np.stack([u * right[i] + v * down[i] + forward[i] for i in range(3)])


@dataclass(frozen=True)
class Hits:
    """What each pixel of a camera sees.

    Attributes:
        depth_m: float64 `[H, W]`, metres along the optical axis.
        surface: intp `[H, W]`, 0…5 for the room's own faces in the order of `Room.walls`, 6 + i for solid i.
        point: float64 `[3, H, W]`, world, metres.
        normal: float64 `[3, H, W]`, world, unit length, towards the camera.
        uv: float64 `[2, H, W]`, position on the surface, metres.
    """

    depth_m: Array
    surface: NDArray[np.intp]
    point: Array
    normal: Array
    uv: Array

    def camera_normals(self, camera: Camera) -> NDArray[np.float32]:
        """float32 `[H, W, 3]`: the normals in the camera frame (x right, y down, z forward)."""
        x, y, z = self.normal
        return np.stack([x * a[0] + y * a[1] + z * a[2] for a in camera.axes], axis=-1).astype(np.float32)


def _unit(v: Sequence[float]) -> Vector:
    norm = math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    return (v[0] / norm, v[1] / norm, v[2] / norm)


# ------------------------------------------------------------------------------------------ what a ray meets
# A convex solid holds one stretch of a ray. Each shape answers, for rays origin + t × ray in its own frame,
# where the stretch begins and ends in t (begin > end: a miss), and through which kind of face it begins:
# 0, 1, 2 flat, across x, y, z; 3 the side of a cylinder; 4 the skin of a ball.

Rays = Array | tuple[Array, Array, Array]
Stretch = tuple[Array, Array, NDArray[np.uint8]]
SIDE, SKIN = 3, 4


def _slab(half: float, origin: float, ray: Array) -> tuple[Array, Array]:
    inverse = 1.0 / (ray + TINY)
    middle, reach = inverse * -origin, np.abs(inverse) * half
    return middle - reach, middle + reach


def _round(a: Array, b: Array, c: float) -> tuple[Array, Array]:
    """Solve a t² + 2 b t + c = 0."""
    a = a + TINY
    square = b * b - a * c
    root = np.sqrt(np.maximum(square, 0.0))
    return np.where(square < 0, np.inf, (-b - root) / a), (root - b) / a


def _box(half: Vector, origin: Vector, ray: Rays) -> Stretch:
    (x0, x1), (y0, y1), (z0, z1) = (_slab(half[i], origin[i], ray[i]) for i in range(3))
    xz = np.maximum(x0, z0)
    face = np.where(y0 >= xz, 1, np.where(z0 > x0, 2, 0)).astype(np.uint8)
    return np.maximum(xz, y0), np.minimum(np.minimum(x1, z1), y1), face


def _cylinder(half: Vector, origin: Vector, ray: Rays) -> Stretch:
    (x, _, z), (dx, _, dz), radius = origin, ray, half[0]
    side0, side1 = _round(dx * dx + dz * dz, dx * x + dz * z, x * x + z * z - radius * radius)
    y0, y1 = _slab(half[1], origin[1], ray[1])
    return np.maximum(side0, y0), np.minimum(side1, y1), np.where(y0 >= side0, 1, SIDE).astype(np.uint8)


def _ball(half: Vector, origin: Vector, ray: Rays) -> Stretch:
    (x, y, z), (dx, dy, dz), radius = origin, ray, half[0]
    square = x * x + y * y + z * z - radius * radius
    begin, end = _round(dx * dx + dy * dy + dz * dz, dx * x + dy * y + dz * z, square)
    return begin, end, np.full(begin.shape, SKIN, np.uint8)


SHAPES: dict[str, Callable[[Vector, Vector, Rays], Stretch]] = {
    "box": _box,
    "cylinder": _cylinder,
    "ball": _ball,
}


def stretch(solid: Solid, origin: Vector, ray: Rays) -> Stretch:
    """Where rays from one world point pass through a solid."""
    (cos, sin), (cx, cy, cz) = solid.turn, solid.centre
    x, y, z = origin[0] - cx, origin[1] - cy, origin[2] - cz
    if sin == 0:  # most furniture stands straight, and a mirror image of the rays does for it
        return SHAPES[solid.shape](solid.half, (x, y, z), ray)
    if cos == 0:
        return SHAPES[solid.shape](solid.half, (z, y, x), (ray[2], ray[1], ray[0]))
    turned = (ray[0] * cos - ray[2] * sin, ray[1], ray[0] * sin + ray[2] * cos)
    return SHAPES[solid.shape](solid.half, (cos * x - sin * z, y, sin * x + cos * z), turned)


# The twelve edges of a box, as pairs of corners; corner i has the sign of bit 2, 1, 0 of i along x, y, z.
CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
EDGES = np.array([(i, i + step) for step in (1, 2, 4) for i in range(8) if not i & step])


def _windows(solids: Sequence[Solid], camera: Camera) -> list[tuple[slice, slice] | None]:
    """Rows and columns of the picture that can see each solid; None for what lies outside it."""
    if not solids:
        return []
    centre, half, turn = (np.array([getattr(s, name) for s in solids]) for name in ("centre", "half", "turn"))
    x, y, z = (half[:, None] * CORNERS).transpose(2, 0, 1)
    cos, sin = turn[:, :1], turn[:, 1:]
    dx = centre[:, :1] - camera.eye[0] + cos * x + sin * z
    dy = centre[:, 1:2] - camera.eye[1] + y
    dz = centre[:, 2:] - camera.eye[2] - sin * x + cos * z
    corners = np.stack([dx * a[0] + dy * a[1] + dz * a[2] for a in camera.axes])  # [3, solids, 8], camera frame
    # What reaches behind the camera is cut off a little in front of it, edge by edge.
    near, far = (np.concatenate([corners[..., EDGES[:, i]] for i in pair], axis=-1) for pair in ((0, 1), (1, 0)))
    behind = near[2] < NEAREST_M
    cut = np.where(behind, (NEAREST_M - near[2]) / np.where(behind, far[2] - near[2] + TINY, 1), 0)
    near = near + cut * (far - near)
    outside = (cut < 0) | (cut > 1)
    k, ahead = camera.intrinsics, np.maximum(near[2], NEAREST_M)
    bounds = []
    for at, focal, middle, size in (
        (near[1], k.fy, k.cy, camera.height),
        (near[0], k.fx, k.cx, camera.width),
    ):
        pixel = np.clip(at / ahead * focal + middle, -1, size)
        first, last = np.where(outside, size, pixel).min(axis=1), np.where(outside, -1, pixel).max(axis=1)
        bounds += [
            np.clip(np.floor(first), 0, size).astype(int),
            np.clip(np.ceil(last) + 1, 0, size).astype(int),
        ]
    return [
        (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None
        for top, bottom, left, right in np.stack(bounds, axis=1).tolist()
    ]


def cast(room: Room, camera: Camera) -> Hits:
    """Find the first surface along every pixel's ray.

    Raises:
        ValueError: the camera stands outside the room.
    """
    (x, y, z), (width, height, length) = camera.eye, room.size
    if not (0 < x < width and 0 < -y < height and 0 < z < length):
        raise ValueError(f"camera at x, y, z = {camera.eye} m stands outside the room of {room.size} m (y is down)")
    rays = camera.rays()
    depth, surface, face = _enclosure(room, camera.eye, rays)
    for number, window in enumerate(_windows(room.solids, camera)):
        if window is None:
            continue
        begin, end, begin_face = stretch(room.solids[number], camera.eye, rays[:, *window])
        seen = (begin < end) & (begin > NEAREST_M) & (begin < depth[window])
        np.copyto(depth[window], begin, where=seen)
        np.copyto(surface[window], WALLS + number, where=seen)
        np.copyto(face[window], begin_face, where=seen)
    eye = np.array(camera.eye)[:, None, None]
    point = eye + depth * rays
    normal, uv = _surface_frame(room, surface, face, point, rays)
    return Hits(depth, surface, point, normal, uv)


def _enclosure(room: Room, eye: Vector, rays: Array) -> tuple[Array, NDArray[np.intp], NDArray[np.uint8]]:
    """The room's own box, seen from inside."""
    width, height, length = room.size
    ends = ((0.0, width), (-height, 0.0), (0.0, length))
    x, y, z = (np.where(rays[i] < 0, lo - eye[i], hi - eye[i]) / (rays[i] + TINY) for i, (lo, hi) in enumerate(ends))
    depth = np.minimum(np.minimum(x, y), z)
    face = np.where(depth == y, 1, np.where(depth == z, 2, 0)).astype(np.uint8)
    ahead = np.where(face == 0, rays[0] >= 0, np.where(face == 1, rays[1] >= 0, rays[2] >= 0))
    return depth, face.astype(np.intp) * 2 + ahead, face


def _surface_frame(
    room: Room, surface: NDArray[np.intp], face: NDArray[np.uint8], point: Array, rays: Array
) -> tuple[Array, Array]:
    """World normal `[3, H, W]` and position on the surface `[2, H, W]`."""
    still = [(0.0, 0.0, 0.0, 1.0, 0.0)] * WALLS
    frames = np.array(still + [(*solid.centre, *solid.turn) for solid in room.solids]).T
    cx, cy, cz, cos, sin = np.take(frames, surface, axis=1)
    dx, dz = point[0] - cx, point[2] - cz
    x, y, z = cos * dx - sin * dz, point[1] - cy, sin * dx + cos * dz
    normal = np.zeros_like(point)
    for axis, ray in enumerate((cos * rays[0] - sin * rays[2], rays[1], sin * rays[0] + cos * rays[2])):
        np.copyto(normal[axis], -np.sign(ray), where=face == axis)
    curved = face >= SIDE
    if curved.any():
        out = np.stack([x[curved], np.where(face[curved] == SIDE, 0.0, y[curved]), z[curved]])
        normal[:, curved] = out / np.sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2])
    sideways, upright = np.abs(normal[0]) > np.abs(normal[2]), np.abs(normal[1]) < 0.9
    uv = np.stack([np.where(sideways & upright, z, x), np.where(upright, y, z)])
    turned = (cos * normal[0] + sin * normal[2], normal[1], cos * normal[2] - sin * normal[0])
    return np.stack(turned), uv
