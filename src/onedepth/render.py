"""Depth for people: a perceptual colour map, and a legend in metres beside it."""

from __future__ import annotations

import difflib
import math
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onedepth import legend as legends
from onedepth.errors import OnedepthError

if TYPE_CHECKING:
    from onedepth.depth import Depth

# Chosen by eye beside inferno, magma, turbo, batlow and others: its far end is deep teal and not black, so a
# far wall keeps its structure; it runs through four hues, so steps are easy to tell; its lightness is even.
DEFAULT = "cmocean:thermal"

# More than 256 entries, since a wall that fills the picture spans few of them and would show bands.
LEVELS = 1024

UNKNOWN_RGB = (122, 122, 122)  # no depth: neutral grey, which no part of the default map comes near

_BLOCK_PIXELS = 1 << 17  # a block of rows stays in the processor's cache
_LEAST_RATIO = 1.1  # far / near of an automatic range: a flat wall must not be stretched into noise
_EMPTY_RANGE_M = (0.5, 10.0)  # when no pixel has a depth
_FOCAL_WORDS = {"given": "given", "exif": "from EXIF", "assumed": "assumed"}


# Colour follows log depth. Linear metres give a street's colours to its far end (all below 10 m of 80 m looks
# alike); reciprocal metres give them to the near tenth and leave a room's walls black. In the logarithm equal
# *ratios* look equally different, which is how depth errors grow too: indoors (1 to 5 m) it is close to
# linear, outdoors (2 to 80 m) it shows both the kerb and the house. One rule for all, so that pictures
# compare. The legend's ticks stand where their metres are on this scale.


