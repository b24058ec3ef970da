"""A furnished room from a seed: what stands where, so that nothing overlaps and one can walk through."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from onedepth.data.rooms.dice import Dice
from onedepth.data.rooms.furniture import KINDS, PIECES, block
from onedepth.data.rooms.geometry import Light, Room, Solid
from onedepth.data.rooms.surfaces import (
    DARK,
    FLOORS,
    PAINT,
    STEEL,
    WHITE,
    cloth,
    glowing,
    linear,
    paint,
    painting,
    tint,
    wallpaper,
    wood,
)

WALK_M = 0.5  # kept free on both sides of the path
HEAD_M = 1.95  # nobody's head is higher
Area = tuple[float, float, float, float, float, float]  # x0, x1, z0, z1, bottom, top, metres
Floor = tuple[float, float]  # width, depth, metres


@dataclass(frozen=True)
class _Wall:
    """The middle of a wall, which way it faces, and its length; turned as `Solid.turn`."""

    x: float
    z: float
    turn: tuple[float, float]
    length: float

    def at(self, along: float, away: float = 0.0) -> _Wall:
        """A spot on the wall, or in front of it."""
        cos, sin = self.turn
        return replace(self, x=self.x + cos * along + sin * away, z=self.z - sin * along + cos * away)


@dataclass
class _Plan:
    """A room while it fills up."""

    dice: Dice
    width: float
    height: float
    length: float
    path: tuple[tuple[float, float], tuple[float, float]]
    walls: list[_Wall]
    solids: list[Solid] = field(default_factory=list)
    taken: list[Area] = field(default_factory=list)

    def area(self, spot: _Wall, floor: Floor, bottom: float, top: float) -> Area:
        """What a thing takes whose back's middle is at `spot`."""
        (cos, sin), (width, depth) = spot.turn, floor
        xs = [spot.x + cos * a + sin * b for a in (-width / 2, width / 2) for b in (0, depth)]
        zs = [spot.z - sin * a + cos * b for a in (-width / 2, width / 2) for b in (0, depth)]
        return min(xs), max(xs), min(zs), max(zs), bottom, top

    def is_free(self, area: Area) -> bool:
        """Whether the area lies in the room, nothing is in it, and nobody walks there."""
        x0, x1, z0, z1, bottom, top = area
        if min(x0, z0) < -1e-6 or x1 > self.width + 1e-6 or z1 > self.length + 1e-6 or top > self.height:
            return False
        if any(x0 < b and a < x1 and z0 < d and c < z1 and bottom < t and s < top for a, b, c, d, s, t in self.taken):
            return False
        (ax, az), (bx, bz) = self.path
        for step in range(9 if bottom < HEAD_M else 0):
            x, z = ax + (bx - ax) * step / 8, az + (bz - az) * step / 8
            dx, dz = max(x0 - x, x - x1, 0.0), max(z0 - z, z - z1, 0.0)
            if dx * dx + dz * dz < WALK_M * WALK_M:
                return False
        return True

    def put(self, solids: Sequence[Solid], spot: _Wall, floor: Floor, bottom: float, top: float) -> bool:
        """Put something there, if there is room for it."""
        area = self.area(spot, floor, bottom, top)
        if not self.is_free(area):
            return False
        self.taken.append(area)
        self.solids += [solid.moved(spot.x, spot.z, spot.turn) for solid in solids]
        return True

    def wall_spot(self, width: float, corner: float = 0.0) -> _Wall | None:
        """A random spot for something `width` wide, in a corner with this chance; None: wall too short."""
        wall = self.dice.choice(self.walls)
        room = (wall.length - width) / 2 - 0.02
        if room < 0:
            return None
        return wall.at(self.dice.side() * room if self.dice.chance(corner) else self.dice.between(-room, room))


