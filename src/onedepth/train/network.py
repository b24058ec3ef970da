"""The depth network: encoder, simple up-sampling decoder, reciprocal-depth head."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onedepth.errors import RecipeError
from onedepth.train.decoder import Decoder
from onedepth.train.encoders import build_encoder, input_statistics, still_modules
from onedepth.train.recipe import NetworkConfig

INITIAL_SCALE = 0.2  # of the error in ln depth
INITIAL_SHARE = 0.27  # of the depth range: an untrained network answers a middling room, not the far wall


class DepthNetwork(nn.Module):
    """RGB in [0, 1] → reciprocal depth, max_depth_m / depth_m, at half the resolution (or the decoder's reduction).

    Source: Alhashim & Wonka, arXiv 1812.11941, section 3.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig, weights: str | None = None) -> None:
        """Args: `weights` replaces the recipe's encoder weights ("random" where a checkpoint follows)."""
        super().__init__()
        self.config = config
        encoder: Any = build_encoder(config.encoder.name, weights or config.encoder.weights, config.encoder.left_out)
        channels, reductions = encoder.feature_info.channels(), encoder.feature_info.reduction()
        if any(coarse != 2 * fine for fine, coarse in pairwise(reductions)):
            raise RecipeError(
                f"network.encoder.name: {config.encoder.name} has maps at 1/{reductions}; "
                "each must halve the one before"
            )
        mean, std = (
            input_statistics(config.encoder.name) if config.encoder.normalisation == "imagenet" else ((0.0,), (1.0,))
        )
        self.register_buffer("mean", torch.tensor(mean).expand(3).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).expand(3).reshape(1, 3, 1, 1))
        self.stride: int = reductions[-1]
        self.encoder = encoder
        for module in still_modules(encoder, config.encoder.frozen_maps):
            module.requires_grad_(False)
        self.decoder = Decoder(channels, reductions, config.decoder)
        self.head = nn.Conv2d(self.decoder.out_channels, 1, 3, padding=1)
        # Of the decoder's maps, as depth is: how far off it is to be expected.
        self.scale_head = nn.Conv2d(self.decoder.out_channels, 1, 3, padding=1) if config.uncertainty else None
        if self.scale_head is not None:
            nn.init.constant_(self.scale_head.bias, math.log(INITIAL_SCALE))  # pyright: ignore
        start = 1 / INITIAL_SHARE
        nn.init.constant_(self.head.bias, math.log(start) if config.head == "exponential" else start)  # pyright: ignore

    def train(self, mode: bool = True) -> Self:
        """As any module, but frozen normalisation goes on by the statistics that it came with."""
        super().train(mode)
        if self.config.encoder.batch_norm == "frozen":
            for module in self.encoder.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Reciprocal depth of images of any size.

        Args:
            image: float `[N, 3, H, W]`, RGB in [0, 1].

        Returns:
            float `[N, 1, ceil(H/r), ceil(W/r)]`, r being the decoder's reduction (2): max_depth_m / depth_m for the
            canonical focal; not clipped.
        """
        return self.answers(image)[:, :1]

    def answers(self, image: Tensor) -> Tensor:
        """`forward`, and where the recipe asks for it a second channel: the scale b of the error in ln depth.

        The error is taken as Laplace distributed, so b is its expected size (Kendall & Gal 2017, arXiv 1703.04977).
        """
        height, width = image.shape[-2:]
        down, right = -height % self.stride, -width % self.stride
        if down or right:
            image = F.pad(image, (0, right, 0, down), mode="replicate")
        reduction = self.config.decoder.reduction
        return self.aligned(image)[..., : -(-height // reduction), : -(-width // reduction)]

    def aligned(self, image: Tensor) -> Tensor:
        """`answers` for heights and widths that are multiples of the encoder's stride."""
        return self.read_off(self.decoder(self.encoder((image - self.mean) / self.std)))

    def read_off(self, maps: Tensor) -> Tensor:
        """`answers` from the decoder's maps."""
        out = self.head(maps)
        if self.config.head == "exponential":
            # Beyond e^±8 lies nothing that a camera sees; the bound keeps exp finite in half precision.
            out = out.clamp(-8, 8).exp()
        if self.scale_head is None:
            return out
        return torch.cat([out, self.scale_head(maps).clamp(-6, 3).exp()], dim=1)

    def depth_m(self, reciprocal: Tensor) -> Tensor:
        """Metres from reciprocal depth, clipped to the recipe's range."""
        return reciprocal_to_depth(reciprocal, self.config.min_depth_m, self.config.max_depth_m)


def reciprocal_to_depth(reciprocal: Tensor, min_depth_m: float, max_depth_m: float) -> Tensor:
    """max_depth_m / y, with y clipped first so that the result lies in [min_depth_m, max_depth_m]."""
    return max_depth_m / reciprocal.clamp(1.0, max_depth_m / min_depth_m)


def depth_to_reciprocal(depth_m: Tensor, valid: Tensor, max_depth_m: float) -> Tensor:
    """max_depth_m / depth_m where valid; 0 elsewhere."""
    return torch.where(valid, max_depth_m / depth_m.clamp(min=1e-6), 0.0)