def colorize(depth_m: NDArray[np.floating], near_m: float, far_m: float, colormap: str = DEFAULT) -> NDArray[np.uint8]:
    """Colour every pixel by its depth: near takes the map's last (bright, warm) colour, far its first.

    Args:
        depth_m: floating `[H, W]`, metres. Values beyond the range take its end's colour; what is not a depth
            (zero, negative, NaN, inf) becomes a neutral grey.
        near_m: metres of the bright end.
        far_m: metres of the dark end.
        colormap: name in the `cmap` catalogue ("inferno", "cmocean:deep"); a final "_r" reverses it.

    Returns:
        uint8 `[H, W, 3]`, RGB.

    Raises:
        OnedepthError: a range that is not 0 < near_m < far_m, or an unknown colour map.
    """
    near_m, far_m = _checked_range(near_m, far_m)
    lut = lookup_table(colormap)
    height, width = depth_m.shape
    picture = np.empty((height, width, 3), np.uint8)
    scale = np.float32((LEVELS - 1) / math.log(far_m / near_m))
    rows = max(1, _BLOCK_PIXELS // max(1, width))
    for top in range(0, height, rows):
        block = depth_m[top : top + rows]
        known = _known(block)
        level = np.where(known, block, far_m).astype(np.float32)
        np.clip(level, near_m, far_m, out=level)
        np.log(level, out=level)
        np.subtract(np.float32(math.log(far_m)), level, out=level)
        level *= scale
        level += 0.5
        index = level.astype(np.intp)
        np.clip(index, 0, LEVELS - 1, out=index)  # float32 may land a hair outside
        index[~known] = LEVELS
        np.take(lut, index, axis=0, out=picture[top : top + rows], mode="clip")
    return picture


def auto_range(depth_m: NDArray[np.floating]) -> tuple[float, float]:
    """Nearest and farthest metres worth a colour: the 1st and 99th percentile of the known depths.

    Args:
        depth_m: floating `[H, W]`, metres; zero, negative, NaN and inf are not counted.

    Returns:
        near_m < far_m. A flat picture gets a range of 10 % around it, an empty one 0.5 to 10 m.
    """
    # A million pixels, evenly spread, tell a percentile well enough and keep 12 megapixels quick.
    stride = max(1, math.isqrt(depth_m.size // 1_000_000))
    sample = depth_m[::stride, ::stride]
    known = sample[_known(sample)]
    if known.size == 0:
        known = depth_m[_known(depth_m)]  # sparse depth between the samples
    if known.size == 0:
        return _EMPTY_RANGE_M
    near_m, far_m = (float(metres) for metres in np.percentile(known.astype(np.float64), (1, 99)))
    if far_m < near_m * _LEAST_RATIO:
        middle_m = math.sqrt(near_m * far_m)
        return middle_m / math.sqrt(_LEAST_RATIO), middle_m * math.sqrt(_LEAST_RATIO)
    return near_m, far_m


def picture(
    depth: Depth,
    near_m: float | None = None,
    far_m: float | None = None,
    colormap: str | None = None,
    *,
    legend: bool = True,
    side_by_side: bool = False,
) -> Image.Image:
    """Draw a depth map for people.

    The map keeps the image's own pixels, one for one; photo and legend are added beside it and never cover
    it. The legend is a band on the right whose text grows with the picture: near at the bottom and far at the
    top, as in most photos. A picture too low for a readable legend stands centred in a higher canvas.

    Args:
        depth: what to draw.
        near_m: metres of the bright end; by default from the picture itself (see `auto_range`).
        far_m: metres of the dark end; by default from the picture itself.
        colormap: name in the `cmap` catalogue; None is the default map.
        legend: add the colour bar in metres, and how the focal length is known.
        side_by_side: put the photo to the left of the map, or above it where the picture is a panorama.

    Returns:
        RGB image; exactly `[H, W]` with neither legend nor photo.

    Raises:
        OnedepthError: a range that is not 0 < near_m < far_m, or an unknown colour map.
    """
    near_m, far_m = _completed_range(depth.depth_m, near_m, far_m)
    colormap = DEFAULT if colormap is None else colormap
    panel = Image.fromarray(colorize(depth.depth_m, near_m, far_m, colormap))
    width, height = panel.size
    text_px = text_size(width, height)
    if side_by_side:
        panel = _joined(Image.fromarray(depth.image), panel, gap=max(1, round(0.4 * text_px)))
    if not legend:
        return panel
    band = legend_band(near_m, far_m, colormap, height=panel.height, text_px=text_px, note=focal_note(depth))
    canvas = Image.new("RGB", (panel.width + band.width, band.height), legends.BACKGROUND_RGB)
    canvas.paste(panel, (0, (canvas.height - panel.height) // 2))
    canvas.paste(band, (panel.width, 0))
    return canvas


def _joined(photo: Image.Image, depth_map: Image.Image, gap: int) -> Image.Image:
    width, height = depth_map.size
    beside = width <= 2 * height
    step = (width + gap, 0) if beside else (0, height + gap)
    panel = Image.new("RGB", (width + step[0], height + step[1]), legends.BACKGROUND_RGB)
    panel.paste(photo, (0, 0))
    panel.paste(depth_map, step)
    return panel


def legend_band(
    near_m: float, far_m: float, colormap: str, *, height: int, text_px: int, note: tuple[str, ...]
) -> Image.Image:
    """The legend in the colours of `colorize`; see `onedepth.legend.band`."""
    colours = partial(colorize, near_m=near_m, far_m=far_m, colormap=colormap)
    return legends.band(near_m, far_m, colours, height=height, text_px=text_px, note=note)


def focal_note(depth: Depth) -> tuple[str, str]:
    """Two lines below a legend: the focal length, and how it is known."""
    return f"focal {depth.intrinsics.focal_px:.0f} px", _FOCAL_WORDS[depth.focal_source]


def text_size(width: int, height: int) -> int:
    """Pixels of the legend's text: with the picture's size, but with room for a dozen lines in a panorama."""
    return max(legends.SMALLEST_TEXT_PX, min(round(0.027 * math.sqrt(width * height)), height // 12))


@lru_cache(maxsize=16)
def lookup_table(colormap: str) -> NDArray[np.uint8]:
    """uint8 `[LEVELS + 1, 3]`, RGB: from far to near, even in log depth, then the colour of what is not known.

    Raises:
        OnedepthError: an unknown colour map.
    """
    import cmap

    catalog = cmap.Colormap.catalog()
    try:
        # By its full name: the short one of two maps makes cmap log a warning.
        name = catalog.resolve(colormap.removesuffix("_r"))
    except KeyError:
        raise OnedepthError(_unknown_colormap(colormap, sorted(catalog))) from None
    table = np.asarray(cmap.Colormap(name).lut(LEVELS))[:, :3]
    if colormap.endswith("_r"):
        table = table[::-1]
    table = np.rint(np.clip(table, 0, 1) * 255).astype(np.uint8)
    table = np.vstack((table, np.array([UNKNOWN_RGB], np.uint8)))
    table.flags.writeable = False  # it is shared by the cache
    return table


def _unknown_colormap(colormap: str, names: list[str]) -> str:
    by_lower = {name.lower(): name for name in names}
    near = [by_lower[name] for name in difflib.get_close_matches(colormap.lower(), by_lower, n=3, cutoff=0.6)]
    advice = f"nearest: {', '.join(near)}" if near else "try inferno, magma, turbo or cmocean:deep"
    return f"unknown colour map {colormap!r}; {advice} (all names: https://cmap-docs.readthedocs.io)"


def _known(depth_m: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where there is a depth: bool `[H, W]`."""
    return np.isfinite(depth_m) & (depth_m > 0)


def _checked_range(near_m: float, far_m: float) -> tuple[float, float]:
    if not (math.isfinite(near_m) and math.isfinite(far_m) and 0 < near_m < far_m):
        raise OnedepthError(f"a colour range needs 0 < near < far in metres, but near is {near_m:g} and far {far_m:g}")
    return float(near_m), float(far_m)


def _completed_range(depth_m: NDArray[np.floating], near_m: float | None, far_m: float | None) -> tuple[float, float]:
    """The range asked for, with what was not asked for taken from the picture."""
    if near_m is not None and far_m is not None:
        return _checked_range(near_m, far_m)
    own_near_m, own_far_m = auto_range(depth_m)
    if near_m is not None and 0 < near_m < math.inf and near_m >= own_far_m:
        raise OnedepthError(
            f"near {near_m:g} m lies beyond the picture's own far end, {own_far_m:.3g} m: "
            "give a smaller near, or far too"
        )
    if far_m is not None and 0 < far_m < math.inf and far_m <= own_near_m:
        raise OnedepthError(
            f"far {far_m:g} m lies before the picture's own near end, {own_near_m:.3g} m: "
            "give a larger far, or near too"
        )
    return _checked_range(own_near_m if near_m is None else near_m, own_far_m if far_m is None else far_m)
