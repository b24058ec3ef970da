"""RGB-D pairs in a folder: `index.csv` beside the pictures it names.

    index.csv     id,rgb,depth[,split][,fx,fy,cx,cy]    more columns are allowed and not read
    any/where     8-bit RGB pictures of any kind that Pillow reads
    any/where     depth as uint16 PNG in millimetres, 0 = invalid, of its picture's size

Paths are relative to the folder. `split` is needed only where a split is asked for. Of the intrinsics (pixels
of the picture) a row gives all four or none; without them the camera is taken to have the canonical focal
length.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onedepth.canonical import NYU_FOCAL, canonical_focal_px
from onedepth.data.pair import Pair, PairData
from onedepth.depth import Intrinsics
from onedepth.errors import DataError

INDEX_NAME = "index.csv"
NEEDED_COLUMNS = ("id", "rgb", "depth")
INTRINSICS_COLUMNS = ("fx", "fy", "cx", "cy")


@dataclass(frozen=True)
class _Row:
    """One checked line of the index; `intrinsics` is None where the line gives none."""

    id: str
    rgb: str
    depth: str
    split: str | None
    intrinsics: Intrinsics | None
    place: str  # "…/index.csv:7", for messages


class FolderData(PairData):
    """Pairs of the folder layout, read from disk one at a time.

    EXIF orientation is *not* applied: picture and depth belong together pixel by pixel as they are stored.

    Args:
        path: the folder.
        split: take only the rows with this value in the column `split`; None takes all.
        limit: take only the first so many of them.
        canonical_focal: in pixels per image width of a 4:3 picture; the focal length assumed (see
            `onedepth.canonical`) where the index gives no intrinsics.

    Raises:
        DataError: no folder or index, a missing column, an unknown split, a duplicate id, intrinsics that are
            not numbers, a path that leaves the folder. All rows are checked, whatever the split. Files are
            looked for by `check`, and only of the rows taken: another split may lie on another machine.
    """

    def __init__(
        self,
        path: str | Path,
        split: str | None = None,
        limit: int | None = None,
        *,
        canonical_focal: float = NYU_FOCAL,
    ) -> None:
        self.path = Path(path)
        self.split = split
        self.canonical_focal = canonical_focal
        if limit is not None and limit < 1:
            raise DataError(f"{self.path}: limit is {limit}, expected 1 or more (or none)")
        if not self.path.is_dir():
            raise DataError(f"{self.path}: no such folder, expected one that holds {INDEX_NAME}")
        rows = _read_index(self.path / INDEX_NAME, split_needed=split is not None)
        if split is not None:
            there = sorted({row.split or "" for row in rows})
            rows = [row for row in rows if row.split == split]
            if not rows:
                names = ", ".join(repr(name) for name in there)
                raise DataError(f"{self.path / INDEX_NAME}: no split {split!r}, there are {names}")
        self._table = tuple(rows[:limit])
        super().__init__(len(self._table))

    def _id(self, row: int) -> str:
        return self._table[row].id

    def _damage(self, row: int) -> str | None:
        entry = self._table[row]
        try:
            self._find(entry)
            try:
                with Image.open(self.path / entry.rgb) as picture:
                    width, height = picture.size
            except Exception as error:  # on damaged bytes Pillow's readers raise nearly anything
                raise DataError(f"{self.path / entry.rgb}: cannot be read as an image ({_one_line(error)})") from error
            _open_depth(self.path / entry.depth, height, width).close()
        except DataError as error:
            return str(error)
        return None

    def _read(self, row: int) -> Pair:
        entry = self._table[row]
        self._find(entry)
        image = _read_rgb(self.path / entry.rgb)
        height, width = image.shape[:2]
        millimetres = _read_depth_mm(self.path / entry.depth, height, width)
        focal_px = canonical_focal_px(height, width, self.canonical_focal)
        return Pair(
            id=entry.id,
            image=image,
            depth_m=millimetres.astype(np.float32) / np.float32(1000),
            valid=millimetres > 0,
            intrinsics=entry.intrinsics or Intrinsics.centred(focal_px, height, width),
        )

    def _find(self, entry: _Row) -> None:
        """Refuse a row whose files are not there: the line of the index says more than the system's error."""
        for column, name in (("rgb", entry.rgb), ("depth", entry.depth)):
            if not (self.path / name).is_file():
                raise DataError(f"{entry.place}: {column} file {name!r} does not exist in {self.path}")


def _read_index(index: Path, *, split_needed: bool) -> list[_Row]:
    """Every row of the index, checked; at least one.

    Raises:
        DataError: naming file and line.
    """
    rows: list[_Row] = []
    place_of_id: dict[str, int] = {}
    for line, fields in _records(index, split_needed=split_needed):
        place = f"{index}:{line}"
        name = fields["id"]
        if not name or not name.isprintable():
            raise DataError(f"{place}: id is {name!r}, expected a printable name")
        if name in place_of_id:
            raise DataError(f"{place}: id {name!r} stands already in line {place_of_id[name]}, ids must differ")
        place_of_id[name] = line
        for column in ("rgb", "depth"):
            _check_inside(fields[column], column, place)
        rows.append(_Row(name, fields["rgb"], fields["depth"], fields.get("split"), _intrinsics(fields, place), place))
    if not rows:
        raise DataError(f"{index}: holds no rows below its header, expected one for each pair")
    return rows


