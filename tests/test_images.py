"""Any picture → upright RGB uint8 or one line that says why not; focal length from EXIF; lists of files."""

from __future__ import annotations

import io
import math
import random
import struct
import threading
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from onedepth import images
from onedepth.errors import ImageError, OnedepthError
from onedepth.focal import focal_from_exif, focal_from_fov
from onedepth.images import Photo, load_photo
from onedepth.inputs import find_images

Image.init()
HAS_AVIF = "AVIF" in Image.OPEN  # since Pillow 11.3

ORIENTATION, EXIF_IFD = 274, 0x8769
F35, FOCAL_MM, PLANE_X, PLANE_UNIT, PIXEL_X, PIXEL_Y = 41989, 37386, 41486, 41488, 40962, 40963


def encode(image: Image.Image, fmt: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def exif_of(orientation: int | None = None, **tags: Any) -> Image.Exif:
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    exif.get_ifd(EXIF_IFD).update({globals()[name]: value for name, value in tags.items()})
    return exif


def written_exif(orientation: int, **tags: Any) -> Image.Exif:
    """What every Pillow since 11 writes to every format: a dict as Exif IFD, once through bytes."""
    exif, again = Image.Exif(), Image.Exif()
    exif[ORIENTATION], exif[EXIF_IFD] = orientation, {globals()[name]: value for name, value in tags.items()}
    again.load(exif.tobytes())
    return again


def noise(height: int = 5, width: int = 7) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def message_of(call: Callable[[], object]) -> str:
    with pytest.raises(ImageError) as caught:
        call()
    message = str(caught.value)
    assert message and "\n" not in message and "\r" not in message
    return message


# -- sources -------------------------------------------------------------------------------------------------


def test_every_source_gives_the_same_picture(tmp_path):
    array = noise()
    path = tmp_path / "a.b.png"
    path.write_bytes(encode(Image.fromarray(array)))
    with path.open("rb") as stream:
        stream.seek(3)  # not rewound, as PIL.Image.open allows
        sources = [
            path,
            str(path),
            path.read_bytes(),
            stream,
            Image.open(path),
            Image.fromarray(array),
            array,
        ]
        photos = [load_photo(source) for source in sources]
        assert not stream.closed
    for photo in photos:
        np.testing.assert_array_equal(photo.image, array)
        assert photo.image.dtype == np.uint8
        assert photo.image.flags.c_contiguous and photo.image.flags.owndata and photo.image.flags.writeable
        assert photo.focal_px is None
    assert [photo.name for photo in photos] == ["a.b", "a.b", "image", "image", "a.b", "image", "image"]
    assert [photo.path for photo in photos] == [path, path, *[None] * 5]


def test_a_stream_that_cannot_seek_is_read():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

    np.testing.assert_array_equal(load_photo(Pipe(encode(Image.fromarray(noise())))).image, noise())


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_png_is_read_bit_for_bit(array):
    np.testing.assert_array_equal(load_photo(encode(Image.fromarray(array))).image, array)


def test_photos_compare_by_identity():
    photo = Photo(noise())
    assert photo in [photo] and photo != Photo(noise())


# -- arrays --------------------------------------------------------------------------------------------------


def test_arrays_of_every_layout_become_rgb():
    rgb = noise()
    grey = rgb[..., 0]
    as_rgb = np.repeat(grey[..., None], 3, axis=2)
    opaque = np.dstack([rgb, np.full_like(grey, 255)])
    np.testing.assert_array_equal(load_photo(grey).image, as_rgb)
    np.testing.assert_array_equal(load_photo(grey[..., None]).image, as_rgb)
    np.testing.assert_array_equal(load_photo(grey.astype(np.uint16) * 257).image, as_rgb)
    np.testing.assert_array_equal(load_photo((grey.astype(np.uint16) * 257).astype(">u2")).image, as_rgb)
    np.testing.assert_array_equal(load_photo(opaque).image, rgb)
    np.testing.assert_array_equal(load_photo(np.zeros((2, 2, 4), np.uint8)).image, 128)


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[:, ::2], np.s_[..., ::-1]])
def test_views_are_copied(view):
    array = noise()[view]
    photo = load_photo(array)
    expected = array.copy()
    assert photo.image.flags.c_contiguous and not np.shares_memory(photo.image, array)
    array[:] = 0
    np.testing.assert_array_equal(photo.image, expected)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 5, 3), np.float32), ["float32", "0…255", ".astype(np.uint8)"]),
        (np.zeros((4, 5, 3), np.int64), ["int64", "uint8", ".astype(np.uint8)"]),
        (np.zeros((4, 5), bool), ["bool", "uint8"]),
        (np.zeros((3, 40, 50), np.uint8), ["[3, 40, 50]", "transpose(1, 2, 0)"]),
        (np.zeros((1, 4, 5, 3), np.uint8), ["[1, 4, 5, 3]", "one image at a time"]),
        (np.zeros(5, np.uint8), ["[5]", "[H, W, 3]"]),
        (np.zeros((4, 5, 2), np.uint8), ["[4, 5, 2]", "[H, W, 3]"]),
        (np.zeros((0, 5, 3), np.uint8), ["[0, 5, 3]", "no pixels"]),
    ],
)
def test_other_arrays_are_refused(array, words):
    message = message_of(lambda: load_photo(array))
    assert message.startswith("array ") and all(word in message for word in words)


