"""From pairs on disk to batches on the training device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler

from onedepth.data.pair import Pair
from onedepth.train.augment import Batch

Item = tuple[Tensor, Tensor, Tensor]
"""uint8 image `[3, H, W]`, float32 depth_m `[1, H, W]` with 0 = invalid, float32 intrinsics `[4]`."""


class Items(Dataset[Item]):
    """Pairs as tensors; pictures far larger than the working size are reduced once, when they are read."""

    def __init__(self, pairs: Sequence[Pair], size: tuple[int, int], cache: bool, border_px: int = 0) -> None:
        """Args: the network's working `size`; `border_px` at each side of a stored picture have no truth."""
        self.pairs = pairs
        self.border_px = border_px
        self._max_pixels = 4 * size[0] * size[1] * 1.3
        self._cache: dict[int, Item] | None = {} if cache else None

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> Item:
        """The pair of that number."""
        if self._cache is None:
            return self._read(index)
        if index not in self._cache:
            self._cache[index] = self._read(index)
        return self._cache[index]

    def _read(self, index: int) -> Item:
        pair = self.pairs[index]
        image = torch.from_numpy(pair.image).permute(2, 0, 1)
        depth = torch.from_numpy(np.where(pair.valid, pair.depth_m, np.float32(0)))[None]
        if self.border_px:
            inside = np.s_[:, self.border_px : -self.border_px, self.border_px : -self.border_px]
            framed = torch.zeros_like(depth)
            framed[inside] = depth[inside]
            depth = framed
        k = pair.intrinsics
        intrinsics = torch.tensor([k.fx, k.fy, k.cx, k.cy])
        height, width = image.shape[-2:]
        shrink = (self._max_pixels / (height * width)) ** 0.5
        if shrink < 1:
            small = (max(1, round(height * shrink)), max(1, round(width * shrink)))
            image = F.interpolate(image[None].float(), small, mode="bilinear", antialias=True)[0].round().byte()
            depth = F.interpolate(depth[None], small, mode="nearest-exact")[0]
            sx, sy = small[1] / width, small[0] / height
            intrinsics = torch.tensor([k.fx * sx, k.fy * sy, (k.cx + 0.5) * sx - 0.5, (k.cy + 0.5) * sy - 0.5])
        return image.contiguous(), depth.contiguous(), intrinsics.float()


def collate(items: Sequence[Item]) -> Batch:
    """Stack pairs of any sizes on one canvas; smaller pictures lie at its top left, invalid beyond."""
    height = max(image.shape[1] for image, _, _ in items)
    width = max(image.shape[2] for image, _, _ in items)
    image = torch.zeros(len(items), 3, height, width, dtype=torch.uint8)
    depth = torch.zeros(len(items), 1, height, width)
    for i, (one, truth, _) in enumerate(items):
        image[i, :, : one.shape[1], : one.shape[2]] = one
        depth[i, :, : one.shape[1], : one.shape[2]] = truth
    size = torch.tensor([[float(one.shape[1]), float(one.shape[2])] for one, _, _ in items])
    return Batch(image, depth, torch.stack([intrinsics for _, _, intrinsics in items]), size)


class SeededOrder(Sampler[int]):
    """A new order each epoch that depends on seed and epoch alone: a resumed run sees the same one.

    Of several processes that train together each takes its own share of that order, all of one length.
    """

    def __init__(self, count: int, seed: int, rank: int = 0, processes: int = 1) -> None:
        self.count, self.seed, self.epoch = count, seed, 0
        self.rank, self.processes = rank, processes

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of samples."""
        return self.count // self.processes

    def __iter__(self) -> Iterator[int]:
        """The epoch's order."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        yield from torch.randperm(self.count, generator=generator).tolist()[self.rank :: self.processes][: len(self)]


def train_loader(items: Items, batch_size: int, workers: int, seed: int) -> DataLoader[Batch]:
    """Batches in seeded order; the last, incomplete one is dropped unless it is the only one."""
    order = SeededOrder(len(items), seed, *rank_and_processes())
    loader: DataLoader[Any] = DataLoader(
        items,
        batch_size=batch_size,
        sampler=order,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        drop_last=len(order) > batch_size,
    )
    return loader


def rank_and_processes() -> tuple[int, int]:
    """This process's number among those that train together, and how many there are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
