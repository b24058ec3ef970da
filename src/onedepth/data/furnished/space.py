"""Where there is room: boxes that are taken, walls with their openings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Box = tuple[float, float, float, float, float, float]  # x0, x1, y0, y1, z0, z1, metres


@dataclass
class Wall:
    """A wall's foot: from (x, z) along (dx, dz), seen from the side of (nx, nz); metres, unit vectors."""

    x: float
    z: float
    dx: float
    dz: float
    nx: float
    nz: float
    length: float
    openings: list[tuple[float, float, float, float]] = field(default_factory=list)  # u0, u1, y0, y1

    def at(self, u: float, out: float = 0.0) -> tuple[float, float]:
        """The point (x, z) `u` metres along and `out` metres in front."""
        return self.x + u * self.dx + out * self.nx, self.z + u * self.dz + out * self.nz

    @property
    def turn(self) -> float:
        """Turn about the vertical that makes +z face the room, radians."""
        return float(np.arctan2(self.nx, self.nz))

    def block(self, u0: float, u1: float, y0: float, y1: float, out: float) -> Box:
        """The box in front of a part of the wall, `out` metres deep."""
        (ax, az), (bx, bz) = self.at(u0, -0.02), self.at(u1, out)
        return (min(ax, bx), max(ax, bx), y0, y1, min(az, bz), max(az, bz))


@dataclass
class Space:
    """The room's inside and what is taken of it."""

    width: float
    length: float
    height: float
    taken: list[Box] = field(default_factory=list)

    def inside(self, box: Box, slack: float = 0.01) -> bool:
        """Whether a box lies within the walls."""
        return (
            box[0] >= -slack and box[1] <= self.width + slack
            and box[4] >= -slack and box[5] <= self.length + slack and box[3] <= self.height
        )  # fmt: skip

    def free(self, box: Box, slack: float = 0.01) -> bool:
        """Whether nothing is there yet."""
        x0, x1, y0, y1, z0, z1 = box
        return all(
            x1 <= t[0] + slack or x0 >= t[1] - slack or y1 <= t[2] + slack or y0 >= t[3] - slack
            or z1 <= t[4] + slack or z0 >= t[5] - slack
            for t in self.taken
        )  # fmt: skip


def around(x: float, z: float, size: tuple[float, float, float], turn: float, bottom: float = 0.0) -> Box:
    """Box that holds one of `size` (width, height, depth) turned about the vertical, its middle at (x, z)."""
    c, s = abs(np.cos(turn)), abs(np.sin(turn))
    half_x, half_z = (c * size[0] + s * size[2]) / 2, (s * size[0] + c * size[2]) / 2
    return (x - half_x, x + half_x, bottom, bottom + size[1], z - half_z, z + half_z)