# -- kinds of pixels -----------------------------------------------------------------------------------------


def palette(transparent: bool) -> bytes:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    return encode(image, transparency=bytes([0, 255])) if transparent else encode(image)


def grey16(fmt: str, dtype: str) -> bytes:
    return encode(Image.fromarray(np.array([[0, 25700, 65535]], dtype)), fmt)


def plain(mode: str, colour: Any, fmt: str, **options: Any) -> bytes:
    return encode(Image.new(mode, (1, 1), colour), fmt, **options)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (plain("1", 1, "PNG"), [[255] * 3]),
        (plain("L", 77, "PNG"), [[77] * 3]),
        (plain("L", 77, "PNG", transparency=77), [[128] * 3]),
        (plain("LA", (200, 255), "PNG"), [[200] * 3]),
        (plain("LA", (200, 0), "PNG"), [[128] * 3]),
        (palette(False), [[10, 20, 30], [200, 100, 50]]),
        (palette(True), [[128, 128, 128], [200, 100, 50]]),
        (plain("RGB", (1, 2, 3), "PNG"), [[1, 2, 3]]),
        (plain("RGB", (1, 2, 3), "PNG", transparency=(1, 2, 3)), [[128] * 3]),
        (plain("RGBA", (1, 2, 3, 255), "PNG"), [[1, 2, 3]]),
        (plain("RGBA", (255, 0, 0, 51), "PNG"), [[153, 102, 102]]),  # 0.2 · 255 + 0.8 · 128, 0.8 · 128
        (plain("CMYK", (255, 0, 0, 0), "TIFF"), [[0, 255, 255]]),
        (plain("RGB", (4, 5, 6), "BMP"), [[4, 5, 6]]),
        (plain("RGB", (4, 5, 6), "PPM"), [[4, 5, 6]]),
        (plain("RGB", (4, 5, 6), "WEBP", lossless=True), [[4, 5, 6]]),
        (grey16("PNG", "<u2"), [[0] * 3, [100] * 3, [255] * 3]),
        (grey16("TIFF", "<u2"), [[0] * 3, [100] * 3, [255] * 3]),
        (grey16("TIFF", ">u2"), [[0] * 3, [100] * 3, [255] * 3]),
        (grey16("TIFF", "<i4"), [[0] * 3, [100] * 3, [255] * 3]),
        (b"P5 3 1 65535\n" + bytes([0, 0, 100, 100, 255, 255]), [[0] * 3, [100] * 3, [255] * 3]),
    ],
)
def test_every_kind_of_pixels_becomes_rgb(data, expected):
    np.testing.assert_array_equal(load_photo(data).image[0], expected)


