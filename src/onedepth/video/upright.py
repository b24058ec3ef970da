"""A decoded frame → RGB as the camera's owner saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onedepth.images import BACKGROUND

if TYPE_CHECKING:
    import av

Turn = tuple[bool, bool, bool]
"""Transpose, then mirror left and right, then mirror up and down."""


def turn_of(frame: av.VideoFrame) -> Turn:
    """What makes a frame upright, by its display matrix; to the nearest quarter turn.

    The matrix maps stored x, y to shown x' = a x + c y, y' = b x + d y (ISO 14496-12, 8.3.2; FFmpeg's
    libavutil/display.h).
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


class Upright:
    """Makes the decoded frames of one stream upright RGB.

    Attributes:
        turn: of the last frame.
    """

    def __init__(self) -> None:
        self.turn: Turn = (False, False, False)
        self._rotation: int | None = None
        self._alpha: dict[str, bool] = {}

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """A decoded frame of any pixel format as uint8 `[H, W, 3]`, C-contiguous.

        More than 8 bits become 8; what is transparent is laid over `onedepth.images.BACKGROUND`.
        """
        # Side data is looked at where the rotation changes and not in every frame: PyAV's frame and its side data hold
        # each other, so a frame that was asked for them stays in memory until Python's collector comes by.
        if frame.rotation != self._rotation:
            self._rotation, self.turn = frame.rotation, turn_of(frame)
        name = frame.format.name
        if name not in self._alpha:
            self._alpha[name] = any(component.is_alpha for component in frame.format.components)
        image = _opaque(_pixels(frame, "rgba")) if self._alpha[name] else _pixels(frame, "rgb24")
        transpose, mirror, flip = self.turn
        if transpose:
            image = image.swapaxes(0, 1)
        if mirror:
            image = image[:, ::-1]
        if flip:
            image = image[::-1]
        return np.ascontiguousarray(image)


def _pixels(frame: av.VideoFrame, pix_fmt: str) -> NDArray[np.uint8]:
    # FFmpeg's converter without its scaler, four times as fast. Threads of its own would take the model's cores.
    return np.asarray(frame.to_ndarray(format=pix_fmt, interpolation="FAST_BILINEAR", threads=1), np.uint8)


def _opaque(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = rgba[..., 3:].astype(np.uint16)
    ground = np.array(BACKGROUND, np.uint16)
    return ((rgba[..., :3] * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)
