"""What surfaces in a room are made of, drawn from a seed; textures keep their size in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onedepth.data.rooms.dice import Dice
from onedepth.data.rooms.geometry import Material, Vector

# Colours as one sees them on a screen, 0…255; `linear` makes light of them.

WOOD = [(196, 152, 104), (164, 116, 72), (128, 82, 50), (96, 62, 42), (214, 184, 142), (178, 128, 92)]
PAINT = [
    (232, 228, 218), (222, 214, 196), (206, 214, 216), (214, 204, 178), (188, 202, 186), (196, 206, 224),
    (226, 200, 186), (240, 238, 234), (176, 190, 200), (228, 214, 160), (168, 116, 104), (120, 140, 150),
]  # fmt: skip
CLOTH = [
    (146, 60, 56), (62, 84, 128), (86, 110, 82), (150, 140, 126), (90, 84, 88), (190, 170, 140),
    (70, 120, 130), (170, 120, 60), (210, 204, 196), (120, 78, 110), (50, 54, 66), (200, 150, 150),
]  # fmt: skip
STONE = [(190, 186, 178), (160, 152, 142), (214, 208, 198), (120, 116, 112), (176, 150, 126), (150, 160, 164)]
LEAVES = [(70, 110, 56), (92, 130, 70), (56, 92, 62)]


def linear(rgb: Sequence[float]) -> Vector:
    """Light for a colour as seen on a screen, 0…255."""
    r, g, b = (min(max(c / 255, 0.0), 1.0) for c in rgb)
    return (r * r, g * g, b * b)


def tint(dice: Dice, palette: Sequence[Vector], spread: float = 14) -> Vector:
    """A colour near one of the palette's, 0…255."""
    r, g, b = dice.choice(palette)
    level = dice.between(-spread, spread)
    return (r + level + dice.between(-6, 6), g + level + dice.between(-6, 6), b + level + dice.between(-6, 6))


def darker(rgb: Sequence[float], share: float) -> Vector:
    """Light for a colour 0…255 made darker."""
    return linear([c * share for c in rgb])


def wood(dice: Dice, upright: bool = False) -> Material:
    """Grain along u: lying, on the sides of a box; or upright."""
    rgb = tint(dice, WOOD)
    grain = (0.035, 0.5) if upright else (0.5, 0.035)
    return Material(linear(rgb), darker(rgb, dice.between(0.6, 0.8)), cloud_m=grain, cloud=0.9)


def paint(dice: Dice) -> Material:
    """Plain, a little uneven."""
    rgb = tint(dice, PAINT)
    return Material(linear(rgb), darker(rgb, 0.9), cloud_m=(0.5, 0.5), cloud=0.5)


def cloth(dice: Dice) -> Material:
    """Woven: plain, striped or checked."""
    rgb, other = tint(dice, CLOTH), tint(dice, CLOTH)
    plain = Material(linear(rgb), darker(rgb, 0.72), cloud_m=(0.05, 0.05), cloud=0.8)
    kind = dice.whole(0, 5)
    if kind == 0:
        return replace(plain, second=linear(other), cell_m=(dice.between(0.06, 0.2), 1e3), checker=0.9, cloud=0.1)
    if kind == 1:
        size = dice.between(0.06, 0.16)
        return replace(plain, second=linear(other), cell_m=(size, size), checker=0.7, cloud=0.15)
    return plain


def tiles(dice: Dice) -> Material:
    """Square or brick-like tiles with joints, sometimes a chessboard."""
    rgb, width = tint(dice, STONE), dice.choice([0.15, 0.2, 0.3, 0.3, 0.4, 0.6])
    square = dice.chance(0.7)
    return Material(
        linear(rgb),
        darker(rgb, dice.between(0.3, 0.8)),
        cell_m=(width, width if square else width / 2),
        stagger=0.0 if square else 0.5,
        checker=0.9 if square and dice.chance(0.35) else 0.0,
        tone=dice.between(0.05, 0.25),
        joint_m=dice.between(0.006, 0.014),
        cloud_m=(0.12, 0.12),
        cloud=0.3,
    )


def planks(dice: Dice) -> Material:
    """A wooden floor."""
    width = dice.choice([0.09, 0.12, 0.15, 0.2])
    return replace(
        wood(dice),
        cell_m=(dice.between(0.9, 2.2), width),
        stagger=2.0,
        tone=dice.between(0.15, 0.45),
        joint_m=0.006,
    )


def carpet(dice: Dice) -> Material:
    """A wall-to-wall carpet."""
    rgb = tint(dice, CLOTH)
    return Material(linear(rgb), darker(rgb, 0.7), cloud_m=(0.045, 0.045), cloud=1.0)


def wallpaper(dice: Dice) -> Material:
    """Paint, mostly; stripes, panels and bricks too."""
    plain, kind = paint(dice), dice.whole(0, 9)
    if kind == 0:
        width = dice.between(0.1, 0.3)
        return replace(plain, second=darker(tint(dice, PAINT), 0.95), cell_m=(width, 1e3), checker=0.9, cloud=0.1)
    if kind == 1:
        return replace(plain, cell_m=(dice.between(0.1, 0.2), 1e3), tone=0.06, joint_m=0.008)
    if kind == 2:
        rgb = tint(dice, [(168, 98, 76), (222, 216, 206), (150, 90, 72)])
        return Material(linear(rgb), darker(rgb, 0.7), (0.25, 0.075), 0.5, 0.0, 0.35, 0.012, (0.1, 0.1), 0.5)
    return plain


def painting(dice: Dice) -> Material:
    """Patches of two colours, as on a modern print."""
    size = dice.between(0.08, 0.3)
    two = linear(tint(dice, CLOTH)), linear(tint(dice, PAINT + CLOTH))
    return Material(*two, cloud_m=(size, size * dice.between(0.4, 1.5)), cloud=dice.choice([1.5, 4.0]))


def fronts(dice: Dice, door_m: float, row_m: float) -> Material:
    """Doors or drawers, door_m wide and row_m high, with dark gaps."""
    plain = wood(dice, upright=dice.chance(0.5)) if dice.chance(0.6) else paint(dice)
    return replace(plain, cell_m=(door_m, row_m), joint_m=0.008, tone=0.06)


DARK = Material(linear((38, 38, 42)), linear((24, 24, 28)), cloud=0.5)
STEEL = Material(linear((160, 162, 166)), linear((120, 122, 126)), cloud_m=(0.4, 0.02), cloud=0.5)
WHITE = Material(linear((236, 234, 228)), linear((224, 222, 216)), cloud=0.4)
FLOORS = [planks, planks, tiles, carpet]


def glowing(rgb: Sequence[float], glow: float) -> Material:
    """A lamp shade or a window."""
    return Material(linear(rgb), darker(rgb, 0.9), cloud=0.3, glow=glow)
