import math
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from onedepth import legend, render
from onedepth.depth import Depth, Intrinsics
from onedepth.errors import OnedepthError

GREY = (122, 122, 122)


def ramp(height: int, width: int, near_m: float = 0.8, far_m: float = 6.0) -> np.ndarray:
    """A floor: far at the top, near at the bottom."""
    return np.repeat(np.geomspace(far_m, near_m, height)[:, None], width, axis=1).astype(np.float32)


def result(height: int, width: int, focal_source: str = "exif") -> Depth:
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Depth(ramp(height, width), photo, Intrinsics.centred(519.0, height, width), focal_source, "m 1", "p")


# Colours. The ends are the published tables' first and last rows times 255, rounded by hand.


@pytest.mark.parametrize(
    ("colormap", "far_rgb", "near_rgb"),
    [
        (render.DEFAULT, (4, 35, 51), (232, 250, 91)),
        ("inferno", (0, 0, 4), (252, 255, 164)),
        ("inferno_r", (252, 255, 164), (0, 0, 4)),
        ("gray", (0, 0, 0), (255, 255, 255)),
    ],
)
def test_ends_of_the_map(colormap, far_rgb, near_rgb):
    colours = render.colorize(np.array([[1.0, 4.0]], np.float32), 1.0, 4.0, colormap)
    assert colours.dtype == np.uint8
    assert tuple(colours[0, 0]) == near_rgb
    assert tuple(colours[0, 1]) == far_rgb


def test_colour_follows_log_depth():
    depth_m = np.array([[1.0, 2.0, 4.0, 8.0, 16.0]], np.float32)
    grey = render.colorize(depth_m, 1.0, 16.0, "gray")[0, :, 0].astype(int)
    np.testing.assert_allclose(grey, [255, 191.25, 127.5, 63.75, 0], atol=1)


def test_beyond_the_range_is_the_ends_colour():
    colours = render.colorize(np.array([[0.01, 1.0, 4.0, 500.0]], np.float32), 1.0, 4.0)
    assert (colours[0, 0] == colours[0, 1]).all()
    assert (colours[0, 3] == colours[0, 2]).all()


def test_what_is_no_depth_is_grey():
    depth_m = np.array([[0.0, -1.0, np.nan, np.inf, -np.inf, 2.0]], np.float32)
    colours = render.colorize(depth_m, 1.0, 4.0)
    assert [tuple(c) == GREY for c in colours[0]] == [True] * 5 + [False]


def test_grey_is_no_colour_of_the_default_map():
    colours = render.colorize(ramp(2000, 1), 0.8, 6.0).astype(int)
    assert np.abs(colours - np.array(GREY)).max(axis=2).min() > 25


def test_default_map_gets_brighter_towards_the_viewer():
    colours = render.colorize(ramp(100, 1), 0.8, 6.0)[:, 0].astype(float)
    luminance = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -0.5).all()


def test_blocks_of_rows_join_without_a_seam():
    tall = ramp(700, 900)  # several blocks
    whole = render.colorize(tall, 0.8, 6.0)
    rows = [0, 144, 145, 146, 291, 699]
    for row in rows:
        assert (whole[row] == render.colorize(tall[row : row + 1], 0.8, 6.0)[0]).all()


def test_input_is_left_alone():
    depth_m = ramp(8, 8)
    depth_m[0, 0] = np.nan
    before = depth_m.copy()
    depth_m.flags.writeable = False
    render.colorize(depth_m, 1.0, 2.0)
    np.testing.assert_array_equal(depth_m, before)


# Range.


def test_auto_range_is_the_percentiles_of_the_known():
    depth_m = np.linspace(1.0, 5.0, 401, dtype=np.float32).reshape(1, 401)
    holes = np.array([[0.0, np.nan, np.inf, -3.0]], np.float32)
    near_m, far_m = render.auto_range(np.hstack((depth_m, holes)))
    assert (near_m, far_m) == pytest.approx((1.04, 4.96), abs=1e-4)


def test_auto_range_of_a_flat_wall_is_ten_percent_around_it():
    near_m, far_m = render.auto_range(np.full((5, 7), 2.0, np.float32))
    assert far_m / near_m == pytest.approx(1.1)
    assert math.sqrt(near_m * far_m) == pytest.approx(2.0)