def _records(index: Path, *, split_needed: bool) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and fields by column of each row of the index, whose header is checked first."""
    needed = (*NEEDED_COLUMNS, "split") if split_needed else NEEDED_COLUMNS
    try:
        with index.open(encoding="utf-8-sig", newline="") as file:  # -sig: spreadsheets write a byte order mark
            reader = csv.reader(file, strict=True)
            columns = next(reader, [])
            came = ", ".join(repr(column) for column in columns) or "none"
            if len(set(columns)) < len(columns):
                raise DataError(f"{index}:1: column names must differ, there are {came}")
            if missing := [column for column in needed if column not in columns]:
                raise DataError(f"{index}:1: no column {', '.join(missing)}; there are {came}")
            if 0 < len(absent := [c for c in INTRINSICS_COLUMNS if c not in columns]) < len(INTRINSICS_COLUMNS):
                raise DataError(f"{index}:1: no column {', '.join(absent)}; expected fx, fy, cx, cy or none of them")
            for fields in reader:
                if not fields:  # an empty line
                    continue
                if len(fields) != len(columns):
                    raise DataError(
                        f"{index}:{reader.line_num}: {len(fields)} fields, expected {len(columns)} as in the header"
                    )
                yield reader.line_num, dict(zip(columns, fields, strict=True))
    except FileNotFoundError as error:
        raise DataError(f"{index}: no such file, expected a CSV file with the columns {', '.join(needed)}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{index}: cannot be read as a CSV file in UTF-8 ({_one_line(error)})") from error


def _check_inside(name: str, column: str, place: str) -> None:
    """Refuse a path that could lead out of the folder, whichever system it was written for.

    Symbolic links inside the folder are its owner's and are followed.
    """
    path = PureWindowsPath(name)  # takes / and \ for separators alike
    if not name or not name.isprintable() or path.drive or path.root or ".." in path.parts:
        raise DataError(f"{place}: {column} is {name!r}, expected a path inside the folder, relative to it")


def _intrinsics(fields: dict[str, str], place: str) -> Intrinsics | None:
    """Camera of one row, or None where it gives none of the four numbers."""
    texts = [fields.get(column, "").strip() for column in INTRINSICS_COLUMNS]
    if not any(texts):
        return None
    numbers: list[float] = []
    for column, text in zip(INTRINSICS_COLUMNS, texts, strict=True):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or (column in {"fx", "fy"} and number <= 0):
            expected = "a number above 0" if column in {"fx", "fy"} else "a number"
            raise DataError(f"{place}: {column} is {text!r}, expected {expected}, in pixels")
        numbers.append(number)
    return Intrinsics(*numbers)


def _read_rgb(path: Path) -> NDArray[np.uint8]:
    """uint8 `[H, W, 3]`: a picture as stored, not turned upright."""
    try:
        with Image.open(path) as picture:
            mode = picture.mode
            if not mode.startswith(("I", "F")):
                # A palette's transparency is only understood on the way to RGBA.
                coloured = picture.convert("RGBA") if mode == "P" else picture
                return np.array(coloured.convert("RGB"))  # a copy: asarray would be read-only
    except Exception as error:  # on damaged bytes Pillow's readers raise nearly anything
        raise DataError(f"{path}: cannot be read as an image ({_one_line(error)})") from error
    raise DataError(f"{path}: image of kind {mode!r} came, expected 8 bits per channel")


def _open_depth(path: Path, height: int, width: int) -> Image.Image:
    """A depth PNG whose kind and size are right; its pixels are not decoded yet."""
    try:
        picture = Image.open(path)
    except Exception as error:  # as above
        raise DataError(f"{path}: cannot be read as a depth PNG ({_one_line(error)})") from error
    kind, mode, size = picture.format, picture.mode, picture.size
    if kind == "PNG" and mode == "I;16" and size == (width, height):
        return picture
    picture.close()
    if kind != "PNG" or mode != "I;16":
        came = {"L": "8-bit grey", "P": "8-bit palette", "RGB": "8-bit colour", "RGBA": "8-bit colour"}.get(mode, mode)
        raise DataError(f"{path}: {came} {kind} came, expected depth as 16-bit grey PNG in millimetres")
    raise DataError(f"{path}: depth is {size[0]}×{size[1]}, expected {width}×{height} as its image")


def _read_depth_mm(path: Path, height: int, width: int) -> NDArray[np.uint16]:
    """uint16 `[H, W]`, millimetres."""
    with _open_depth(path, height, width) as picture:
        try:
            return np.array(picture)
        except Exception as error:  # as above
            raise DataError(f"{path}: cannot be read as a depth PNG ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
