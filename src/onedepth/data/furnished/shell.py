"""Floor, walls with windows and doors, ceiling, lamps: the empty room."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from onedepth.data.furnished.mesh import Builder
from onedepth.data.furnished.palette import Colour, Palette, from_hsv
from onedepth.data.furnished.space import Space, Wall


@dataclass
class Lamp:
    """A point that shines.

    Attributes:
        place: x, y, z, metres.
        colour: linear light at one metre.
        reach: x0, x1, z0, z1: the room it shines in; other rooms get little of it.
        shadow: whether things in its way are looked for.
    """

    place: tuple[float, float, float]
    colour: Colour
    reach: tuple[float, float, float, float]
    shadow: bool = False


@dataclass
class Window:
    """A bright rectangle in a wall: its middle, half its sides and the way it faces; metres."""

    middle: tuple[float, float, float]
    across: tuple[float, float, float]
    up: tuple[float, float, float]
    normal: tuple[float, float, float]
    colour: Colour


@dataclass
class Shell:
    """The empty room, and the colours that its big surfaces throw back."""

    space: Space
    walls: list[Wall]
    builder: Builder
    lamps: list[Lamp] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    floor_colour: Colour = (0.3, 0.3, 0.3)
    wall_colour: Colour = (0.6, 0.6, 0.6)
    ceiling_colour: Colour = (0.8, 0.8, 0.8)
    next_rooms: list[tuple[Wall, float, float, float]] = field(default_factory=list)  # wall, middle, width, depth


def build_shell(
    palette: Palette, space: Space, *, tiled: float, corner: bool, window_rate: float, open_rate: float
) -> Shell:
    """Walls of a room of the given size.

    Args:
        palette: draws.
        space: width, length and height.
        tiled: probability of tiles on the walls.
        corner: whether a corner is cut out, which makes the room L-shaped.
        window_rate: windows a wall.
        open_rate: probability of an open doorway.
    """
    p, b = palette, Builder()
    w, l, h = space.width, space.length, space.height  # noqa: E741
    walls = [
        Wall(0, 0, 1, 0, 0, 1, w),
        Wall(w, 0, 0, 1, -1, 0, l),
        Wall(w, l, -1, 0, 0, -1, w),
        Wall(0, l, 0, -1, 1, 0, l),
    ]
    paper = p.paper(tiled)
    shell = Shell(space, walls, b)
    paint = b.material(paper)
    papers = [paint] * 4
    if p.chance(0.3):
        papers[int(p.rng.integers(4))] = b.material(p.paper(tiled))
    floor = p.floor()
    ceiling = p.surface("plaster", p.white() if p.chance(0.85) else p.wall(), p.between(1, 3))
    if p.chance(0.12):
        ceiling = p.surface("tiles", p.white(), 1.2)
    shell.floor_colour, shell.wall_colour, shell.ceiling_colour = floor.colour, paper.colour, ceiling.colour
    floor_number, ceiling_number = b.material(floor), b.material(ceiling)
    if p.chance(0.5):
        b.quad((0, 0, 0), (w, 0, 0), (0, 0, l), floor_number, p.between(0, 3), p.between(0, 3))
    else:
        b.quad((0, 0, 0), (0, 0, l), (w, 0, 0), floor_number, p.between(0, 3), p.between(0, 3))
    b.quad((0, h, 0), (w, 0, 0), (0, 0, l), ceiling_number)
    trim = b.material(p.plain(p.white()) if p.chance(0.6) else p.surface("wood", p.wood(), 1.0))
    _corner_block(p, shell, papers[0]) if corner else None
    _openings(p, shell, trim, window_rate, open_rate)
    tall = p.between(0.05, 0.16) if p.chance(0.75) else 0.0
    for wall, number in zip(walls, papers, strict=True):
        _wall(b, wall, h, number)
        if tall:
            _board(b, wall, trim, 0.0, tall, 0.014)
    if p.chance(0.15):
        rail = p.between(0.8, 1.2)
        for wall in walls:
            _board(b, wall, trim, rail, rail + 0.07, 0.02)
    if p.chance(0.12):
        for _ in range(int(p.rng.integers(1, 5))):
            x = p.between(0.3, w - 0.3)
            b.box((x, h - 0.09, l / 2), (0.14, 0.18, l), trim)
    _lamps(p, shell)
    return shell


def _corner_block(p: Palette, shell: Shell, paper: int) -> None:
    s = shell.space
    bw, bl = p.between(0.25, 0.5) * s.width, p.between(0.25, 0.5) * s.length
    left, near = p.chance(0.5), p.chance(0.5)
    x = bw / 2 if left else s.width - bw / 2
    z = bl / 2 if near else s.length - bl / 2
    shell.builder.box((x, s.height / 2, z), (bw, s.height, bl), paper)
    s.taken.append((x - bw / 2, x + bw / 2, 0, s.height, z - bl / 2, z + bl / 2))


def _wall(b: Builder, wall: Wall, height: float, material: int) -> None:
    """The wall around its openings."""

    def piece(u0: float, u1: float, y0: float, y1: float) -> None:
        if u1 - u0 > 1e-3 and y1 - y0 > 1e-3:
            x, z = wall.at(u0)
            b.quad((x, y0, z), (wall.dx * (u1 - u0), 0, wall.dz * (u1 - u0)), (0, y1 - y0, 0), material, u0, y0)

    u = 0.0
    for u0, u1, y0, y1 in sorted(wall.openings):
        piece(u, u0, 0, height)
        piece(u0, u1, 0, y0)
        piece(u0, u1, y1, height)
        u = u1
    piece(u, wall.length, 0, height)


def _board(b: Builder, wall: Wall, material: int, y0: float, y1: float, out: float) -> None:
    u = 0.0
    for u0, u1, bottom, top in [*sorted(wall.openings), (wall.length, wall.length, 0, 9)]:
        if bottom > y1 or top < y0:
            continue
        if u0 - u > 0.02:
            x, z = wall.at((u + u0) / 2, out / 2)
            b.box((x, (y0 + y1) / 2, z), (u0 - u, y1 - y0, out), material, wall.turn)
        u = u1


def _spot(p: Palette, shell: Shell, wall: Wall, width: float, y0: float, y1: float, out: float) -> float | None:
    """A free middle for something on the wall."""
    for _ in range(8):
        if wall.length < width + 0.3:
            return None
        u = p.between(width / 2 + 0.1, wall.length - width / 2 - 0.1)
        box = wall.block(u - width / 2, u + width / 2, y0, y1, out)
        if shell.space.free(box):
            return u
    return None


def _openings(p: Palette, shell: Shell, trim: int, window_rate: float, open_rate: float) -> None:
    b, h = shell.builder, shell.space.height
    glass = p.picture("outside", p.between(0.3, 4.0))
    day = from_hsv(p.between(0.5, 0.65), p.between(0, 0.2), 1.0)
    bright = float(np.exp(p.between(-1.5, 1.6)))
    if p.chance(0.2):  # night
        glass, bright = replace(glass, colour=(0.01, 0.012, 0.02), glow=p.between(0, 0.5)), 0.0
    pane = b.material(glass)
    curtain = b.material(p.surface("cloth", None, p.between(0.3, 1.5)))
    blind = b.material(p.plain(p.white()))
    order = p.rng.permutation(4)
    if p.chance(open_rate):
        _doorway(p, shell, shell.walls[int(order[0])], trim)
    for i in order:
        wall = shell.walls[int(i)]
        for _ in range(int(p.rng.poisson(0.35))):
            _door(p, shell, wall, trim)
        for _ in range(int(p.rng.poisson(window_rate))):
            width = p.between(0.6, min(2.6, wall.length - 0.6)) if wall.length > 1.4 else 0
            sill = p.between(0.0, 0.2) if p.chance(0.15) else p.between(0.7, 1.2)
            top = min(h - 0.15, p.between(1.9, 2.4))
            u = _spot(p, shell, wall, width + 0.1, sill, top, 0.3) if width else None
            if u is None:
                continue
            u0, u1, deep = u - width / 2, u + width / 2, p.between(0.03, 0.28)
            wall.openings.append((u0, u1, sill, top))
            _reveal(b, wall, u0, u1, sill, top, deep, trim)
            x, z = wall.at(u0, -deep)
            b.quad((x, sill, z), (wall.dx * width, 0, wall.dz * width), (0, top - sill, 0), pane, fit=True)
            for k in range(int(p.rng.integers(2, 5))):  # the sash
                _strip(b, wall, u0 + width * k / max(1, 4), sill, top, trim, -deep + 0.02, 0.05)
            _strip(b, wall, u1 - 0.025, sill, top, trim, -deep + 0.02, 0.05)
            for y in (sill, top, sill + (top - sill) * p.between(0.3, 0.8)):
                x, z = wall.at(u, -deep + 0.02)
                b.box((x, y, z), (width, 0.05, 0.04), trim, wall.turn)
            if p.chance(0.6):
                x, z = wall.at(u, 0.06)
                b.box((x, sill - 0.015, z), (width + 0.12, 0.03, 0.2), trim, wall.turn)
            shell.space.taken.append(wall.block(u0, u1, sill, top, 0.14))
            mid = wall.at(u)
            shell.windows.append(
                Window(
                    (mid[0], (sill + top) / 2, mid[1]),
                    (wall.dx * width / 2, 0, wall.dz * width / 2),
                    (0, (top - sill) / 2, 0),
                    (wall.nx, 0, wall.nz),
                    (day[0] * bright, day[1] * bright, day[2] * bright),
                )
            )
            if p.chance(0.45):
                _curtains(p, b, wall, u0, u1, min(h - 0.03, top + 0.15), 0.02 if p.chance(0.6) else sill - 0.1, curtain)
            elif p.chance(0.4):
                closed = p.between(0.1, 0.9) * (top - sill)
                x, z = wall.at(u, -0.01)
                slats = int(closed / 0.05)
                for k in range(slats):
                    b.box((x, top - 0.03 - k * 0.05, z), (width - 0.04, 0.036, 0.012), blind, wall.turn)


def _strip(b: Builder, wall: Wall, u: float, y0: float, y1: float, material: int, out: float, wide: float) -> None:
    x, z = wall.at(u, out)
    b.box((x, (y0 + y1) / 2, z), (wide, y1 - y0, 0.04), material, wall.turn)


def _reveal(b: Builder, wall: Wall, u0: float, u1: float, y0: float, y1: float, deep: float, material: int) -> None:
    into = (-wall.nx * deep, 0, -wall.nz * deep)
    (ax, az), (bx, bz) = wall.at(u0), wall.at(u1)
    along = (wall.dx * (u1 - u0), 0, wall.dz * (u1 - u0))
    b.quad((ax, y0, az), along, into, material)
    b.quad((ax, y1, az), along, into, material)
    b.quad((ax, y0, az), (0, y1 - y0, 0), into, material)
    b.quad((bx, y0, bz), (0, y1 - y0, 0), into, material)


def _curtains(
    p: Palette, b: Builder, wall: Wall, u0: float, u1: float, top: float, bottom: float, material: int
) -> None:
    """Folds at both sides of a window."""
    share = p.between(0.1, 0.5)
    for start, end in ((u0 - 0.15, u0 - 0.15 + share * (u1 - u0)), (u1 + 0.15 - share * (u1 - u0), u1 + 0.15)):
        start, end = max(start, 0.01), min(end, wall.length - 0.01)  # noqa: PLW2901
        folds = max(3, int((end - start) / p.between(0.05, 0.11)))
        steps = np.linspace(start, end, folds * 2 + 1)
        for k in range(folds * 2):
            near, far = (0.06, 0.13) if k % 2 else (0.13, 0.06)
            (ax, az), (bx, bz) = wall.at(steps[k], near), wall.at(steps[k + 1], far)
            b.quad((ax, bottom, az), (bx - ax, 0, bz - az), (0, top - bottom, 0), material, float(steps[k]), 0)


def _door(p: Palette, shell: Shell, wall: Wall, trim: int) -> None:
    """A closed door."""
    b, width, top = shell.builder, p.between(0.7, 1.0), p.between(1.95, 2.12)
    u = _spot(p, shell, wall, width + 0.2, 0, top, 0.7)
    if u is None:
        return
    leaf, dark = b.material(p.joinery()), b.material(p.joinery())
    steel = b.material(p.plain((0.4, 0.4, 0.42)))
    x, z = wall.at(u, 0.012)
    b.box((x, top / 2, z), (width, top, 0.024), leaf, wall.turn)
    for side in (-1, 1):
        x, z = wall.at(u + side * (width / 2 + 0.04), 0.02)
        b.box((x, top / 2 + 0.04, z), (0.09, top + 0.08, 0.04), trim, wall.turn)
    x, z = wall.at(u, 0.02)
    b.box((x, top + 0.04, z), (width, 0.08, 0.04), trim, wall.turn)
    if p.chance(0.5):
        rows = int(p.rng.integers(1, 4))
        for i in range(rows):
            for side in (-1, 1):
                x, z = wall.at(u + side * width * 0.22, 0.027)
                y = top * (i + 0.5) / rows
                b.box((x, y, z), (width * 0.32, top / rows * 0.75, 0.014), dark, wall.turn)
    x, z = wall.at(u + (width / 2 - 0.08) * (1 if p.chance(0.5) else -1), 0.06)
    b.box((x, 1.02, z), (0.12, 0.025, 0.03), steel, wall.turn)
    shell.space.taken.append(wall.block(u - width / 2 - 0.08, u + width / 2 + 0.08, 0, top, 0.6))


def _doorway(p: Palette, shell: Shell, wall: Wall, trim: int) -> None:
    """An opening into a second room behind the wall."""
    b, h = shell.builder, shell.space.height
    width = p.between(0.8, 1.0) if p.chance(0.6) else p.between(1.2, max(1.3, min(2.6, wall.length - 0.8)))
    top = min(h - 0.1, p.between(2.0, 2.3))
    u = _spot(p, shell, wall, width + 0.2, 0, top, 0.9)
    if u is None:
        return
    wall.openings.append((u - width / 2, u + width / 2, 0, top))
    _reveal(b, wall, u - width / 2, u + width / 2, 0, top, 0.15, trim)
    for side in (-1, 1):
        x, z = wall.at(u + side * (width / 2 + 0.03), 0.01)
        b.box((x, top / 2, z), (0.06, top, 0.03), trim, wall.turn)
    shell.space.taken.append(wall.block(u - width / 2, u + width / 2, 0, top, 0.9))
    deep, left, right = p.between(1.5, 4.5), p.between(0.3, 2), p.between(0.3, 2)
    u0, u1 = u - width / 2 - left, u + width / 2 + right
    paper, floor = b.material(p.paper(0.1)), b.material(p.floor())
    ceiling = b.material(p.plain(p.white()))
    x, z = wall.at(u0, -0.15)
    along, back = (wall.dx * (u1 - u0), 0, wall.dz * (u1 - u0)), (-wall.nx * deep, 0, -wall.nz * deep)
    x2, z2 = wall.at(u0, -0.15 - deep)
    x3, z3 = wall.at(u1, -0.15)
    b.quad((x, 0, z), along, back, floor)
    b.quad((x, h, z), along, back, ceiling)
    b.quad((x2, 0, z2), along, (0, h, 0), paper)
    b.quad((x, 0, z), back, (0, h, 0), paper)
    b.quad((x3, 0, z3), back, (0, h, 0), paper)
    fx, fz = wall.at(u - width / 2, 0)
    b.quad((fx, -0.001, fz), (wall.dx * width, 0, wall.dz * width), (-wall.nx * 0.15, 0, -wall.nz * 0.15), floor)
    cx, cz = wall.at((u0 + u1) / 2, -0.15 - deep / 2)
    half = max(abs(wall.nx) * deep + abs(wall.dx) * (u1 - u0), abs(wall.nz) * deep + abs(wall.dz) * (u1 - u0)) / 2
    power = float(np.exp(p.between(-2, 1.6)))
    shell.lamps.append(
        Lamp((cx, h - 0.3, cz), (power, power * 0.9, power * 0.75), (cx - half, cx + half, cz - half, cz + half))
    )
    shell.next_rooms.append((wall, (u0 + u1) / 2, u1 - u0, deep))


def _lamps(p: Palette, shell: Shell) -> None:
    """Lamps at the ceiling, with what one sees of them."""
    b, s = shell.builder, shell.space
    reach = (0.0, s.width, 0.0, s.length)
    kind, warm = p.rng.random(), p.between(0, 1)
    tone = (1.0, 0.96 - 0.22 * warm, 0.92 - 0.5 * warm)
    total = float(np.exp(p.between(-0.2, 1.2))) * (s.width * s.length) ** 0.5
    lit = p.chance(0.85)
    glow = b.material(replace(p.plain((1.0, tone[1], tone[2])), glow=p.between(1.5, 8) if lit else 0.0, shine=0))
    places: list[tuple[float, float]] = []
    if kind < 0.45:
        places = [(s.width * p.between(0.35, 0.65), s.length * p.between(0.35, 0.65))]
        x, z = places[0]
        radius = p.between(0.1, 0.28)
        b.cylinder((x, s.height - 0.1, z), radius * 0.8, 0.1, glow, 1.2)
    elif kind < 0.75:
        nx, nz = max(1, round(s.width / p.between(1.6, 3))), max(1, round(s.length / p.between(1.6, 3)))
        places = [((i + 0.5) * s.width / nx, (j + 0.5) * s.length / nz) for i in range(nx) for j in range(nz)]
        size = (0.6, 0.04, 0.6) if p.chance(0.3) else ((0.15, 0.05, 1.2) if p.chance(0.5) else (0.12, 0.02, 0.12))
        for x, z in places:
            b.box((x, s.height - size[1] / 2, z), size, glow)
    if not lit:
        return
    for i, (x, z) in enumerate(places[:9]):
        power = total / min(9, len(places))
        colour = (power * tone[0], power * tone[1], power * tone[2])
        shell.lamps.append(Lamp((x, s.height - 0.25, z), colour, reach, shadow=i == 0 and len(places) <= 2))
    if not places:  # somewhere behind the camera
        x, z = p.between(0.3, s.width - 0.3), p.between(0.3, s.length - 0.3)
        colour = (total * tone[0], total * tone[1], total * tone[2])
        shell.lamps.append(Lamp((x, s.height - p.between(0.2, 1), z), colour, reach, shadow=True))
