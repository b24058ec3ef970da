"""Multiply-accumulates, worked by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from onedepth.train.macs import count_macs


def meta(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device="meta")


BY_HAND = {
    # outputs · inputs of each
    "convolution": (lambda: nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 12), (8 * 10 * 12) * (3 * 3 * 3)),
    "stride": (lambda: nn.Conv2d(3, 8, 5, stride=2), (1, 3, 11, 13), (8 * 4 * 5) * (3 * 5 * 5)),
    "batch of two": (lambda: nn.Conv2d(3, 8, 1), (2, 3, 4, 4), 2 * (8 * 4 * 4) * 3),
    "depthwise": (lambda: nn.Conv2d(6, 6, 3, groups=6, padding=1), (1, 6, 10, 12), (6 * 10 * 12) * (3 * 3)),
    # each input is spread over a kernel in each output channel
    "transposed": (lambda: nn.ConvTranspose2d(3, 8, 2, stride=2), (1, 3, 5, 6), (3 * 5 * 6) * (8 * 2 * 2)),
    "linear": (lambda: nn.Linear(7, 9), (5, 7), 5 * 7 * 9),
    "linear on tokens": (lambda: nn.Linear(7, 9, bias=False), (2, 5, 7), 2 * 5 * 7 * 9),
    "no products": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Upsample(scale_factor=2)),
                    (1, 3, 8, 8), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str):
    make, shape, expected = BY_HAND[name]
    macs, _ = count_macs(make().to("meta").eval(), meta(*shape))
    assert macs == expected


def test_functions_of_several_tensors_and_their_result():
    macs, result = count_macs(lambda a, b: torch.einsum("bik,bjk->bij", a, b), meta(2, 3, 5), meta(2, 4, 5))
    assert macs == 2 * 3 * 4 * 5 and result.shape == (2, 3, 4)


def test_attention():
    """Two products: queries with keys, weights with values."""
    query, key = meta(2, 4, 10, 8), meta(2, 4, 12, 8)
    macs, _ = count_macs(F.scaled_dot_product_attention, query, key, key)
    assert macs == 2 * 4 * (10 * 12 * 8 + 10 * 12 * 8)


def test_nothing_is_computed():
    """0.7 million channels squared would be half a terabyte of weights."""
    with torch.device("meta"):
        layer = nn.Linear(700_000, 700_000)
    assert count_macs(layer, meta(1, 700_000))[0] == 700_000**2
