"""Kinds of rooms: how large they are and what stands in them.

To add one: a line in `KINDS`. What a plan says is done by `layout`; parts are those of the `catalogue`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of room.

    Attributes:
        share: how often, among all.
        width, length: metres, from…to.
        tiled: probability of tiled walls.
        windows: a wall.
        opened: probability of an open doorway.
        plan: what is put where, in turn: how, part, fewest, most.
        clutter: how much lies about, 0…1.
    """

    share: float
    width: tuple[float, float]
    length: tuple[float, float]
    tiled: float
    windows: float
    opened: float
    plan: tuple[tuple[str, str, int, int], ...]
    clutter: float = 0.5


KINDS: dict[str, Kind] = {
    "bedroom": Kind(4, (2.5, 5), (3, 5.5), 0, 0.4, 0.2, (
        ("wall", "bed", 1, 2), ("wall", "bedside", 0, 2), ("wall", "wardrobe", 0, 2), ("wall", "dresser", 0, 2),
        ("desk", "desk", 0, 1), ("wall", "shelf", 0, 1), ("rack", "", 0, 1), ("corner", "armchair", 0, 1),
        ("corner", "plant", 0, 1), ("rug", "", 0, 1), ("hung", "hung", 0, 1), ("floor", "stray", 0, 4)), 0.6),
    "living": Kind(4, (3, 6.5), (3.5, 7.5), 0, 0.45, 0.35, (
        ("wall", "sofa", 1, 2), ("wall", "dresser", 0, 2), ("middle", "coffee_table", 0, 1),
        ("corner", "armchair", 0, 3), ("wall", "shelf", 0, 2), ("rack", "", 0, 1), ("corner", "floor_lamp", 0, 1),
        ("corner", "plant", 0, 2), ("rug", "", 0, 1), ("hung", "hung", 0, 1), ("set", "table", 0, 1),
        ("floor", "stray", 0, 3), ("floor", "pet", 0, 1)), 0.6),
    "kitchen": Kind(3, (2.3, 4.5), (2.8, 5.5), 0.35, 0.3, 0.3, (
        ("run", "", 1, 3), ("wall", "fridge", 0, 2), ("set", "table", 0, 1), ("middle", "stool", 0, 2),
        ("wall", "shelf", 0, 1), ("floor", "stray", 0, 2)), 0.9),
    "bathroom": Kind(2, (1.8, 3.2), (2.0, 3.8), 0.75, 0.2, 0.1, (
        ("wall", "bath", 0, 1), ("wall", "toilet", 1, 1), ("wall", "washbasin", 1, 1), ("wall", "kitchen_low", 0, 1),
        ("hung", "hung", 0, 2), ("floor", "stray", 0, 2), ("rack", "", 0, 1)), 0.7),
    "office": Kind(3, (2.8, 6), (3, 7), 0, 0.4, 0.15, (
        ("desk", "desk", 1, 4), ("wall", "shelf", 0, 2), ("rack", "", 0, 3), ("wall", "dresser", 0, 1),
        ("middle", "office_chair", 0, 2), ("corner", "plant", 0, 1), ("floor", "stray", 0, 4)), 0.9),
    "classroom": Kind(1.5, (5, 9), (5, 9.5), 0, 0.5, 0.1, (
        ("grid", "table", 1, 1), ("wall", "shelf", 0, 2), ("rack", "", 0, 2), ("hung", "hung", 0, 1),
        ("floor", "stray", 0, 2), ("floor", "person", 0, 1)), 0.5),
    "store": Kind(2.5, (3, 8), (4, 9), 0, 0.1, 0.1, (
        ("aisle", "", 0, 3), ("rack", "", 3, 9), ("piles", "", 0, 8), ("floor", "stray", 0, 4),
        ("floor", "person", 0, 1)), 0.9),
    "corridor": Kind(0.8, (1.4, 2.4), (4.5, 9.5), 0.05, 0.1, 0.6, (
        ("wall", "dresser", 0, 1), ("rack", "", 0, 1), ("corner", "plant", 0, 1), ("wall", "chair", 0, 1),
        ("floor", "stray", 0, 2)), 0.3),
    "dining": Kind(2.5, (2.8, 5.5), (3, 6), 0, 0.45, 0.35, (
        ("set", "table", 1, 1), ("wall", "dresser", 0, 2), ("wall", "shelf", 0, 1), ("corner", "plant", 0, 2),
        ("rug", "", 0, 1), ("hung", "hung", 0, 1), ("wall", "chair", 0, 2), ("floor", "stray", 0, 1)), 0.7),
    "playroom": Kind(1, (2.8, 5.5), (3, 6), 0, 0.4, 0.2, (
        ("rack", "", 1, 3), ("wall", "sofa", 0, 1), ("rug", "", 0, 1), ("middle", "coffee_table", 0, 1),
        ("floor", "stray", 2, 8), ("floor", "small", 3, 12), ("piles", "", 0, 3)), 0.9),
}  # fmt: skip


COMMON = [
    ("wall", "dresser"), ("wall", "shelf"), ("wall", "chair"), ("rack", ""), ("rack", ""), ("floor", "stray"),
    ("piles", ""), ("wall", "stool"), ("corner", "plant"), ("wall", "table"), ("wall", "armchair"), ("wall", "bedside"),
]  # fmt: skip
