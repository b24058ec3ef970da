"""Furniture, drawn from a seed, in the sizes of a furniture shop, so that size tells distance.

To add a piece: a function that draws its solids around (0, 0), back at z = 0, front towards +z, and a line in
`PIECES`; name it under a kind of room in `KINDS` and it will be placed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from onedepth.data.rooms.dice import Dice
from onedepth.data.rooms.geometry import Material, Solid, Vector
from onedepth.data.rooms.surfaces import (
    CLOTH,
    DARK,
    LEAVES,
    STEEL,
    STONE,
    WHITE,
    cloth,
    darker,
    fronts,
    glowing,
    linear,
    paint,
    tiles,
    tint,
    wood,
)


@dataclass(frozen=True)
class Piece:
    """Solids around (0, 0), back at z = 0, and the floor they take: width (x), depth (z), height, metres."""

    solids: tuple[Solid, ...]
    width: float
    depth: float
    height: float


def block(
    x: float,
    z: float,
    bottom: float,
    size: Vector,
    material: Material,
    *,
    shadow: bool = True,
    shape: str = "box",
) -> Solid:
    """A solid of width, height, depth `size`, its middle at (x, z), its underside `bottom` metres up."""
    half = (size[0] / 2, size[1] / 2, size[2] / 2)
    return Solid(shape, (x, -bottom - half[1], z), half, material, shadow=shadow)


def _legs(width: float, depth: float, height: float, thick: float, material: Material) -> list[Solid]:
    dx, middle, dz = (width - thick) / 2 - 0.02, depth / 2, (depth - thick) / 2 - 0.02
    size = (thick, height, thick)
    return [block(x, middle + z, 0, size, material, shadow=False) for x in (-dx, dx) for z in (-dz, dz)]


def _turned_to(dice: Dice, piece: Piece, x: float, z: float, turn: tuple[float, float]) -> list[Solid]:
    """A chair is never put back exactly straight."""
    lean = dice.between(-0.15, 0.15)
    cos, sin = (1 - lean * lean) / (1 + lean * lean), 2 * lean / (1 + lean * lean)
    turn = (turn[0] * cos - turn[1] * sin, turn[1] * cos + turn[0] * sin)
    return [solid.moved(0, -piece.depth / 2).moved(x, z, turn) for solid in piece.solids]


def chair(dice: Dice, material: Material | None = None) -> Piece:
    """A kitchen chair."""
    material = material or wood(dice)
    seat, width, back = dice.between(0.43, 0.48), dice.between(0.4, 0.48), dice.between(0.8, 1.0)
    solids = [
        block(0, width / 2, seat - 0.04, (width, 0.04, width), material),
        block(0, 0.02, seat + 0.12, (width, back - seat - 0.12, 0.03), material),
        *_legs(width, width, seat - 0.04, 0.04, material),
        *(block(x * (width / 2 - 0.03), 0.02, seat, (0.04, 0.14, 0.03), material, shadow=False) for x in (-1, 1)),
    ]
    return Piece(tuple(solids), width, width, back)


def stool(dice: Dice) -> Piece:
    """A round stool or pouf."""
    width, height = dice.between(0.3, 0.55), dice.between(0.35, 0.5)
    body = block(0, width / 2, 0, (width, height, width), cloth(dice), shape="cylinder")
    return Piece((body,), width, width, height)


def table(dice: Dice) -> Piece:
    """A dining table with two to six chairs."""
    width, depth, height = dice.between(1.0, 2.0), dice.between(0.75, 0.95), dice.between(0.72, 0.77)
    top, seat = wood(dice), chair(dice)
    solids = [
        block(0, 0.4 + depth / 2, height - 0.04, (width, 0.04, depth), top),
        *(s.moved(0, 0.4) for s in _legs(width, depth, height - 0.04, 0.07, top)),
    ]
    places = 2 if width > 1.4 else 1
    for i in range(places):
        x = (i + 0.5 - places / 2) * width / places
        if dice.chance(0.8):
            solids += _turned_to(dice, seat, x, 0.4 - dice.between(-0.08, 0.15), (1.0, 0.0))
        if dice.chance(0.8):
            solids += _turned_to(dice, seat, x, 0.4 + depth + dice.between(-0.08, 0.15), (-1.0, 0.0))
    if dice.chance(0.6):
        wide = dice.between(0.12, 0.3)
        bowl = block(
            dice.between(-0.3, 0.3),
            0.4 + depth / 2,
            height,
            (wide, wide, wide),
            paint(dice),
            shape="cylinder",
        )
        solids.append(replace(bowl, shape="ball") if dice.chance(0.4) else bowl)
    return Piece(tuple(solids), width, depth + 0.8, height)


def coffee_table(dice: Dice) -> Piece:
    """A low table, square or round."""
    width, height, material = dice.between(0.6, 1.2), dice.between(0.35, 0.48), wood(dice)
    if dice.chance(0.35):
        disc = block(0, width / 2, height - 0.04, (width, 0.04, width), material, shape="cylinder")
        foot = block(0, width / 2, 0, (0.12, height - 0.04, 0.12), material, shape="cylinder")
        return Piece((disc, foot), width, width, height)
    depth = dice.between(0.5, 0.7)
    top = block(0, depth / 2, height - 0.05, (width, 0.05, depth), material)
    return Piece((top, *_legs(width, depth, height - 0.05, 0.05, material)), width, depth, height)


def bed(dice: Dice) -> Piece:
    """Frame, mattress, duvet, pillows, headboard."""
    width, long, frame, duvet = dice.choice([0.9, 1.4, 1.6, 1.8]), 2.05, wood(dice), cloth(dice)
    board, fold = dice.between(0.8, 1.2), dice.between(1.2, 1.5)
    solids = [
        block(0, 0.03, 0, (width + 0.06, board, 0.06), frame),
        block(0, long / 2, 0.05, (width, 0.25, long), frame),
        block(0, long / 2, 0.3, (width - 0.04, 0.2, long - 0.06), WHITE, shadow=False),
        block(0, long - fold / 2, 0.32, (width + 0.03, 0.22, fold), duvet),
    ]
    for x in (-width / 4, width / 4) if width > 1.2 else (0.0,):
        solids.append(block(x, 0.32, 0.5, (0.6, 0.12, 0.4), cloth(dice), shadow=False))
    return Piece(tuple(solids), width + 0.06, long, board)


def sofa(dice: Dice) -> Piece:
    """Two or three seats, or an armchair."""
    seats, material = dice.choice([1, 2, 2, 3]), cloth(dice)
    width, seat, back = seats * 0.65 + 0.36, dice.between(0.4, 0.45), dice.between(0.75, 0.9)
    solids = [
        block(0, 0.47, 0.08, (width, seat - 0.2, 0.86), material),
        block(0, 0.12, 0.08, (width, back - 0.08, 0.22), material),
        *(block(x * (width / 2 - 0.09), 0.46, 0.08, (0.18, seat + 0.1, 0.9), material) for x in (-1, 1)),
    ]
    for i in range(seats):
        cushion = (0.62, 0.14, 0.68)
        solids.append(block((i + 0.5 - seats / 2) * 0.65, 0.56, seat - 0.12, cushion, material, shadow=False))
    if dice.chance(0.7):
        side = dice.side() * (width / 2 - 0.45)
        solids.append(block(side, 0.32, seat + 0.02, (0.42, 0.38, 0.14), cloth(dice), shadow=False))
    return Piece(tuple(solids), width, 0.92, back)


def cupboard(dice: Dice) -> Piece:
    """A wardrobe, closed."""
    doors, door = dice.whole(1, 4), dice.between(0.45, 0.6)
    width, depth, height = doors * door, dice.between(0.4, 0.62), dice.between(1.7, 2.15)
    look = fronts(dice, door, height * 2)
    body = block(0, depth / 2, 0.06, (width, height - 0.06, depth), replace(look, joint_m=0.0))
    skin, handles = [], []
    for i in range(doors):
        x, knob = (i + 0.5 - doors / 2) * door, door * (0.4 if i % 2 == 0 else -0.4)
        leaf = (door - 0.006, height - 0.1, 0.018)
        skin.append(block(x, depth + 0.009, 0.08, leaf, look, shadow=False))
        handles.append(block(x + knob, depth + 0.03, 1.0, (0.02, 0.2, 0.03), STEEL, shadow=False))
    foot = block(0, depth / 2 - 0.01, 0, (width, 0.06, depth - 0.04), DARK, shadow=False)
    return Piece((body, foot, *skin, *handles), width, depth + 0.05, height)


def sideboard(dice: Dice) -> Piece:
    """A chest of drawers, with a television or a lamp on it."""
    width, depth, height = dice.between(0.8, 1.8), dice.between(0.35, 0.5), dice.between(0.5, 0.95)
    look = fronts(dice, width / dice.whole(1, 4), height / dice.whole(2, 4))
    solids = [block(0, depth / 2, 0.05, (width, height - 0.05, depth), look)]
    solids.append(block(0, depth / 2 - 0.02, 0, (width - 0.04, 0.05, depth - 0.06), DARK, shadow=False))
    kind = dice.whole(0, 3)
    if kind == 0:
        screen = min(dice.between(0.8, 1.3), width)
        solids.append(block(0, depth / 2, height + 0.06, (screen, screen * 0.57, 0.05), DARK))
        solids.append(block(0, depth / 2, height, (0.4, 0.06, 0.2), DARK, shadow=False))
    elif kind == 1:
        x = dice.between(-0.3, 0.3) * width
        solids.append(block(x, depth / 2, height, (0.04, 0.25, 0.04), STEEL, shadow=False, shape="cylinder"))
        shade = glowing((250, 226, 180), 0.9)
        solids.append(block(x, depth / 2, height + 0.22, (0.26, 0.2, 0.26), shade, shadow=False, shape="cylinder"))
    elif kind == 2:
        for i in (-1, 0, 1):
            wide = dice.between(0.1, 0.22)
            item = block(i * width / 4, depth / 2, height, (wide, wide * dice.between(1, 2), wide), cloth(dice))
            solids.append(replace(item, shape=dice.choice(["box", "cylinder"])))
    return Piece(tuple(solids), width, depth, height)


def bookshelf(dice: Dice) -> Piece:
    """Boards with rows of books."""
    width, depth, height, material = dice.between(0.6, 1.2), 0.3, dice.between(1.2, 2.1), wood(dice)
    shelves = round(height / 0.36)
    step = (height - 0.03) / shelves
    solids = [
        block(0, 0.01, 0, (width, height, 0.02), material),
        *(block(x * (width - 0.025) / 2, depth / 2, 0, (0.025, height, depth), material) for x in (-1, 1)),
        *(
            block(0, depth / 2, i * step, (width - 0.05, 0.03, depth), material, shadow=False)
            for i in range(shelves + 1)
        ),
    ]
    for i in range(shelves):
        if dice.chance(0.85):
            wide, tall = dice.between(0.4, 1) * (width - 0.06), dice.between(0.6, 0.88) * (step - 0.03)
            books = replace(cloth(dice), second=linear(tint(dice, CLOTH)), cell_m=(dice.between(0.03, 0.05), 1e3))
            books = replace(books, checker=0.6, tone=1.2, joint_m=0.006, cloud=0.0)
            left = dice.side() * (width - 0.06 - wide) / 2
            solids.append(block(left, 0.13, i * step + 0.03, (wide, tall, 0.2), books, shadow=False))
    return Piece(tuple(solids), width, depth, height)


def desk(dice: Dice) -> Piece:
    """A desk with a screen and a chair."""
    width, depth, material = dice.between(1.0, 1.6), dice.between(0.6, 0.8), wood(dice)
    solids = [
        block(0, depth / 2, 0.7, (width, 0.035, depth), material),
        *_legs(width, depth, 0.7, 0.05, DARK if dice.chance(0.5) else material),
        block((width / 2 - 0.24) * dice.side(), depth / 2, 0.1, (0.4, 0.55, depth - 0.1), fronts(dice, 1e3, 0.2)),
        block(0, 0.2, 0.85, (dice.between(0.45, 0.65), 0.36, 0.04), DARK),
        block(0, 0.2, 0.735, (0.08, 0.14, 0.06), DARK, shadow=False),
        block(0, 0.45, 0.735, (0.42, 0.02, 0.14), DARK, shadow=False),
    ]
    solids += _turned_to(dice, chair(dice), dice.between(-0.2, 0.2), depth + dice.between(0, 0.3), (-1.0, 0.0))
    return Piece(tuple(solids), width, depth + 0.55, 1.2)


def kitchen(dice: Dice) -> Piece:
    """A worktop with cupboards below and above, and a fridge."""
    doors, door = dice.whole(2, 4), 0.6
    width, look = doors * door, fronts(dice, door, 0.8)
    top = tiles(dice) if dice.chance(0.5) else wood(dice)
    solids = [
        block(0, 0.3, 0.86, (width, 0.04, 0.62), replace(top, cell_m=(1e3, 1e3))),
        block(0, 0.28, 0, (width, 0.1, 0.5), DARK, shadow=False),
    ]
    for i in range(doors):
        x = (i + 0.5 - doors / 2) * door
        solids.append(block(x, 0.29, 0.1, (door - 0.006, 0.76, 0.58), look))
        solids.append(block(x, 0.6, 0.78, (0.2, 0.02, 0.03), STEEL, shadow=False))
    solids.append(block(0, 0.17, 1.42, (width, 0.7, 0.34), fronts(dice, door, 0.8)))
    fridge = block(
        width / 2 + 0.32, 0.31, 0, (0.6, dice.between(1.5, 1.95), 0.62), STEEL if dice.chance(0.5) else WHITE
    )
    solids.append(fridge)
    return Piece(tuple(s.moved(-0.31, 0) for s in solids), width + 0.62, 0.64, 2.12)


def floor_lamp(dice: Dice) -> Piece:
    """A pole with a shade."""
    height, wide = dice.between(1.4, 1.75), dice.between(0.28, 0.45)
    shade = glowing((252, 232, 190), dice.choice([0.0, 0.8, 1.2]))
    solids = (
        block(0, 0.2, 0, (0.28, 0.03, 0.28), DARK, shadow=False, shape="cylinder"),
        block(0, 0.2, 0.03, (0.03, height - 0.25, 0.03), DARK, shadow=False, shape="cylinder"),
        block(0, 0.2, height - 0.25, (wide, 0.25, wide), shade, shadow=False, shape="cylinder"),
    )
    return Piece(solids, 0.45, 0.42, height)


def plant(dice: Dice) -> Piece:
    """A pot with a few balls of leaves."""
    wide, pot, crown = dice.between(0.22, 0.4), dice.between(0.2, 0.4), dice.between(0.25, 0.5)
    rgb = tint(dice, LEAVES)
    leaves = Material(linear(rgb), darker(rgb, 0.35), cloud_m=(0.05, 0.08), cloud=1.6)
    middle, stem = crown / 2 + 0.1, dice.between(0.05, 0.5)
    solids = [
        block(0, middle, 0, (wide, pot, wide), Material(linear(tint(dice, STONE + CLOTH))), shape="cylinder"),
        block(0, middle, pot, (0.04, stem + crown / 2, 0.04), wood(dice), shadow=False, shape="cylinder"),
    ]
    for _ in range(dice.whole(2, 4)):
        size = dice.between(0.6, 1.0) * crown
        x, z = dice.between(-0.3, 0.3) * crown, dice.between(-0.2, 0.2) * crown
        ball = (size, size, size)
        solids.append(block(x, middle + z, pot + stem + dice.between(-0.1, 0.4) * crown, ball, leaves, shape="ball"))
    return Piece(tuple(solids), crown * 1.5, crown * 1.4 + 0.1, pot + stem + crown)


def ball(dice: Dice) -> Piece:
    """A toy or gymnastics ball."""
    wide = dice.choice([0.22, 0.24, 0.55, 0.65])
    return Piece((block(0, wide / 2, 0, (wide, wide, wide), cloth(dice), shape="ball"),), wide, wide, wide)


def parcels(dice: Dice) -> Piece:
    """Cardboard boxes, stacked."""
    rgb = tint(dice, [(186, 146, 102)])
    card = Material(linear(rgb), darker(rgb, 0.8), cloud_m=(0.2, 0.2), cloud=0.6)
    wide, deep, high = dice.between(0.35, 0.6), dice.between(0.3, 0.5), dice.between(0.25, 0.45)
    solids, total = [block(0, deep / 2, 0, (wide, high, deep), card)], high
    if dice.chance(0.6):
        upper = block(0, 0, high, (wide * 0.7, high * 0.7, deep * 0.7), card)
        solids.append(upper.moved(0, deep / 2, (0.96, 0.28)))
        total += high * 0.7
    return Piece(tuple(solids), wide, deep, total)


PIECES: dict[str, Callable[[Dice], Piece]] = {
    "ball": ball, "bed": bed, "bookshelf": bookshelf, "chair": chair, "coffee_table": coffee_table,
    "cupboard": cupboard, "desk": desk, "floor_lamp": floor_lamp, "kitchen": kitchen, "parcels": parcels,
    "plant": plant, "sideboard": sideboard, "sofa": sofa, "stool": stool, "table": table,
}  # fmt: skip
# What stands along the walls, the most important first, and what stands free.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bedroom": (("bed", "cupboard", "sideboard", "desk", "bookshelf", "plant", "chair"),
                ("ball", "stool", "chair")),
    "living": (("sofa", "sideboard", "sofa", "bookshelf", "floor_lamp", "plant", "cupboard"),
               ("coffee_table", "table", "stool")),
    "study": (("desk", "bookshelf", "bookshelf", "cupboard", "sofa", "plant", "floor_lamp"),
              ("table", "chair", "stool", "parcels")),
    "kitchen": (("kitchen", "sideboard", "cupboard", "chair", "plant"), ("table", "chair")),
    "dining": (("sideboard", "cupboard", "bookshelf", "plant", "floor_lamp", "sofa"),
               ("table", "plant", "chair")),
    "storage": (("cupboard", "bookshelf", "parcels", "parcels", "bookshelf", "desk", "parcels"),
                ("parcels", "table", "ball", "parcels")),
}  # fmt: skip
