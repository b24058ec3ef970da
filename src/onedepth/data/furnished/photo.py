"""From light to a picture: exposure, lens, sensor and JPEG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def develop(light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture, uint8 `[H, W, 3]`, of linear light float32 `[2 H, 2 W, 3]`, each time with another camera."""
    grey = np.sort((light[::4, ::4] @ np.array([0.25, 0.6, 0.15], np.float32)).ravel())
    middle, bright = float(grey[len(grey) // 2]), float(grey[int(len(grey) * 0.88)])
    exposure = np.exp(rng.normal(np.log(0.19), 0.38)) / max(middle, 1e-4)
    # Not much more than a tenth of the picture is burnt out.
    exposure = np.float32(min(exposure, rng.uniform(0.7, 1.4) / max(bright, 1e-4)))
    balance = np.exp(rng.normal(0, [0.09, 0.02, 0.12])).astype(np.float32)
    clipped = np.minimum(light * (exposure * balance), np.float32(1.15))
    half = (clipped[::2, ::2] + clipped[1::2, ::2] + clipped[::2, 1::2] + clipped[1::2, 1::2]) / 4
    height, width = half.shape[:2]
    u = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / width
    v = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / width
    half *= (1 / (1 + np.float32(rng.uniform(0, 0.9)) * (u * u + (v * v)[:, None])) ** 2)[..., None]
    for _ in range(int(rng.integers(0, 3))):
        half = _soften(half, np.float32(rng.uniform(0, 0.22)))
    gamma = 1 / rng.uniform(1.9, 2.5)
    picture = np.clip(half, 0, 1) ** np.float32(gamma)
    contrast = np.float32(rng.uniform(-0.15, 0.5))
    picture += contrast * picture * (1 - picture) * (2 * picture - 1)
    haze = np.float32(rng.uniform(0, 0.04))
    picture = haze + (1 - haze) * picture
    grey = picture.mean(axis=2, keepdims=True)
    picture = grey + (picture - grey) * np.float32(rng.uniform(0.6, 1.15))
    grain = rng.standard_normal((height, width, 3), np.float32)
    picture += grain * np.float32(np.exp(rng.uniform(np.log(0.002), np.log(0.025))))
    coarse = rng.standard_normal((height // 2, width // 2, 3), np.float32).repeat(2, 0).repeat(2, 1)
    picture[: coarse.shape[0], : coarse.shape[1]] += coarse * np.float32(rng.uniform(0, 0.012))
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def _soften(picture: NDArray[np.floating], share: np.float32) -> NDArray[np.floating]:
    """A blur over three pixels each way, float32 `[H, W, 3]`; the neighbours get `share` each."""
    rows = np.pad(picture, ((1, 1), (0, 0), (0, 0)), mode="edge")
    picture = picture * (1 - 2 * share) + (rows[:-2] + rows[2:]) * share
    columns = np.pad(picture, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return picture * (1 - 2 * share) + (columns[:, :-2] + columns[:, 2:]) * share
