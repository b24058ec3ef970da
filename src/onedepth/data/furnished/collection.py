"""A folder of frames, in the folder layout; broken off, it goes on where it was.

A frame is a pair of files that appear whole, picture first: where both are, it is done. `index.csv` is written
now and then and at the end; what it says of a frame follows from seed and number.
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from onedepth.data.furnished.catalogue import DEBIAN_FOLDER
from onedepth.data.furnished.render import Frame, Studio, frame_intrinsics
from onedepth.errors import DataError, OutputError
from onedepth.outputs.atomic import replacing

JOURNAL = ".onedepth-rooms"
COLUMNS = ("id", "rgb", "depth", "split", "fx", "fy", "cx", "cy")
JPEG_QUALITY = 90
LARGEST_MM = 65_535
EDITION = 1  # to be raised when the same seed gives other frames
EVERY = 500  # frames between two versions of the index
MOST = 1_000_000


def render_collection(
    out: Path, count: int, seed: int, furniture: Path | None, workers: int, advance: Callable[[], None]
) -> int:
    """Render frames 0 … count - 1 of a seed into the folder `out`; those that are there are kept.

    Args:
        out: a new folder, or one in which frames of the same seed and furniture lie.
        count: of frames, 1…1,000,000.
        seed: names the collection, 0…2³²-1.
        furniture: folder of archives; by default Debian's.
        workers: processes; 1 renders in this one.
        advance: called after each frame, also those that are there already.

    Returns:
        How many frames were there before.

    Raises:
        DataError: an argument out of range, or no furniture.
        OutputError: `out` holds something else, or cannot be written.
    """
    for name, value, low, high in (
        ("count", count, 1, MOST),
        ("seed", seed, 0, 2**32 - 1),
        ("workers", workers, 1, 512),
    ):
        if not low <= value <= high:
            raise DataError(f"{name} is {value}: give a whole number from {low} to {high}")
    studio = Studio(furniture)
    _begin(out, seed, furniture)
    missing = [number for number in range(count) if not _done(out, number)]
    for _ in range(count - len(missing)):
        advance()
    try:
        for done, _ in enumerate(_render(studio, out, seed, furniture, workers, missing), 1):
            advance()
            if done % EVERY == 0:
                _write_index(out, seed, count)
    finally:
        _write_index(out, seed, count)
    return count - len(missing)


def _render(
    studio: Studio, out: Path, seed: int, furniture: Path | None, workers: int, numbers: list[int]
) -> Iterator[int]:
    if workers == 1:
        for number in numbers:
            _save(studio.frame(seed, number), out, number)
            yield number
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _Worker.start, (out, seed, furniture)) as pool:
        yield from pool.imap_unordered(_Worker.render, numbers, chunksize=4)


class _Worker:
    """What a process of the pool keeps between frames."""

    here: tuple[Studio, Path, int] | None = None

    @classmethod
    def start(cls, out: Path, seed: int, furniture: Path | None) -> None:
        cls.here = Studio(furniture), out, seed

    @classmethod
    def render(cls, number: int) -> int:
        assert cls.here is not None
        studio, out, seed = cls.here
        _save(studio.frame(seed, number), out, number)
        return number


def _paths(number: int) -> tuple[str, str]:
    return f"rgb/{number:06d}.jpg", f"depth/{number:06d}.png"


def _done(out: Path, number: int) -> bool:
    try:
        return all((out / path).stat().st_size > 0 for path in _paths(number))
    except OSError:
        return False


def _save(frame: Frame, out: Path, number: int) -> None:
    """The depth last: it says that the frame is done."""
    rgb, depth = _paths(number)
    millimetres = np.rint(frame.depth_m.astype(np.float64) * 1000)
    values = np.where(millimetres <= LARGEST_MM, millimetres, 0).astype(np.uint16)
    with replacing(out / rgb, durable=False) as temporary:
        Image.fromarray(frame.image).save(temporary, "JPEG", quality=JPEG_QUALITY)
    with replacing(out / depth, durable=False) as temporary:
        Image.fromarray(values).save(temporary, "PNG", compress_level=3)


def _begin(out: Path, seed: int, furniture: Path | None) -> None:
    """Make the folder, or see that it holds frames of the same."""
    archives = sorted((DEBIAN_FOLDER if furniture is None else furniture).glob("*.sh3f"))
    origin = {
        "edition": EDITION,
        "seed": seed,
        "furniture": {path.name: path.stat().st_size for path in archives},
    }
    head = json.dumps(origin, sort_keys=True, ensure_ascii=False) + "\n"
    journal = out / JOURNAL
    try:
        if journal.is_file():
            if (there := journal.read_text("utf-8")) != head:
                raise OutputError(f"{out}: holds rooms of {there.strip()}; choose another folder")
            return
        if out.is_dir() and any(out.iterdir()):
            raise OutputError(f"{out}: is not empty; choose another folder")
    except OSError as error:
        raise OutputError(f"{out}: cannot be read: {error.strerror}") from error
    with replacing(journal) as temporary:
        temporary.write_text(head, "utf-8")


def _write_index(out: Path, seed: int, count: int) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number in range(count):
        if _done(out, number):
            k = frame_intrinsics(seed, number)
            camera = (repr(float(value)) for value in (k.fx, k.fy, k.cx, k.cy))
            writer.writerow([f"{number:06d}", *_paths(number), "train", *camera])
    with replacing(out / "index.csv") as temporary:
        temporary.write_text(stream.getvalue(), "utf-8")
