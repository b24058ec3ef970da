"""Two folders and no index: a picture and its depth have the same name.

rgb/NAME.jpg        8-bit RGB pictures, .png, .jpeg, .webp, .bmp or .tif as well; folders within are looked into
depth/NAME.png      depth as 16-bit grey PNG in millimetres (or metres × 256), 0 = no truth, of its picture's size
"""

from __future__ import annotations

from pathlib import Path

from onedepth.canonical import NYU_FOCAL
from onedepth.data.bts import UNITS, Unit
from onedepth.data.files import FilePairs, FileRow, check_limit
from onedepth.errors import DataError

RGB, DEPTH = "rgb", "depth"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


class SiblingsData(FilePairs):
    """Pairs of the siblings layout, sorted by name; a picture without its depth is damaged, and the other way round.

    Args:
        path: the folder with `rgb` and `depth` in it.
        limit: take only the first so many pairs.
        unit: what a depth PNG holds: "mm", or "m/256" for metres × 256.
        canonical_focal: in pixels per image width of a 4:3 picture; assumed for all pictures.

    Raises:
        DataError: no such folders, nothing in them, or two pictures of one name.
    """

    def __init__(
        self, path: str | Path, limit: int | None = None, *, unit: Unit = "mm", canonical_focal: float = NYU_FOCAL
    ) -> None:
        folder = Path(path)
        check_limit(limit, folder)
        for name in (RGB, DEPTH):
            if not (folder / name).is_dir():
                raise DataError(f"{folder}: no folder {name!r} in it, expected {RGB} and {DEPTH}")
        if unit not in UNITS:
            raise DataError(f"{folder}: no unit {unit!r}, there are {', '.join(UNITS)}")
        pictures = _by_name(folder / RGB, SUFFIXES)
        depths = _by_name(folder / DEPTH, {".png"})
        names = sorted(pictures.keys() | depths.keys())[:limit]
        if not names:
            raise DataError(f"{folder}: no pictures in {RGB} and {DEPTH}, expected one in both for each pair")
        rows = (
            FileRow(
                name,
                pictures.get(name, folder / RGB / f"{name}.jpg"),
                depths.get(name, folder / DEPTH / f"{name}.png"),
                None,
                f"{folder}: pair {name!r}",
            )
            for name in names
        )
        super().__init__(folder, rows, UNITS[unit], canonical_focal)


def _by_name(folder: Path, suffixes: set[str]) -> dict[str, Path]:
    """Files by their path in the folder, without suffix; hidden ones are nobody's data."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in suffixes or path.name.startswith(".") or not path.is_file():
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise DataError(
                f"{folder}: {found[name].name} and {path.name} have one name, expected one of it"
            )
        found[name] = path
    return found
