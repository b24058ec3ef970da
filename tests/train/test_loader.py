"""From pairs to batches: reduced pictures keep their camera, and every order can be repeated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.errors import DataError
from onedepth.train.loader import Items, SeededOrder, train_loader
from onedepth.train.sources import FolderSource, SyntheticSource, open_source


def numbered(height: int, width: int) -> Pair:
    """Red is the column, green the row; depth is a number of its own for each pixel, a quarter is invalid."""
    rows, columns = np.indices((height, width))
    image = np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    valid = (rows + columns) % 4 > 0
    depth_m = (1 + (rows * width + columns) / 1e4).astype(np.float32)
    return Pair("numbered", image, np.where(valid, depth_m, np.nan), valid, Intrinsics(150, 140, 90, 70))


class Counting:
    """Pairs that remember how often they were read."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs, self.reads = pairs, 0

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        self.reads += 1
        return self.pairs[index]


def test_a_picture_near_the_working_size_is_kept():
    pair = numbered(90, 120)
    image, depth_m, camera = Items([pair], (48, 64), cache=False)[0]
    assert torch.equal(image, torch.from_numpy(pair.image).permute(2, 0, 1))
    valid = torch.from_numpy(pair.valid)
    assert torch.equal(depth_m[0][valid], torch.from_numpy(pair.depth_m)[valid])
    assert not (depth_m[0][~valid] > 0).any()
    assert camera.tolist() == [150, 140, 90, 70]


@pytest.mark.parametrize("size", [(48, 64), (16, 32)])
def test_the_stored_frame_has_no_truth(size):
    pair = numbered(90, 120)
    whole = Items([pair], size, cache=False)[0][1][0]
    framed = Items([pair], size, cache=False, border_px=9)[0][1][0]
    frame = 9 * framed.shape[0] / 90  # it is reduced with the picture
    outer, inner = int(frame), int(frame) + 1
    outside = torch.ones_like(framed, dtype=torch.bool)
    outside[outer:-outer, outer:-outer] = False
    assert not framed[outside].any()
    middle = np.s_[inner:-inner, inner:-inner]
    assert torch.equal(framed[middle], whole[middle])
    assert whole[outside].any()


def test_a_large_picture_is_reduced_with_its_camera():
    pair = numbered(150, 200)
    image, depth_m, camera = Items([pair], (32, 48), cache=False)[0]
    height, width = image.shape[1:]
    assert height * width <= 4 * 32 * 48 * 1.35
    assert height / width == pytest.approx(150 / 200, rel=0.03)
    assert depth_m.shape == (1, height, width)
    # Every ray of the small picture is the ray of the place that it was reduced from.
    v, u = np.indices((height, width))
    x, y = image[0].numpy().astype(float), image[1].numpy().astype(float)
    inside = np.s_[3:-3, 3:-3]
    fx, fy, cx, cy = camera.tolist()
    assert np.abs((u - cx) / fx - (x - 90) / 150)[inside].max() < 0.6 / 150  # colours are rounded to whole pixels
    assert np.abs((v - cy) / fy - (y - 70) / 140)[inside].max() < 0.6 / 140
    # No depth is a mean.
    there = depth_m[depth_m > 0]
    assert torch.isin(there, torch.from_numpy(pair.depth_m)).all()
    assert 0.5 < len(there) / depth_m.numel() < 0.9


def test_the_cache_reads_each_pair_once():
    for cache, reads in ((True, 2), (False, 4)):
        pairs = Counting([numbered(40, 50), numbered(40, 50)])
        items = Items(pairs, (48, 64), cache=cache)
        for _ in range(2):
            for index in range(2):
                items[index]
        assert pairs.reads == reads


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[int]:
        sampler = SeededOrder(20, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert sorted(order(0, 0)) == list(range(20))
    assert order(0, 3) == order(0, 3)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


@pytest.mark.parametrize(("count", "processes"), [(20, 1), (20, 2), (23, 4)])
def test_processes_that_train_together_share_the_pairs(count: int, processes: int):
    shares = [SeededOrder(count, 5, rank, processes) for rank in range(processes)]
    drawn = [list(share) for share in shares]
    assert [len(share) for share in shares] == [len(one) for one in drawn] == [count // processes] * processes
    assert len({number for one in drawn for number in one}) == count // processes * processes


@pytest.mark.parametrize(("count", "batches"), [(3, [3]), (4, [4]), (10, [4, 4])])
def test_the_last_incomplete_batch_is_dropped_unless_it_is_the_only_one(count: int, batches: list[int]):
    items = Items([numbered(40, 50)] * count, (48, 64), cache=True)
    assert [len(batch.image) for batch in train_loader(items, 4, workers=0, seed=0)] == batches


def test_a_recipes_sources_open():
    synthetic = open_source(SyntheticSource(layout="synthetic", count=2, split="val", height=24, width=32))
    assert len(synthetic) == 2
    assert synthetic[0].image.shape == (24, 32, 3)
    with pytest.raises(DataError, match="no-such-place"):
        open_source(FolderSource(layout="folder", path="no-such-place"))
