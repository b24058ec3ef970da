"""Any layout rewritten as the folder layout, which everything reads without an extra library.

    OUT/index.csv               written last: a folder without it is not finished
    OUT/rgb/ID.jpg or .png      the stored JPEG itself, else a lossless PNG
    OUT/depth/ID.png            16-bit millimetres
    OUT/.onedepth-convert       what is converted, and a line for each pair that is done

A conversion that was interrupted goes on where it stopped: a pair's line is written when its files are in place.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from onedepth.data.folder import INDEX_NAME
from onedepth.data.inpaint import inpaint
from onedepth.data.pair import Pair, PairData
from onedepth.errors import DataError, OutputError
from onedepth.outputs.atomic import replacing

COLUMNS = ("id", "rgb", "depth", "split", "fx", "fy", "cx", "cy")
JOURNAL = ".onedepth-convert"
LARGEST_MM = 65_535


@dataclass
class Conversion:
    """What came of it.

    Attributes:
        done: pairs in the index.
        before: how many of them an earlier run had done.
        failed: one message for each pair that could not be read; they are not in the index.
        clipped: pixels of this run beyond 65.535 m, where the format ends; they have no truth in the copy.
    """

    done: int = 0
    before: int = 0
    failed: list[str] = field(default_factory=list)
    clipped: int = 0


def convert(
    parts: Sequence[tuple[str, PairData]],
    out: Path,
    origin: Mapping[str, Any],
    advance: Callable[[], None],
    say: Callable[[str], None],
    *,
    fill: bool = False,
) -> Conversion:
    """Write every pair of `parts` (split, pairs) to the folder `out`; the index appears at the end.

    Args:
        parts: pairs by split.
        out: a new folder, or one in which the same conversion was begun.
        origin: what is converted, as JSON can hold it; an interrupted conversion goes on only with the same.
        advance: called after each pair.
        say: told of each pair that cannot be read, or filled.
        fill: in-paint depth where there is no truth (see `onedepth.data.inpaint`).

    Raises:
        MissingExtraError: to fill, SciPy is needed.
        OutputError: `out` holds something else, or cannot be written.
    """
    result = Conversion()
    rows = _begin(out, origin)
    result.before = len(rows)
    try:
        with (out / JOURNAL).open("a", encoding="utf-8", newline="") as journal:
            for split, pairs in parts:
                for index, name in enumerate(pairs.ids):
                    if name not in rows:
                        try:
                            rows[name] = _write_pair(pairs, index, split, out, result, fill=fill)
                        except DataError as error:
                            result.failed.append(str(error))
                            say(str(error))
                        else:
                            journal.write(_line(rows[name]))
                            journal.flush()
                    advance()
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror}") from error
    ordered = [rows[name] for _, pairs in parts for name in pairs.ids if name in rows]
    result.done = len(ordered)
    if ordered:
        with replacing(out / INDEX_NAME) as temporary:
            temporary.write_text("".join([_line(COLUMNS), *map(_line, ordered)]), "utf-8")
    return result


def _begin(out: Path, origin: Mapping[str, Any]) -> dict[str, list[str]]:
    """Rows by id of an earlier run."""
    journal = out / JOURNAL
    head = json.dumps(origin, sort_keys=True, ensure_ascii=False)
    try:
        if journal.is_file():
            first, _, text = journal.read_bytes().decode("utf-8", "replace").partition("\n")
            if first != head:
                raise OutputError(f"{out}: holds another conversion, of {first}; choose another folder")
            # A line that a kill cut short is no line; it goes before others are written behind it.
            whole = text[: text.rfind("\n") + 1]
            with replacing(journal) as temporary:
                temporary.write_text(f"{head}\n{whole}", "utf-8")
            return {row[0]: row for row in csv.reader(io.StringIO(whole, newline="")) if len(row) == len(COLUMNS)}
        if out.is_dir() and any(out.iterdir()):
            raise OutputError(f"{out}: is not empty; choose another folder")
    except OSError as error:
        raise OutputError(f"{out}: cannot be read: {error.strerror}") from error
    with replacing(journal) as temporary:
        temporary.write_text(f"{head}\n", "utf-8")
    return {}


def _filled(pair: Pair) -> Pair:
    try:
        depth_m = inpaint(pair.image, pair.depth_m, pair.valid)
    except DataError as error:
        raise DataError(f"{pair.id}: {error}") from error
    return replace(pair, depth_m=depth_m, valid=np.ones_like(pair.valid))


def _write_pair(pairs: PairData, index: int, split: str, out: Path, result: Conversion, *, fill: bool) -> list[str]:
    """A pair's row of the index, once its files are in place."""
    pair, stored = pairs[index], pairs.jpeg(index)
    if fill and not pair.valid.all():
        pair = _filled(pair)
    rgb = f"rgb/{pair.id}.{'png' if stored is None else 'jpg'}"
    depth = f"depth/{pair.id}.png"
    millimetres = np.rint(pair.depth_m.astype(np.float64) * 1000)
    beyond = pair.valid & (millimetres > LARGEST_MM)
    result.clipped += int(beyond.sum())
    kept = pair.valid & ~beyond
    values = np.where(kept, np.clip(millimetres, 1, LARGEST_MM), 0).astype(np.uint16)
    with replacing(out / rgb) as temporary:
        if stored is None:
            Image.fromarray(pair.image).save(temporary, "PNG", compress_level=3)
        else:
            temporary.write_bytes(stored)
    with replacing(out / depth) as temporary:
        Image.fromarray(values).save(temporary, "PNG", compress_level=3)
    k = pair.intrinsics
    return [pair.id, rgb, depth, split, *(repr(float(number)) for number in (k.fx, k.fy, k.cx, k.cy))]


def _line(fields: Sequence[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(fields)
    return stream.getvalue()
