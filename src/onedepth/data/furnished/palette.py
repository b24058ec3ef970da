"""Colours and materials, drawn at random: linear light, 0…1."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np

from onedepth.data.furnished.mesh import Material
from onedepth.data.furnished.textures import VARIETY, Textures

Colour = tuple[float, float, float]


def from_hsv(hue: float, saturation: float, value: float) -> Colour:
    """Linear light of a colour as seen on a screen."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return (r**2.2, g**2.2, b**2.2)


class Palette:
    """Draws colours and materials."""

    def __init__(self, rng: np.random.Generator, textures: Textures) -> None:
        self.rng = rng
        self.textures = textures

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """A number in low…high; low where high is lower."""
        return float(self.rng.uniform(low, max(low, high)))

    def texture(self, kind: str) -> int:
        """One of a painter's textures."""
        return self.textures.painted(kind, int(self.rng.integers(VARIETY)))

    def wall(self) -> Colour:
        """Paint: mostly pale and warm, now and then strong."""
        hue = self.between(0.05, 0.17) if self.chance(0.6) else self.between(0, 1)
        if self.chance(0.87):
            return from_hsv(hue, abs(self.rng.normal(0, 0.13)), self.between(0.66, 0.98))
        return from_hsv(hue, self.between(0.2, 0.75), self.between(0.25, 0.9))

    def wood(self) -> Colour:
        """From birch to wenge."""
        return from_hsv(self.between(0.04, 0.11), self.between(0.25, 0.75), self.between(0.22, 0.92))

    def any(self) -> Colour:
        """Anything; a third of it black, grey or white."""
        if self.chance(0.35):
            return from_hsv(self.between(0, 1), self.between(0, 0.08), self.rng.choice([0.17, 0.3, 0.5, 0.75, 0.93]))
        return from_hsv(self.between(0, 1), self.between(0, 1) ** 1.5 * 0.9, self.between(0.2, 0.95))

    def white(self) -> Colour:
        """Whites and creams."""
        return from_hsv(self.between(0.05, 0.2), self.between(0, 0.12), self.between(0.82, 0.98))

    def surface(self, kind: str, colour: Colour | None = None, size_m: float = 1.0) -> Material:
        """A material of a painter's texture, `size_m` metres wide."""
        shine = self.between(0, 0.5) if self.chance(0.35) else 0.0
        chosen = colour if colour is not None else self.any()
        return Material(chosen, self.texture(kind), 1 / size_m, shine, float(np.exp(self.between(1.5, 5))))

    def plain(self, colour: Colour | None = None) -> Material:
        """A material without texture."""
        shine = self.between(0, 0.6) if self.chance(0.4) else 0.0
        return Material(colour if colour is not None else self.any(), -1, 1, shine, float(np.exp(self.between(1.5, 5))))

    def picture(self, kind: str, glow: float = 0.0) -> Material:
        """A painter's texture in its own colours, to be fitted into a quad."""
        return Material((1.0, 1.0, 1.0), self.texture(kind), 1.0, 0.0, 20.0, glow)

    def floor(self) -> Material:
        """Boards, parquet, tiles, carpet, stone."""
        kind = str(self.rng.choice(["planks", "planks", "parquet", "tiles", "carpet", "carpet", "stone"]))
        colour = {"planks": self.wood, "parquet": self.wood, "tiles": self.wall, "stone": self.wall}.get(kind, self.any)
        size = {"planks": (0.6, 2.0), "parquet": (0.6, 1.6), "tiles": (0.5, 2.4), "carpet": (0.5, 2), "stone": (1, 3)}
        return self.surface(kind, colour(), self.between(*size[kind]))

    def paper(self, tiled: float = 0.05) -> Material:
        """What a wall is covered with."""
        draw = self.rng.random()
        if draw < tiled:
            return self.surface("tiles" if self.chance(0.6) else "brick", self.wall(), self.between(0.4, 1.6))
        if draw < tiled + 0.07:
            brick = from_hsv(self.between(0, 0.08), self.between(0.1, 0.7), self.between(0.4, 0.9))
            return self.surface("brick", brick, self.between(0.5, 1.2))
        if draw < tiled + 0.25:
            return self.surface("wallpaper", self.wall(), self.between(0.3, 1.4))
        if draw < tiled + 0.3:
            return self.surface("planks", self.wood(), self.between(0.6, 2))
        return replace(self.surface("plaster", self.wall(), self.between(0.6, 3)), shine=0.0)

    def joinery(self) -> Material:
        """Wood or lacquer of doors, shelves, boxes."""
        if self.chance(0.55):
            return self.surface("wood", self.wood(), self.between(0.5, 1.5))
        return self.plain(self.white() if self.chance(0.6) else self.any())

    def thing(self) -> Material:
        """A small thing's."""
        draw = self.rng.random()
        if draw < 0.35:
            return Material((1, 1, 1), self.texture("label"), 1 / self.between(0.12, 0.5))
        if draw < 0.5:
            return self.surface("cloth", None, self.between(0.2, 0.8))
        return self.plain()

    def repaint(self, material: Material, soft: bool) -> Material:
        """Furniture's own material or another; its texture coordinates are metres where it had no picture."""
        draw = self.rng.random()
        if material.texture >= 0:
            if draw < 0.55:
                return material
            if draw < 0.8:
                return replace(material, colour=tuple(0.35 + 0.65 * c for c in self.any()))  # type: ignore[arg-type]
            return replace(
                material, colour=self.any() if soft else self.wood(), texture=self.texture("cloth" if soft else "wood")
            )
        colour = material.colour if draw < 0.45 else (self.any() if soft or self.chance(0.4) else self.wood())
        changed = replace(material, colour=colour)
        if self.chance(0.6):
            kind = "cloth" if soft else str(self.rng.choice(["wood", "wood", "plaster", "stone"]))
            lifted: Colour = (min(1, colour[0] * 1.5), min(1, colour[1] * 1.5), min(1, colour[2] * 1.5))
            changed = replace(changed, colour=lifted, texture=self.texture(kind), repeats=1 / self.between(0.3, 1.4))
        return changed
