"""Random numbers of a training step: each picture's own, however a batch is dealt out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Draws:
    """Random numbers for the pictures of one step, all from one seed, so that the step can be repeated exactly.

    Numbers are drawn for the whole batch that the recipe names, and each picture takes those of its place in it. So
    a picture gets the same ones whether one process works on the batch or several share it.
    """

    def __init__(self, seed: int, count: int, places: Sequence[int] | None = None) -> None:
        """Args: `count` pictures are in the whole batch; `places` are those of the ones at hand, by default all."""
        self.seed = seed
        self.count = count
        self.places = list(range(count) if places is None else places)
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        """Pictures at hand."""
        return len(self.places)

    def uniform(self, *shape: int) -> Tensor:
        """float32 `[n, *shape]` in [0, 1), on the CPU."""
        return torch.rand(self.count, *shape, generator=self._generator)[self.places]

    def below(self, high: int) -> Tensor:
        """int64 `[n]` in 0…high - 1, on the CPU."""
        return torch.randint(high, (self.count,), generator=self._generator)[self.places]

    def normal_like(self, pictures: Tensor) -> Tensor:
        """Standard normal numbers of the shape of `pictures` `[n, …]`, drawn where they lie."""
        noise = torch.empty_like(pictures)
        for one, place in zip(noise, self.places, strict=True):
            generator = torch.Generator(pictures.device).manual_seed((self.seed * 1_000_003 + place) % 2**63)
            one.normal_(generator=generator)
        return noise