@pytest.mark.parametrize("depth_m", [np.zeros((3, 3), np.float32), np.full((3, 3), np.nan, np.float32)])
def test_auto_range_of_nothing(depth_m):
    near_m, far_m = render.auto_range(depth_m)
    assert 0 < near_m < far_m


def test_auto_range_finds_the_only_pixel_of_a_large_map():
    depth_m = np.zeros((2100, 2100), np.float32)  # seen at every second pixel
    depth_m[1, 1] = 3.0
    near_m, far_m = render.auto_range(depth_m)
    assert near_m < 3.0 < far_m


# Mistakes.


@pytest.mark.parametrize(
    ("near_m", "far_m"), [(2.0, 2.0), (3.0, 2.0), (0.0, 2.0), (-1.0, 2.0), (1.0, math.inf), (math.nan, 2.0)]
)
def test_bad_range(near_m, far_m):
    with pytest.raises(OnedepthError, match="0 < near < far"):
        render.colorize(ramp(4, 4), near_m, far_m)
    with pytest.raises(OnedepthError, match="0 < near < far"):
        render.picture(result(4, 4), near_m=near_m, far_m=far_m)


def test_half_a_range_that_misses_the_picture_says_so():
    with pytest.raises(OnedepthError, match="near 50 m lies beyond the picture's own far end"):
        render.picture(result(64, 64), near_m=50.0)
    with pytest.raises(OnedepthError, match=r"far 0\.1 m lies before the picture's own near end"):
        render.picture(result(64, 64), far_m=0.1)
    with pytest.raises(OnedepthError, match="0 < near < far"):
        render.picture(result(64, 64), near_m=-1.0)


@pytest.mark.parametrize(("typed", "meant"), [("infrno", "inferno"), ("Turbbo", "turbo"), ("thermall", "thermal")])
def test_unknown_colormap_names_the_nearest(typed, meant):
    with pytest.raises(OnedepthError, match=rf"(?s)unknown colour map '{typed}'.*\b{meant}\b"):
        render.colorize(ramp(4, 4), 1.0, 2.0, typed)


@pytest.mark.parametrize("typed", ["", "_r", "#ff0000", "inferno_r_r", "qqqqqqqqqq"])
def test_what_cmap_would_guess_is_refused(typed):
    with pytest.raises(OnedepthError, match="unknown colour map"):
        render.colorize(ramp(4, 4), 1.0, 2.0, typed)


# Ticks.


@pytest.mark.parametrize(
    ("near_m", "far_m", "labels"),
    [
        (0.5, 10.0, ["0.5 m", "1 m", "2 m", "5 m", "10 m"]),
        (1.0, 10.0, ["1 m", "1.5 m", "2 m", "3 m", "5 m", "7 m", "10 m"]),
        (0.3, 80.0, ["0.5 m", "1 m", "2 m", "5 m", "10 m", "20 m", "50 m"]),
        (1.907, 2.098, ["1.95 m", "2.00 m", "2.05 m"]),
        (100.0, 3000.0, ["100 m", "200 m", "500 m", "1000 m", "2000 m"]),
    ],
)
def test_ticks(near_m, far_m, labels):
    found = legend.ticks(near_m, far_m, least_gap=1 / 9)
    assert [label for _, label in found] == labels
    assert [metres for metres, _ in found] == [float(label.removesuffix(" m")) for label in labels]


@given(
    near_m=st.floats(1e-3, 1e3),
    ratio=st.floats(1.001, 1e4),
    least_gap=st.floats(0.05, 0.5),
)
def test_ticks_are_round_inside_and_apart(near_m, ratio, least_gap):
    far_m = near_m * ratio
    found = legend.ticks(near_m, far_m, least_gap)
    at = [math.log(metres / near_m) / math.log(ratio) for metres, _ in found]
    assert found
    assert min(at) >= -1e-6
    assert max(at) <= 1 + 1e-6
    assert all(b - a >= least_gap - 1e-6 for a, b in pairwise(at))
    if len(found) > 1:  # the label is the number itself
        assert [metres for metres, _ in found] == [float(label.removesuffix(" m")) for _, label in found]


