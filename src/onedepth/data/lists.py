"""List files: one pair a line, as BTS and DenseDepth's KITTI scripts write them.

    RGB DEPTH [FOCAL]     separated by spaces; DEPTH is None where there is no truth, FOCAL is in pixels
    RGB,DEPTH             separated by a comma

Paths are relative to the data's folders; a slash at their beginning, as in BTS's lists of NYU, is not the root's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from onedepth.data.files import inside
from onedepth.data.pictures import one_line
from onedepth.errors import DataError


@dataclass(frozen=True)
class Line:
    """One pair: its id, its two paths, its focal length in pixels if it is given, and where the line stands."""

    id: str
    rgb: str
    depth: str | None
    focal_px: float | None
    place: str


def read_list(path: Path) -> list[Line]:
    """Every line of a list; at least one.

    A pair's id is its picture's path without suffix; if a list names it again, with the line as in "…/37@128".

    Raises:
        DataError: no such file, or a line that is not as above, with its number.
    """
    try:
        texts = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such list of pairs") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a list of pairs ({one_line(error)})") from error
    lines: list[Line] = []
    seen: set[str] = set()
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        place = f"{path}:{number}"
        fields = [field.strip() for field in text.split(",")] if "," in text else text.split()
        if not 2 <= len(fields) <= 3:
            raise DataError(f"{place}: {len(fields)} fields, expected RGB DEPTH, or RGB DEPTH FOCAL")
        rgb, depth = (field.lstrip("/") for field in fields[:2])
        for name in (rgb, depth):
            if not inside(name):
                raise DataError(f"{place}: {name!r}, expected a path inside the folder, relative to it")
        name = rgb.rpartition(".")[0] or rgb
        if name in seen:
            name = f"{name}@{number}"
        seen.add(name)
        lines.append(Line(name, rgb, None if depth == "None" else depth, _focal(fields[2:], place), place))
    if not lines:
        raise DataError(f"{path}: holds no lines, expected one for each pair")
    return lines


def find_list(path: Path, name: str | Path) -> Path:
    """A list by its own path, or by its path inside the data's folder `path`."""
    return Path(name) if Path(name).is_file() else path / name


def _focal(fields: list[str], place: str) -> float | None:
    if not fields:
        return None
    try:
        focal_px = float(fields[0])
    except ValueError:
        focal_px = math.nan
    if not (math.isfinite(focal_px) and focal_px > 0):
        raise DataError(f"{place}: focal length is {fields[0]!r}, expected a number above 0, in pixels")
    return focal_px
