"""The 1,449 labelled pairs of NYU Depth v2: `nyu_depth_v2_labeled.mat`, and its official split `splits.mat`.

    nyu_depth_v2_labeled.mat    MATLAB 7.3, which is HDF5, whose axes come in MATLAB's order reversed:
        images      uint8 [N, 3, W, H]          (N = 1449, W = 640, H = 480)
        depths      float32 [N, W, H], metres, in-painted
        scenes      N names of recordings, as in "kitchen_0028b" (needed to hold rooms out)
    splits.mat                  MATLAB 5:
        trainNdxs   795 numbers, 1 for the first pair
        testNdxs    654 numbers, likewise

From http://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html. Needs h5py and SciPy (`pip install 'onedepth[data]'`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

from onedepth.data.files import check_limit
from onedepth.data.holdout import rows_of
from onedepth.data.nyu_camera import nyu_intrinsics
from onedepth.data.pair import Pair, PairData
from onedepth.data.pictures import one_line
from onedepth.errors import DataError, MissingExtraError

Split = Literal["train", "val", "test"]
_VARIABLE = {"train": "trainNdxs", "val": "trainNdxs", "test": "testNdxs"}


class NyuMatData(PairData):
    """Pairs of the labelled part of NYU Depth v2. The id of pair 1, as MATLAB counts, is "nyu-0001".

    Args:
        path: nyu_depth_v2_labeled.mat.
        split: "train", "val" (rooms held out of the training pairs, see `onedepth.data.holdout`) or "test" by the
            official split; None takes all pairs and needs no `splits.mat`.
        limit: take only the first so many pairs.
        splits: the official split; by default `splits.mat` beside `path`.
        val_scenes: how many rooms are held out; the same for "train" and "val", or they would overlap.

    Raises:
        DataError: a file that is missing or cannot be read, variables that are missing or of other shapes or types, a
            split without its numbers, or numbers out of range. Nothing is taken in the place of a split.
        MissingExtraError: h5py or SciPy is not installed.
    """

    def __init__(
        self, path: str | Path, split: Split | None = None, limit: int | None = None, *,
        splits: str | Path | None = None, val_scenes: int | None = None,
    ) -> None:  # fmt: skip
        self.path = Path(path)
        self.split: Split | None = split
        check_limit(limit, self.path)
        if split is not None and split not in _VARIABLE:
            raise DataError(f"{self.path}: no split {split!r}, there are {', '.join(_VARIABLE)}")
        self._file: Any = None
        self._process = -1
        images = self._variable("images")
        shape = images.shape
        if images.dtype != np.uint8 or len(shape) != 4 or shape[1] != 3 or 0 in shape:
            raise DataError(f"{self.path}: images is {images.dtype} {list(shape)}, expected uint8 [N, 3, W, H]")
        depths, expected = self._variable("depths"), (shape[0], *shape[2:])
        if depths.dtype.kind != "f" or depths.shape != expected:
            raise DataError(
                f"{self.path}: depths is {depths.dtype} {list(depths.shape)}, expected float {list(expected)} as images"
            )
        numbers = np.arange(shape[0])
        if split is not None:
            where = self.path.with_name("splits.mat") if splits is None else Path(splits)
            numbers = _read_split(where, _VARIABLE[split], shape[0])
            if split != "test":
                scenes = self._scenes(numbers)
                numbers = numbers[rows_of(split, scenes, val_scenes, self.path)]
        self._numbers = numbers[:limit]
        super().__init__(len(self._numbers))

    def _id(self, row: int) -> str:
        return f"nyu-{self._numbers[row] + 1:04d}"

    def _damage(self, row: int) -> str | None:
        del row
        return None  # types and shapes are all that can be seen, and were when the file was opened

    def _read(self, row: int) -> Pair:
        number = int(self._numbers[row])
        try:
            image = np.ascontiguousarray(self._variable("images")[number].transpose(2, 1, 0))
            depth = self._variable("depths")[number].T.astype(np.float32)
        except OSError as error:  # HDF5's for damaged parts of the file
            raise DataError(f"{self.path}: pair {number + 1} cannot be read ({one_line(error)})") from error
        valid = np.isfinite(depth) & (depth > 0)
        height, width = depth.shape
        depth_m = np.ascontiguousarray(np.where(valid, depth, np.float32(0)))
        return Pair(self._id(row), image, depth_m, np.ascontiguousarray(valid), nyu_intrinsics(height, width))

    def _variable(self, name: str) -> Any:
        """A variable of the file, which each process opens for itself."""
        if self._process != os.getpid():
            self._file = _open_hdf5(self.path)
            self._process = os.getpid()
        if name not in self._file or not hasattr(self._file[name], "shape"):
            raise DataError(f"{self.path}: no variable {name} in it, expected nyu_depth_v2_labeled.mat")
        return self._file[name]

    def _scenes(self, numbers: np.ndarray) -> list[str]:
        """Names of recordings: references to arrays of UTF-16 numbers."""
        references = self._variable("scenes")[()].reshape(-1)
        if len(references) != len(self._variable("images")):
            raise DataError(f"{self.path}: {len(references)} scenes, expected one for each image")
        return ["".join(map(chr, np.ravel(self._file[references[number]][()]))) for number in numbers]

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the open file, which belongs to a process."""
        return self.__dict__ | {"_file": None, "_process": -1}


def _open_hdf5(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(f"{path}: reading MATLAB 7.3 needs h5py: pip install 'onedepth[data]'") from error
    if not path.is_file():
        raise DataError(f"{path}: no such file, expected nyu_depth_v2_labeled.mat")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: cannot be read as MATLAB 7.3 (HDF5): {one_line(error)}") from error


def _read_split(path: Path, variable: str, count: int) -> np.ndarray:
    """Numbers of pairs, from 0, in their order in the file."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingExtraError(f"{path}: reading MATLAB 5 needs SciPy: pip install 'onedepth[data]'") from error
    if not path.is_file():
        raise DataError(f"{path}: no such file; the official split needs it, fetch splits.mat from the data set's page")
    try:
        variables = loadmat(path, variable_names=[variable])
    except Exception as error:  # on damaged bytes SciPy's reader raises nearly anything
        raise DataError(f"{path}: cannot be read as MATLAB 5 ({one_line(error)})") from error
    if variable not in variables:
        raise DataError(f"{path}: no variable {variable} in it, expected NYU's splits.mat")
    numbers = np.ravel(variables[variable])
    if numbers.dtype.kind not in "iuf" or not len(numbers) or (numbers != np.floor(numbers)).any():
        raise DataError(f"{path}: {variable} is {numbers.dtype} [{len(numbers)}], expected whole numbers")
    if numbers.min() < 1 or numbers.max() > count:
        raise DataError(
            f"{path}: {variable} goes from {numbers.min()} to {numbers.max()}, expected 1 to {count} as there are pairs"
        )
    if len(np.unique(numbers)) < len(numbers):
        raise DataError(f"{path}: {variable} names a pair twice")
    return numbers.astype(np.int64) - 1
