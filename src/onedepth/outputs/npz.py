"""Everything that a prediction knows, as one NumPy archive without pickles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast, get_args

import numpy as np

from onedepth.errors import DataError

if TYPE_CHECKING:
    from onedepth.depth import Depth


def write(depth: Depth, file: BinaryIO) -> None:
    """Write depth_m, image, intrinsics (fx fy cx cy), focal_source, model, name and unit; uncertainty where known.

    `numpy.load(path)` reads it as it is: numbers are arrays, words are 0-d arrays of text.

    Args:
        depth: what to write.
        file: open for writing.
    """
    camera = depth.intrinsics
    arrays: dict[str, Any] = {
        "depth_m": np.asarray(depth.depth_m, np.float32),
        "image": np.asarray(depth.image, np.uint8),
        "intrinsics": np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float64),
        "focal_source": np.array(depth.focal_source),
        "model": np.array(depth.model),
        "name": np.array(depth.name),
        "unit": np.array("metre"),
    }
    if depth.uncertainty is not None:
        arrays["uncertainty"] = np.asarray(depth.uncertainty, np.float32)
    np.savez_compressed(file, **arrays)


def load_npz(path: str | Path) -> Depth:
    """Read what `write` wrote, number for number.

    Args:
        path: an archive written by `Depth.save`.

    Returns:
        The same `Depth`.

    Raises:
        DataError: missing, damaged, or an archive of something else. Pickles are never loaded.
    """
    import zipfile
    import zlib

    from onedepth.depth import Depth, FocalSource, Intrinsics

    try:
        # Opened here, because numpy leaves the file open when it is no archive.
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
            depth_m, image = arrays["depth_m"], arrays["image"]
            camera = Intrinsics(*(float(value) for value in arrays["intrinsics"]))
            focal_source = str(arrays["focal_source"])
            model, name = str(arrays["model"]), str(arrays["name"])
            uncertainty = arrays.get("uncertainty")
    except KeyError as error:
        raise DataError(f"{path} is no onedepth archive: {error.args[0]!r} is missing") from error
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {path} as a onedepth archive: {reason}") from error
    if depth_m.ndim != 2 or depth_m.dtype != np.float32:
        raise DataError(f"{path}: depth_m is {depth_m.dtype} {depth_m.shape}, expected float32 [H, W]")
    if uncertainty is not None and (uncertainty.shape != depth_m.shape or uncertainty.dtype != np.float32):
        raise DataError(
            f"{path}: uncertainty is {uncertainty.dtype} {uncertainty.shape}, expected float32 {depth_m.shape}"
        )
    if image.shape != (*depth_m.shape, 3) or image.dtype != np.uint8:
        raise DataError(f"{path}: image is {image.dtype} {image.shape}, expected uint8 {(*depth_m.shape, 3)}")
    if focal_source not in get_args(FocalSource):
        raise DataError(f"{path}: focal_source is {focal_source!r}, expected {' or '.join(get_args(FocalSource))}")
    return Depth(depth_m, image, camera, cast(FocalSource, focal_source), model, name, uncertainty)