def test_16_bits_are_scaled_by_the_range_of_the_format_not_of_the_picture():
    dim = Image.fromarray(np.array([[0, 257, 514]], np.uint16))
    np.testing.assert_array_equal(load_photo(encode(dim)).image[0, :, 0], [0, 1, 2])


def test_16_bits_are_rounded_to_the_nearest_of_8():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.floor(values / 257 + 0.5)
    np.testing.assert_array_equal(load_photo(values).image[..., 0], expected)


def test_12_bit_tiff_is_scaled_by_4095():
    tags = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 200), (277, 1), (278, 1), (279, 3)]
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = b"II*\0" + struct.pack("<I", 8) + ifd + bytes(4)
    data = header.ljust(200, b"\0") + bytes([0xFF, 0xF8, 0x00])  # 4095, 2048
    np.testing.assert_array_equal(load_photo(data).image[0, :, 0], [255, 128])


def test_16_bit_rgb_png_keeps_its_colours():
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" + struct.pack(">HHH", 0, 25700, 65535))),
        (b"IEND", b""),
    ]
    np.testing.assert_array_equal(load_photo(png(chunks)).image[0, 0], [0, 100, 255])


def test_cmyk_and_ycbcr_jpeg_and_lab_tiff():
    cmyk = encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)  # written Adobe-inverted
    colour = encode(Image.new("RGB", (16, 16), (200, 40, 60)), "JPEG", quality=95)
    np.testing.assert_allclose(load_photo(cmyk).image.reshape(-1, 3), [[255, 0, 0]] * 256, atol=3)
    np.testing.assert_allclose(load_photo(colour).image.reshape(-1, 3), [[200, 40, 60]] * 256, atol=3)
    white = plain("LAB", (255, 128, 128), "TIFF")  # L* = 100, a* = b* = 0
    np.testing.assert_allclose(load_photo(white).image[0], [[255] * 3], atol=1)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.fromarray(np.zeros((2, 2), np.float32)), ["floats", "8 or 16 bits"]),
        (Image.fromarray(np.array([[0, 70000]], np.int32)), ["0 to 70000", "8 or 16 bits"]),
        (Image.fromarray(np.array([[-1, 7]], np.int32)), ["-1 to 7", "8 or 16 bits"]),
    ],
)
def test_numbers_without_a_fixed_range_are_refused(tmp_path, image, words):
    path = tmp_path / "x.tif"
    image.save(path)
    message = message_of(lambda: load_photo(path))
    assert str(path) in message and all(word in message for word in words)


