"""Pairs of loose files, whichever list names them: what the folder, bts, kitti and siblings layouts have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from onedepth.canonical import NYU_FOCAL, canonical_focal_px
from onedepth.data.pair import Pair, PairData
from onedepth.data.pictures import DepthKind, read_rgb, rgb_size
from onedepth.depth import Intrinsics
from onedepth.errors import DataError


@dataclass(frozen=True)
class FileRow:
    """One pair of a list.

    Attributes:
        id: name of the pair.
        rgb: the picture.
        depth: its truth; None where the list says that there is none.
        camera: intrinsics; a focal length in pixels, where only that is known; or None.
        place: where the list names it, as in "…/index.csv:7", for messages.
    """

    id: str
    rgb: Path
    depth: Path | None
    camera: Intrinsics | float | None
    place: str


class FilePairs(PairData):
    """Pairs of loose files, read one at a time.

    Args:
        path: the folder that the data lies in.
        rows: the pairs.
        kind: how depth is written.
        canonical_focal: in pixels per image width of a 4:3 picture; the focal length assumed (see
            `onedepth.canonical`) where nothing is known of the camera.
    """

    def __init__(
        self, path: Path, rows: Iterable[FileRow], kind: DepthKind, canonical_focal: float = NYU_FOCAL
    ) -> None:
        self.path = path
        self.kind = kind
        self.canonical_focal = canonical_focal
        self._table = tuple(rows)
        super().__init__(len(self._table))

    def rgb_path(self, index: int) -> Path:
        """The file of the picture number `index`."""
        return self._table[self._rows[index]].rgb

    def _id(self, row: int) -> str:
        return self._table[row].id

    def _damage(self, row: int) -> str | None:
        entry = self._table[row]
        try:
            self._find(entry)
            height, width = rgb_size(entry.rgb, str(entry.rgb))
            if entry.depth is not None:
                self.kind.open(entry.depth, str(entry.depth), height, width).close()
        except DataError as error:
            return str(error)
        return None

    def _read(self, row: int) -> Pair:
        entry = self._table[row]
        self._find(entry)
        image = read_rgb(entry.rgb, str(entry.rgb))
        height, width = image.shape[:2]
        if entry.depth is None:
            depth_m, valid = np.zeros((height, width), np.float32), np.zeros((height, width), np.bool_)
        else:
            depth_m, valid = self.kind.read(entry.depth, str(entry.depth), height, width)
        camera = entry.camera
        if camera is None:
            camera = canonical_focal_px(height, width, self.canonical_focal)
        if not isinstance(camera, Intrinsics):
            camera = Intrinsics.centred(camera, height, width)
        return Pair(entry.id, image, depth_m, valid, camera)

    def _find(self, entry: FileRow) -> None:
        """Refuse a row whose files are not there: the line of the list says more than the system's error."""
        for column, path in (("rgb", entry.rgb), ("depth", entry.depth)):
            if path is not None and not path.is_file():
                name = path.relative_to(self.path) if path.is_relative_to(self.path) else path
                raise DataError(f"{entry.place}: {column} file '{name}' does not exist in {self.path}")


def inside(name: str) -> bool:
    """Whether a list's path stays in its folder, whichever system it was written for.

    Symbolic links inside the folder are its owner's and are followed.
    """
    path = PureWindowsPath(name)  # takes / and \ for separators alike
    return bool(name) and name.isprintable() and not path.drive and not path.root and ".." not in path.parts


def check_limit(limit: int | None, path: Path) -> None:
    """Refuse a limit below one.

    Raises:
        DataError: naming the data.
    """
    if limit is not None and limit < 1:
        raise DataError(f"{path}: limit is {limit}, expected 1 or more (or none)")
