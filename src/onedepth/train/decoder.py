"""DenseDepth's decoder: a 1×1 convolution, then up-sampling blocks that concatenate the encoder's skips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAK = 0.2  # slope of LeakyReLU, Alhashim & Wonka 2018, section 3.1


class UpBlock(nn.Module):
    """Bilinear up-sampling to the skip's size, concatenation, two 3×3 convolutions with LeakyReLU."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels + skip_channels, out_channels, 3, padding=1)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, deep: Tensor, skip: Tensor | None) -> Tensor:
        """`deep` `[N, C, h, w]` and `skip` `[N, S, 2h, 2w]` → `[N, out, 2h, 2w]`."""
        up = F.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=False)
        joined = up if skip is None else torch.cat([up, skip], dim=1)
        hidden = F.leaky_relu(self.first(joined), LEAK)
        return F.leaky_relu(self.second(hidden), LEAK)


class Decoder(nn.Module):
    """From an encoder's feature maps to F/16 channels at half the image's resolution.

    Source: Alhashim & Wonka, arXiv 1812.11941, section 3.1 and its appendix.
    """

    def __init__(self, channels: Sequence[int], reductions: Sequence[int], width: int, dropout: float = 0.0) -> None:
        """Args: channels and reductions of the feature maps, finest first; `width` is F."""
        super().__init__()
        skips = dict(zip(reductions[:-1], range(len(channels) - 1), strict=True))
        self.entry = nn.Conv2d(channels[-1], width, 1)
        self.dropout = nn.Dropout2d(dropout)
        self.blocks = nn.ModuleList()
        self._skips: list[int | None] = []
        reduction, in_channels, divisor = reductions[-1], width, 2
        while reduction > 2:
            reduction //= 2
            index = skips.get(reduction)
            self.blocks.append(UpBlock(in_channels, channels[index] if index is not None else 0, width // divisor))
            self._skips.append(index)
            in_channels, divisor = width // divisor, divisor * 2
        self.out_channels = in_channels

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps, finest first → `[N, F/16, H/2, W/2]`."""
        x = self.dropout(self.entry(features[-1]))
        for block, index in zip(self.blocks, self._skips, strict=True):
            x = block(x, features[index] if index is not None else None)
        return x
