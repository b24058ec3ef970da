"""DenseNet with the paper's taps: the maps that DenseDepth's decoder is joined to.

timm's `features_only` taps other places (after the dense blocks instead of after the transitions), which makes a
decoder of another size and is not the paper's network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

TAPS = {"relu0": 2, "pool0": 4, "transition1": 8, "transition2": 16}
"""Child of torchvision's `features` after which a map is taken, and its reduction; the last, 1/32, is relu(norm5)."""

NAMES = ("densenet121", "densenet161", "densenet169", "densenet201")


@dataclass(frozen=True)
class FeatureInfo:
    """What timm's encoders say of their maps, finest first."""

    widths: tuple[int, ...]
    reductions: tuple[int, ...]

    def channels(self) -> list[int]:
        """Channels of each map."""
        return list(self.widths)

    def reduction(self) -> list[int]:
        """How many pixels of the image, along each axis, one of each map stands for."""
        return list(self.reductions)

    def module_name(self) -> list[str]:
        """The module that each map comes from."""
        return [*TAPS, "norm5, ReLU"]


class DenseNetFeatures(nn.Module):
    """Feature maps of torchvision's DenseNet, finest first.

    Source: Alhashim & Wonka, arXiv 1812.11941, appendix; in Keras' names conv1/relu, pool1, pool2_pool,
    pool3_pool and relu.
    """

    def __init__(self, name: str) -> None:
        """Args: one of `NAMES`; weights are random."""
        super().__init__()
        whole: Any = models.get_model(name, weights=None)
        self.features: nn.Sequential = whole.features
        widths: list[Any] = [self.features.get_submodule("conv0").out_channels] * 2
        widths += [self.features.get_submodule(f"{tap}.conv").out_channels for tap in ("transition1", "transition2")]
        widths.append(whole.classifier.in_features)
        self.feature_info = FeatureInfo(tuple(int(width) for width in widths), (*TAPS.values(), 32))

    def forward(self, image: Tensor) -> list[Tensor]:
        """`[N, 3, H, W]` → maps at 1/2, 1/4, 1/8, 1/16 and 1/32."""
        maps = []
        for name, part in self.features.named_children():
            image = part(image)
            if name in TAPS:
                maps.append(image)
        return [*maps, F.relu(image)]


def imagenet_state(name: str) -> dict[str, Tensor]:
    """ImageNet weights of torchvision, downloaded if they are not in its cache; their hash is checked."""
    return dict(models.get_model_weights(name)["IMAGENET1K_V1"].get_state_dict(progress=False, check_hash=True))  # pyright: ignore


def imagenet_address(name: str) -> str:
    """Where `imagenet_state` gets its file."""
    return models.get_model_weights(name)["IMAGENET1K_V1"].url.removeprefix("https://")


def modern_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of torchvision's files, which spell denselayer1.norm.1 what the module calls denselayer1.norm1."""
    old = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
    return {old.sub(r"\1\2", key): value for key, value in state.items()}
