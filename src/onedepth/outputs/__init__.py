"""Results as files: one file per format, listed here by suffix.

A new format is one module with `write(depth, file)` and one line in `WRITERS`; the contract tests find it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from onedepth.errors import OutputError
from onedepth.outputs import npz, png16
from onedepth.outputs.atomic import check_place, replacing
from onedepth.outputs.npz import load_npz
from onedepth.outputs.png16 import read_png16

if TYPE_CHECKING:
    from PIL import Image

    from onedepth.depth import Depth

__all__ = [
    "PICTURE_FORMATS",
    "WRITERS",
    "Writer",
    "check_place",
    "load_npz",
    "read_png16",
    "replacing",
    "save",
    "save_image",
    "save_picture",
]

Writer = Callable[["Depth", BinaryIO], None]

WRITERS: dict[str, Writer] = {
    ".npz": npz.write,
    ".png": png16.write,
}

# Pillow's name and options. Colours are the message here, so JPEG keeps them at full resolution.
PICTURE_FORMATS: dict[str, tuple[str, dict[str, int]]] = {
    ".jpeg": ("JPEG", {"quality": 92, "subsampling": 0}),
    ".jpg": ("JPEG", {"quality": 92, "subsampling": 0}),
    ".png": ("PNG", {"compress_level": 4}),
    ".webp": ("WEBP", {"quality": 90}),
}


def save(depth: Depth, path: str | Path) -> Path:
    """Write the metres to `path`, whole or not at all; missing parent folders are made.

    Args:
        depth: what to write.
        path: its suffix, in any case, names the format (see `WRITERS`).

    Returns:
        The path written.

    Raises:
        OutputError: unknown suffix, or a place that cannot be written.
    """
    path = Path(path)
    writer = WRITERS[_known_suffix(path, WRITERS)]
    with replacing(path) as temporary, temporary.open("wb") as file:
        writer(depth, file)
    return path


def save_picture(
    depth: Depth,
    path: str | Path,
    *,
    near_m: float | None = None,
    far_m: float | None = None,
    colormap: str | None = None,
    legend: bool = True,
    side_by_side: bool = False,
) -> Path:
    """Write the picture for people (see `onedepth.render.picture`) as PNG, JPEG or WebP.

    Args:
        depth: what to draw.
        path: its suffix, in any case, names the format (see `PICTURE_FORMATS`).
        near_m: metres of the bright end; by default from the picture itself.
        far_m: metres of the dark end; by default from the picture itself.
        colormap: name in the `cmap` catalogue; None is the default map.
        legend: add the colour bar in metres.
        side_by_side: put the photo beside the map.

    Returns:
        The path written.

    Raises:
        OnedepthError: a range that is not 0 < near_m < far_m, or an unknown colour map.
        OutputError: unknown suffix, or a place that cannot be written.
    """
    from onedepth import render

    path = Path(path)
    _known_suffix(path, PICTURE_FORMATS)  # before the work of drawing
    image = render.picture(
        depth, near_m=near_m, far_m=far_m, colormap=colormap, legend=legend, side_by_side=side_by_side
    )
    return save_image(image, path)


def save_image(image: Image.Image, path: str | Path) -> Path:
    """Write any RGB image as PNG, JPEG or WebP, whole or not at all; missing parent folders are made.

    Args:
        image: RGB.
        path: its suffix, in any case, names the format (see `PICTURE_FORMATS`).

    Returns:
        The path written.

    Raises:
        OutputError: unknown suffix, an image too large for the format, or a place that cannot be written.
    """
    path = Path(path)
    name, options = PICTURE_FORMATS[_known_suffix(path, PICTURE_FORMATS)]
    buffer = io.BytesIO()
    try:
        image.save(buffer, name, **options)
    except (OSError, ValueError) as error:  # JPEG ends at 65500 pixels a side, WebP at 16383
        size = f"{image.width} x {image.height}"
        raise OutputError(f"cannot write {path}: no {name} of {size} pixels ({error}); use .png") from error
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(buffer.getbuffer())
    return path


def _known_suffix(path: Path, known: dict[str, Writer] | dict[str, tuple[str, dict[str, int]]]) -> str:
    suffix = path.suffix.lower()
    if suffix not in known:
        came = f"suffix {path.suffix!r}" if suffix else "no suffix"
        raise OutputError(f"cannot write {path}: {came}, expected one of {', '.join(sorted(known))}")
    return suffix