def build_room(rng: np.random.Generator) -> Room:
    """Draw a furnished room: 2.5…9 m long and wide, at most 10 m across, 2.3…3.2 m high, with a free path."""
    dice = Dice(rng)
    width = dice.between(2.5, 9.0)
    length = dice.between(2.5, min(9.0, math.sqrt(100 - width * width)))
    if dice.chance(0.5):
        width, length = length, width
    plan = _Plan(
        dice,
        width,
        dice.between(2.3, 3.2),
        length,
        _path(dice, width, length),
        walls=[
            _Wall(0.0, length / 2, (0.0, 1.0), length),
            _Wall(width, length / 2, (0.0, -1.0), length),
            _Wall(width / 2, 0.0, (1.0, 0.0), width),
            _Wall(width / 2, length, (-1.0, 0.0), width),
        ],
    )
    along_walls, in_the_middle = KINDS[dice.choice(list(KINDS))]
    lights = [_ceiling_lamp(plan)]
    _doors(plan)
    lights += _windows(plan)
    _furnish_walls(plan, along_walls)
    _pictures(plan)
    _furnish_middle(plan, in_the_middle)
    _skirting(plan)
    common = wallpaper(dice)
    x0, x1, z0, z1 = (wallpaper(dice) if dice.chance(0.2) else common for _ in range(4))
    ceiling = replace(WHITE, colour=linear(tint(dice, PAINT[:2] + PAINT[7:8])))
    return Room(
        size=(width, plan.height, length),
        walls=(x0, x1, ceiling, dice.choice(FLOORS)(dice), z0, z1),
        solids=tuple(plan.solids),
        lights=tuple(lights),
        ambient=dice.between(0.2, 0.4),
        path=plan.path,
    )


