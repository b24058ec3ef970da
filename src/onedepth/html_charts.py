"""Charts as inline SVG: errors over depth, errors over the picture."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onedepth.error_figures import GRID, ErrorFigures

COLOURS = ("#1f5fa8", "#c4501b", "#2c8553", "#7a4fa3", "#8a6d1f", "#b03060", "#3b8a9b", "#555555")
"""Of the contestants, in their order."""

_WIDTH, _HEIGHT = 560, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 42
_CELL = 19
_FEW = 0.0005  # of all pixels: what a bin needs to have a mean that says something


def over_depth(figures: ErrorFigures, names: Sequence[str], signed: bool) -> str:
    """Mean relative error in bins of true depth, a line for each contestant, over the histogram of the truth."""
    curves = {}
    for name in names:
        errors = figures.errors[name]
        there = errors.pixels > _FEW * errors.pixels.sum()
        total = errors.signed if signed else errors.relative
        curves[name] = np.where(there, total / np.maximum(1, errors.pixels), np.nan)
    values = np.concatenate(list(curves.values()))
    low = float(np.nanmin(values, initial=0.0)) if signed else 0.0
    high = float(np.nanmax(values, initial=0.05))
    step = _round_step(high - low)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    edges = figures.edges_m
    middles = (edges[:-1] + edges[1:]) / 2

    def x(metres: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * metres / edges[-1]

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    what = "Direction" if signed else "Size"
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{what} of the error over true depth">']
    pixels = figures.errors[names[0]].pixels
    for left, right, count in zip(edges, edges[1:], pixels, strict=False):
        tall = (_HEIGHT - _TOP - _BOTTOM) * 0.9 * count / max(1, pixels.max())
        parts.append(
            f'<rect class="histogram" x="{x(left) + 0.5:.1f}" y="{_HEIGHT - _BOTTOM - tall:.1f}" '
            f'width="{x(right) - x(left) - 1:.1f}" height="{tall:.1f}"/>'
        )
    for index in range(round((high - low) / step) + 1):
        value = low + index * step
        kind = "zero" if abs(value) < step / 2 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        parts.append(f'<text x="{_LEFT - 7}" y="{y(value) + 4:.1f}" text-anchor="end">{_percent(value)}</text>')
    metre_step = _round_step(edges[-1])
    for index in range(int(edges[-1] / metre_step) + 1):
        metres = index * metre_step
        parts.append(f'<text x="{x(metres):.1f}" y="{_HEIGHT - _BOTTOM + 17}" text-anchor="middle">{metres:g}</text>')
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">true depth, m</text>'
    )
    for index, curve in enumerate(curves.values()):
        known = ~np.isnan(curve)
        points = " ".join(f"{x(m):.1f},{y(v):.1f}" for m, v in zip(middles[known], curve[known], strict=True))
        parts.append(f'<polyline points="{points}" stroke="{colour(index)}"/>')
    return "".join(parts) + "</svg>"


def over_picture(figures: ErrorFigures, name: str, high: float) -> str:
    """Mean relative error in cells of the picture, white at 0 and dark at `high`."""
    errors = figures.errors[name]
    means = errors.cell_relative / np.maximum(1, errors.cell_pixels)
    size = f"0 0 {GRID[1] * _CELL} {GRID[0] * _CELL}"
    parts = [f'<svg viewBox="{size}" role="img" aria-label="Error over the picture: {html.escape(name)}">']
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            if not errors.cell_pixels[row, column]:
                fill, said = "#8a8a8a", "no truth"
            else:
                share = min(1.0, float(means[row, column]) / high)
                fill, said = _shade(share), f"{100 * means[row, column]:.1f} %"
            parts.append(
                f'<rect x="{column * _CELL}" y="{row * _CELL}" width="{_CELL}" height="{_CELL}" fill="{fill}">'
                f"<title>{html.escape(said)}</title></rect>"
            )
    return "".join(parts) + "</svg>"


def highest_cell(figures: ErrorFigures, names: Sequence[str]) -> float:
    """The greatest mean relative error of a cell, of all contestants: where the shades end."""
    return max(0.01, *(float(_cell_means(figures, name).max()) for name in names))


def _cell_means(figures: ErrorFigures, name: str) -> NDArray[np.float64]:
    errors = figures.errors[name]
    return errors.cell_relative / np.maximum(1, errors.cell_pixels)


def scale_bar(high: float) -> str:
    """What the shades of `over_picture` mean."""
    steps = 40
    rects = "".join(
        f'<rect x="{40 + i * 5}" y="2" width="5.2" height="12" fill="{_shade((i + 0.5) / steps)}"/>'
        for i in range(steps)
    )
    end = 40 + steps * 5
    return (
        f'<svg class="bar" viewBox="0 0 {end + 60} 18" width="{end + 60}" height="18">'
        f'<text x="34" y="12" text-anchor="end">0 %</text>{rects}'
        f'<text x="{end + 6}" y="12">{100 * high:.0f} %</text></svg>'
    )


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %".replace("-", "−")


def colour(index: int) -> str:
    """Of the contestant at this place."""
    return COLOURS[index % len(COLOURS)]


def _shade(share: float) -> str:
    """From nearly white to dark red-brown, evenly darker."""
    stops = ((253, 246, 236), (244, 178, 120), (208, 84, 56), (110, 20, 42))
    place = share * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    part = place - low
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(stops[low], stops[low + 1], strict=True))


def _round_step(span: float) -> float:
    """A step of 1, 2 or 5 and a power of ten that cuts the span into 4 to 10 pieces."""
    power = 10 ** math.floor(math.log10(span / 4))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 8)
