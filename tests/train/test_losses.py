"""Loss terms: equal to the paper's, blind to what is invalid, and good to descend."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from onedepth.train.losses import SSIM_WINDOW, TERMS, gradient, l1, log_gradient, silog, ssim, total_loss, uncertainty

PAPER = {"ssim": 1.0, "gradient": 1.0, "l1": 0.1}


def hand_made() -> tuple[np.ndarray, np.ndarray]:
    """Reciprocal depth 16×16 of a slanted floor with a box on it, and a prediction that errs in level and place."""
    rows, columns = np.indices((16, 16)).astype(np.float64)
    truth = 2 + 0.5 * rows
    truth[4:10, 5:12] = 20
    prediction = 2.5 + 0.45 * rows + 0.3 * np.sin(columns)
    prediction[5:11, 5:12] = 17
    return prediction, truth


def as_tensors(prediction: np.ndarray, truth: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    p, t = (torch.from_numpy(values)[None, None] for values in (prediction, truth))
    return p, t, torch.ones_like(p, dtype=torch.bool)


def l1_by_hand(p: np.ndarray, t: np.ndarray) -> float:
    height, width = p.shape
    return sum(abs(p[y, x] - t[y, x]) for y in range(height) for x in range(width)) / (height * width)


def gradient_by_hand(p: np.ndarray, t: np.ndarray) -> float:
    """Keras: mean over all pixels of |dx| + |dy|, forward differences, 0 in the last column and row."""
    height, width = p.shape
    error = p - t
    total = 0.0
    for y in range(height):
        for x in range(width):
            if x + 1 < width:
                total += abs(error[y, x + 1] - error[y, x])
            if y + 1 < height:
                total += abs(error[y + 1, x] - error[y, x])
    return total / (height * width)


def ssim_by_hand(p: np.ndarray, t: np.ndarray) -> float:
    """Wang et al. 2004, window by window: L = 100, 11×11, σ 1.5, K1 = 0.01, K2 = 0.03; then clip((1 − s) / 2)."""
    weights = np.array(
        [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)]
    )
    weights /= weights.sum()
    c1, c2 = 1.0**2, 3.0**2
    scores = []
    for y in range(p.shape[0] - 10):
        for x in range(p.shape[1] - 10):
            a, b = p[y : y + 11, x : x + 11], t[y : y + 11, x : x + 11]
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
            scores.append(
                (2 * mean_a * mean_b + c1)
                * (2 * covariance + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
            )
    return min(1.0, max(0.0, (1 - sum(scores) / len(scores)) / 2))


BY_HAND = {"l1": l1_by_hand, "gradient": gradient_by_hand, "ssim": ssim_by_hand}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_papers_terms_are_equal_to_a_plain_implementation(name: str):
    prediction, truth = hand_made()
    ours = TERMS[name](*as_tensors(prediction, truth)).item()
    assert ours == pytest.approx(BY_HAND[name](prediction, truth), rel=1e-6)


def test_the_papers_loss_is_equal_to_a_plain_implementation():
    prediction, truth = hand_made()
    losses = total_loss(PAPER, *as_tensors(prediction, truth))
    expected = sum(weight * BY_HAND[name](prediction, truth) for name, weight in PAPER.items())
    assert losses["loss"].item() == pytest.approx(expected, rel=1e-6)
    assert losses.keys() == {"loss", *PAPER}


def test_a_batch_is_the_mean_over_its_images():
    prediction, truth = hand_made()
    p, t, valid = as_tensors(prediction, truth)
    valid2 = valid.clone()
    valid2[..., 12:] = False  # fewer valid pixels must not make an image count less
    for name in PAPER:
        both = TERMS[name](torch.cat([p, p + 1]), torch.cat([t, t]), torch.cat([valid, valid2]))
        each = TERMS[name](p, t, valid), TERMS[name](p + 1, t, valid2)
        assert both.item() == pytest.approx(sum(x.item() for x in each) / 2, rel=1e-9), name


def test_silog_of_two_pixels_by_hand():
    # g = [ln 2, 0]: mean g² = (ln 2)² / 2, mean g = ln 2 / 2
    p, t = torch.tensor([4.0, 3.0]).double().view(1, 1, 1, 2), torch.tensor([2.0, 3.0]).double().view(1, 1, 1, 2)
    # 1e-6 and 1e-3: the offset that keeps the root's slope finite
    expected = math.sqrt(math.log(2) ** 2 * (1 / 2 - 0.85 / 4) + 1e-6) - 1e-3
    assert silog(p, t, torch.ones_like(p, dtype=torch.bool)).item() == pytest.approx(expected, rel=1e-9)


def test_berhu_of_three_pixels_by_hand():
    # Errors 0.5, 1 and 10: c = 10 / 5 = 2, so the first two count as they are and the third as (100 + 4) / 4 = 26.
    p = torch.tensor([2.5, 2.0, 13.0]).double().view(1, 1, 1, 3)
    t = torch.tensor([2.0, 3.0, 3.0]).double().view(1, 1, 1, 3)
    assert TERMS["berhu"](p, t, torch.ones_like(p, dtype=torch.bool)).item() == pytest.approx(27.5 / 3, rel=1e-12)


def test_ssims_range_follows_the_recipe():
    prediction, truth = hand_made()
    tensors = as_tensors(prediction, truth)
    kitti = total_loss({"ssim": 1.0}, *tensors, value_range=80.0)["loss"]
    assert kitti == ssim(*tensors, value_range=80.0)
    assert kitti.item() != pytest.approx(ssim(*tensors).item(), rel=1e-3)


def test_log_gradient_of_a_step_by_hand():
    # 8×8, prediction twice the truth right of column 4: at each of four scales one step of ln 2 in every row.
    p = torch.ones(1, 1, 8, 8).double()
    p[..., 4:] = 2
    rows_over_pixels = 8 / 64 + 4 / 16 + 2 / 4 + 0 / 1
    expected = math.log(2) * rows_over_pixels / 4
    got = log_gradient(p, torch.ones_like(p), torch.ones_like(p, dtype=torch.bool))
    assert got.item() == pytest.approx(expected, rel=1e-9)


def test_a_difference_counts_only_between_two_valid_pixels():
    error = torch.tensor([[0.0, 5.0, 1.0]]).view(1, 1, 1, 3)
    valid = torch.tensor([[True, False, True]]).view(1, 1, 1, 3)
    assert gradient(error, torch.zeros_like(error), valid).item() == 0
    valid = torch.tensor([[False, True, True]]).view(1, 1, 1, 3)
    assert gradient(error, torch.zeros_like(error), valid).item() == 4 / 2


# The contract: every term of `TERMS`, also those of tomorrow.


def example(dtype: torch.dtype = torch.float64, height: int = 24, width: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    """Two images of reciprocal depth in 1…100 with truth missing at a corner and at single pixels."""
    generator = torch.Generator().manual_seed(5)
    shape = (2, 1, height, width)
    truth = 1 + 12 * torch.rand(shape, generator=generator, dtype=torch.float64) ** 2
    prediction = truth * torch.exp(0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)) + 0.2
    valid = torch.ones(shape, dtype=torch.bool)
    valid[0, :, :4, :5] = False
    valid[1, :, height - 1, ::3] = False
    return prediction.to(dtype), truth.to(dtype), valid


def value_and_slope(name: str, p: Tensor, t: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    p = p.clone().requires_grad_()
    value = total_loss({name: 1.0}, p, t, valid)["loss"]
    (slope,) = torch.autograd.grad(value, p)
    return value.detach(), slope


@pytest.mark.parametrize("name", TERMS)
def test_contract_zero_where_prediction_and_truth_agree(name: str):
    for dtype in (torch.float64, torch.float32):
        _, truth, valid = example(dtype)
        assert abs(TERMS[name](truth, truth, valid).item()) < 1e-6


@pytest.mark.parametrize("name", TERMS)
def test_contract_positive_where_they_differ(name: str):
    assert TERMS[name](*example()).item() > 1e-3


@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf, 0.0, -7.0, 1e30])
@pytest.mark.parametrize("name", TERMS)
def test_contract_invalid_pixels_change_nothing(name: str, garbage: float):
    p, t, valid = example()
    value, slope = value_and_slope(name, p, t, valid)
    assert torch.count_nonzero(slope[~valid]) == 0
    for dirty_p, dirty_t in ((garbage, None), (None, garbage), (garbage, garbage)):
        p2 = p if dirty_p is None else torch.where(valid, p, dirty_p)
        t2 = t if dirty_t is None else torch.where(valid, t, dirty_t)
        value2, slope2 = value_and_slope(name, p2, t2, valid)
        assert torch.equal(value2, value)
        assert torch.equal(slope2, slope)


@pytest.mark.parametrize("name", TERMS)
def test_contract_invalid_pixels_change_nothing_in_a_picture_smaller_than_a_window(name: str):
    side = SSIM_WINDOW - 2
    p, t, valid = (x[..., :side, :side] for x in example())
    value, slope = value_and_slope(name, p, t, valid)
    value2, slope2 = value_and_slope(name, torch.where(valid, p, math.nan), t, valid)
    assert torch.isfinite(value)
    assert torch.equal(value2, value)
    assert torch.equal(slope2, slope)


@pytest.mark.parametrize("name", TERMS)
def test_contract_slope_is_the_true_one(name: str):
    p, t, valid = example(height=13, width=12)
    assert torch.autograd.gradcheck(lambda p: TERMS[name](p, t, valid), p.requires_grad_(), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", TERMS)
def test_contract_finite_for_bfloat16(name: str):
    p, t, valid = example(torch.bfloat16)
    value, slope = value_and_slope(name, p, t, valid)
    assert value.dtype == torch.float32
    assert slope.dtype == torch.bfloat16
    assert torch.isfinite(value)
    assert torch.isfinite(slope).all()
    exact, _ = value_and_slope(name, p.double(), t.double(), valid)
    assert value.item() == pytest.approx(exact.item(), rel=1e-3)


@pytest.mark.parametrize("name", TERMS)
def test_contract_an_image_without_a_valid_pixel_adds_nothing(name: str):
    p, t, valid = example()
    valid[1] = False
    value, slope = value_and_slope(name, p, t, valid)
    alone, _ = value_and_slope(name, p[:1], t[:1], valid[:1])
    assert value.item() == pytest.approx(alone.item() / 2)
    assert torch.count_nonzero(slope[1]) == 0
    nothing, slope = value_and_slope(name, p, t, torch.zeros_like(valid))
    assert abs(nothing.item()) < 1e-9
    assert torch.count_nonzero(slope) == 0


@pytest.mark.parametrize("name", TERMS)
def test_contract_descent_reduces_it(name: str):
    p, t, valid = example()
    first, slope = value_and_slope(name, p, t, valid)
    value = first
    for _ in range(20):
        p = p - 0.02 * slope / slope.abs().max()
        value, slope = value_and_slope(name, p, t, valid)
    assert value < first


@pytest.mark.parametrize("name", ["log_l1", "silog", "log_gradient"])
def test_a_linear_heads_negative_answer_has_a_finite_slope(name: str):
    p, t, valid = example()
    p[0, 0, 10] = -3.0
    value, slope = value_and_slope(name, p, t, valid)
    assert torch.isfinite(value)
    assert torch.isfinite(slope).all()
    if name == "log_l1":
        assert (slope[0, 0, 10] < 0).all()  # descent raises it


def test_terms_of_weight_zero_are_not_computed():
    p, t, valid = example()
    losses = total_loss({"l1": 2.0, "ssim": 0.0}, p, t, valid)
    assert losses.keys() == {"loss", "l1"}
    assert losses["loss"].item() == pytest.approx(2 * l1(p, t, valid).item())


def test_ssim_leaves_out_windows_that_hold_an_invalid_pixel():
    # 11×12: two windows. With the first column invalid only the second one is left.
    p, t, valid = example(height=11, width=12)
    p, t, valid = p[:1], t[:1], torch.ones_like(valid[:1])
    valid[..., 0] = False
    assert ssim(p, t, valid).item() == pytest.approx(ssim_by_hand(p[0, 0, :, 1:].numpy(), t[0, 0, :, 1:].numpy()))


def test_uncertainty_by_hand_and_where_it_is_least():
    truth = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    prediction = (truth * torch.tensor([2.0, 1.0, 0.5])).requires_grad_()
    valid = torch.tensor([[[[True, False, True]]]])
    scale = torch.tensor([[[[0.5, 7.0, 2.0]]]], requires_grad=True)
    log2 = math.log(2)
    value = uncertainty(scale, prediction, truth, valid)
    assert value.item() == pytest.approx((log2 / 0.5 + math.log(0.5) + log2 / 2 + math.log(2)) / 2)
    value.backward()
    assert prediction.grad is None
    assert scale.grad is not None and scale.grad[0, 0, 0, 1] == 0
    # Nothing is smaller than at the error's own size.
    best = uncertainty(torch.full_like(scale, log2), prediction, truth, valid)
    for other in (0.8, 0.99, 1.01, 1.3):
        assert uncertainty(torch.full_like(scale, other * log2), prediction, truth, valid) > best
