"""The legend of a depth map: a colour bar with round metres beside it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from onedepth.errors import OnedepthError

BACKGROUND_RGB = (18, 20, 24)
TEXT_RGB = (236, 238, 241)
QUIET_RGB = (150, 156, 165)
OUTLINE_RGB = (84, 90, 99)  # keeps the bar's dark end apart from the background
SMALLEST_TEXT_PX = 10

_MOST_TICKS = 9
_STEPS = (1, 2, 5)
_LADDERS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8))


def ticks(near_m: float, far_m: float, least_gap: float) -> list[tuple[float, str]]:
    """Round metres to write beside a bar whose scale is log depth.

    Args:
        near_m: metres at one end.
        far_m: metres at the other end, more than `near_m`.
        least_gap: how close two ticks may stand, as a fraction of the bar.

    Returns:
        Ascending pairs of metres and label ("2.5 m"); at least one, and nearly always two or more.
    """
    span = math.log(far_m / near_m)
    best: list[tuple[float, str]] = []
    best_rank = (0, 0.0)
    for values, decimals in _even_steps(near_m, far_m) + _ladders(near_m, far_m):
        inside = [value for value in values if near_m <= value <= far_m]
        narrowest = min((math.log(b / a) / span for a, b in pairwise(inside)), default=1.0)
        rank = (len(inside), narrowest)
        if narrowest >= least_gap and rank > best_rank:
            best_rank = rank
            best = [(v, f"{v:g} m" if decimals is None else f"{v:.{decimals}f} m") for v in inside]
    middle_m = math.sqrt(near_m * far_m)
    return best or [(middle_m, f"{middle_m:.3g} m")]


def _even_steps(near_m: float, far_m: float) -> list[tuple[list[float], int | None]]:
    """Steps of 1, 2 or 5 and a power of ten, with the decimals to write: for a narrow range."""
    sets: list[tuple[list[float], int | None]] = []
    finest = math.ceil(math.log10(far_m - near_m)) - 2
    for exponent in range(finest, finest + 3):
        decimals = max(0, -exponent)
        for step in (mantissa * 10.0**exponent for mantissa in _STEPS):
            counts = range(math.ceil(near_m / step), math.floor(far_m / step) + 1)
            # Rounded, so that 3 * 0.1 stands at 0.3.
            sets.append(([round(count * step, decimals) for count in counts], decimals))
    return sets


def _ladders(near_m: float, far_m: float) -> list[tuple[list[float], int | None]]:
    """The same round numbers in every power of ten: for a wide range."""
    exponents = range(math.floor(math.log10(near_m)), math.ceil(math.log10(far_m)) + 1)
    return [([float(f"{rung}e{exponent}") for exponent in exponents for rung in ladder], None) for ladder in _LADDERS]


def band(
    near_m: float,
    far_m: float,
    colours: Callable[[NDArray[np.floating]], NDArray[np.uint8]],
    *,
    height: int,
    text_px: int,
    note: tuple[str, ...],
) -> Image.Image:
    """Draw the band that stands to the right of a depth map: far at the top, near at the bottom.

    Args:
        near_m: metres at the bar's lower end.
        far_m: metres at its upper end.
        colours: from metres `[H, W]` to uint8 `[H, W, 3]`; what coloured the map, so that the two agree.
        height: pixels. A band that would be too low to read becomes higher.
        text_px: size of the text; everything else is measured by it.
        note: lines below the bar, left out where the band is low.

    Returns:
        RGB image, `height` or more high.
    """
    font, small = _font(text_px), _font(max(SMALLEST_TEXT_PX, round(0.78 * text_px)))
    height = max(height, 7 * text_px)
    pad = max(4, round(0.9 * text_px))
    bar_width = max(8, round(1.15 * text_px))
    line = max(1, round(text_px / 14))
    tick_left = pad + bar_width + 2 * line
    tick_right = tick_left + max(2, round(0.3 * text_px))
    label_left = tick_right + max(3, round(0.35 * text_px))
    note_line = round(1.35 * small.size)
    if height < 16 * text_px:
        note = ()
    bar_height = height - 2 * pad - (len(note) * note_line + pad // 2 if note else 0)

    marks = ticks(near_m, far_m, least_gap=max(1 / _MOST_TICKS, 1.7 * text_px / bar_height))
    label_right = label_left + max(font.getlength(label) for _, label in marks)
    note_right = pad + max((small.getlength(text) for text in note), default=0)
    canvas = Image.new("RGB", (math.ceil(max(label_right, note_right)) + pad, height), BACKGROUND_RGB)
    canvas.paste(OUTLINE_RGB, (pad - line, pad - line), _rounded(bar_width + 2 * line, bar_height + 2 * line))
    metres = np.geomspace(far_m, near_m, bar_height)[:, None]
    bar = Image.fromarray(np.repeat(colours(metres), bar_width, axis=1))
    canvas.paste(bar, (pad, pad), _rounded(bar_width, bar_height))

    draw = ImageDraw.Draw(canvas)
    # Centred by the digits' own height: the font's ascent and descent would set the labels too low.
    _, digit_top, _, digit_bottom = font.getbbox("0", anchor="ls")
    for value_m, label in marks:
        y = pad + (bar_height - 1) * math.log(far_m / value_m) / math.log(far_m / near_m)
        top = round(y - line / 2)
        draw.rectangle((tick_left, top, tick_right, top + line - 1), QUIET_RGB)
        baseline = round(y - (digit_top + digit_bottom) / 2)
        draw.text((label_left, baseline), label, TEXT_RGB, font, anchor="ls")
    for number, text in enumerate(reversed(note)):
        draw.text((pad, height - pad - number * note_line), text, QUIET_RGB, small, anchor="ls")
    return canvas


def _rounded(width: int, height: int) -> Image.Image:
    """Mask with rounded corners, drawn large and made small for smooth edges."""
    mask = Image.new("L", (4 * width, 4 * height), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 4 * width - 1, 4 * height - 1), radius=width, fill=255)
    return mask.resize((width, height), Image.Resampling.BOX)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)  # Aileron, inside Pillow: the same letters on every machine
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise OnedepthError("the legend's text needs a Pillow with FreeType; use legend=False")
    return font
