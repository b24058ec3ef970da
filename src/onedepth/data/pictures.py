"""Pictures of RGB-D data: files or bytes in, arrays out; and what their first bytes tell without decoding.

Unlike photos (`onedepth.images`) they are taken as they are stored: EXIF orientation is *not* applied, since picture
and depth belong together pixel by pixel.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onedepth.errors import DataError

HEAD_BYTES = 512
"""Length of a picture's beginning that `look` needs; the size of a JPEG stands in it unless EXIF data comes first."""

PNG_MAGIC, JPEG_MAGIC = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNG_COLOURS = {0: "grey", 2: "colour", 3: "palette", 4: "grey", 6: "colour"}
_MODE_WORDS = {
    "1": "1-bit grey", "L": "8-bit grey", "LA": "8-bit grey", "P": "8-bit palette", "RGB": "8-bit colour",
    "RGBA": "8-bit colour", "I;16": "16-bit grey",
}  # fmt: skip


@dataclass(frozen=True)
class DepthKind:
    """How a layout writes depth into grey PNGs; 0 is always "no truth here".

    Attributes:
        bits: 8 or 16 bits a pixel.
        per_metre: the stored value of one metre.
        words: the same for people, after "16-bit grey PNG".
    """

    bits: int
    per_metre: float
    words: str

    @property
    def expected(self) -> str:
        """What a message says was expected."""
        return f"depth as {self.bits}-bit grey PNG {self.words}"

    def open(self, source: Path | bytes, label: str, height: int, width: int) -> Image.Image:
        """A depth PNG whose kind and size are right; its pixels are not decoded yet.

        Raises:
            DataError: unreadable, of another kind, or not of that size.
        """
        try:
            picture = Image.open(_stream(source))
        except Exception as error:  # on damaged bytes Pillow's readers raise nearly anything
            raise DataError(f"{label}: cannot be read as a depth PNG ({one_line(error, source)})") from error
        mode, size = picture.mode, picture.size
        if picture.format == "PNG" and mode == ("L" if self.bits == 8 else "I;16") and size == (width, height):
            return picture
        came = f"{_MODE_WORDS.get(mode, mode)} {picture.format}"
        picture.close()
        if size != (width, height) and came == f"{self.bits}-bit grey PNG":
            raise DataError(_other_size(label, (size[1], size[0]), (height, width)))
        raise DataError(f"{label}: {came} came, expected {self.expected}")

    def read(
        self, source: Path | bytes, label: str, height: int, width: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """float32 `[H, W]` metres, 0 where there is no truth, and bool `[H, W]` where there is.

        Raises:
            DataError: as `open`, and damage that only decoding shows.
        """
        with self.open(source, label, height, width) as picture:
            try:
                values = np.asarray(picture)
            except Exception as error:  # as above
                raise DataError(f"{label}: cannot be read as a depth PNG ({one_line(error, source)})") from error
        return values.astype(np.float32) / np.float32(self.per_metre), values > 0


MILLIMETRES = DepthKind(16, 1000.0, "in millimetres")
METRES_256 = DepthKind(16, 256.0, "in metres × 256, as KITTI's")
TEN_METRES_8_BIT = DepthKind(8, 25.5, "with 255 = 10 m")


def read_rgb(source: Path | bytes, label: str) -> NDArray[np.uint8]:
    """uint8 `[H, W, 3]`: a picture as stored, not turned upright.

    Args:
        source: a file, or the bytes of one.
        label: names it in messages.

    Raises:
        DataError: unreadable, or not of 8 bits per channel.
    """
    try:
        with Image.open(_stream(source)) as picture:
            mode = picture.mode
            if not mode.startswith(("I", "F")):
                # A palette's transparency is only understood on the way to RGBA.
                coloured = picture.convert("RGBA") if mode == "P" else picture
                return np.array(coloured.convert("RGB"))  # a copy: asarray would be read-only
    except Exception as error:  # on damaged bytes Pillow's readers raise nearly anything
        raise DataError(f"{label}: cannot be read as an image ({one_line(error, source)})") from error
    raise DataError(f"{label}: image of kind {mode!r} came, expected 8 bits per channel")


def rgb_size(source: Path | bytes, label: str) -> tuple[int, int]:
    """Height and width of a picture by its header.

    Raises:
        DataError: it is no picture.
    """
    try:
        with Image.open(_stream(source)) as picture:
            return picture.height, picture.width
    except Exception as error:  # as above
        raise DataError(f"{label}: cannot be read as an image ({one_line(error, source)})") from error


def look(head: bytes, label: str) -> tuple[int, int] | None:
    """Height and width of a JPEG or PNG by its first bytes, a hundred times as fast as opening it.

    Args:
        head: the first `HEAD_BYTES` bytes, or all where there are fewer.
        label: names the picture in messages.

    Returns:
        None for a JPEG whose size stands further behind.

    Raises:
        DataError: the bytes begin neither of the two.
    """
    if head.startswith(PNG_MAGIC):
        return _png_header(head, label)[0]
    if head.startswith(JPEG_MAGIC):
        return _jpeg_size(head)
    raise DataError(f"{label}: begins as neither JPEG nor PNG, expected one of them")


def look_depth(head: bytes, label: str, kind: DepthKind, size: tuple[int, int] | None) -> None:
    """Refuse a depth PNG by its first bytes.

    Args:
        head: as for `look`.
        label: names the picture in messages.
        kind: what is expected.
        size: height and width of its image, None if they are not known.

    Raises:
        DataError: no PNG, of another kind, or not of that size.
    """
    if not head.startswith(PNG_MAGIC):
        came = "a JPEG" if head.startswith(JPEG_MAGIC) else "something that is no PNG"
        raise DataError(f"{label}: {came} came, expected {kind.expected}")
    there, bits, colour = _png_header(head, label)
    if (bits, colour) != (kind.bits, "grey"):
        raise DataError(f"{label}: {bits}-bit {colour} PNG came, expected {kind.expected}")
    if size is not None and there != size:
        raise DataError(_other_size(label, there, size))


def one_line(error: Exception, source: object = None) -> str:
    """What an error says, on one line; bytes in memory have no name that a user knows."""
    if isinstance(source, bytes) and "BytesIO" in str(error):
        return "damaged, or not a picture"
    return " ".join(str(error).split()) or type(error).__name__


def _stream(source: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _png_header(head: bytes, label: str) -> tuple[tuple[int, int], int, str]:
    """Size, bits per channel, and kind of colour."""
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise DataError(f"{label}: a PNG that ends in its header, it is cut off or damaged")
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return (height, width), head[24], _PNG_COLOURS.get(head[25], "unknown")


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            return int.from_bytes(head[at + 5 : at + 7], "big"), int.from_bytes(head[at + 7 : at + 9], "big")
        at += 1 if marker == 0xFF else 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def _other_size(label: str, there: tuple[int, int], expected: tuple[int, int]) -> str:
    return f"{label}: depth is {there[1]}×{there[0]}, expected {expected[1]}×{expected[0]} as its image"
