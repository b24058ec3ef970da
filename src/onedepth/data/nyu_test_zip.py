"""The 654 official test images of NYU Depth v2 as DenseDepth's `nyu_test.zip` holds them.

    eigen_test_rgb.npy      uint8 [654, 480, 640, 3]
    eigen_test_depth.npy    float [654, 480, 640], metres; in-painted, every pixel has one
    eigen_test_crop.npy     [20, 459, 24, 615]: first and last row, first and last column, all inclusive

Read image by image from the archive: stored arrays in place; deflated ones are unpacked up to the image asked for,
which is fast in order. Damage that changes values and nothing else is found by the checksum, when all has been read in
order: at the last image. For evaluation only: nothing is trained or chosen on test data, and no recipe can name it.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from onedepth.data.files import check_limit
from onedepth.data.nyu_camera import nyu_intrinsics
from onedepth.data.pair import Pair, PairData
from onedepth.data.pictures import one_line
from onedepth.data.zip_archive import LARGEST_MEMBER, MemberReader, ZipArchive
from onedepth.errors import DataError

RGB, DEPTH, CROP = "eigen_test_rgb.npy", "eigen_test_depth.npy", "eigen_test_crop.npy"


class NyuTestZipData(PairData):
    """Pairs of `nyu_test.zip`.

    Attributes:
        crop: first and last row, first and last column of DenseDepth's evaluation, inclusive; None if the archive has
            none.

    Args:
        path: the archive.
        limit: take only the first so many pairs.
        split: "test", which is all there is.

    Raises:
        DataError: another split, nothing there, no ZIP archive or one that is cut off, arrays that are missing or of
            other shapes or types.
    """

    def __init__(self, path: str | Path, limit: int | None = None, *, split: str = "test") -> None:
        self.path = Path(path)
        check_limit(limit, self.path)
        if split != "test":
            raise DataError(f"{self.path}: no split {split!r}, there is only test")
        archive = ZipArchive(self.path)
        for name in (RGB, DEPTH):
            if name not in archive:
                raise DataError(f"{self.path}: holds no {name}, expected DenseDepth's nyu_test.zip")
        self._rgb, self._depth = _Array(archive, RGB), _Array(archive, DEPTH)
        shape = self._rgb.shape
        if self._rgb.dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3 or 0 in shape:
            raise DataError(f"{self._rgb.label}: {self._rgb.words}, expected uint8 [N, H, W, 3]")
        if self._depth.dtype.kind != "f" or self._depth.shape != shape[:3]:
            raise DataError(f"{self._depth.label}: {self._depth.words}, expected float {list(shape[:3])} as its images")
        self.crop: tuple[int, int, int, int] | None = None
        if CROP in archive:
            crop = _Array(archive, CROP)
            if crop.shape != (4,) or crop.dtype.kind not in "iuf":
                raise DataError(f"{crop.label}: {crop.words}, expected four numbers")
            top, bottom, left, right = (int(crop.row(number)) for number in range(4))
            self.crop = (top, bottom, left, right)
        super().__init__(min(shape[0], limit or shape[0]))

    def _id(self, row: int) -> str:
        return f"eigen_test/{row:04d}"

    def _damage(self, row: int) -> str | None:
        del row
        return None  # types and shapes are all that can be seen, and were when the archive was opened

    def _read(self, row: int) -> Pair:
        image, depth = self._rgb.row(row).copy(), self._depth.row(row).astype(np.float32)
        valid = np.isfinite(depth) & (depth > 0)
        height, width = depth.shape
        depth_m = np.where(valid, depth, np.float32(0))
        return Pair(self._id(row), image, depth_m, valid, nyu_intrinsics(height, width))


class _Array:
    """An .npy array in an archive, read along its first axis."""

    def __init__(self, archive: ZipArchive, name: str) -> None:
        self.label = archive.label(name)
        self._reader: MemberReader = archive.open(name)
        head = io.BytesIO(archive.head(name, 4096))
        try:
            version = npy.read_magic(head)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            self.shape, fortran, self.dtype = read(head)
        except ValueError as error:
            raise DataError(f"{self.label}: cannot be read as an .npy array ({one_line(error)})") from error
        self.words = f"{self.dtype} {list(self.shape)}"
        if fortran or self.dtype.hasobject or not self.shape:
            raise DataError(f"{self.label}: {self.words} in another order or of objects, expected a plain array")
        self._start = head.tell()
        self._bytes = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        needed = self._start + self.shape[0] * self._bytes
        if needed != self._reader.size or self._bytes > LARGEST_MEMBER:
            raise DataError(f"{self.label}: {self.words} takes {needed} bytes, there are {self._reader.size}")

    def row(self, number: int) -> np.ndarray:
        """Part of the array at `number` of its first axis; read-only.

        Raises:
            DataError: it is damaged.
        """
        begin = self._start + number * self._bytes
        before = (
            begin if number == 0 else 0
        )  # the checksum is of header and content, so the header is read with the first
        content = memoryview(self._reader.read(begin - before, before + self._bytes))[before:]
        return np.frombuffer(content, self.dtype).reshape(self.shape[1:])
