"""Batch normalisation over the whole batch when several processes share it.

A batch of 8 means statistics of 8 pictures, on one device or on four. torch and timm have such layers for CUDA only;
on other devices these do the same with torch's differentiable all-reduce.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


def normalise_together(module: nn.Module, cuda: bool) -> nn.Module:
    """Make every batch normalisation in `module` use the statistics of all processes; weights and names stay."""
    if cuda:
        return convert_sync_batchnorm(module)
    for part in module.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = GlobalBatchNorm2d
        elif type(part) is BatchNormAct2d:
            part.__class__ = GlobalBatchNormAct2d
    return module


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose training statistics are those of all processes' pictures together."""

    def forward(self, input: Tensor) -> Tensor:
        """`[N, C, H, W]`, as many on every process."""
        return _normalise(self, input) if self.training else super().forward(input)


class GlobalBatchNormAct2d(BatchNormAct2d):
    """timm's batch normalisation with an activation, likewise."""

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]`, as many on every process."""
        return self.act(self.drop(_normalise(self, x))) if self.training else super().forward(x)  # pyright: ignore


def _normalise(layer: Any, x: Tensor) -> Tensor:
    # Ioffe & Szegedy 2015, algorithm 1, with sums over all processes; mean first, since E[x²] − E[x]² loses digits.
    values = x.to(torch.promote_types(x.dtype, torch.float32))
    count = values.numel() / values.shape[1] * torch.distributed.get_world_size()
    mean = all_reduce(values.sum(dim=(0, 2, 3))) / count
    centred = values - mean.view(1, -1, 1, 1)
    variance = all_reduce((centred * centred).sum(dim=(0, 2, 3))) / count
    if layer.track_running_stats:
        with torch.no_grad():
            layer.num_batches_tracked += 1
            share = layer.momentum if layer.momentum is not None else 1 / float(layer.num_batches_tracked)
            layer.running_mean.lerp_(mean.to(layer.running_mean.dtype), share)
            unbiased = variance * count / max(count - 1, 1)
            layer.running_var.lerp_(unbiased.to(layer.running_var.dtype), share)
    out = centred * (variance + layer.eps).rsqrt().view(1, -1, 1, 1)
    if layer.affine:
        out = out * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)
    return out.to(x.dtype)
