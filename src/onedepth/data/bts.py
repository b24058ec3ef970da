"""Folders with list files, as BTS, AdaBins and those after them use them.

    LIST            RGB DEPTH [FOCAL] a line (see `onedepth.data.lists`)
    any/where       8-bit RGB pictures
    any/where       depth as 16-bit grey PNG: NYU's in millimetres, KITTI's in metres × 256; 0 = no truth

NYU's "sync" folder: kitchen_0028b/rgb_00045.jpg, kitchen_0028b/sync_depth_00045.png, 518.8579.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from onedepth.canonical import NYU_FOCAL
from onedepth.data.files import FilePairs, FileRow, check_limit
from onedepth.data.lists import find_list, read_list
from onedepth.data.pictures import METRES_256, MILLIMETRES
from onedepth.errors import DataError

UNITS = {"mm": MILLIMETRES, "m/256": METRES_256}
Unit = Literal["mm", "m/256"]


class BtsData(FilePairs):
    """Pairs of a list file.

    Args:
        path: the folder that the list's pictures are in.
        files: the list, by its own path or by its path in that folder.
        limit: take only the first so many lines.
        depth_path: the folder that the list's depths are in, if it is another.
        unit: what a depth PNG holds: "mm", or "m/256" for metres × 256.
        canonical_focal: in pixels per image width of a 4:3 picture; assumed where a line has no focal length.

    Raises:
        DataError: no folder, no list, or a line that is not as the list's form says. Missing files are found by
            `check`, or when they are read.
    """

    def __init__(
        self, path: str | Path, files: str | Path, limit: int | None = None, *, depth_path: str | Path | None = None,
        unit: Unit = "mm", canonical_focal: float = NYU_FOCAL,
    ) -> None:  # fmt: skip
        folder = Path(path)
        check_limit(limit, folder)
        depths = folder if depth_path is None else Path(depth_path)
        for one in (folder, depths):
            if not one.is_dir():
                raise DataError(f"{one}: no such folder, expected the one that the list's paths start from")
        if unit not in UNITS:
            raise DataError(f"{folder}: no unit {unit!r}, there are {', '.join(UNITS)}")
        rows = (
            FileRow(
                line.id,
                folder / line.rgb,
                None if line.depth is None else depths / line.depth,
                line.focal_px,
                line.place,
            )
            for line in read_list(find_list(folder, files))[:limit]
        )
        super().__init__(folder, rows, UNITS[unit], canonical_focal)
