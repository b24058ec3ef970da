"""What a data set looks like: sizes, depths and cameras of a sample of its pairs, and a sheet of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onedepth.data.pair import Pair, PairData
from onedepth.errors import DataError
from onedepth.render import auto_range, colorize

EDGES_M = (0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 80, np.inf)
"""Metres between the bars of the histogram: finer where rooms are, and up to the end of the street."""

_BAR = 40  # characters
_TILE = (192, 144)  # pixels of a picture on the sheet, at most


@dataclass
class Survey:
    """What was seen in the pairs looked at.

    Attributes:
        looked_at: how many pairs were read.
        failed: one message for each pair that could not be.
        sizes: how many pictures there were of each size, "640×480".
        counts: pixels with truth by `EDGES_M`.
        pixels: how many pixels the pairs have, with truth or without.
        nearest_m: smallest true depth.
        farthest_m: largest true depth.
        focals_px: each picture's focal length.
        without_truth: ids of pairs without one pixel of truth.
    """

    looked_at: int = 0
    failed: list[str] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(EDGES_M) - 1, np.int64))
    pixels: int = 0
    nearest_m: float = np.inf
    farthest_m: float = 0.0
    focals_px: list[float] = field(default_factory=list)
    without_truth: list[str] = field(default_factory=list)

    @property
    def valid_share(self) -> float:
        """Share of pixels with truth."""
        return float(self.counts.sum()) / self.pixels if self.pixels else 0.0

    def add(self, pair: Pair) -> None:
        """Count a pair in."""
        height, width = pair.valid.shape
        depths = pair.depth_m[pair.valid]
        self.looked_at += 1
        self.sizes[f"{width}×{height}"] += 1
        self.pixels += pair.valid.size
        self.focals_px.append(pair.intrinsics.focal_px)
        if not len(depths):
            self.without_truth.append(pair.id)
            return
        self.counts += np.histogram(depths, EDGES_M)[0]
        self.nearest_m = min(self.nearest_m, float(depths.min()))
        self.farthest_m = max(self.farthest_m, float(depths.max()))

    def histogram(self) -> list[str]:
        """Lines of text: metres, a bar, and the share of pixels with truth."""
        filled = np.flatnonzero(self.counts)
        if not len(filled):
            return []
        shares = self.counts / self.counts.sum()
        return [
            f"{EDGES_M[bar]:>5g}–{EDGES_M[bar + 1]:<4g} m  {shares[bar]:6.1%}  "
            f"{'█' * round(_BAR * shares[bar] / shares.max())}".rstrip()
            for bar in range(filled[0], filled[-1] + 1)
        ]


def sample(pairs: PairData, count: int) -> list[int]:
    """At most `count` row numbers, evenly spread."""
    count = min(count, len(pairs))
    return [int((number + 0.5) * len(pairs) / count) for number in range(count)]


def look_at(pairs: PairData, indices: Sequence[int], advance: Callable[[], None]) -> tuple[Survey, list[Pair]]:
    """Read pairs; of those that can be read, at most twelve come back for a sheet."""
    survey, kept = Survey(), []
    keep = set(indices[:: max(1, -(-len(indices) // 12))])
    for index in indices:
        try:
            pair = pairs[index]
        except DataError as error:
            survey.failed.append(str(error))
        else:
            survey.add(pair)
            if index in keep:
                kept.append(pair)
        advance()
    return survey, kept


def contact_sheet(pairs: Sequence[Pair], columns: int = 3) -> Image.Image:
    """Pictures beside their depth, each coloured by its own range; grey is "no truth"."""
    width, height = _TILE
    gap = 6
    rows = -(-len(pairs) // columns)
    sheet = Image.new("RGB", (columns * (2 * width + gap) - gap, rows * (height + gap) - gap), (255, 255, 255))
    for number, pair in enumerate(pairs):
        depth_m = np.where(pair.valid, pair.depth_m, 0)
        near_m, far_m = auto_range(np.where(pair.valid, pair.depth_m, np.nan))
        x, y = number % columns * (2 * width + gap), number // columns * (height + gap)
        for picture in (pair.image, colorize(depth_m, near_m, far_m)):
            tile = Image.fromarray(picture)
            tile.thumbnail(_TILE, Image.Resampling.BOX)
            sheet.paste(tile, (x + (width - tile.width) // 2, y + (height - tile.height) // 2))
            x += width
    return sheet
