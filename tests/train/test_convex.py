"""Learned up-sampling: bilinear before it has learned, a mean of neighbours whatever it learns."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from onedepth.train.convex import FAINT, ConvexUpsampling, bilinear_weights

CHANNELS = 5


def parts(seed: int, factor: int, height: int = 4, width: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Answers, maps, picture."""
    made = torch.Generator().manual_seed(seed)
    return (
        torch.rand(2, 2, height, width, generator=made),
        torch.rand(2, CHANNELS, height, width, generator=made),
        torch.rand(2, 3, factor * height, factor * width, generator=made),
    )


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_bilinear_before_it_has_learned(factor: int):
    answers, maps, rgb = parts(0, factor)
    with torch.no_grad():
        fine = ConvexUpsampling(CHANNELS, factor)(answers, maps, rgb)
    expected = F.interpolate(answers, scale_factor=factor, mode="bilinear")
    assert (fine - expected).abs().max() < 8 * FAINT


def test_bilinear_weights_by_hand():
    # The top left of 2×2 fine pixels is a quarter of a coarse pixel up and left of its coarse pixel's middle.
    expected = torch.tensor([1, 3, 0, 3, 9, 0, 0, 0, 0]) / 16
    assert torch.equal(bilinear_weights(2)[:, 0], expected)
    torch.testing.assert_close(bilinear_weights(4).sum(dim=0), torch.ones(16))


@given(seed=st.integers(0, 1000), factor=st.sampled_from([2, 4]))
def test_between_its_neighbours(seed: int, factor: int):
    answers, maps, rgb = parts(seed, factor)
    torch.manual_seed(seed)
    up = ConvexUpsampling(CHANNELS, factor)
    torch.nn.init.normal_(up.second.weight, std=20.0)
    with torch.no_grad():
        fine = up(answers, maps, rgb)
    around = F.pad(answers, (1, 1, 1, 1), mode="replicate")
    highest, lowest = F.max_pool2d(around, 3, 1), -F.max_pool2d(-around, 3, 1)
    for bound, sign in ((highest, 1), (lowest, -1)):
        assert (sign * (F.interpolate(bound, scale_factor=factor, mode="nearest") - fine)).min() >= -1e-6


@pytest.mark.parametrize("neighbour", range(9))
def test_all_weight_on_one_neighbour_moves_the_answer(neighbour: int):
    """Rows from top to bottom, columns from left to right, the same one for all fine pixels."""
    answers, maps, rgb = parts(1, 2)
    up = ConvexUpsampling(CHANNELS, 2)
    with torch.no_grad():
        bias = torch.full((9, 4), -50.0)
        bias[neighbour] = 50.0
        up.second.bias.copy_(bias.flatten())  # pyright: ignore
        fine = up(answers, maps, rgb)
    row, column = divmod(neighbour, 3)
    moved = F.pad(answers, (1, 1, 1, 1), mode="replicate")[..., row : row + 4, column : column + 6]
    torch.testing.assert_close(fine, F.interpolate(moved, scale_factor=2, mode="nearest"))


def test_an_edge_of_the_picture_becomes_an_edge_of_depth():
    """What bilinear enlargement cannot do, learned in a few steps: depth jumps where the picture does, pixel by pixel."""
    torch.manual_seed(0)
    up = ConvexUpsampling(1, 2)
    optimizer = torch.optim.Adam(up.parameters(), lr=0.02)

    def scenes(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        edge = torch.randint(8, 24, (count, 1, 1, 1))
        dark = (torch.arange(32).view(1, 1, 1, 32) < edge).float().expand(-1, 1, 16, -1)
        return dark, 1 + 2 * dark

    for _ in range(150):
        dark, truth = scenes(8)
        coarse = F.avg_pool2d(truth, 2)
        loss = (up(coarse, torch.zeros_like(coarse), dark.expand(-1, 3, -1, -1)) - truth).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    dark, truth = scenes(64)
    coarse = F.avg_pool2d(truth, 2)
    with torch.no_grad():
        fine = up(coarse, torch.zeros_like(coarse), dark.expand(-1, 3, -1, -1))
    bilinear = F.interpolate(coarse, scale_factor=2, mode="bilinear")
    assert (fine - truth).abs().mean() < 0.2 * (bilinear - truth).abs().mean()
