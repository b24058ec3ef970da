"""Random draws that give the same bits on every platform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """Draws made of the generator's `random()` and `integers()` alone, and of no libm function."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def between(self, low: float, high: float) -> float:
        """A number in low…high."""
        return low + (high - low) * float(self.rng.random())

    def whole(self, low: int, high: int) -> int:
        """A whole number in low…high, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return float(self.rng.random()) < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def side(self) -> int:
        """-1 or 1."""
        return self.whole(0, 1) * 2 - 1

    def turn(self) -> tuple[float, float]:
        """Cosine and sine of a random angle: a point of the disc, pushed to its rim."""
        while True:
            x, y = self.between(-1, 1), self.between(-1, 1)
            if 0.01 < x * x + y * y < 1:
                norm = math.sqrt(x * x + y * y)
                return x / norm, y / norm