@pytest.mark.parametrize("text_px", [10, 15, 90])
def test_bar_has_the_maps_colour_at_every_tick(text_px):
    def colours(depth_m):
        return render.colorize(depth_m, 0.7, 12.0)

    band = np.asarray(
        legend.band(0.7, 12.0, colours, height=33 * text_px, text_px=text_px, note=("focal 519 px", "given"))
    )
    quiet = (band[: 30 * text_px] == legend.QUIET_RGB).all(axis=2)
    column = np.flatnonzero(quiet.any(axis=0))[0]
    rows = np.flatnonzero(quiet[:, column])
    centres = [group.mean() for group in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)]
    expected = [metres for metres, _ in legend.ticks(0.7, 12.0, 1 / 9)][::-1]
    assert len(centres) == len(expected)
    bar_column = max(4, round(0.9 * text_px)) + 4
    for centre, metres in zip(centres, expected, strict=True):
        shown = band[round(centre), bar_column].astype(int)
        true = colours(np.array([[metres]]))[0, 0].astype(int)
        assert np.abs(shown - true).max() <= 6, metres


# Pictures.

SIZES = [(17, 31), (480, 640), (640, 480), (3000, 4000), (1, 1), (500, 2000)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_map_is_shown_pixel_for_pixel(height, width):
    depth = result(height, width)
    true = render.colorize(depth.depth_m, 0.9, 5.0)
    bare = render.picture(depth, near_m=0.9, far_m=5.0, legend=False)
    assert bare.mode == "RGB"
    assert np.array_equal(np.asarray(bare), true)

    drawn = np.asarray(render.picture(depth, near_m=0.9, far_m=5.0))
    top = (drawn.shape[0] - height) // 2
    assert np.array_equal(drawn[top : top + height, :width], true)
    assert drawn.shape[1] > width
    assert drawn.shape[0] == max(height, 70)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_band_is_readable_and_nothing_is_cut_off(height, width):
    drawn = np.asarray(render.picture(result(height, width)))
    band = drawn[:, width:]
    ink = (band != legend.BACKGROUND_RGB).any(axis=2)
    assert ink.any()
    assert not ink[[0, -1]].any()
    assert not ink[:, [0, -1]].any()
    text = np.flatnonzero((band.min(axis=2) > 180).any(axis=1))  # as bright as only letters are
    assert text.size >= 5  # a digit of 10 px is 7 rows high
    # Beside a picture that has room for it, the band is a margin and not the matter.
    if min(height, width) >= 480:
        assert band.shape[1] < 0.25 * math.sqrt(height * width)


def test_text_grows_with_the_picture():
    small = render.picture(result(480, 640)).width - 640
    large = render.picture(result(1920, 2560)).width - 2560
    assert large / small == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(("height", "width", "beside"), [(48, 64, True), (64, 48, True), (40, 200, False)])
def test_side_by_side_shows_photo_and_map(height, width, beside):
    depth = result(height, width)
    both = np.asarray(render.picture(depth, legend=False, side_by_side=True))
    alone = np.asarray(render.picture(depth, legend=False))
    assert np.array_equal(both[:height, :width], depth.image)
    assert np.array_equal(both[-height:, -width:], alone)
    assert (both.shape[1] > width) is beside
    assert (both.shape[0] > height) is not beside


def test_focal_note_tells_how_it_is_known():
    notes = {source: np.asarray(render.picture(result(480, 640, source))) for source in ("given", "exif", "assumed")}
    assert len({note.tobytes() for note in notes.values()}) == 3


@pytest.mark.parametrize("value", [0.0, np.nan, 2.0])
def test_flat_and_empty_maps_have_a_picture(value):
    depth = result(60, 80)
    depth.depth_m[:] = value
    assert render.picture(depth, side_by_side=True).width > 160


def test_depth_colorize_is_the_picture():
    depth = result(60, 80)
    made = depth.colorize(near_m=1.0, far_m=3.0, colormap="turbo", legend=False)
    assert isinstance(made, Image.Image)
    assert np.array_equal(np.asarray(made), render.colorize(depth.depth_m, 1.0, 3.0, "turbo"))


def test_messages_are_one_line():
    with pytest.raises(OnedepthError) as caught:
        render.colorize(ramp(2, 2), 1.0, 2.0, "no such map")
    assert not re.search(r"\n", str(caught.value))
