"""Where predictions come from: a model that runs, or files that another program left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.errors import DataError
from onedepth.outputs import load_npz, read_png16
from onedepth.resampling import Geometry

Predict = Callable[[NDArray[np.uint8], Intrinsics], NDArray[np.float32]]
"""Image uint8 `[H, W, 3]` and its camera → depth float32 `[H, W]` in metres."""


@dataclass(frozen=True)
class View:
    """One way to show a pair to a model.

    Attributes:
        geometry: bring the picture to a size of its own first; None: as it is.
        mirrored: exchange left and right.
    """

    geometry: Geometry | None = None
    mirrored: bool = False


class MissingPredictionError(DataError):
    """A pair for which there is no prediction."""


class Predictions(Protocol):
    """What has a depth map for a pair."""

    def depth_m(self, pair: Pair, view: View) -> NDArray[np.floating] | None:
        """Depth in metres of a view, mirrored back if it is mirrored; None: there is no such view.

        Raises:
            MissingPredictionError: there is none for this pair.
            DataError: there is one that cannot be read.
        """
        ...


class ModelPredictions:
    """A function that predicts."""

    def __init__(self, predict: Predict) -> None:
        self.predict = predict

    def depth_m(self, pair: Pair, view: View) -> NDArray[np.floating]:
        """Metres of a view, at the size of the view."""
        image, intrinsics = pair.image, pair.intrinsics
        if view.geometry is not None:
            intrinsics = view.geometry.intrinsics(intrinsics, image.shape[0], image.shape[1])
            image = view.geometry.image(image)
        if not view.mirrored:
            return self.predict(image, intrinsics)
        return self.predict(*mirror(image, intrinsics))[:, ::-1]


class FilePredictions:
    """A folder of depth files, one for each pair, named by its id.

    For the pair "a/7" these are looked for, in metres unless said otherwise: `a/7.npy` (any floating type), `a/7.npz`
    (`Depth.save`), `a/7.png` (16-bit grey, millimetres, 0 = none), and what `onedepth predict` writes for a picture of
    that name, `a/7_depth.npz` and `a/7_depth_mm.png`. A mirrored average is the other program's own affair: the
    folder has one view.

    Raises:
        DataError: no such folder.
    """

    ENDINGS = (".npy", ".npz", ".png", "_depth.npz", "_depth_mm.png")

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataError(f"{self.folder}: no such folder, expected one with a depth file for each pair")

    def find(self, name: str) -> Path:
        """The file of the pair of this id.

        Raises:
            MissingPredictionError: there is none.
            DataError: there are several, or the id leads out of the folder.
        """
        parts = PureWindowsPath(name)  # takes / and \ for separators alike
        if parts.drive or parts.root or ".." in parts.parts:
            raise DataError(f"pair {name!r}: its id leads out of the folder {self.folder}, no file is read for it")
        found = [path for path in (self.folder / f"{name}{ending}" for ending in self.ENDINGS) if path.is_file()]
        if not found:
            names = ", ".join(f"{name}{ending}" for ending in self.ENDINGS[:3])
            raise MissingPredictionError(f"pair {name!r}: no prediction in {self.folder}, expected {names}")
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise DataError(f"pair {name!r}: {names} in {self.folder}; which of them counts? Keep one")
        return found[0]

    def depth_m(self, pair: Pair, view: View) -> NDArray[np.floating] | None:
        """What the file says, for the view that is not mirrored; the file's size is its own affair."""
        if view.mirrored:
            return None
        path = self.find(pair.id)
        if path.suffix == ".npy":
            return _read_npy(path)
        if path.suffix == ".npz":
            return load_npz(path).depth_m
        return read_png16(path)[0]


def mirror(image: NDArray[np.uint8], intrinsics: Intrinsics) -> tuple[NDArray[np.uint8], Intrinsics]:
    """The image `[H, W, 3]` with left and right exchanged, and the camera that would have taken it."""
    flipped = Intrinsics(intrinsics.fx, intrinsics.fy, image.shape[1] - 1 - intrinsics.cx, intrinsics.cy)
    mirrored = np.empty_like(image)  # runtimes take no negative strides
    for channel in range(image.shape[2]):  # four times as fast as all at once
        mirrored[..., channel] = image[:, ::-1, channel]
    return mirrored, flipped


def _read_npy(path: Path) -> NDArray[np.floating]:
    """Metres `[H, W]` of an array file; `[1, H, W]` and `[H, W, 1]` are taken too. Pickles are never loaded."""
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: is empty, expected an array of depth in metres")
        depth_m = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as a NumPy array ({' '.join(str(error).split())})") from error
    if depth_m.ndim == 3 and 1 in (depth_m.shape[0], depth_m.shape[2]):
        depth_m = depth_m.squeeze(0 if depth_m.shape[0] == 1 else 2)
    if depth_m.ndim != 2 or not np.issubdtype(depth_m.dtype, np.floating):
        raise DataError(
            f"{path}: {depth_m.dtype} {depth_m.shape} came, expected float32 [H, W], depth in metres; "
            "whole numbers belong into a 16-bit PNG, in millimetres"
        )
    return depth_m
