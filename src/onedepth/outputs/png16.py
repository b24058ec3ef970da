"""Depth as a 16-bit PNG in millimetres: the form that RGB-D tools and robots read."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from onedepth.errors import DataError

if TYPE_CHECKING:
    from onedepth.depth import Depth

MAX_MM = 65_535


def write(depth: Depth, file: BinaryIO) -> None:
    """Write uint16 `[H, W]` millimetres, rounded to nearest; 0 where there is no depth.

    A depth above 65.535 m is written as 65535 and counted in the text chunk "Clipped": a far wall stays far
    instead of turning into a hole. For the same reason a depth below half a millimetre is written as 1.

    Text chunks (Pillow's `Image.text`): Unit, Model, Focal, Intrinsics (JSON, pixels), Clipped (a count of
    pixels), Software.

    Args:
        depth: what to write.
        file: open for writing.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from onedepth import __version__

    in_millimetres, clipped = millimetres(depth.depth_m)
    camera = {name: float(value) for name, value in asdict(depth.intrinsics).items()}
    text = {
        "Unit": "millimetre",
        "Model": depth.model,
        "Focal": f"{depth.intrinsics.focal_px:.2f} px, {depth.focal_source}",
        "Intrinsics": json.dumps(camera),
        "Clipped": str(clipped),
        "Software": f"onedepth {__version__}",
    }
    chunks = PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value)
    # Through memory: Pillow writing to a file turns "disk full" into "encoder error -2".
    buffer = io.BytesIO()
    Image.fromarray(in_millimetres).save(buffer, "PNG", pnginfo=chunks, compress_level=4)
    file.write(buffer.getbuffer())


def millimetres(depth_m: NDArray[np.floating]) -> tuple[NDArray[np.uint16], int]:
    """Depth as every 16-bit form of it here has it.

    Args:
        depth_m: floating `[H, W]`, metres.

    Returns:
        uint16 `[H, W]`, rounded to nearest, 1 to 65535, and 0 where there is no depth; and how many pixels lie beyond.
    """
    known = np.isfinite(depth_m) & (depth_m > 0)
    # In float64, or 65 m would be rounded before it is rounded.
    exact = np.rint(np.where(known, depth_m, 0).astype(np.float64) * 1000)
    clipped = int(np.count_nonzero(exact > MAX_MM))
    return np.where(known, np.clip(exact, 1, MAX_MM), 0).astype(np.uint16), clipped


def read_png16(path: str | Path) -> tuple[NDArray[np.float32], dict[str, str]]:
    """Read a depth PNG in millimetres, ours or another's.

    Args:
        path: a 16-bit grey PNG.

    Returns:
        depth_m float32 `[H, W]` in metres, 0 where there is no depth; and the text chunks.

    Raises:
        DataError: missing, damaged, or not a 16-bit grey PNG.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.load()
            if image.mode not in ("I;16", "I"):
                raise DataError(f"{path} is a PNG of mode {image.mode}, expected 16-bit grey (millimetres)")
            text = {key: str(value) for key, value in getattr(image, "text", {}).items()}
            stored = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {path} as a depth PNG: {reason}") from error
    return (stored.astype(np.float64) / 1000).astype(np.float32), text
