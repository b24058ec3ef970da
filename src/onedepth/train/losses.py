"""Loss terms on reciprocal depth, each masked by validity.

Every term takes prediction and truth y = max_depth_m / depth_m `[N, 1, h, w]` and bool `valid` of the same shape, and
returns one number: the mean over the images of the batch. A term is 0 where prediction and truth agree, and
no invalid pixel has any influence on value or gradient, not even one that is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

Term = Callable[[Tensor, Tensor, Tensor], Tensor]

UNCERTAINTY_WEIGHT = 0.1
"""Of `uncertainty` beside a recipe's own terms: errors are a smaller thing to learn than depth."""
SSIM_RANGE = 100.0
"""L of the paper's SSIM, the range of y: 1…100 for 10…0.1 m."""
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5


def l1(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean of |e|, e = prediction − truth (arXiv 1812.11941, equation 2)."""
    # Masked before abs, not after: the slope of |NaN| must not reach the network.
    error = torch.where(valid, prediction - truth, 0.0)
    return _mean(error.abs(), valid).mean()


def gradient(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean of |∂x e| + |∂y e| with forward differences (arXiv 1812.11941, equation 3).

    The mean runs over all valid pixels, as in the paper's code; a difference counts where both its pixels are
    valid.
    """
    error = torch.where(valid, prediction - truth, 0.0)
    steps_x = (error[..., :, 1:] - error[..., :, :-1]).abs() * (valid[..., :, 1:] & valid[..., :, :-1])
    steps_y = (error[..., 1:, :] - error[..., :-1, :]).abs() * (valid[..., 1:, :] & valid[..., :-1, :])
    total = steps_x.sum(dim=(1, 2, 3)) + steps_y.sum(dim=(1, 2, 3))
    return (total / valid.sum(dim=(1, 2, 3)).clamp(min=1)).mean()


def ssim(prediction: Tensor, truth: Tensor, valid: Tensor, value_range: float = SSIM_RANGE) -> Tensor:
    """(1 − SSIM) / 2, clipped to [0, 1] (arXiv 1812.11941, equation 4; SSIM: Wang et al. 2004).

    Gaussian window of 11 pixels, σ 1.5, L = `value_range`, no padding; windows that hold an invalid pixel are left out.
    """
    offsets = torch.arange(SSIM_WINDOW, dtype=prediction.dtype, device=prediction.device) - SSIM_WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    window = window / window.sum()

    if min(prediction.shape[-2:]) < SSIM_WINDOW:
        return torch.where(valid, prediction, 0.0).sum() * 0.0  # no window fits: nothing to compare
    down, across = (_sliding(window, side) for side in prediction.shape[-2:])

    def blur(x: Tensor) -> Tensor:
        # As products of matrices: convolutions of one channel take ten times as long on a CPU.
        return down.T @ x @ across

    p, t = torch.where(valid, prediction, 0.0), torch.where(valid, truth, 0.0)
    whole = -F.max_pool2d(-valid.to(p.dtype), SSIM_WINDOW, stride=1) > 0.5
    mean_p, mean_t = blur(p), blur(t)
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    luminance = (2 * mean_p * mean_t + c1) / (mean_p**2 + mean_t**2 + c1)
    covariance = blur(p * t) - mean_p * mean_t
    variances = blur(p * p) - mean_p**2 + blur(t * t) - mean_t**2
    similarity = luminance * (2 * covariance + c2) / (variances + c2)
    per_image = torch.where(whole.any(dim=3).any(dim=2).any(dim=1), _mean(similarity, whole), 1.0)
    return ((1 - per_image) / 2).clamp(0, 1).mean()


def _sliding(window: Tensor, side: int) -> Tensor:
    """`[side, side - n + 1]`: each column holds the window of n weights at its place."""
    count = side - len(window) + 1
    result = window.new_zeros(count, side)
    places = torch.arange(count, device=window.device)[:, None] + torch.arange(len(window), device=window.device)
    return result.scatter(1, places, window.expand(count, -1)).T


def berhu(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean of |e| where |e| ≤ c, else (e² + c²) / 2c, with c a fifth of the image's largest |e|.

    Source: Laina et al. 2016, arXiv 1606.00373, equation 1; there c is taken over the batch, here over each image, so
    that an image's loss does not depend on its neighbours.
    """
    error = torch.where(valid, prediction - truth, 0.0).abs()
    c = (error.amax(dim=(1, 2, 3), keepdim=True) / 5).clamp(min=1e-12)
    return _mean(torch.where(error <= c, error, (error**2 + c**2) / (2 * c)), valid).mean()


def log_l1(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean of |ln prediction − ln truth|: relative error, the same near and far, and the same in depth."""
    return _mean(_log_ratio(prediction, truth, valid).abs(), valid).mean()


def silog(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """√(mean g² − 0.85 (mean g)²), g = ln prediction − ln truth.

    Source: Eigen et al. 2014; λ of BTS, arXiv 1907.10326.
    """
    ratio = _log_ratio(prediction, truth, valid)
    variance = _mean(ratio**2, valid) - 0.85 * _mean(ratio, valid) ** 2
    # The root's slope is infinite at 0; the offset keeps it finite and is taken off again.
    return ((variance.clamp(min=0) + 1e-6).sqrt() - 1e-3).mean()


def log_gradient(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """`gradient` of log depth at four scales (MegaDepth, arXiv 1804.00607, equation 4)."""
    error, mask = _log_ratio(prediction, truth, valid), valid
    total = error.sum() * 0.0
    for _ in range(4):
        total = total + gradient(error, torch.zeros_like(error), mask)
        error, mask = error[..., ::2, ::2], mask[..., ::2, ::2]
    return total / 4


def uncertainty(scale: Tensor, prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean of |g| / b + ln b, g = ln prediction − ln truth: what a Laplace distribution of scale b makes of the error.

    Only the scale learns from it; the prediction is not to be moved to where it would be easier to doubt.

    Args:
        scale: b `[N, 1, h, w]`, above 0.
        prediction: reciprocal depth of the same shape.
        truth: of the same shape.
        valid: bool, of the same shape.

    Source: Kendall & Gal 2017, arXiv 1703.04977, section 3.1, with the L1 norm.
    """
    error = _log_ratio(prediction.detach().to(scale.dtype), truth.to(scale.dtype), valid).abs()
    safe = torch.where(valid, scale, 1.0)
    return _mean(error / safe + safe.log(), valid).mean()


TERMS: dict[str, Term] = {
    "l1": l1,
    "gradient": gradient,
    "ssim": ssim,
    "berhu": berhu,
    "log_l1": log_l1,
    "silog": silog,
    "log_gradient": log_gradient,
}


def total_loss(
    weights: Mapping[str, float],
    prediction: Tensor,
    truth: Tensor,
    valid: Tensor,
    value_range: float = SSIM_RANGE,
) -> dict[str, Tensor]:
    """Weighted sum of terms under "loss", and each term by its name. Computed in float32 at least.

    Args:
        weights: by the names of `TERMS`.
        prediction: `[N, 1, h, w]`, reciprocal depth.
        truth: of the same shape.
        valid: bool, of the same shape.
        value_range: the largest reciprocal depth of the recipe's range, SSIM's L.
    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    prediction, truth = prediction.to(dtype), truth.to(dtype)
    terms = TERMS | {"ssim": partial(ssim, value_range=value_range)}
    parts = {name: terms[name](prediction, truth, valid) for name, weight in weights.items() if weight}
    return {"loss": torch.stack([weights[name] * part for name, part in parts.items()]).sum(), **parts}


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid pixels of each image `[N]`; 0 for an image without one."""
    kept = torch.where(valid, values, 0.0)
    return kept.sum(dim=(1, 2, 3)) / valid.sum(dim=(1, 2, 3)).clamp(min=1)


def _log_ratio(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    # A linear head can answer ≤ 0, where a logarithm has no slope to learn from: below 0.1 (100 m) it goes on
    # as a line.
    floor = 0.1
    safe = torch.where(valid, prediction, 1.0)
    log = torch.where(safe > floor, safe.clamp(min=floor).log(), (safe - floor) / floor + math.log(floor))
    return log - torch.where(valid, truth, 1.0).log()
