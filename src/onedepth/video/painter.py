"""Depth → frames for people, drawn straight into the planes that the encoder takes.

A depth map in metres becomes steps of far / 65000, and tables from step to Y, U and V do the rest: the logarithm, the
colour map and the conversion to BT.709 are in the tables. The legend is drawn once. That takes 1 to 2 ms for 640×480,
where colours in RGB and their conversion would take three times as much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onedepth import legend as legends
from onedepth import render
from onedepth.errors import OnedepthError

Layout = Literal["depth", "side-by-side", "overlay"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

BT709 = 1  # colour primaries, transfer and matrix, by ISO 23091-4
LIMITED_RANGE = 1  # FFmpeg's AVCOL_RANGE_MPEG: Y is 16…235
_STEPS_TO_FAR = 65_000  # below 65536, so that what lies beyond far has steps left
_KR, _KB = 0.2126, 0.0722


@dataclass(frozen=True)
class Look:
    """How depth is drawn.

    Attributes:
        near_m: metres of the bright end.
        far_m: metres of the dark end.
        colormap: name in the `cmap` catalogue.
        layout: the map alone, the image beside it, or the map's colours over the image.
        legend: add the colour bar in metres.
    """

    near_m: float
    far_m: float
    colormap: str = render.DEFAULT
    layout: Layout = "depth"
    legend: bool = True


class Painter:
    """Draws depth maps of one size as frames of one size.

    Attributes:
        width: of the frames, in pixels.
        height: of the frames, in pixels.
        pix_fmt: yuv420p, which every player knows; yuv444p where width or height is odd, which only happens without
            a legend, since the legend makes them even.
    """

    def __init__(self, size: tuple[int, ...], look: Look, note: tuple[str, ...], sample_aspect: Fraction) -> None:
        """Plan the frames.

        Args:
            size: height and width of the depth maps, in pixels.
            look: how they are drawn.
            note: lines below the legend.
            sample_aspect: width of a pixel over its height; the legend is drawn so that it looks right when shown.

        Raises:
            OnedepthError: an unknown colour map or layout, or a range that is not 0 < near < far.
        """
        if look.layout not in LAYOUTS:
            raise OnedepthError(f"--layout: no such layout {look.layout!r}, there are {', '.join(LAYOUTS)}")
        height, width = size
        self._look, self._size = look, (height, width)
        render.colorize(np.ones((1, 1), np.float32), look.near_m, look.far_m, look.colormap)  # checks
        text_px = render.text_size(round(width * sample_aspect), height)
        panel = (height, width)
        self._photo = self._map = (0, 0)  # row, column
        if look.layout == "side-by-side":
            gap = max(2, round(0.4 * text_px))
            if width * sample_aspect <= 2 * height:
                self._map = (0, width + gap + (width + gap) % 2)
            else:
                self._map = (height + gap + (height + gap) % 2, 0)
            panel = (height + self._map[0], width + self._map[1])
        self.height, self.width = panel
        band: Image.Image | None = None
        if look.legend:
            band = render.legend_band(
                look.near_m, look.far_m, look.colormap, height=panel[0], text_px=text_px, note=note
            )
            if sample_aspect != 1:
                band = band.resize((max(1, round(band.width / sample_aspect)), band.height), Image.Resampling.LANCZOS)
            self.height, self.width = band.height + band.height % 2, panel[1] + band.width
            self.width += self.width % 2
            top = (self.height - panel[0]) // 4 * 2
            self._photo = (self._photo[0] + top, self._photo[1])
            self._map = (self._map[0] + top, self._map[1])
        odd = self.height % 2 or self.width % 2
        self.pix_fmt = "yuv444p" if odd else "yuv420p"
        self._thin = 1 if odd else 2  # pixels per chroma sample, both ways
        self._tables = _tables(look)
        self._buffer, self._steps_buffer = np.empty(self._size, np.float32), np.empty(self._size, np.uint16)
        self._ground = self._draw_ground(band, panel[1])

    def paint(self, image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> av.VideoFrame:
        """A frame of `pix_fmt`, BT.709, limited range.

        Args:
            image: uint8 `[H, W, 3]`.
            depth_m: float32 `[H, W]`, metres; what is not a depth becomes grey. A pair of another size than the
                painter's is fitted into it.
        """
        if depth_m.shape != self._size:
            image, depth_m = fitted(image, depth_m, *self._size)
        frame = av.VideoFrame(self.width, self.height, self.pix_fmt)
        frame.color_range, frame.colorspace = LIMITED_RANGE, BT709
        steps = self._steps(depth_m)
        thinned_steps = np.ascontiguousarray(steps[:: self._thin, :: self._thin])
        photo = None if self._look.layout == "depth" else self._planes_of(image)
        for number, plane in enumerate(_planes(frame)):
            thin = 1 if number == 0 else self._thin
            if self._look.legend or self._look.layout == "side-by-side":
                plane[:] = self._ground[number]
            top, left = self._map[0] // thin, self._map[1] // thin
            thinned = steps if number == 0 else thinned_steps
            drawn = plane[top : top + thinned.shape[0], left : left + thinned.shape[1]]
            colours = self._tables[number].take(thinned)
            if photo is None:
                drawn[:] = colours
                continue
            seen = photo[number][: thinned.shape[0], : thinned.shape[1]]
            if self._look.layout == "overlay":
                # Half of each one's light, in the colours of depth, so that they are the legend's.
                drawn[:] = colours if number else (seen >> 1) + (colours >> 1)
                continue
            drawn[:] = colours
            top, left = self._photo[0] // thin, self._photo[1] // thin
            plane[top : top + seen.shape[0], left : left + seen.shape[1]] = seen
        return frame

    def _steps(self, depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Depth in steps of far / 65000; 0 is unknown."""
        np.multiply(depth_m, np.float32(_STEPS_TO_FAR / self._look.far_m), out=self._buffer)
        np.clip(self._buffer, 0, 65_535, out=self._buffer)
        with np.errstate(invalid="ignore"):  # NaN becomes 0
            np.copyto(self._steps_buffer, self._buffer, casting="unsafe")
        return self._steps_buffer

    def _planes_of(self, image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Y, U, V of an image, with an even number of rows and columns where chroma is thinned."""
        if self._thin == 2:
            height, width = image.shape[:2]
            if height % 2 or width % 2:
                image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        return _planes(_to_yuv(rgb, self.pix_fmt))

    def _draw_ground(self, band: Image.Image | None, panel_width: int) -> list[NDArray[np.uint8]]:
        """What is the same in every frame: background and legend."""
        canvas = Image.new("RGB", (self.width, self.height), legends.BACKGROUND_RGB)
        if band is not None:
            canvas.paste(band, (panel_width, 0))
        return [plane.copy() for plane in _planes(_to_yuv(av.VideoFrame.from_image(canvas), self.pix_fmt))]


def fitted(
    image: NDArray[np.uint8], depth_m: NDArray[np.float32], height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """An image and its depth brought to another size, whole and in their aspect; the rest is black and unknown (0).

    Args:
        image: uint8 `[h, w, 3]`.
        depth_m: float32 `[h, w]`, metres; never mixed across pixels.
        height: wanted, in pixels.
        width: wanted, in pixels.
    """
    scale = min(height / depth_m.shape[0], width / depth_m.shape[1])
    rows = min(height, max(1, round(depth_m.shape[0] * scale)))
    columns = min(width, max(1, round(depth_m.shape[1] * scale)))
    top, left = (height - rows) // 2, (width - columns) // 2
    whole_image, whole_depth_m = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.float32)
    place = slice(top, top + rows), slice(left, left + columns)
    whole_image[place] = np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR))
    whole_depth_m[place] = np.asarray(Image.fromarray(depth_m).resize((columns, rows), Image.Resampling.NEAREST))
    return whole_image, whole_depth_m


def _tables(look: Look) -> list[NDArray[np.uint8]]:
    """Y, U and V, uint8 `[65536]` each, by steps of depth; the colours of `render.colorize`."""
    steps = np.arange(1, 65_536)
    depth_m = steps * (look.far_m / _STEPS_TO_FAR)
    level = (render.LEVELS - 1) * np.log(look.far_m / depth_m) / math.log(look.far_m / look.near_m)
    level = np.rint(np.clip(level, 0, render.LEVELS - 1)).astype(np.intp)
    level = np.concatenate(([render.LEVELS], level))
    red, green, blue = (render.lookup_table(look.colormap)[level].astype(np.float64) / 255).T
    # ITU-R BT.709-6, 3.2 to 3.5
    luma = _KR * red + (1 - _KR - _KB) * green + _KB * blue
    planes = (
        16 + 219 * luma,
        128 + 224 * (blue - luma) / (2 * (1 - _KB)),
        128 + 224 * (red - luma) / (2 * (1 - _KR)),
    )
    return [np.rint(plane).astype(np.uint8) for plane in planes]


def _to_yuv(rgb: av.VideoFrame, pix_fmt: str) -> av.VideoFrame:
    return rgb.reformat(
        format=pix_fmt, dst_colorspace=BT709, dst_color_range=LIMITED_RANGE, interpolation="BILINEAR", threads=1
    )


def _planes(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Y, U and V of a planar frame of 8 bits, as views `[H, W]` into it."""
    views = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)  # pyright: ignore[reportArgumentType]
        views.append(rows[: plane.height, : plane.width])
    return views
