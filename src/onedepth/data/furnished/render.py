"""One frame: a room, a camera, exact depth and a picture, all from a seed and a number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onedepth.data.furnished.camera import Spheres, View, chained, draw_intrinsics, find_view, scaled_camera
from onedepth.data.furnished.catalogue import Catalogue
from onedepth.data.furnished.layout import Room, build_room
from onedepth.data.furnished.lighting import MAP_SIDE, occlusion, shade
from onedepth.data.furnished.mesh import Item, material_table
from onedepth.data.furnished.photo import develop
from onedepth.data.furnished.raster import draw, empty_view
from onedepth.data.furnished.surface import describe, sort_pixels
from onedepth.data.furnished.textures import LINEAR, Textures
from onedepth.depth import Intrinsics

HEIGHT, WIDTH = 240, 320
FINER = 2  # the picture is drawn so many times as large, and averaged
LAMP_SPREAD = 1.7  # tangent of half a lamp's map
SUN_AWAY_M = 25.0


@dataclass(frozen=True)
class Frame:
    """A picture and its truth.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB.
        depth_m: float32 `[H, W]`, metres along the optical axis at the middles of the pixels; 0 = nothing there.
        intrinsics: in pixels of `image`.
        kind: of the room.
    """

    image: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    intrinsics: Intrinsics
    kind: str


class Studio:
    """Renders frames; keeps the furniture and textures that it has read."""

    def __init__(self, furniture: Path | None = None) -> None:
        """Open the furniture; see `Catalogue`.

        Raises:
            DataError: no furniture there.
        """
        self.textures = Textures()
        self.catalogue = Catalogue(furniture, self.textures)

    def frame(self, seed: int, number: int) -> Frame:
        """Frame `number` of `seed`: always the same."""
        rng = np.random.default_rng([seed, number, 1])
        intrinsics = frame_intrinsics(seed, number)
        room = build_room(rng, self.catalogue)
        view = find_view(rng, room, intrinsics, WIDTH)
        depth_m = exact_depth(room.items, view, HEIGHT, WIDTH)
        light = self._light(room, view, rng)
        return Frame(develop(light, rng), depth_m, intrinsics, room.kind)

    def _light(self, room: Room, view: View, rng: np.random.Generator) -> NDArray[np.float32]:
        """Linear light, float32 `[2 H, 2 W, 3]`."""
        height, width = HEIGHT * FINER, WIDTH * FINER
        camera = scaled_camera(view.intrinsics, FINER)
        inverse, numbers, firsts = _draw_all(room.items, view.pose, camera, height, width)
        colours = np.zeros((height, width, 3), np.float32)
        normals = np.zeros((height, width, 3), np.float32)
        extras = np.zeros((height, width, 3), np.float32)
        starts, pixels = sort_pixels(numbers, firsts)
        for i, item in enumerate(room.items):
            if starts[i + 1] > starts[i]:
                self._describe(
                    item, view, camera, pixels[starts[i] : starts[i + 1]], numbers, inverse, int(firsts[i]),
                    (colours, normals, extras),
                )  # fmt: skip
        small, turned = inverse[::2, ::2].copy(), normals[::2, ::2].copy()
        half = scaled_camera(view.intrinsics, 1)
        strength, phase = rng.uniform(1.0, 3.0), rng.uniform(0, 6)
        open_share = occlusion(small, turned, half, 0.25, strength, phase) * occlusion(
            small, turned, half, 0.9, strength * 0.8, phase
        )
        lamps, lamp_maps, maps, poses, focals, windows, sun = _lights(room, rng)
        to_room = np.hstack([view.turn.T, view.eye[:, None]])
        light = np.empty((height, width, 3), np.float32)
        shade(
            inverse, colours, normals, extras, open_share, camera, to_room, lamps, lamp_maps, maps, poses, focals,
            windows, sun, _ambient(room, rng), np.float32(0.3), light,
        )  # fmt: skip
        return light

    def _describe(self, item: Item, view: View, camera, pixels, numbers, inverse, first: int, out) -> None:
        pose = chained(view.pose, item.pose)
        back = np.linalg.inv(pose[:, :3])
        to_mesh = np.hstack([back, -(back @ pose[:, 3])[:, None]])
        mesh = item.mesh
        materials, textures = material_table(item.materials)
        describe(
            pixels, numbers, inverse, camera, first, to_mesh, np.ascontiguousarray(back.T),
            mesh.vertices, mesh.faces, mesh.uvs, mesh.normals, mesh.materials, materials, textures,
            self.textures.pixels, self.textures.table, LINEAR, *out,
        )  # fmt: skip


def frame_intrinsics(seed: int, number: int) -> Intrinsics:
    """The camera of a frame, without rendering it."""
    return draw_intrinsics(np.random.default_rng([seed, number, 0]), HEIGHT, WIDTH)


def exact_depth(items: list[Item], view: View, height: int, width: int) -> NDArray[np.float32]:
    """Depth at the middles of the pixels, float32 `[H, W]`, metres; 0 where nothing is."""
    inverse, _, _ = _draw_all(items, view.pose, scaled_camera(view.intrinsics, 1), height, width)
    return np.divide(1, inverse, out=np.zeros_like(inverse), where=inverse > 0)


def _draw_all(items: list[Item], pose, camera, height: int, width: int):
    inverse, numbers = empty_view(height, width)
    firsts = np.cumsum([0] + [len(item.mesh.faces) for item in items]).astype(np.int32)
    for i in Spheres(items).seen(pose, camera, height, width):
        mesh = items[i].mesh
        draw(mesh.vertices, mesh.faces, chained(pose, items[i].pose), camera, firsts[i], inverse, numbers)
    return inverse, numbers, firsts


def _lights(room: Room, rng: np.random.Generator):
    """Lamps, windows and the sun as `lighting.shade` reads them, with their shadow maps."""
    maps, poses, focals, lamp_maps, rows = [], [], [], [], []
    casters = [item for item in room.items if item.shadow]
    for lamp in room.lamps:
        rows.append([*lamp.place, *lamp.colour, *lamp.reach])
        number = -1
        if lamp.shadow and len(maps) < 1:
            number = len(maps)
            down = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
            pose = np.hstack([down, -(down @ np.array(lamp.place))[:, None]])
            focal = MAP_SIDE / 2 / LAMP_SPREAD
            maps.append(_shadow_map(casters, pose, focal))
            poses.append(pose)
            focals.append(focal)
        lamp_maps.append(number)
    windows = np.array(
        [[*w.middle, *w.across, *w.up, *w.normal, *w.colour] for w in room.shell.windows], np.float32
    ).reshape(-1, 15)
    sun = np.zeros(8)
    if len(windows) and windows[:, 12].max() > 0 and rng.random() < 0.35:
        i = int(rng.integers(len(windows)))
        normal, middle = windows[i, 9:12].astype(np.float64), windows[i, :3].astype(np.float64)
        side = np.array([normal[2], 0, -normal[0]])
        direction = -normal + side * rng.uniform(-1, 1) + np.array([0, rng.uniform(0.25, 1.2), 0])
        direction /= np.linalg.norm(direction)
        place = middle + direction * SUN_AWAY_M
        forward = -direction
        right = np.cross(forward, [0, 1, 0])
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(forward, right), forward])
        pose = np.hstack([turn, -(turn @ place)[:, None]])
        radius = float(np.hypot(np.linalg.norm(windows[i, 3:6]), np.linalg.norm(windows[i, 6:9])))
        focal = MAP_SIDE / 2 / (radius * 1.05 / SUN_AWAY_M)
        strength = np.exp(rng.uniform(0.3, 2.2))
        sun[:] = [*direction, strength, strength * 0.93, strength * 0.8, i, len(maps)]
        maps.append(_shadow_map(casters, pose, focal))
        poses.append(pose)
        focals.append(focal)
    if not maps:
        maps, poses, focals = [np.zeros((4, 4), np.float32)], [np.zeros((3, 4))], [1.0]
    return (
        np.array(rows, np.float32).reshape(-1, 10),
        np.array(lamp_maps, np.int32),
        np.stack(maps),
        np.array(poses),
        np.array(focals, np.float64),
        windows,
        sun,
    )


def _shadow_map(casters: list[Item], pose, focal: float) -> NDArray[np.float32]:
    middle = (MAP_SIDE - 1) / 2
    camera = np.array([focal, focal, middle, middle])
    return _draw_all(casters, pose, camera, MAP_SIDE, MAP_SIDE)[0]


def _ambient(room: Room, rng: np.random.Generator) -> NDArray[np.float32]:
    """Light from above and from below, thrown back by ceiling, walls and floor."""
    area = room.space.width * room.space.length
    total = np.zeros(3)
    for lamp in room.lamps:
        total += np.array(lamp.colour) * 0.9 / max(3.0, area / 3)
    for window in room.shell.windows:
        size = 4 * np.linalg.norm(window.across) * np.linalg.norm(window.up)
        total += np.array(window.colour) * 0.5 * size / area
    total = total * rng.uniform(0.5, 1.6) + 0.02
    walls, ceiling = np.array(room.shell.wall_colour), np.array(room.shell.ceiling_colour)
    floor = np.array(room.shell.floor_colour)
    above = total * (0.35 + 0.4 * ceiling + 0.25 * walls)
    below = total * (0.2 + 0.4 * floor + 0.3 * walls)
    return np.concatenate([above, below]).astype(np.float32)
