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
from pathlib import Path

from onedepth.canonical import NYU_FOCAL
from onedepth.data.files import FilePairs, FileRow, check_limit, inside
from onedepth.data.pictures import MILLIMETRES, one_line
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


class FolderData(FilePairs):
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
        folder = Path(path)
        check_limit(limit, folder)
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder, expected one that holds {INDEX_NAME}")
        rows = _read_index(folder / INDEX_NAME, split_needed=split is not None)
        if split is not None:
            there = sorted({row.split or "" for row in rows})
            rows = [row for row in rows if row.split == split]
            if not rows:
                names = ", ".join(repr(name) for name in there)
                raise DataError(f"{folder / INDEX_NAME}: no split {split!r}, there are {names}")
        self.split = split
        super().__init__(
            folder,
            (FileRow(row.id, folder / row.rgb, folder / row.depth, row.intrinsics, row.place) for row in rows[:limit]),
            MILLIMETRES,
            canonical_focal,
        )


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
            if not inside(fields[column]):
                raise DataError(
                    f"{place}: {column} is {fields[column]!r}, expected a path inside the folder, relative to it"
                )
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
        raise DataError(f"{index}: cannot be read as a CSV file in UTF-8 ({one_line(error)})") from error


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
