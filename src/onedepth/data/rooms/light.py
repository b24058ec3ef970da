"""How bright a room's surfaces are: textures by the metre, lamps with soft shadows, dim corners."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onedepth.data.rooms.geometry import Array, Camera, Hits, Light, Room, Solid, stretch


def shade(room: Room, hits: Hits, camera: Camera) -> NDArray[np.float32]:
    """Linear light that reaches the camera from matt surfaces, float32 `[3, H, W]`."""
    point, normal = hits.point.astype(np.float32), hits.normal.astype(np.float32)
    to_eye = [np.float32(e) - p for e, p in zip(camera.eye, point, strict=True)]
    slant = _dot(to_eye, normal) / np.sqrt(_dot(to_eye, to_eye))
    # Metres of surface under one pixel; textures finer than that fade out instead of flickering.
    pixel_m = hits.depth_m.astype(np.float32) / np.float32(camera.intrinsics.focal_px)
    colour, glow = _look(room, hits, pixel_m / np.maximum(slant, np.float32(0.15)))
    openness = _openness(room, point, normal)
    # Most of the light in a room was thrown back by floor and ceiling before: walls get a little less of it.
    around = np.float32(room.ambient) * openness * (1 + np.float32(0.3) * np.abs(normal[1]))
    light = np.stack([around + glow] * 3)
    for lamp in room.lights:
        bright = _lamp(lamp, room.solids, point, normal) * openness
        for channel, power in enumerate(lamp.power):
            light[channel] += bright * np.float32(power)
    return colour * light


def _dot(a: Sequence[Array] | Array, b: Sequence[Array] | Array) -> Array:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _lamp(lamp: Light, solids: Sequence[Solid], point: Array, normal: Array) -> Array:
    """Share of a lamp's light that each point receives, float32 `[H, W]`."""
    ray = np.stack([p - np.float32(c) for p, c in zip(point, lamp.position, strict=True)])
    far2 = _dot(ray, ray)
    bright = np.maximum(-_dot(ray, normal), 0) / (np.sqrt(far2) * (np.float32(0.5) + np.float32(0.3) * far2))
    if not lamp.shadows:
        return bright
    lit = bright > 0
    ray, far = ray[:, lit], np.sqrt(far2[lit])
    passed = np.ones_like(far)
    for solid in solids:
        if solid.shadow:
            begin, end, _ = stretch(solid, lamp.position, (ray[0], ray[1], ray[2]))
            # The longer the way through the solid, the darker: a penumbra for the price of a hard shadow.
            through_m = (np.minimum(end, 1) - np.maximum(begin, 0)) * far
            passed *= 1 - np.minimum(np.maximum(through_m * 10, 0), 1)
    bright[lit] *= passed
    return bright


def _openness(room: Room, point: Array, normal: Array) -> Array:
    """How much of the room a point sees, 0…1, float32 `[H, W]`: corners are darker."""
    width, height, length = (np.float32(s) for s in room.size)
    gaps = (np.minimum(point[0], width - point[0]), np.minimum(-point[1], height + point[1]),
            np.minimum(point[2], length - point[2]))  # fmt: skip
    dim = np.ones_like(point[0])
    for gap, across in zip(gaps, normal, strict=True):
        away = np.maximum(gap, 0) + np.abs(across)  # its own wall does not darken a point
        dim = dim * (away + np.float32(0.12)) / (away + np.float32(0.22))
    return dim


def _look(room: Room, hits: Hits, pixel_m: Array) -> tuple[Array, Array]:
    """Colour `[3, H, W]` and glow `[H, W]` of every pixel's surface, float32."""
    materials = [*room.walls, *(solid.material for solid in room.solids)]
    table = np.array([m.numbers() for m in materials], np.float32).T
    numbers = np.take(table, hits.surface, axis=1)
    colour, second = numbers[:3], numbers[3:6]
    cell_u, cell_v, stagger, checker, tone, joint_m, cloud_u, cloud_v, cloud, glow = numbers[6:]
    salt = hits.surface.astype(np.uint32) * np.uint32(7919)
    u, v = hits.uv.astype(np.float32)

    row = np.floor(v / cell_v + np.float32(0.5))
    shift = np.where(stagger > 1, _hash(row, row, salt), stagger * (row - 2 * np.floor(row / 2)))
    column_at = u / cell_u + shift + np.float32(0.5)
    column = np.floor(column_at)
    in_u = column_at - column
    in_v = v / cell_v + np.float32(0.5) - row
    edge_m = np.minimum(np.minimum(in_u, 1 - in_u) * cell_u, np.minimum(in_v, 1 - in_v) * cell_v)
    cell_m = np.minimum(cell_u, cell_v)
    crisp = np.minimum(1, cell_m / (2 * pixel_m))
    joint = np.clip((joint_m / 2 - edge_m) / pixel_m + np.float32(0.5), 0, 1)
    joint = joint * np.minimum(1, joint_m / pixel_m)
    odd = row + column
    odd = odd - 2 * np.floor(odd / 2)
    odd = np.float32(0.5) + (odd - np.float32(0.5)) * crisp
    bright = 1 + tone * crisp * (_hash(column, row, salt) - np.float32(0.5))

    grain = np.minimum(1, np.minimum(cloud_u, cloud_v) / pixel_m)
    fog = _clouds(u / cloud_u, v / cloud_v, salt) - np.float32(0.5)
    mix = np.clip(checker * odd + cloud * grain * fog + np.minimum(cloud, 1) / 2, 0, 1)
    bright = bright * (1 - np.float32(0.65) * joint)
    return (colour + (second - colour) * mix) * bright, glow


def _hash(i: Array, j: Array, salt: NDArray[np.uint32]) -> Array:
    """A number in 0…1 for every pair of whole numbers, float32, always the same."""
    h = i.astype(np.int32).astype(np.uint32) * np.uint32(0x9E3779B1)
    h = (h ^ (j.astype(np.int32).astype(np.uint32) + salt)) * np.uint32(0x85EBCA77)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0xC2B2AE3D)
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def _clouds(u: Array, v: Array, salt: NDArray[np.uint32]) -> Array:
    """Smooth noise in 0…1 with a grain of about 1, float32."""
    i, j = np.floor(u), np.floor(v)
    s, t = u - i, v - j
    s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
    top = _hash(i, j, salt) * (1 - s) + _hash(i + 1, j, salt) * s
    bottom = _hash(i, j + 1, salt) * (1 - s) + _hash(i + 1, j + 1, salt) * s
    return top * (1 - t) + bottom * t
