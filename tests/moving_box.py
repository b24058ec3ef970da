"""A box that slides over a background, filmed by a camera at rest, with exact depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onedepth.optical_flow import blurred


@dataclass(frozen=True)
class Film:
    """Frames uint8 `[n, H, W, 3]`, true depth float32 `[n, H, W]`, and that depth with what a model would do to it."""

    images: NDArray[np.uint8]
    true_m: NDArray[np.float32]
    depth_m: NDArray[np.float32]

    @property
    def trail(self) -> NDArray[np.bool_]:
        """Bool `[n, H, W]`: where the box was in one of the eight frames before or is now, but not both."""
        trail = np.zeros(self.true_m.shape, bool)
        for step in range(1, 9):
            trail[step:] |= self.true_m[step:] != self.true_m[:-step]
        return trail


def texture(rng: np.random.Generator, height: int, width: int, middle: float, sigma: float) -> NDArray[np.float32]:
    """Float32 `[H, W, 3]`, grey levels, smooth over `sigma` pixels."""
    noise = blurred(rng.random((3, height, width)).astype(np.float32), sigma)
    return (middle + 20 * (noise - noise.mean()) / noise.std()).transpose(1, 2, 0)


def film(
    frames: int, *, speed: int = 3, box_m: float = 2.0, level: float = 0.0, shape: float = 0.0, same: bool = False
) -> Film:
    """240×320; the box moves `speed` pixels a frame, `level` and `shape` are standard deviations of ln depth's noise.

    With `same`, box and background have the same brightness.
    """
    rng = np.random.default_rng(1)
    height, width = 240, 320
    background = texture(rng, height, width, 110, 3)
    box = texture(rng, 120, 106, 110 if same else 170, 2)
    images, true_m, depth_m = [], [], []
    for number in range(frames):
        left = 20 + speed * number
        image, depth = background.copy(), np.full((height, width), 4, np.float32)
        image[60:180, left : left + 106] = box[:, : max(0, width - left)]
        depth[60:180, left : left + 106] = box_m
        images.append(np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8))
        uneven = blurred(rng.normal(0, 1, (height, width)).astype(np.float32), 16)
        off = level * rng.normal() + shape * uneven / uneven.std()
        true_m.append(depth)
        depth_m.append((depth * np.exp(off)).astype(np.float32))
    return Film(np.array(images), np.array(true_m), np.array(depth_m))
