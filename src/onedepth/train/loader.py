"""From pairs on disk to batches on the training device."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler

from onedepth.data.pair import Pair
from onedepth.errors import DataError, RecipeError
from onedepth.train.allocator import return_freed_memory
from onedepth.train.augment import Batch


@dataclass(frozen=True)
class Item:
    """A pair as tensors.

    Attributes:
        number: of the pair in its data set.
        image: uint8 `[3, H, W]`.
        depth_m: float32 `[1, H, W]`, 0 where there is no truth.
        intrinsics: float32 `[4]`: fx, fy, cx, cy in pixels of `image`.
        border: float32 `[2]`: share of the height and of the width at each side that is no picture.
    """

    number: int
    image: Tensor
    depth_m: Tensor
    intrinsics: Tensor
    border: Tensor = field(default_factory=lambda: torch.zeros(2))


class BesideError(DataError):
    """What is wrong with a pair beside the data set."""


class Items(Dataset[Item | DataError]):
    """Pairs as tensors; pictures far larger than the working size are reduced once, when they are read."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        size: tuple[int, int],
        cache: bool,
        border_px: int = 0,
        *,
        area: float = 5.2,
        beside: Sequence[Pair] = (),
    ) -> None:
        """Pairs for training.

        Args:
            pairs: the data set.
            size: height and width at which the network works.
            cache: keep what was read in memory.
            border_px: so many pixels at each side of a stored picture have no truth.
            area: larger pictures are reduced to so many times the pixels of `size`.
            beside: more pairs, counted on from the data set's last; they have no border.
        """
        self.pairs, self.beside = pairs, beside
        self.border_px = border_px
        self._max_pixels = area * size[0] * size[1]
        self._cache: dict[int, Item] | None = {} if cache else None

    def __len__(self) -> int:
        """Number of pairs, those beside the data set included."""
        return len(self.pairs) + len(self.beside)

    def __getitem__(self, index: int) -> Item | DataError:
        """The pair of that number, or what is wrong with it.

        An error is given, not raised: what comes out of a worker process by raising is a traceback of many lines.
        """
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        try:
            item = self._read(index)
        except DataError as error:
            return error if index < len(self.pairs) else BesideError(str(error))
        if self._cache is not None:
            self._cache[index] = item
        return item

    def _read(self, index: int) -> Item:
        own = index < len(self.pairs)
        pair = self.pairs[index] if own else self.beside[index - len(self.pairs)]
        border_px = self.border_px if own else 0
        image = torch.from_numpy(pair.image).permute(2, 0, 1)
        depth = torch.from_numpy(np.where(pair.valid, pair.depth_m, np.float32(0)))[None]
        if border_px:
            inside = np.s_[:, border_px:-border_px, border_px:-border_px]
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
        border = torch.tensor([border_px / height, border_px / width])
        return Item(index, image.contiguous(), depth.contiguous(), intrinsics.float(), border)


def collate(items: Sequence[Item | DataError]) -> Batch:
    """Stack pairs of any sizes on one canvas; smaller pictures lie at its top left, invalid beyond.

    Damaged pairs are left out and named in the batch; it is for the training step to decide what that means.
    """
    whole = [item for item in items if isinstance(item, Item)]
    errors = [item for item in items if isinstance(item, DataError)]
    damaged = tuple(str(error) for error in errors if not isinstance(error, BesideError))
    damaged_beside = tuple(str(error) for error in errors if isinstance(error, BesideError))
    height = max((item.image.shape[1] for item in whole), default=1)
    width = max((item.image.shape[2] for item in whole), default=1)
    image = torch.zeros(len(whole), 3, height, width, dtype=torch.uint8)
    depth = torch.zeros(len(whole), 1, height, width)
    for i, item in enumerate(whole):
        image[i, :, : item.image.shape[1], : item.image.shape[2]] = item.image
        depth[i, :, : item.image.shape[1], : item.image.shape[2]] = item.depth_m
    size, intrinsics = torch.zeros(len(whole), 2), torch.zeros(len(whole), 4)
    for i, item in enumerate(whole):
        size[i] = torch.tensor(item.image.shape[1:])
        intrinsics[i] = item.intrinsics
    number = torch.tensor([item.number for item in whole])
    border = torch.stack([item.border for item in whole]) if whole else torch.zeros(0, 2)
    return Batch(image, depth, intrinsics, size, number, damaged, damaged_beside, border)