def _path(dice: Dice, width: float, length: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Begins where one stands to take a photo: the remoter of two spots, clear of what hangs on walls."""
    spots = [(dice.between(0.65, width - 0.65), dice.between(0.65, length - 0.65)) for _ in range(3)]
    off = [(x - width / 2, z - length / 2) for x, z in spots[:2]]
    remote = max(range(2), key=lambda i: off[i][0] * off[i][0] + off[i][1] * off[i][1])
    return spots[remote], spots[2]


def _ceiling_lamp(plan: _Plan) -> Light:
    dice, most = plan.dice, plan.height - HEAD_M - 0.05
    x, z = plan.width * dice.between(0.35, 0.65), plan.length * dice.between(0.35, 0.65)
    wide = min(dice.between(0.2, 0.45), most)
    shape, tall = dice.choice([("ball", wide), ("cylinder", min(dice.between(0.08, 0.2), most))])
    bottom = plan.height - tall - dice.between(0.0, most - tall)
    shade = glowing((255, 246, 228), dice.between(1.0, 2.0))
    lamp = [block(0, wide / 2, bottom, (wide, tall, wide), shade, shadow=False, shape=shape)]
    if plan.height - bottom - tall > 0.02:
        cord = (0.02, plan.height - bottom - tall, 0.02)
        lamp.append(block(0, wide / 2, bottom + tall, cord, DARK, shadow=False, shape="cylinder"))
    plan.put(lamp, _Wall(x, z - wide / 2, (1.0, 0.0), 0), (wide, wide), bottom, plan.height)
    power, warm = dice.between(0.9, 1.8), dice.between(0.75, 1.0)
    return Light((x, -bottom - tall / 2, z), (power, power * (0.5 + 0.5 * warm), power * warm))


def _doors(plan: _Plan) -> None:
    dice = plan.dice
    leaf = wood(dice, upright=True) if dice.chance(0.5) else paint(dice)
    for _ in range(dice.choice([1, 1, 2])):
        width, height = dice.choice([0.8, 0.9]), dice.between(1.98, 2.1)
        panels = replace(leaf, cell_m=(width, height * 0.45), joint_m=0.02)
        solids = [
            block(0, 0.02, 0, (width + 0.16, height + 0.08, 0.04), WHITE, shadow=False),
            block(0, 0.025, 0.005, (width, height, 0.05), panels, shadow=False),
            block(width / 2 - 0.08, 0.07, 1.03, (0.12, 0.02, 0.05), STEEL, shadow=False),
        ]
        spot = plan.wall_spot(width + 0.3)
        if spot and plan.put(solids, spot, (width + 0.16, 0.1), 0, height + 0.1):
            plan.taken.append(plan.area(spot, (width, 0.75), 0, 2.0))  # a door must open


def _furnish_walls(plan: _Plan, names: Sequence[str]) -> None:
    for name in names[: 3 + int(plan.width * plan.length / 3.5)]:
        piece = PIECES[name](plan.dice)
        for _ in range(12):
            spot = plan.wall_spot(piece.width, corner=0.4)
            if spot and plan.put(piece.solids, spot.at(0, 0.02), (piece.width, piece.depth), 0, piece.height):
                break


def _furnish_middle(plan: _Plan, names: Sequence[str]) -> None:
    dice = plan.dice
    if dice.chance(0.45):
        x, z = plan.width * dice.between(0.35, 0.65), plan.length * dice.between(0.35, 0.65)
        width, length = (min(dice.between(1.2, 2.4), side * 0.6) for side in (plan.width, plan.length))
        plan.solids.append(block(x, z, 0, (width, 0.012, length), cloth(dice), shadow=False))
    for name in names:
        piece = PIECES[name](dice)
        for _ in range(6):
            turn = dice.turn() if dice.chance(0.4) else dice.choice([(1.0, 0.0), (0.0, 1.0)])
            x, z = dice.between(0.1, plan.width - 0.1), dice.between(0.1, plan.length - 0.1)
            if plan.put(piece.solids, _Wall(x, z, turn, 0), (piece.width, piece.depth), 0, piece.height):
                break


def _windows(plan: _Plan) -> list[Light]:
    dice, lights, drapes = plan.dice, [], cloth(plan.dice)
    drapes = replace(drapes, cell_m=(0.1, 1e3), tone=0.35, checker=0.25)
    for _ in range(dice.whole(1, 3)):
        width, tall = dice.between(0.8, 1.8), min(dice.between(1.0, 1.35), plan.height - 1.1)
        sky = glowing((226, 236, 250), dice.between(1.0, 2.2))
        solids = [
            block(0, 0.02, 0.9, (width, tall, 0.04), WHITE, shadow=False),
            *(
                block(x * width / 4, 0.025, 0.95, (width / 2 - 0.08, tall - 0.1, 0.035), sky, shadow=False)
                for x in (-1, 1)
            ),
            block(0, 0.07, 0.87, (width + 0.1, 0.03, 0.14), WHITE, shadow=False),
        ]
        bottom, top = 0.85, 0.9 + tall + 0.1
        if dice.chance(0.6):
            bottom = dice.choice([0.1, 0.75])
            size = (0.3, top - bottom, 0.06)
            solids += [block(x * (width / 2 + 0.12), 0.1, bottom, size, drapes, shadow=False) for x in (-1, 1)]
        spot = plan.wall_spot(width + 0.6)
        if spot and plan.put(solids, spot, (width + 0.5, 0.14), bottom, top):
            power, before = dice.between(0.5, 1.1) * width, spot.at(0, 0.35)
            cool = (0.92 * power, 0.98 * power, 1.08 * power)
            lights.append(Light((before.x, -0.9 - tall * 0.6, before.z), cool, shadows=False))
    return lights


def _pictures(plan: _Plan) -> None:
    dice = plan.dice
    for _ in range(dice.whole(2, 7)):
        width, tall, bottom = dice.between(0.3, 1.1), dice.between(0.3, 0.8), dice.between(1.1, 1.5)
        solids = [
            block(0, 0.012, bottom, (width, tall, 0.024), dice.choice([DARK, WHITE, wood(dice)]), shadow=False),
            block(0, 0.014, bottom + 0.04, (width - 0.08, tall - 0.08, 0.028), painting(dice), shadow=False),
        ]
        spot = plan.wall_spot(width + 0.2)
        if spot:
            plan.put(solids, spot, (width + 0.1, 0.03), bottom, bottom + tall)


def _skirting(plan: _Plan) -> None:
    dice = plan.dice
    tall, material = dice.between(0.06, 0.12), dice.choice([WHITE, wood(dice)])
    for wall in plan.walls if dice.chance(0.7) else ():
        board = block(0, 0.008, 0, (wall.length, tall, 0.016), material, shadow=False)
        plan.solids.append(board.moved(wall.x, wall.z, wall.turn))
