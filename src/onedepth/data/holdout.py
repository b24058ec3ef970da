"""Rooms held out of training pairs for validation: always the same ones, and never half a room."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from onedepth.errors import DataError

VAL_SHARE = 1 / 16
"""Share of the rooms that is held out unless told otherwise."""


def room_of(scene: str) -> str:
    """The room of a recording: "living_room_0038" for its part "living_room_0038a", and for DenseDepth's "…_out"."""
    return re.sub(r"(?<=\d)[a-z]$", "", scene.removesuffix("_out"))


def rows_of(split: Literal["train", "val"], scenes: Sequence[str], val_scenes: int | None, path: Path) -> list[int]:
    """Rows whose rooms are held out ("val"), or those of all other rooms ("train").

    The rooms held out are evenly spread over the sorted list of rooms, so that every kind of room is among them.

    Args:
        split: which rows.
        scenes: the recording that each row comes from.
        val_scenes: how many rooms are held out; None for `VAL_SHARE` of them.
        path: names the data in messages.

    Raises:
        DataError: there are not as many rooms.
    """
    rooms = [room_of(scene) for scene in scenes]
    every = sorted(set(rooms))
    if val_scenes is None:
        val_scenes = min(len(every) - 1, max(1, round(len(every) * VAL_SHARE)))
    if not 0 <= val_scenes < len(every) or (split == "val" and not val_scenes):
        least = 1 if split == "val" else 0
        raise DataError(f"{path}: val_scenes is {val_scenes}, expected {least} to {len(every) - 1}")
    held_out = {every[int((number + 0.5) * len(every) / val_scenes)] for number in range(val_scenes)}
    return [row for row, room in enumerate(rooms) if (room in held_out) == (split == "val")]