@dataclass(frozen=True)
class Share:
    """Which part of each step's pairs a process works on, and in how many goes.

    A step takes `batch_size` pairs, the recipe's number, however many processes share it. They take turns: in each
    of `accumulate` goes, process r of p gets the pairs r, r + p, r + 2p … of that go.

    Raises:
        RecipeError: the pairs of a step cannot be shared out evenly.
    """

    batch_size: int
    accumulate: int = 1
    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        if self.batch_size % (self.accumulate * self.processes):
            raise RecipeError(
                f"schedule.batch_size: {self.batch_size} pairs cannot be shared out evenly among {self.processes} "
                f"processes in {self.accumulate} goes (schedule.accumulate); give a multiple of "
                f"{self.accumulate * self.processes}"
            )

    @property
    def at_once(self) -> int:
        """Pairs that this process has in memory at a time."""
        return self.batch_size // (self.accumulate * self.processes)

    def places(self, go: int) -> list[int]:
        """Of the pairs in this process's `go` of a step, the places in the whole step."""
        first = go * self.at_once * self.processes + self.rank
        return list(range(first, first + self.at_once * self.processes, self.processes))


class SeededOrder(Sampler[int]):
    """A new order each epoch that depends on seed and epoch alone: a resumed run sees the same one.

    An epoch has whole steps only; pairs that are left over wait for the next epoch's order.
    """

    def __init__(
        self, count: int, seed: int, share: Share, steps_done: int = 0, *, beside: int = 0, beside_share: float = 0.0
    ) -> None:
        """The order of a run's pairs.

        Args:
            count: of the data set's pairs.
            seed: of the run.
            share: of each step that this process works on.
            steps_done: of the run were done earlier: the first epoch begins after them.
            beside: further pairs, numbered on from `count`.
            beside_share: so many of an epoch's pairs are replaced by ones of those, drawn anew each epoch.
        """
        self.count, self.seed, self.share = count, seed, share
        self.beside, self.beside_share = beside, beside_share if beside else 0.0
        self.steps = count // share.batch_size
        self.epoch, self._done_in_epoch = divmod(steps_done, self.steps) if self.steps else (0, 0)
        self._begins_in = self.epoch

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of samples of a whole epoch, for this process."""
        return self.steps * self.share.batch_size // self.share.processes

    def __iter__(self) -> Iterator[int]:
        """The epoch's order, or what is left of it."""
        # Now, not at the first `next`: worker processes are given their first batches before `set_epoch` comes again.
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.count, generator=generator)[: self.steps * self.share.batch_size]
        if self.beside_share:
            replaced = torch.rand(len(order), generator=generator) < self.beside_share
            others = self.count + torch.randint(self.beside, (len(order),), generator=generator)
            order = torch.where(replaced, others, order)
        done = self._done_in_epoch * self.share.batch_size if self.epoch == self._begins_in else 0
        return iter(order[done:][self.share.rank :: self.share.processes].tolist())


def train_loader(
    items: Items, share: Share, workers: int, seed: int, steps_done: int = 0, *, beside_share: float = 0.0
) -> DataLoader[Batch]:
    """Batches in seeded order, from the step after `steps_done` on.

    Raises:
        RecipeError: fewer pairs than a step takes.
    """
    count = len(items.pairs)
    enough(share.batch_size, count)
    loader: DataLoader[Any] = DataLoader(
        items,
        batch_size=share.at_once,
        sampler=SeededOrder(count, seed, share, steps_done, beside=len(items.beside), beside_share=beside_share),
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=return_freed_memory,
        pin_memory=torch.cuda.is_available(),
    )
    return loader


def enough(batch_size: int, count: int) -> None:
    """Refuse a step that takes more pairs than there are.

    Raises:
        RecipeError: it does.
    """
    if count < batch_size:
        raise RecipeError(
            f"schedule.batch_size: a step takes {batch_size} pairs, but data.train has {count}; give {count} or less"
        )


def worker_count(setting: int | Literal["auto"], cache: bool, processes_here: int = 1) -> int:
    """Processes that read for one training process; "auto": none beside a cache, else this machine's cores, up to 8."""
    if setting != "auto":
        return setting
    return 0 if cache else max(1, min(8, (os.cpu_count() or 1) // processes_here))
