"""Pictures in: any file, bytes, PIL image or array → upright RGB uint8, and the focal length from EXIF.

What `load_photo` lets in:

- The formats in `FORMATS`, recognised by content, never by suffix. Of several frames the first one counts.
- Grey, palette, CMYK, YCbCr and Lab become RGB; an embedded ICC profile is converted to sRGB (0.2 s for 12
  megapixels; an sRGB profile costs nothing, a broken one is ignored).
- Transparent pixels are laid over `BACKGROUND`.
- 16 bits become 8 by the full range of the format (65535 → 255), never by the picture's own extremes, so that
  the same pixel gives the same grey in every picture. Floats have no such range and are refused.
"""

from __future__ import annotations

import io
import math
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from onedepth.errors import ImageError
from onedepth.focal import focal_from_exif

DEFAULT_MAX_PIXELS = 120_000_000
"""Largest picture that is read unless told otherwise, in pixels: above the 108 megapixels of phones."""

BACKGROUND = (128, 128, 128)
"""RGB under transparent pixels: mid grey, which is neither a bright nor a dark object to a network."""

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
"""Formats that are read, by Pillow's name, and the suffixes by which `onedepth.inputs` knows them in a folder."""

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_UPRIGHT = {  # EXIF orientation → how the stored picture becomes upright (Exif tag 274)
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture as the rest of the package takes it.

    Attributes:
        image: uint8 `[H, W, 3]`, upright RGB, C-contiguous, writable and shared with nobody.
        focal_px: focal length in pixels of `image`, from EXIF; None if the file does not tell.
        name: name of the file without folder and suffix, or "image".
        path: the file, or None if the picture did not come from a path.
    """

    image: NDArray[np.uint8]
    focal_px: float | None = None
    name: str = "image"
    path: Path | None = None


def load_photo(
    source: str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Photo:
    """Read one picture, whole or not at all.

    Args:
        source: path; encoded bytes; binary file object (read from its start if it can seek, left open);
            PIL image (its current frame); or RGB array: uint8 or uint16, `[H, W]`, `[H, W, 1]`, `[H, W, 3]`
            or `[H, W, 4]` with alpha. Arrays are copied.
        max_pixels: largest H · W; a file's header is checked before anything is decoded.

    Raises:
        ImageError: missing, unreadable, damaged, incomplete or too large; one line that names the source.
    """
    if isinstance(source, np.ndarray):
        return Photo(_from_array(source, max_pixels))
    if isinstance(source, Image.Image):
        filename = getattr(source, "filename", "")
        name = Path(filename).stem if isinstance(filename, str) and filename else "image"
        return Photo(*_decode(source, f"PIL image {name!r}", max_pixels), name)
    if isinstance(source, bytes | bytearray | memoryview):
        return Photo(*_read(io.BytesIO(source), "image bytes", max_pixels))
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        with _open_file(path) as stream:
            return Photo(*_read(stream, label_of(path), max_pixels), path.stem, path)
    if hasattr(source, "read"):
        return Photo(*_read(_buffered(source), "image file object", max_pixels))
    raise ImageError(
        f"got {type(source).__name__}, expected a path, encoded bytes, a binary file object, a PIL image or "
        "a NumPy array uint8 [H, W, 3]; convert it first (a torch tensor: .permute(1, 2, 0).cpu().numpy())"
    )


def label_of(path: Path) -> str:
    """The path as it is written in a one-line message."""
    return str(path) if str(path).isprintable() else repr(str(path))


# -- files ---------------------------------------------------------------------------------------------------


def _open_file(path: Path) -> IO[bytes]:
    """Open a file for reading; ImageError if that is impossible."""
    label = label_of(path)
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        hint = "check the path; a relative one starts at the working folder"
        if str(path).startswith(("http:", "https:")):
            hint = "expected a path, not a URL; download it first"
        raise ImageError(f"{label}: no such file; {hint}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        if path.is_dir():
            raise ImageError(
                f"{label}: is a folder, expected one picture; name a file in it, or use find_images"
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{label}: cannot be opened ({reason}); expected a readable picture file") from error


def _buffered(source: IO[bytes]) -> io.BytesIO:
    """The content of a user's file object, which stays open."""
    try:
        if source.seekable():
            source.seek(0)  # as PIL.Image.open does: forgotten rewinds are commoner than wanted offsets
        return io.BytesIO(source.read())
    except Exception as error:  # text mode, closed, or whatever a file-like object raises
        raise ImageError(
            f"image file object: cannot be read ({_one_line(error)}); expected a file opened in mode 'rb'"
        ) from error


# -- decoding ------------------------------------------------------------------------------------------------


class _PillowLimit:
    """Pillow's own size limit, a process-wide number, lifted while a picture above it is read.

    Our own limit stands in for it then. The last of several threads puts it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: int | None = None

    @contextmanager
    def room_for(self, pixels: int) -> Iterator[None]:
        """Context in which Pillow lets a picture of `pixels` pass."""
        with self._lock:
            if not self._users:
                self._limit = Image.MAX_IMAGE_PIXELS
            lift = self._limit is not None and pixels > self._limit
            if lift:
                self._users += 1
                Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            if lift:
                with self._lock:
                    self._users -= 1
                    if not self._users:
                        Image.MAX_IMAGE_PIXELS = self._limit


_pillow_limit = _PillowLimit()


def _read(stream: IO[bytes], label: str, max_pixels: int) -> tuple[NDArray[np.uint8], float | None]:
    """Encoded picture → (upright RGB uint8 `[H, W, 3]`, focal_px or None)."""
    if not stream.seekable():  # a pipe
        stream = io.BytesIO(stream.read())
    head = stream.read(16)
    if not head:
        raise ImageError(f"{label}: is empty (0 bytes), expected a picture; copy or download it again")
    try:
        image = _identify(stream, head, max_pixels)
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{label}: larger than the allowed {max_pixels / 1e6:g} megapixels; {_how_to_raise()}"
        ) from error
    except Exception as error:
        raise _unreadable(label, head, error) from error
    if image is None:
        raise _unreadable(label, head)
    if image.format == "TIFF":
        _refuse_camera_raw(image, head, label)
    return _decode(image, label, max_pixels)


def _identify(stream: IO[bytes], head: bytes, max_pixels: int) -> Image.Image | None:
    """The header of a picture, nothing decoded; None if it is in none of `FORMATS`.

    This is the loop of `PIL.Image.open` without its size check, whose warning cannot be silenced in one
    thread alone and whose error hides the size. WebP's plugin checks by itself, hence `max_pixels`.

    Raises:
        Exception: of any kind, for a file that begins like a known format and goes wrong.
    """
    broken: Exception | None = None
    for load_plugins in (Image.preinit, Image.init):  # common formats first: the others take 0.1 s
        load_plugins()
        for name in FORMATS:
            factory, accept = Image.OPEN.get(name, (None, None))
            try:
                accepted = accept is not None and accept(head)
                if factory is None or not accepted or isinstance(accepted, str):  # str: why Pillow cannot
                    continue
                try:
                    stream.seek(0)
                    return factory(stream, "")
                except Image.DecompressionBombError:
                    stream.seek(0)  # more than twice Pillow's limit; more than ours, too?
                    with _pillow_limit.room_for(max_pixels // 2):
                        return factory(stream, "")
            except (SyntaxError, IndexError, TypeError, KeyError, struct.error) as error:
                broken = error
    if broken:
        raise broken
    return None


def _decode(image: Image.Image, label: str, max_pixels: int) -> tuple[NDArray[np.uint8], float | None]:
    """Opened picture → (upright RGB uint8 `[H, W, 3]`, focal_px or None)."""
    width, height = image.size
    _check_size(width, height, label, max_pixels)
    try:
        with _pillow_limit.room_for(width * height):
            image.load()
    except Exception as error:
        raise _damaged(label, image.format or "picture", error) from error
    # After load(): Pillow turns TIFF pictures by itself and then forgets their orientation.
    try:
        exif = image.getexif()
        turn = _UPRIGHT.get(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF is no EXIF
        exif, turn = Image.Exif(), None
    try:
        rgb = _to_rgb(image, label)
    except ValueError as error:
        raise ImageError(
            f"{label}: pixels of kind {image.mode} cannot be made RGB ({_one_line(error)}); save it as 8-bit RGB first"
        ) from error
    if turn is not None:
        rgb = rgb.transpose(turn)
    return np.array(rgb), focal_from_exif(exif, rgb.width, rgb.height)


def _to_rgb(image: Image.Image, label: str) -> Image.Image:
    """Decoded picture of any mode → mode RGB, in sRGB where the file says what its colours mean."""
    mode = image.mode
    if mode == "F":
        raise ImageError(
            f"{label}: pixels are floats, which have no fixed range, expected 8 or 16 bits; save as PNG first"
        )
    if mode == "I":  # what Pillow calls 32 bits, and also 16 bits of some formats
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(
                f"{label}: grey values {values.min()} to {values.max()}, expected 8 or 16 bits without sign; "
                "save it as 8-bit PNG first"
            )
        return Image.fromarray(_to_8_bits(values)).convert("RGB")
    if mode.startswith("I;16"):
        return Image.fromarray(_to_8_bits(np.asarray(image), _bits(image))).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        plain = Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), rgba).convert("RGB")
        plain.info = dict(image.info)  # the ICC profile
        return _to_srgb(plain)
    return _to_srgb(image if mode in {"L", "CMYK"} else image.convert("RGB"))


def _to_srgb(image: Image.Image) -> Image.Image:
    """Mode RGB, L or CMYK → RGB, through the embedded ICC profile if there is one that makes sense."""
    icc = image.info.get("icc_profile")
    if not icc:
        return image.convert("RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        meaning = ImageCms.getProfileDescription(profile).casefold()
        if "srgb" in meaning and "linear" not in meaning:
            return image.convert("RGB")
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB") or image.convert("RGB")
    except Exception:  # a broken profile, or one for another kind of pixels: less good colours, but a picture
        return image.convert("RGB")


def _bits(image: Image.Image) -> int:
    """Bits that a 16-bit grey picture uses: 16, but 12 in a TIFF that says so, as Pillow keeps 0…4095."""
    return 12 if getattr(image, "tag_v2", {}).get(ExifTags.Base.BitsPerSample) == (12,) else 16


def _to_8_bits(values: NDArray[Any], bits: int = 16) -> NDArray[np.uint8]:
    """Integers 0 … 2^bits - 1, any shape → uint8, rounded to the nearest."""
    full = (1 << bits) - 1
    return ((values.astype(np.uint32) * 255 + full // 2) // full).astype(np.uint8)


def _from_array(array: NDArray[Any], max_pixels: int) -> NDArray[np.uint8]:
    """A user's array → a copy as uint8 `[H, W, 3]`."""
    label = f"array {array.dtype} {list(array.shape)}"
    expected = "expected RGB uint8 0…255 [H, W, 3]"
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:  # any byte order
        hint = (
            "scale it to 0…255, then .round().astype(np.uint8)"
            if array.dtype.kind == "f"
            else "convert with .astype(np.uint8)"
        )
        raise ImageError(f"{label}: {expected}; {hint}")
    if array.ndim == 4:
        raise ImageError(f"{label}: {expected}; give one image at a time")
    if array.ndim not in {2, 3} or (array.ndim == 3 and array.shape[2] not in {1, 3, 4}):
        hint = "channels come last: .transpose(1, 2, 0)" if array.ndim == 3 else "or [H, W] for grey"
        raise ImageError(f"{label}: {expected}; {hint}")
    if array.size == 0:
        raise ImageError(f"{label}: has no pixels, {expected}")
    _check_size(array.shape[1], array.shape[0], label, max_pixels)
    if array.dtype.itemsize == 2:
        array = _to_8_bits(array)
    if array.ndim == 3 and array.shape[2] == 3:
        return np.array(array, dtype=np.uint8, order="C")
    grey = array.ndim == 2 or array.shape[2] == 1
    plain = Image.fromarray(np.ascontiguousarray(array.reshape(array.shape[:2]) if grey else array))
    return np.array(_to_rgb(plain, label))


# -- messages ------------------------------------------------------------------------------------------------


def _one_line(error: Exception) -> str:
    """What another library says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _how_to_raise(pixels: int | None = None) -> str:
    """How to let a larger picture in."""
    megapixels = "N" if pixels is None else str(math.ceil(pixels / 1e6))
    return (
        f"if you trust it, raise the limit with --max-megapixels {megapixels} or, in Python, max_pixels="
        f"{megapixels}_000_000"
    )


def _check_size(width: int, height: int, label: str, max_pixels: int) -> None:
    """ImageError for a picture without pixels or with more than `max_pixels`."""
    if width < 1 or height < 1:
        raise ImageError(f"{label}: has no pixels ({width}×{height}), expected a picture of at least 1×1")
    if width * height > max_pixels:
        raise ImageError(
            f"{label}: {width}×{height} is {width * height / 1e6:.4g} megapixels, allowed are "
            f"{max_pixels / 1e6:g}; {_how_to_raise(width * height)}"
        )


def _damaged(label: str, kind: str, error: Exception | None = None) -> ImageError:
    """For a file that begins well."""
    reason = f" ({_one_line(error)})" if error else ""
    return ImageError(
        f"{label}: damaged or incomplete {kind}{reason}, expected a whole file; copy or download it again"
    )


def _unreadable(label: str, head: bytes, error: Exception | None = None) -> ImageError:
    """For a file that is in none of our formats, or (with `error`) seemed to be in one and was not."""
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return ImageError(
            f"{label}: is HEIC, which cannot be read here, expected JPEG or PNG; convert it first "
            "(heif-convert in.heic out.jpg), or set an iPhone to Camera > Formats > Most Compatible"
        )
    if error:
        return _damaged(label, "picture")  # what the parsers say of headers would help nobody
    return ImageError(
        f"{label}: not a picture of a known format (it begins with {head[:8]!r}), expected one of "
        f"{', '.join(FORMATS)}; convert it first"
    )


def _refuse_camera_raw(image: Image.Image, head: bytes, label: str) -> None:
    """ImageError for camera raw files, which are TIFFs whose first picture is a thumbnail."""
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    is_thumbnail = tags.get(ExifTags.Base.NewSubfileType, 0) == 1
    if is_thumbnail or ExifTags.Base.DNGVersion in tags or head[8:10] == b"CR":
        raise ImageError(
            f"{label}: is a camera raw file (or another TIFF that begins with its thumbnail), expected a "
            "finished picture; develop it to JPEG or TIFF first"
        )
