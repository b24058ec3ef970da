"""Learned up-sampling: each fine pixel is a mean of coarse neighbours, with weights that the network chooses.

A bilinear enlargement smears an edge over as many pixels as it enlarges; weights that fall on one side of the edge
keep it as sharp as the picture shows it.

Source: Teed & Deng 2020 (RAFT, arXiv 2003.12039), section 3.3, "Convex upsampling".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN = 32
NEIGHBOURS = 9
FAINT = 1e-3  # weight, before anything is learned, of neighbours that a bilinear enlargement does not use


class ConvexUpsampling(nn.Module):
    """From answers at 1/r of a picture's resolution to answers at its own.

    Untrained it enlarges bilinearly, but for `FAINT`.
    """

    def __init__(self, channels: int, factor: int) -> None:
        """Args: `channels` of the maps that weights are worked out from; `factor` r, by which answers grow."""
        super().__init__()
        self.factor = factor
        # Of the picture's own pixels too: the maps have only every r-th.
        self.first = nn.Conv2d(channels + 3 * factor**2, HIDDEN, 3, padding=1)
        self.second = nn.Conv2d(HIDDEN, NEIGHBOURS * factor**2, 1)
        nn.init.zeros_(self.second.weight)
        with torch.no_grad():
            self.second.bias.copy_(bilinear_weights(factor).clamp(min=FAINT).log().flatten())  # pyright: ignore

    def forward(self, answers: Tensor, maps: Tensor, rgb: Tensor) -> Tensor:
        """Finer answers.

        Args:
            answers: `[N, C, h, w]`.
            maps: `[N, channels, h, w]`.
            rgb: `[N, 3, r·h, r·w]`.

        Returns:
            `[N, C, r·h, r·w]`; every value lies between the least and the greatest of its 3×3 coarse neighbours.
        """
        pixels = F.pixel_unshuffle(rgb, self.factor)
        hidden = F.leaky_relu(self.first(torch.cat([maps, pixels], dim=1)), 0.2)
        height, width = answers.shape[-2:]
        weights = self.second(hidden).unflatten(1, (NEIGHBOURS, self.factor**2)).softmax(dim=1)
        around = F.pad(answers, (1, 1, 1, 1), mode="replicate")
        fine = [
            sum(
                weights[:, 3 * row + column]
                * around[:, channel : channel + 1, row : row + height, column : column + width]
                for row in range(3)
                for column in range(3)
            )
            for channel in range(answers.shape[1])
        ]
        return torch.cat([F.pixel_shuffle(one, self.factor) for one in fine], dim=1)  # pyright: ignore


def bilinear_weights(factor: int) -> Tensor:
    """Weights `[9, r²]` of the 3×3 coarse neighbours, row by row, in each of r × r fine pixels (half-pixel centres)."""
    offset = (torch.arange(factor) + 0.5) / factor - 0.5  # of a fine pixel from the middle of its coarse one
    along = torch.stack([(-offset).clamp(min=0), 1 - offset.abs(), offset.clamp(min=0)])
    return (along[:, None, :, None] * along[None, :, None, :]).reshape(NEIGHBOURS, factor**2)
