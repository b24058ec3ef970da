"""Things made of boxes and cylinders: packets, bottles, books, full shelves, screens, piles."""

from __future__ import annotations

import numpy as np

from onedepth.data.furnished.mesh import Builder
from onedepth.data.furnished.palette import Palette


class Clutter:
    """Adds small things to a builder; a few dozen materials are drawn once and used again and again."""

    def __init__(self, builder: Builder, palette: Palette) -> None:
        self.builder = builder
        self.palette = palette
        self.things = [builder.material(palette.thing()) for _ in range(18)]
        self.covers = [builder.material(palette.plain()) for _ in range(12)]
        self.rows = [builder.material(palette.picture("books")) for _ in range(3)]
        self.paper = builder.material(palette.plain(palette.white()))
        self.page = builder.material(palette.picture("painting"))
        self.dark = builder.material(palette.plain((0.02, 0.02, 0.022)))
        self.display = builder.material(palette.picture("screen", palette.between(0, 0.5)))

    def _pick(self, numbers: list[int]) -> int:
        return numbers[int(self.palette.rng.integers(len(numbers)))]

    def thing(self, x: float, y: float, z: float, widest: float, tallest: float) -> float:
        """One thing that stands on (x, y, z); gives its height, metres."""
        p, b = self.palette, self.builder
        kind = p.rng.random()
        if kind < 0.34:
            size = [
                p.between(0.04, min(0.34, widest)),
                p.between(0.03, min(0.36, tallest)),
                p.between(0.04, min(0.3, widest)),
            ]
            b.box((x, y + size[1] / 2, z), size, self._pick(self.things), p.between(0, 6.3), p.between(0, 1))
            return size[1]
        if kind < 0.55:  # a bottle, a can, a cup
            radius = p.between(0.02, min(0.06, widest / 2))
            height = p.between(0.06, min(0.32, tallest))
            material = self._pick(self.things)
            if height > 0.16:
                b.cylinder((x, y, z), radius, height * 0.62, material)
                b.cylinder((x, y + height * 0.62, z), radius, height * 0.15, material, 0.4)
                b.cylinder((x, y + height * 0.77, z), radius * 0.38, height * 0.23, self._pick(self.covers))
            else:
                b.cylinder((x, y, z), radius, height, material, p.between(0.8, 1.3))
            return height
        if kind < 0.75:  # books lying
            top = y
            for _ in range(int(p.rng.integers(1, 6))):
                thick = p.between(0.012, 0.045)
                if top + thick - y > tallest:
                    break
                size = (p.between(0.12, 0.21), thick, p.between(0.17, 0.29))
                b.box((x, top + thick / 2, z), size, self._pick(self.covers), p.between(-0.4, 0.4) + (x * 7) % 3)
                top += thick
            return top - y
        if kind < 0.88:  # paper
            b.box(
                (x, y + 0.002, z), (0.21, 0.004, 0.297), self.paper if p.chance(0.6) else self.page, p.between(0, 6.3)
            )
            return 0.004
        radius = p.between(0.06, min(0.17, widest / 2))  # a bowl, a pot, a basket
        height = p.between(0.05, min(0.25, tallest))
        b.cylinder((x, y, z), radius, height, self._pick(self.things), p.between(0.75, 1.35))
        return height

    def pile(self, x: float, y: float, z: float, widest: float, tallest: float) -> None:
        """Boxes on boxes."""
        p, top = self.palette, y
        for _ in range(int(p.rng.integers(1, 5))):
            size = [p.between(0.15, widest), p.between(0.1, 0.45), p.between(0.15, widest)]
            if top + size[1] > y + tallest:
                break
            self.builder.box(
                (x, top + size[1] / 2, z), size, self._pick(self.things), p.between(-0.3, 0.3), p.between(0, 1)
            )
            top += size[1]
            widest = max(0.16, min(size[0], size[2]))

    def row(self, left, along, turn: float, width: float, depth: float, height: float, fill: float) -> None:
        """A shelf's load: from `left` (x, y, z), its near edge, along the unit vector (dx, dz), `width` metres.

        Args:
            left: x, y, z of the shelf's left end in the middle of its depth.
            along: dx, dz.
            turn: of the shelf about the vertical, radians.
            width: metres.
            depth: metres.
            height: to the next board, metres.
            fill: 0…1.
        """
        p, b, u = self.palette, self.builder, 0.01
        style = p.rng.random()
        while u < width - 0.03:
            if p.chance(1 - fill):
                u += p.between(0.05, 0.3)
                continue
            if style < 0.5:  # books upright
                books = int(p.rng.integers(2, 16))
                tall = p.between(0.55, 0.9) * height
                for _ in range(books):
                    thick = p.between(0.014, 0.055)
                    if u + thick > width:
                        return
                    size = (
                        thick * 0.94,
                        min(tall * p.between(0.8, 1.05), height - 0.01),
                        min(depth * 0.85, p.between(0.13, 0.24)),
                    )
                    middle = u + thick / 2
                    b.box(
                        (left[0] + along[0] * middle, left[1] + size[1] / 2, left[2] + along[1] * middle),
                        size, self._pick(self.covers) if p.chance(0.8) else self._pick(self.things), turn,
                    )  # fmt: skip
                    u += thick
            elif style < 0.65:  # boxes and packets in rows
                wide = p.between(0.06, 0.35)
                size = (wide, p.between(0.3, 0.95) * (height - 0.01), min(depth * 0.9, p.between(0.1, 0.4)))
                material = self._pick(self.things)
                for _ in range(int(p.rng.integers(1, 6))):
                    if u + wide > width:
                        return
                    middle = u + wide / 2
                    b.box(
                        (left[0] + along[0] * middle, left[1] + size[1] / 2, left[2] + along[1] * middle),
                        size, material, turn, 0.13,
                    )  # fmt: skip
                    u += wide * 1.06
            else:
                wide = p.between(0.08, 0.3)
                if u + wide > width:
                    return
                middle = u + wide / 2
                self.thing(
                    left[0] + along[0] * middle, left[1], left[2] + along[1] * middle, min(wide, depth), height - 0.02
                )
                u += wide

    def shelves(self, x: float, z: float, turn: float, size: tuple[float, float, float], fill: float) -> None:
        """A rack of boards with things on them.

        Args:
            x: of its middle, metres.
            z: of its middle, metres.
            turn: about the vertical, radians; its front is the turned +z.
            size: width, height, depth, metres.
            fill: of the boards, 0…1.
        """
        p, b = self.palette, self.builder
        width, height, depth = size
        board = b.material(p.joinery())
        c, s = np.cos(turn), np.sin(turn)

        def place(dx: float, dz: float) -> tuple[float, float]:
            return x + c * dx + s * dz, z - s * dx + c * dz

        count = max(2, round(height / p.between(0.26, 0.5)))
        step = (height - 0.03) / count
        for i in range(count + 1):
            b.box((x, 0.02 + i * step, z), (width, 0.025, depth), board, turn)
        if p.chance(0.8):
            for side in (-1, 1):
                px, pz = place(side * (width / 2 - 0.012), 0)
                b.box((px, height / 2, pz), (0.024, height, depth), board, turn)
        if p.chance(0.6):
            px, pz = place(0, -depth / 2 + 0.006)
            b.box((px, height / 2, pz), (width - 0.03, height, 0.012), board, turn)
        for i in range(count):
            px, pz = place(-width / 2 + 0.03, p.between(-0.02, 0.05) * depth)
            self.row((px, 0.034 + i * step, pz), (c, -s), turn, width - 0.06, depth, step - 0.03, fill)
        for _ in range(int(p.rng.integers(0, 4))):
            px, pz = place(p.between(-0.4, 0.4) * width, 0)
            self.thing(px, height, pz, depth, 0.4)
