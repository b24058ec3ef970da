"""NYU Depth v2 as DenseDepth's `nyu_data.zip` holds it: read from the archive itself, or from its unpacked files.

    data/nyu2_train.csv     image,depth     rows without a header; paths from the root of the archive
    data/nyu2_test.csv      image,depth
    data/nyu2_train/SCENE_out/N.jpg + N.png     640×480; depth as 8-bit PNG, 255 = 10 m (steps of 3.9 cm)
    data/nyu2_test/N_colors.png + N_depth.png   640×480; depth as 16-bit PNG in millimetres

0 is "no truth". Of the training pairs whole rooms are held out for validation: `split="val"` (`onedepth.data.holdout`).
The test pairs are the 654 of the official test split.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Literal

import numpy as np

from onedepth.data.files import check_limit, inside
from onedepth.data.holdout import rows_of
from onedepth.data.nyu_camera import nyu_intrinsics
from onedepth.data.pair import Pair, PairData
from onedepth.data.pictures import HEAD_BYTES, MILLIMETRES, TEN_METRES_8_BIT, look, look_depth, one_line, read_rgb
from onedepth.data.zip_archive import ZipArchive
from onedepth.errors import DataError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
TRAIN_CSV, TEST_CSV = "data/nyu2_train.csv", "data/nyu2_test.csv"
_LONGEST_NAME = 255


class NyuZipData(PairData):
    """Pairs of `nyu_data.zip`.

    A picture's id is its path without `data/` and suffix, as in "nyu2_train/living_room_0038_out/37"; if the list
    names it a second time, with the line as in "…/37@128".

    Args:
        path: the archive, or the folder that it was unpacked into (with `data` in it, or `data` itself).
        split: "train", "val" (scenes held out of the training pairs) or "test".
        limit: take only the first so many pairs.
        val_scenes: how many rooms are held out, by default a sixteenth of them; give the same number for "train" and
            "val", or they would overlap.

    Raises:
        DataError: nothing there, no ZIP archive or one that is cut off, no list in it, or a line that is not
            `image,depth`. Members that are missing or damaged are found by `check`, or when they are read.
    """

    def __init__(
        self, path: str | Path, split: Split = "train", limit: int | None = None, *, val_scenes: int | None = None
    ) -> None:
        self.path = Path(path)
        self.split: Split = split
        check_limit(limit, self.path)
        if split not in SPLITS:
            raise DataError(f"{self.path}: no split {split!r}, there are {', '.join(SPLITS)}")
        self._store = _Loose(self.path) if self.path.is_dir() else ZipArchive(self.path)
        self._csv = TEST_CSV if split == "test" else TRAIN_CSV
        self._kind = MILLIMETRES if split == "test" else TEN_METRES_8_BIT
        images, depths, lines = self._list()
        if split != "test":
            rows = rows_of(split, [Path(image.decode()).parent.name for image in images], val_scenes, self.path)
            images, depths, lines = ([one[row] for row in rows] for one in (images, depths, lines))
        # Arrays, not lists of objects: forked workers would copy objects by counting references to them.
        self._images = np.array(images[:limit], np.bytes_)
        self._depths = np.array(depths[:limit], np.bytes_)
        self._lines = np.array(lines[:limit], np.uint32)
        _, first = np.unique(self._images, return_index=True)
        self._again = np.ones(len(self._images), np.bool_)
        self._again[first] = False
        super().__init__(len(self._images))

    def image_bytes(self, index: int) -> bytes:
        """The picture number `index` as it is stored, JPEG or PNG.

        Raises:
            DataError: it is missing or damaged.
        """
        return self._content(self._images, self._rows[index])

    def _id(self, row: int) -> str:
        name = self._images[row].decode().removeprefix("data/").rpartition(".")[0]
        return f"{name}@{self._lines[row]}" if self._again[row] else name

    def _damage(self, row: int) -> str | None:
        try:
            image, depth = self._name(self._images, row), self._name(self._depths, row)
            size = look(self._store.head(image, HEAD_BYTES), self._store.label(image))
            look_depth(self._store.head(depth, HEAD_BYTES), self._store.label(depth), self._kind, size)
        except DataError as error:
            return str(error)
        return None

    def _read(self, row: int) -> Pair:
        name = self._images[row].decode()
        image = read_rgb(self._content(self._images, row), self._store.label(name))
        height, width = image.shape[:2]
        depth_m, valid = self._kind.read(
            self._content(self._depths, row), self._store.label(self._depths[row].decode()), height, width
        )
        return Pair(self._id(row), image, depth_m, valid, nyu_intrinsics(height, width))

    def _content(self, names: np.ndarray, row: int) -> bytes:
        return self._store.read(self._name(names, row))

    def _name(self, names: np.ndarray, row: int) -> str:
        """A member's name, once it is sure to exist."""
        name = names[row].decode()
        if name not in self._store:
            raise DataError(f"{self.path}: {self._csv} line {self._lines[row]} names {name!r}, which is not there")
        return name

    def _list(self) -> tuple[list[bytes], list[bytes], list[int]]:
        """Images, depths and line numbers of the split's list."""
        where = f"{self.path}: {self._csv}"
        if self._csv not in self._store:
            raise DataError(f"{self.path}: holds no {self._csv}, expected DenseDepth's nyu_data.zip")
        try:
            text = self._store.read(self._csv).decode("utf-8-sig")
            reader = csv.reader(io.StringIO(text, newline=""), strict=True)
            rows = [(reader.line_num, fields) for fields in reader if fields]
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{where}: cannot be read as a CSV file in UTF-8 ({one_line(error)})") from error
        images: list[bytes] = []
        depths: list[bytes] = []
        for line, fields in rows:
            if len(fields) != 2:
                raise DataError(f"{where} line {line}: {len(fields)} fields, expected image,depth")
            for name, names in zip(fields, (images, depths), strict=True):
                if not inside(name) or len(name.encode()) > _LONGEST_NAME:
                    raise DataError(f"{where} line {line}: {name!r}, expected a path from the archive's root")
                names.append(name.encode())
        if not images:
            raise DataError(f"{where}: holds no rows, expected one for each pair")
        return images, depths, [line for line, _ in rows]


class _Loose:
    """The unpacked files, with the same three questions as `ZipArchive` answers."""

    def __init__(self, path: Path) -> None:
        inner = path.name == "data" and (path / Path(TRAIN_CSV).name).is_file()
        self.root = path.parent if inner else path

    def __contains__(self, name: str) -> bool:
        return (self.root / name).is_file()

    def read(self, name: str) -> bytes:
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise DataError(f"{self.label(name)}: cannot be read: {error.strerror}") from error

    def head(self, name: str, count: int) -> bytes:
        try:
            with (self.root / name).open("rb", buffering=0) as file:
                came = file.read(count)
        except OSError as error:
            raise DataError(f"{self.label(name)}: cannot be read: {error.strerror}") from error
        if not came:
            raise DataError(f"{self.label(name)}: is empty")
        return came

    def label(self, name: str) -> str:
        return str(self.root / name)
