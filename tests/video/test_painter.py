"""Frames for people: the colours and the legend of pictures, in the encoder's own planes."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from onedepth import render
from onedepth.depth import Depth, Intrinsics
from onedepth.errors import OnedepthError
from onedepth.video.colour_range import parse_range, samples_for, steady_range
from onedepth.video.painter import LAYOUTS, Look, Painter, fitted

NOTE = ("focal 500 px", "given")
SQUARE = Fraction(1)


def slope(height: int = 120, width: int = 160) -> np.ndarray:
    return np.geomspace(0.8, 12, height * width, dtype=np.float32).reshape(height, width)


def rgb(frame) -> np.ndarray:
    """What a player shows: BT.709, as the frame says."""
    return frame.to_ndarray(format="rgb24", src_colorspace="ITU709", interpolation="BILINEAR").astype(int)


@pytest.mark.parametrize("colormap", [render.DEFAULT, "turbo", "inferno_r"])
def test_the_colours_are_those_of_pictures(colormap):
    depth_m = slope()
    depth_m[:20, :20] = (np.nan, 0) * 10
    image = np.zeros((120, 160, 3), np.uint8)
    painter = Painter(depth_m.shape, Look(1, 10, colormap, legend=False), NOTE, SQUARE)
    shown = rgb(painter.paint(image, depth_m))
    expected = render.colorize(depth_m, 1, 10, colormap).astype(int)
    assert shown.shape == expected.shape
    inside = np.s_[24:118:2, 24:158:2]  # where neighbours share their colour
    assert np.abs(shown - expected)[inside].max() <= 10 and np.abs(shown - expected)[inside].mean() < 2.5
    np.testing.assert_allclose(shown[4:16, 4:16], np.broadcast_to(render.UNKNOWN_RGB, (12, 12, 3)), atol=3)


@pytest.mark.parametrize("size", [(120, 160), (121, 161), (31, 17), (1, 1), (40, 400)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("legend", [True, False])
def test_sizes(size, layout, legend):
    height, width = size
    painter = Painter(size, Look(1, 10, layout=layout, legend=legend), NOTE, SQUARE)
    image = np.full((height, width, 3), 200, np.uint8)
    frame = painter.paint(image, np.full(size, 3, np.float32))
    assert (frame.width, frame.height) == (painter.width, painter.height)
    if legend:
        assert painter.pix_fmt == "yuv420p" and painter.width % 2 == painter.height % 2 == 0
    elif layout != "side-by-side":
        assert (painter.height, painter.width) == size
    # The whole map is there, in its colour.
    colour = render.colorize(np.full((1, 1), 3, np.float32), 1, 10)[0, 0].astype(int)
    found = (np.abs(rgb(frame) - colour).max(axis=2) <= 14).sum()
    if layout != "overlay":
        assert found >= 0.9 * height * width - 2 * (height + width)


def test_with_a_legend_it_is_the_picture_of_the_image_verb():
    depth_m = slope()
    depth = Depth(depth_m, np.zeros((120, 160, 3), np.uint8), Intrinsics.centred(500, 120, 160), "given", "m")
    picture = np.asarray(render.picture(depth, 1, 10)).astype(int)
    painter = Painter(depth_m.shape, Look(1, 10), render.focal_note(depth), SQUARE)
    shown = rgb(painter.paint(depth.image, depth_m))[: picture.shape[0], : picture.shape[1]]
    assert np.abs(shown - picture).mean() < 3


def test_the_legend_does_not_move():
    painter = Painter((120, 160), Look(1, 10), NOTE, SQUARE)
    image = np.zeros((120, 160, 3), np.uint8)
    first = rgb(painter.paint(image, slope()))[:, 162:]
    second = rgb(painter.paint(image, np.full((120, 160), 2, np.float32)))[:, 162:]
    np.testing.assert_array_equal(first, second)


def test_side_by_side_shows_both():
    image = np.zeros((120, 160, 3), np.uint8)
    image[..., 0] = 220
    painter = Painter((120, 160), Look(1, 10, layout="side-by-side", legend=False), NOTE, SQUARE)
    shown = rgb(painter.paint(image, np.full((120, 160), 3, np.float32)))
    np.testing.assert_allclose(shown[10:110, 10:150], np.broadcast_to((220, 0, 0), (100, 140, 3)), atol=4)
    colour = render.colorize(np.full((1, 1), 3, np.float32), 1, 10)[0, 0]
    np.testing.assert_allclose(shown[10:110, -150:-10], np.broadcast_to(colour, (100, 140, 3)), atol=4)


def test_wide_pixels_make_a_narrow_legend():
    narrow = Painter((120, 160), Look(1, 10), NOTE, Fraction(2)).width - 160
    usual = Painter((120, 320), Look(1, 10), NOTE, SQUARE).width - 320
    assert abs(2 * narrow - usual) <= 4


def test_another_size_is_fitted_without_mixing_depths():
    image = np.full((40, 20, 3), 7, np.uint8)
    depth_m = np.where(np.arange(20) < 10, 1, 9).astype(np.float32) * np.ones((40, 1), np.float32)
    shown, fitted_m = fitted(image, depth_m, 30, 60)
    assert shown.shape == (30, 60, 3) and fitted_m.shape == (30, 60)
    assert set(np.unique(fitted_m)) == {0, 1, 9} and (fitted_m > 0).sum() == 30 * 15


def test_ranges():
    assert parse_range("0.5:8") == (0.5, 8) and parse_range(None) is None
    for wrong in ("8:0.5", "0:3", "1:inf", "1:2:3", "a:b", "nan:2"):
        with pytest.raises(OnedepthError, match="--range"):
            parse_range(wrong)
    images = [np.full((30, 40, 3), value, np.uint8) for value in (0, 255)]
    found = steady_range(images, lambda image: np.full(image.shape[:2], 1 + image[0, 0, 0] / 51, np.float32))
    assert found == pytest.approx((1, 6))
    assert steady_range([], lambda _image: np.zeros((1, 1), np.float32)) is None
    assert [samples_for(frames) for frames in (None, 10, 500, 100_000)] == [3, 3, 10, 16]


def test_layout_mistakes():
    with pytest.raises(OnedepthError, match="side-by-side"):
        Painter((4, 4), Look(1, 10, layout="beside"), NOTE, SQUARE)  # pyright: ignore[reportArgumentType]
    with pytest.raises(OnedepthError, match="near"):
        Painter((4, 4), Look(3, 1), NOTE, SQUARE)
    assert Image.MAX_IMAGE_PIXELS
