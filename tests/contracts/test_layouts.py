"""What every data layout must do, on a miniature of its true form on disk."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from layouts import MINIATURES, colours, ramp_m
from onedepth.data import LAYOUTS
from onedepth.data.pair import Pair, PairData
from onedepth.data.synthetic import SyntheticData
from onedepth.train.sources import SOURCES, Source


def synthetic(_folder: Path) -> PairData:
    return SyntheticData(3, height=48, width=64)


WRITERS = MINIATURES | {"synthetic": synthetic}
NO_SOURCE = {"nyu_test_zip"}  # test data


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def data(layout: str, tmp_path: Path) -> PairData:
    return WRITERS[layout](tmp_path)


def same(one: Pair, other: Pair) -> bool:
    return (one.id, one.intrinsics) == (other.id, other.intrinsics) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("image", "depth_m", "valid")
    )


def test_the_miniature_is_of_the_layouts_class(layout: str, data: PairData):
    assert type(data) is LAYOUTS[layout]


def test_every_layout_but_test_data_is_a_source():
    assert set(SOURCES) == set(LAYOUTS) - NO_SOURCE
    members = get_args(get_args(Source)[0])
    assert {get_args(one.model_fields["layout"].annotation)[0]: one for one in members} == SOURCES


def test_ids_are_unique_and_known_without_reading(data: PairData, monkeypatch: pytest.MonkeyPatch):
    ids = tuple(pair.id for pair in data)
    monkeypatch.setattr(type(data), "_read", None)
    assert data.ids == ids
    assert len(data) == len(set(ids)) == 3
    assert all(name.isprintable() for name in ids)


def test_pairs_have_the_contracts_types_and_shapes(data: PairData):
    for pair in data:
        assert (pair.image.dtype, pair.depth_m.dtype, pair.valid.dtype) == (np.uint8, np.float32, np.bool_)
        assert (pair.image.shape, pair.depth_m.shape, pair.valid.shape) == ((48, 64, 3), (48, 64), (48, 64))
        assert pair.image.flags.c_contiguous
        assert pair.image.flags.writeable
        assert (pair.depth_m[~pair.valid] == 0).all()
        assert (pair.depth_m[pair.valid] > 0).all()
        assert pair.intrinsics.fx > 0
        assert pair.intrinsics.fy > 0


@pytest.mark.parametrize("layout", MINIATURES, indirect=False)
def test_pixels_and_metres_are_what_was_written(layout: str, tmp_path: Path):
    for number, pair in enumerate(MINIATURES[layout](tmp_path)):
        np.testing.assert_array_equal(pair.image, colours(number))
        np.testing.assert_array_equal(pair.depth_m, ramp_m(number).astype(np.float32))
        np.testing.assert_array_equal(pair.valid, ramp_m(number) > 0)


def test_whole_data_has_no_damage(data: PairData):
    assert data.check() == []


def test_slices_and_leaving_out_read_nothing(data: PairData, monkeypatch: pytest.MonkeyPatch):
    pairs = list(data)
    ids = data.ids
    read = type(data)._read
    monkeypatch.setattr(type(data), "_read", None)
    parts = {1: data[1:], -1: data[::-1], 0: data.without([ids[1]])}
    assert {key: part.ids for key, part in parts.items()} == {1: ids[1:], -1: ids[::-1], 0: (ids[0], ids[2])}
    assert data[1:].without([ids[2]]).ids == (ids[1],)
    assert data.ids == ids  # as before
    monkeypatch.setattr(type(data), "_read", read)
    assert same(parts[1][0], pairs[1])
    assert same(parts[0][1], pairs[2])
    assert same(data[-1], pairs[2])
    with pytest.raises(IndexError):
        data[3]


def test_the_same_pair_every_time(data: PairData):
    first = data[2]
    before = first.depth_m.copy()
    data[0].image[:] = 0  # a pair's arrays are nobody else's
    assert same(data[2], first)
    assert np.array_equal(first.depth_m, before)
    assert data[0].image.any()


def test_pickled_data_is_the_same(data: PairData):
    pairs = list(data)  # files are open by now
    again = pickle.loads(pickle.dumps(data))
    assert again.ids == data.ids
    assert all(same(one, other) for one, other in zip(again, pairs, strict=True))


def _third(data: PairData) -> Pair:
    return data[2]


def test_a_forked_process_reads_too(data: PairData):
    expected = data[2]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert same(pool.apply(_third, (data,)), expected)


@pytest.mark.parametrize("layout", MINIATURES, indirect=False)
def test_no_data_at_all_is_told_in_one_line(layout: str, tmp_path: Path):
    from layouts import message_of

    arguments = ["list.txt"] if layout in {"bts", "kitti"} else []
    message = message_of(LAYOUTS[layout], tmp_path / "nowhere", *arguments)
    assert message.startswith(str(tmp_path / "nowhere"))
    assert "no" in message
