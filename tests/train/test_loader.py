"""From pairs to batches: reduced pictures keep their camera, and every order can be repeated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onedepth.data.pair import Pair
from onedepth.data.synthetic import SyntheticData
from onedepth.depth import Intrinsics
from onedepth.errors import DataError, RecipeError
from onedepth.train.loader import Item, Items, SeededOrder, Share, collate, train_loader, worker_count
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
    item = Items([pair], (48, 64), cache=False)[0]
    image, depth_m, camera = item.image, item.depth_m, item.intrinsics
    assert torch.equal(image, torch.from_numpy(pair.image).permute(2, 0, 1))
    valid = torch.from_numpy(pair.valid)
    assert torch.equal(depth_m[0][valid], torch.from_numpy(pair.depth_m)[valid])
    assert not (depth_m[0][~valid] > 0).any()
    assert camera.tolist() == [150, 140, 90, 70]


@pytest.mark.parametrize("size", [(48, 64), (16, 32)])
def test_the_stored_frame_has_no_truth(size):
    pair = numbered(90, 120)
    whole = Items([pair], size, cache=False)[0].depth_m[0]
    framed = Items([pair], size, cache=False, border_px=9)[0].depth_m[0]
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
    item = Items([pair], (32, 48), cache=False)[0]
    image, depth_m, camera = item.image, item.depth_m, item.intrinsics
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
        sampler = SeededOrder(20, seed, Share(5))
        sampler.set_epoch(epoch)
        return list(sampler)

    assert sorted(order(0, 0)) == list(range(20))
    assert order(0, 3) == order(0, 3)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


@pytest.mark.parametrize(("count", "batches"), [(4, [4]), (10, [4, 4])])
def test_an_epoch_has_whole_steps_only(count: int, batches: list[int]):
    items = Items([numbered(40, 50)] * count, (48, 64), cache=True)
    loader = train_loader(items, Share(4), workers=0, seed=0)
    assert [len(batch.image) for batch in loader] == batches
    assert len(loader) == len(batches)


def test_more_pairs_a_step_than_there_are_is_refused():
    with pytest.raises(RecipeError, match=r"a step takes 4 pairs, but data\.train has 3; give 3 or less"):
        train_loader(Items([numbered(40, 50)] * 3, (48, 64), cache=True), Share(4), workers=0, seed=0)


def test_a_batch_knows_its_pairs():
    items = Items([numbered(40, 50)] * 10, (48, 64), cache=False)
    batches = list(train_loader(items, Share(5), workers=0, seed=0))
    assert sorted(torch.cat([batch.number for batch in batches]).tolist()) == list(range(10))
    assert all(batch.damaged == () for batch in batches)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_begins_after_the_steps_that_were_done(workers: int):
    items = Items([numbered(40, 50)] * 12, (48, 64), cache=False)
    whole = [batch.number.tolist() for batch in train_loader(items, Share(4), 0, seed=1)]
    rest = train_loader(items, Share(4), workers, seed=1, steps_done=1)
    assert [batch.number.tolist() for batch in rest] == whole[1:]
    rest.sampler.set_epoch(1)
    undisturbed = train_loader(items, Share(4), 0, seed=1)
    undisturbed.sampler.set_epoch(1)
    assert [batch.number.tolist() for batch in rest] == [batch.number.tolist() for batch in undisturbed]


class PartlyDamaged(Counting):
    """Pair 1 cannot be decoded."""

    def __getitem__(self, index: int) -> Pair:
        if index == 1:
            raise DataError("one.png: cannot be read")
        return super().__getitem__(index)


def test_a_damaged_pair_is_left_out_and_named_but_never_replaced():
    pairs = PartlyDamaged([numbered(40, 50)] * 4)
    [batch] = train_loader(Items(pairs, (48, 64), cache=True), Share(4), workers=0, seed=0)
    assert sorted(batch.number.tolist()) == [0, 2, 3]
    assert len(batch.image) == 3
    assert batch.damaged == ("one.png: cannot be read",)


def test_a_batch_of_damaged_pairs_alone_is_empty():
    batch = collate([DataError("a.png: broken"), DataError("b.png: broken")])
    assert len(batch.image) == len(batch.depth_m) == len(batch.size) == len(batch.number) == 0
    assert batch.damaged == ("a.png: broken", "b.png: broken")


def test_a_damaged_pair_beside_is_told_apart():
    items = Items([numbered(40, 50)] * 2, (48, 64), cache=True, beside=PartlyDamaged([numbered(40, 50)] * 2))
    batch = collate([items[0], items[2], items[3]])
    assert (batch.damaged, batch.damaged_beside) == ((), ("one.png: cannot be read",))
    assert batch.number.tolist() == [0, 2]


def test_workers_by_default(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert worker_count("auto", cache=True) == 0
    assert worker_count("auto", cache=False) == 6
    assert worker_count("auto", cache=False, processes_here=4) == 1
    assert worker_count(3, cache=True) == 3
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert worker_count("auto", cache=False) == 8


def test_a_recipes_sources_open():
    synthetic = open_source(SyntheticSource(layout="synthetic", count=2, split="val", height=24, width=32))
    assert len(synthetic) == 2
    assert synthetic[0].image.shape == (24, 32, 3)
    with pytest.raises(DataError, match="no-such-place"):
        open_source(FolderSource(layout="folder", path="no-such-place"))


def test_pairs_beside_take_some_places_and_no_frame():
    own, others = SyntheticData(40, height=24, width=32), SyntheticData(5, seed=9, height=24, width=32)
    items = Items(own, (24, 32), cache=False, border_px=3, beside=others)
    assert len(items) == 45
    framed, other = items[0], items[42]
    assert isinstance(framed, Item)
    assert isinstance(other, Item)
    assert framed.border.tolist() == pytest.approx([3 / 24, 3 / 32])
    assert other.border.tolist() == [0, 0]
    assert (framed.depth_m[:, :3] == 0).all()
    assert (other.depth_m > 0).all()
    assert torch.equal(other.image, torch.from_numpy(others[2].image).permute(2, 0, 1))
    order = SeededOrder(1000, 0, Share(10), beside=5, beside_share=0.3)
    first = list(order)
    assert len(first) == 1000
    taken = [number for number in first if number >= 1000]
    assert 250 < len(taken) < 350
    assert set(taken) == set(range(1000, 1005))
    rest = [number for number in first if number < 1000]
    assert len(set(rest)) == len(rest)
    order.set_epoch(1)
    assert list(order) != first
    assert list(SeededOrder(1000, 0, Share(10), 37, beside=5, beside_share=0.3)) == first[370:]
    # Without others, orders are what they were.
    assert list(SeededOrder(50, 3, Share(10), beside_share=0.9)) == list(SeededOrder(50, 3, Share(10)))
