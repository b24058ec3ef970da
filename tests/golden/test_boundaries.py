"""Boundary metrics of small maps, worked by hand."""

import math

import numpy as np
import pytest

from onedepth.boundaries import F1_THRESHOLDS, boundary_f1, depth_edges, ibims_boundaries
from onedepth.edges import canny, distance_to

ALL = np.ones((2, 2), bool)


def step(column, height=24, width=40, near=1.0, far=3.0):
    """Near at the left, far at the right, and the mean of both at `column`, so that one column is the steepest."""
    side = np.sign(np.arange(width) - column)
    return (near + far) / 2 + (far - near) / 2 * side * np.ones((height, 1))


def test_f1_of_the_same_boundary_is_1_at_any_scale():
    true = np.array([[1.0, 2.0], [1.0, 2.0]])
    # One of four directions has boundaries, so by the published formula precision and recall are 1/4 each.
    assert boundary_f1(true, true, ALL) == pytest.approx(0.25)
    assert boundary_f1(7 * true, true, ALL) == pytest.approx(0.25)


def test_f1_by_hand():
    true = np.array([[1.0, 2.0], [2.0, 1.0]])  # one boundary in each of the four directions
    assert boundary_f1(true, true, ALL) == pytest.approx(1.0)
    # Rising to the right by 1.2, falling by 2 in the row below; down by 2 at the left, up by 1.2 at the right.
    pred = np.array([[1.0, 1.2], [2.0, 1.0]])
    weights = [t / sum(F1_THRESHOLDS) for t in F1_THRESHOLDS]
    # Below 1.2 all four are found; above it two, with precision and recall 2/4 each.
    expected = sum(w * (1.0 if t < 1.2 else 0.5) for t, w in zip(F1_THRESHOLDS, weights, strict=True))
    assert 0.5 < expected < 1
    assert boundary_f1(pred, true, ALL) == pytest.approx(expected)


def test_f1_punishes_boundaries_that_are_not_there_and_those_on_the_wrong_side():
    true = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert boundary_f1(np.ones((2, 2)), true, ALL) == 0.0
    assert boundary_f1(1 / true, true, ALL) == 0.0
    assert math.isnan(boundary_f1(true, np.ones((2, 2)), ALL))


def test_f1_leaves_out_pairs_with_an_invalid_pixel():
    true = np.array([[1.0, 2.0, 9.0]])
    valid = np.array([[True, True, False]])
    assert boundary_f1(np.array([[1.0, 2.0, 0.1]]), true, valid) == pytest.approx(0.25)
    # An invalid prediction finds nothing.
    assert boundary_f1(np.array([[1.0, np.nan, 1.0]]), true, valid) == 0.0


def test_distances_by_hand():
    edges = np.zeros((4, 6), bool)
    edges[0, 0] = True
    r2, r5 = math.sqrt(2), math.sqrt(5)
    expected = [[0, 1, 2, 3, 3, 3], [1, r2, r5, 3, 3, 3], [2, r5, math.sqrt(8), 3, 3, 3], [3, 3, 3, 3, 3, 3]]
    np.testing.assert_allclose(distance_to(edges, 3), expected)


def test_distances_against_every_pair_of_pixels():
    edges = np.random.default_rng(2).random((23, 31)) < 0.02
    there = np.argwhere(edges)
    grid = np.stack(np.meshgrid(np.arange(23), np.arange(31), indexing="ij"), -1)
    apart = np.sqrt(((grid[:, :, None] - there) ** 2).sum(-1)).min(-1)
    assert apart.max() > 5
    np.testing.assert_allclose(distance_to(edges, 5), np.minimum(apart, 5))


def test_an_edge_is_one_pixel_wide_and_where_the_step_is():
    edges = depth_edges(step(12), np.ones((24, 40), bool))
    assert np.unique(np.nonzero(edges)[1]).tolist() == [12]
    assert edges[1:-1].any(axis=1).all() and not edges[[0, -1]].any()


def test_hysteresis_follows_a_weak_edge_from_a_strong_one_only():
    # Smoothed, a step of 1 has a gradient of about 2: here 0.6 at the top and 0.2 at the bottom.
    values = step(12, near=-0.5, far=0.5) * np.linspace(0.3, 0.1, 24)[:, None]
    everywhere = np.ones(values.shape, bool)
    strong = 0.3
    joined = canny(values, everywhere, math.sqrt(2), 0.15, strong)
    assert joined[20].any()
    alone = canny(values[18:], everywhere[18:], math.sqrt(2), 0.15, strong)
    assert not alone.any()


def test_ibims_by_hand():
    valid = np.ones((24, 40), bool)
    true = step(12)
    assert ibims_boundaries(true, true, valid) == {"dbe_acc": 0.0, "dbe_comp": 0.0}
    assert ibims_boundaries(5 * true, true, valid) == {"dbe_acc": 0.0, "dbe_comp": 0.0}
    # Both are columns of the same rows: each pixel of one is three pixels from the other.
    moved = ibims_boundaries(step(15), true, valid)
    assert moved["dbe_comp"] == pytest.approx(3.0) and moved["dbe_acc"] == pytest.approx(3.0)


def test_ibims_where_there_is_nothing_to_compare():
    valid = np.ones((24, 40), bool)
    # Ten pixels or more away is not found at all; nothing found is the worst there is.
    assert ibims_boundaries(step(25), step(12), valid) == {"dbe_acc": 10.0, "dbe_comp": 10.0}
    assert ibims_boundaries(np.ones((24, 40)), step(12), valid) == {"dbe_acc": 10.0, "dbe_comp": 10.0}
    assert all(math.isnan(value) for value in ibims_boundaries(step(12), np.ones((24, 40)), valid).values())


def test_ibims_counts_edges_too_many_in_completeness_alone():
    valid = np.ones((24, 40), bool)
    # A second step of equal height, 16 columns from the true one: left out of accuracy, 10 in completeness.
    pred = step(12, near=1.0, far=2.0) + step(28, near=0.0, far=1.0)
    result = ibims_boundaries(pred, step(12), valid)
    assert result["dbe_acc"] == pytest.approx(0.0)
    assert result["dbe_comp"] == pytest.approx(10 / 3)  # three columns of as many pixels each: 0, 10 and 0


def test_ibims_takes_edges_that_the_data_brings():
    edges = np.zeros((24, 40), bool)
    edges[1:-1, 14] = True
    own = np.nonzero(depth_edges(step(12), np.ones((24, 40), bool)))[1]
    result = ibims_boundaries(step(12), np.ones((24, 40)), np.ones((24, 40), bool), true_edges=edges)
    assert result["dbe_acc"] == pytest.approx(np.mean(14 - own))
