"""DenseDepth's decoder: a 1×1 convolution, then up-sampling blocks that concatenate the encoder's skips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onedepth.train.recipe import DecoderConfig

Upsampling = Literal["half_pixel", "align_corners"]

LEAK = 0.2  # slope of LeakyReLU, Alhashim & Wonka 2018, section 3.1


class UpBlock(nn.Module):
    """Bilinear up-sampling to the skip's size, concatenation, two 3×3 convolutions with LeakyReLU.

    With `activations` 1 there is none between the two convolutions, as in the weights that the paper's authors
    released.
    """

    def __init__(
        self, in_channels: int, skip_channels: int, out_channels: int, activations: int, upsampling: Upsampling
    ) -> None:
        super().__init__()
        self.activations = activations
        self.align_corners = upsampling == "align_corners"
        self.first = nn.Conv2d(in_channels + skip_channels, out_channels, 3, padding=1)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, deep: Tensor, skip: Tensor | None) -> Tensor:
        """`deep` `[N, C, h, w]` and `skip` `[N, S, 2h, 2w]` → `[N, out, 2h, 2w]`."""
        up = F.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=self.align_corners)
        joined = up if skip is None else torch.cat([up, skip], dim=1)
        hidden = self.first(joined)
        if self.activations == 2:
            hidden = F.leaky_relu(hidden, LEAK)
        return F.leaky_relu(self.second(hidden), LEAK)


class Decoder(nn.Module):
    """From an encoder's feature maps to a finer one: F/16 channels at half the image's resolution.

    With `reduction` 4 or 8 the last blocks are left out: F/8 channels at a quarter, F/4 at an eighth.

    Source: Alhashim & Wonka, arXiv 1812.11941, section 3.1 and its appendix.
    """

    def __init__(self, channels: Sequence[int], reductions: Sequence[int], config: DecoderConfig) -> None:
        """Args: channels and reductions of the feature maps, finest first, and the recipe's section."""
        super().__init__()
        skips = dict(zip(reductions[:-1], range(len(channels) - 1), strict=True))
        self.entry = nn.Conv2d(channels[-1], config.width, 1)
        self.dropout = nn.Dropout2d(config.dropout)
        self.blocks = nn.ModuleList()
        self._skips: list[int | None] = []
        reduction, in_channels, divisor = reductions[-1], config.width, 2
        while reduction > config.reduction:
            reduction //= 2
            index = skips.get(reduction)
            skip = channels[index] if index is not None else 0
            out_channels = config.width // divisor
            self.blocks.append(UpBlock(in_channels, skip, out_channels, config.activations, config.upsampling))
            self._skips.append(index)
            in_channels, divisor = out_channels, divisor * 2
        self.out_channels = in_channels

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps, finest first → `[N, F/16, H/2, W/2]`, or less of both (see `reduction`)."""
        x = self.dropout(self.entry(features[-1]))
        for block, index in zip(self.blocks, self._skips, strict=True):
            x = block(x, features[index] if index is not None else None)
        return x