@pytest.mark.parametrize("fmt", ["GIF", "TIFF", "PNG", "WEBP"])
def test_first_frame_counts(fmt):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    options = {"lossless": True} if fmt == "WEBP" else {}
    data = encode(frames[0], fmt, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(load_photo(data).image, np.asarray(frames[0]))


def test_icc_profile_that_changes_nothing_or_makes_no_sense():
    # A Lab profile does not go with RGB pixels.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (srgb, lab, b"garbage"):
        data = encode(Image.fromarray(noise()), icc_profile=profile)
        np.testing.assert_array_equal(load_photo(data).image, noise())


def swapped_profile() -> bytes:
    """An RGB profile in which red and green have changed places, by the names in its tag table."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"s\0R\0G\0B", b"x\0R\0G\0B").replace(b"\0s\0R\0G\0B", b"\0x\0R\0G\0B")
    return profile.replace(b"rXYZ", b"tmp!", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tmp!", b"gXYZ", 1)


def test_icc_profile_gives_colours_their_meaning():
    data = encode(Image.new("RGB", (2, 2), (200, 30, 60)), icc_profile=swapped_profile())
    np.testing.assert_allclose(load_photo(data).image.reshape(-1, 3), [[30, 200, 60]] * 4, atol=2)
    see_through = encode(Image.new("RGBA", (2, 2), (200, 30, 60, 255)), icc_profile=swapped_profile())
    np.testing.assert_allclose(load_photo(see_through).image.reshape(-1, 3), [[30, 200, 60]] * 4, atol=2)


# -- orientation ---------------------------------------------------------------------------------------------

# Stored as abc/def; Exif says where its first row and column belong in the upright picture.
UPRIGHT = {
    1: "abc/def",  # row 0 top, column 0 left
    2: "cba/fed",  # top, right
    3: "fed/cba",  # bottom, right
    4: "def/abc",  # bottom, left
    5: "ad/be/cf",  # left, top
    6: "da/eb/fc",  # right, top
    7: "fc/eb/da",  # right, bottom
    8: "cf/be/ad",  # left, bottom
}


def letters(picture: str) -> np.ndarray:
    grey = np.array([[ord(letter) for letter in row] for row in picture.split("/")], np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("fmt", ["PNG", "TIFF", "WEBP", "PIL"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(orientation, fmt):
    stored = Image.fromarray(letters("abc/def"))
    exif = exif_of(orientation)
    if fmt == "PIL":
        source: Any = Image.open(io.BytesIO(encode(stored, exif=exif)))
    else:
        source = encode(stored, fmt, exif=exif, **({"lossless": True} if fmt == "WEBP" else {}))
    np.testing.assert_array_equal(load_photo(source).image, letters(UPRIGHT[orientation]))


def test_exif_orientation_of_16_bit_grey_and_jpeg():
    grey = Image.fromarray(letters("abc/def")[..., 0].astype(np.uint16) * 257)
    np.testing.assert_array_equal(load_photo(encode(grey, exif=exif_of(6))).image, letters(UPRIGHT[6]))
    wide = encode(Image.new("RGB", (32, 16)), "JPEG", exif=exif_of(8))
    assert load_photo(wide).image.shape == (32, 16, 3)


@pytest.mark.skipif(not HAS_AVIF, reason="this Pillow has no AVIF")
def test_avif_is_read_and_turned():
    data = encode(Image.new("RGB", (32, 16), (200, 40, 60)), "AVIF", exif=exif_of(6), quality=95)
    photo = load_photo(data)
    assert photo.image.shape == (32, 16, 3)
    np.testing.assert_allclose(photo.image[16, 8], [200, 40, 60], atol=6)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_nonsense_orientation_is_ignored(orientation):
    data = encode(Image.fromarray(noise()), exif=exif_of(orientation))
    np.testing.assert_array_equal(load_photo(data).image, noise())


@pytest.mark.parametrize("garbage", [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"])
def test_damaged_exif_does_not_cost_the_picture(garbage):
    photo = load_photo(encode(Image.fromarray(noise()), exif=garbage))
    np.testing.assert_array_equal(photo.image, noise())
    assert photo.focal_px is None


# -- bad files -----------------------------------------------------------------------------------------------


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


BROKEN_FILES = {
    "empty.jpg": (b"", ["0 bytes"]),
    "text.jpg": (b"hello, world", ["b'hello, w'", "expected one of JPEG, PNG"]),
    "one_byte.png": (b"P", ["picture", "expected"]),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ["HEIC", "convert"]),
    "other.heif": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", ["HEIC", "convert"]),
    "header_only.png": (b"\x89PNG\r\n\x1a\n", ["damaged or incomplete"]),
    "bad_crc.png": (
        encode(Image.new("RGB", (9, 9))).replace(b"IDAT", b"IDAT\1", 1),
        ["damaged or incomplete PNG"],
    ),
    "cut.jpg": (encode(Image.fromarray(noise(64, 64)), "JPEG")[:-400], ["damaged or incomplete JPEG"]),
    "cut.png": (encode(Image.fromarray(noise(64, 64)))[:-400], ["damaged or incomplete PNG"]),
    "cut.webp": (encode(Image.fromarray(noise(64, 64)), "WEBP")[:-400], ["damaged or incomplete"]),
    "cut.tif": (encode(Image.fromarray(noise(64, 64)), "TIFF")[:-400], ["damaged or incomplete TIFF"]),
    "thumbnail.nef": (
        encode(Image.fromarray(noise()), "TIFF", tiffinfo={254: 1}),
        ["camera raw", "develop"],
    ),
    "line\nbreak.jpg": (b"hello", ["line\\nbreak.jpg"]),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_bad_file_is_named_in_one_line(tmp_path, name):
    data, words = BROKEN_FILES[name]
    path = tmp_path / name
    path.write_bytes(data)
    message = message_of(lambda: load_photo(path))
    assert str(tmp_path) in message and all(word in message for word in words)
    assert name in message or not name.isprintable()
    if data:
        assert message_of(lambda: load_photo(data)).startswith("image bytes: ")


@pytest.mark.parametrize(
    ("fmt", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}), ("WEBP", {})],
)
def test_a_cut_file_gives_the_whole_picture_or_an_error(fmt, options):
    data = encode(Image.fromarray(noise(40, 40)), fmt, **options)
    whole = load_photo(data).image
    for size in range(0, len(data), 17):
        try:
            cut = load_photo(data[:size]).image
        except ImageError:
            continue
        np.testing.assert_array_equal(cut, whole)  # only the end mark was missing


def test_missing_file_folder_and_url(tmp_path):
    for path in (tmp_path / "no.jpg", tmp_path / "no" / "no.jpg"):
        message = message_of(lambda path=path: load_photo(path))
        assert str(path) in message and "no such file" in message
    message = message_of(lambda: load_photo(tmp_path))
    assert str(tmp_path) in message and "is a folder" in message
    assert "download" in message_of(lambda: load_photo("https://example.org/a.jpg"))
    assert "a\\x00b" in message_of(lambda: load_photo("a\0b.jpg"))


def test_unreadable_file(tmp_path, monkeypatch):
    path = tmp_path / "secret.jpg"
    path.write_bytes(b"x")

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")  # root may read everything, so chmod proves nothing

    monkeypatch.setattr(Path, "open", refuse)
    message = message_of(lambda: load_photo(path))
    assert str(path) in message and "Permission denied" in message


@pytest.mark.parametrize("source", [None, 3, [[1, 2]]])
def test_other_types_are_refused(source):
    assert type(source).__name__ in message_of(lambda: load_photo(source))


def test_file_objects_in_text_mode_or_closed_are_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("text")
    with path.open() as stream:
        assert "'rb'" in message_of(lambda: load_photo(stream))  # pyright: ignore[reportArgumentType]
    assert "closed" in message_of(lambda: load_photo(stream))  # pyright: ignore[reportArgumentType]


# -- size ----------------------------------------------------------------------------------------------------


def test_bomb_is_refused_from_its_header(tmp_path):
    # 300 megapixels by the header, but no pixel data: only who stops at the header can tell the size.
    header = struct.pack(">IIBBBBB", 20000, 15000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(png([(b"IHDR", header), (b"IDAT", b"")]))
    message = message_of(lambda: load_photo(path))
    for word in (
        str(path),
        "20000×15000",
        "300 megapixels",
        "120",
        "--max-megapixels 300",
        "max_pixels=300_",
    ):
        assert word in message
    assert "damaged" in message_of(lambda: load_photo(path, max_pixels=300_000_000))


@pytest.mark.parametrize("source", [noise(10, 20), Image.fromarray(noise(10, 20))])
def test_limit_holds_for_every_source(source):
    assert load_photo(source, max_pixels=200).image.shape == (10, 20, 3)
    assert "20×10" in message_of(lambda: load_photo(source, max_pixels=199))


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_our_limit_counts_not_pillows(fmt, monkeypatch):
    data = encode(Image.fromarray(noise(20, 30)), fmt)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # 600 pixels are a DecompressionBombError to Pillow
    assert load_photo(data).image.shape == (20, 30, 3)
    for max_pixels in (599, 199, 99):
        assert "--max-megapixels" in message_of(lambda n=max_pixels: load_photo(data, max_pixels=n))
    assert Image.MAX_IMAGE_PIXELS == 100


def test_pillows_limit_is_put_back_by_the_last_thread(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with images._pillow_limit.room_for(101):
            inside.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    with images._pillow_limit.room_for(101):
        assert Image.MAX_IMAGE_PIXELS is None
    assert Image.MAX_IMAGE_PIXELS is None
    leave.set()
    thread.join()
    assert Image.MAX_IMAGE_PIXELS == 100
    with images._pillow_limit.room_for(100):
        assert Image.MAX_IMAGE_PIXELS == 100


# -- focal length --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "size", "focal_px"),
    [
        ({"F35": 26}, (4000, 3000), 3004.63),  # 26 · 5000 / 43.2666
        ({"F35": 26}, (3000, 4000), 3004.63),
        ({"F35": 36}, (3600, 2400), 3600.0),  # full frame: 1 px is 0.01 mm
        ({"FOCAL_MM": Fraction(5), "PLANE_X": Fraction(10000), "PLANE_UNIT": 3}, (6000, 4000), 5000.0),
        ({"FOCAL_MM": Fraction(50), "PLANE_X": Fraction(2540), "PLANE_UNIT": 2}, (6000, 4000), 5000.0),
        ({"FOCAL_MM": Fraction(50), "PLANE_X": Fraction(2540)}, (6000, 4000), 5000.0),  # inch by default
        ({"FOCAL_MM": Fraction(50), "PLANE_X": Fraction(100), "PLANE_UNIT": 4}, (6000, 4000), 5000.0),
        ({"FOCAL_MM": Fraction(5), "PLANE_X": Fraction(1, 2), "PLANE_UNIT": 5}, (6000, 4000), 2500.0),
        ({"F35": 0, "FOCAL_MM": Fraction(50), "PLANE_X": Fraction(2540)}, (6000, 4000), 5000.0),
    ],
)
def test_focal_length_worked_by_hand(tags, size, focal_px):
    assert focal_from_exif(exif_of(**tags), *size) == pytest.approx(focal_px, abs=0.01)


def test_focal_length_follows_a_resize_but_not_a_crop():
    exif = exif_of(FOCAL_MM=Fraction(50), PLANE_X=Fraction(2540), PIXEL_X=6000, PIXEL_Y=4000)
    assert focal_from_exif(exif, 1500, 1000) == pytest.approx(1250)
    assert focal_from_exif(exif, 1000, 1500) == pytest.approx(1250)
    assert focal_from_exif(exif, 4000, 4000) is None


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"F35": 0},
        {"F35": 1},  # 177° across
        {"F35": 5000},  # 0.4°
        {"F35": "26 mm"},
        {"F35": (26, 26)},
        {"F35": math.nan},
        {"F35": math.inf},
        {"F35": IFDRational(26, 0)},
        {"FOCAL_MM": Fraction(5)},
        {"FOCAL_MM": Fraction(5), "PLANE_X": Fraction(0)},
        {"FOCAL_MM": Fraction(5), "PLANE_X": Fraction(2540), "PLANE_UNIT": 1},
        {"FOCAL_MM": Fraction(50), "PLANE_X": Fraction(2540), "PIXEL_X": 0, "PIXEL_Y": 0},
    ],
)
def test_nonsense_focal_length_is_no_focal_length(tags):
    assert focal_from_exif(exif_of(**tags), 6000, 4000) is None


def test_focal_length_with_zero_denominator_in_a_file():
    exif = written_exif(1, FOCAL_MM=IFDRational(50), PLANE_X=IFDRational(1234))
    data = encode(Image.new("RGB", (360, 240)), exif=exif)
    assert load_photo(data).focal_px == pytest.approx(50 / 25.4 * 1234)
    broken = data.replace(struct.pack(">II", 1234, 1), struct.pack(">II", 1234, 0))
    assert broken != data
    chunks, position = [], 8
    while position < len(broken):  # the checksum of the chunk that was changed
        (size,) = struct.unpack_from(">I", broken, position)
        chunks.append((broken[position + 4 : position + 8], broken[position + 8 : position + 8 + size]))
        position += 12 + size
    assert load_photo(png(chunks)).focal_px is None


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_focal_length_comes_with_the_photo(fmt, orientation):
    data = encode(Image.new("RGB", (400, 300)), fmt, exif=written_exif(orientation, F35=26))
    assert load_photo(data).focal_px == pytest.approx(300.463, abs=0.001)


def test_focal_length_from_field_of_view():
    assert focal_from_fov(90, 640) == pytest.approx(320)
    assert focal_from_fov(2 * math.degrees(math.atan(0.5)), 640) == pytest.approx(640)


@pytest.mark.parametrize("fov_deg", [0, 1.9, 170.1, -60, math.nan, math.inf])
def test_impossible_field_of_view_is_refused(fov_deg):
    with pytest.raises(OnedepthError, match="2 to 170 degrees"):
        focal_from_fov(fov_deg, 640)


# -- lists of files ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    pictures = ["img10.jpg", "img2.JPG", "a.png", "sub/deep.webp"]
    for name in [*pictures, ".hidden.png", "._img2.jpg", "sub/.git/x.png", "notes.txt"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def test_folder_gives_its_pictures_in_natural_order(folder):
    assert find_images([folder]) == [folder / name for name in ("a.png", "img2.JPG", "img10.jpg")]
    assert find_images([folder], recursive=True)[-1] == folder / "sub/deep.webp"
    assert len(find_images([folder], recursive=True)) == 4


def test_pattern_is_what_a_shell_would_give(folder):
    assert find_images([f"{folder}/img*"]) == [folder / "img2.JPG", folder / "img10.jpg"]
    assert find_images([f"{folder}/*.txt"]) == [folder / "notes.txt"]
    assert find_images([f"{folder}/**/*.webp"]) == [folder / "sub/deep.webp"]


def test_named_files_are_kept(folder):
    strange = folder / "a[1].png"
    strange.write_bytes(b"")
    missing = folder / "missing.jpg"
    assert find_images([strange, missing, folder / ".hidden.png", str(folder / "notes.txt")]) == [
        folder / name for name in (".hidden.png", "a[1].png", "missing.jpg", "notes.txt")
    ]
    assert find_images(str(missing)) == [missing]


def test_each_file_once(folder):
    inputs = [folder, folder / "a.png", f"{folder}/*.png", folder / "sub/../a.png"]
    assert [path.name for path in find_images(inputs)] == ["a.png", "img2.JPG", "img10.jpg"]


def test_links_to_one_file_are_two_pictures(folder):
    (folder / "link.png").symlink_to(folder / "a.png")
    assert folder / "link.png" in find_images([folder])


def test_empty_folder_and_pattern_without_a_match_are_named(tmp_path):
    (tmp_path / "sub").mkdir()
    for recursive in (False, True):
        assert str(tmp_path) in message_of(lambda r=recursive: find_images([tmp_path], recursive=r))
    assert f"{tmp_path}/*.jpg" in message_of(lambda: find_images([f"{tmp_path}/*.jpg"]))


@given(
    names=st.lists(st.text("aAbB019._", min_size=1, max_size=6), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_order_and_repetition_of_inputs_do_not_matter(names, seed):
    inputs = [Path("nowhere") / name for name in names if name.strip(".")] or [Path("nowhere/x")]
    shuffled = random.Random(seed).sample(inputs, len(inputs))
    found = find_images(inputs)
    assert found == find_images(shuffled) == find_images(inputs + shuffled)
    assert set(found) == set(inputs)


def test_every_suffix_is_one_that_pillow_knows():
    known = Image.registered_extensions()
    missing = set() if HAS_AVIF else {"AVIF"}
    for fmt, suffixes in images.FORMATS.items():
        assert fmt in Image.OPEN or fmt in missing
        assert all(known.get(suffix) in {fmt, "MPO"} for suffix in suffixes) or fmt in missing
