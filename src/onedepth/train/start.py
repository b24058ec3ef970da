"""A run that begins where a model file left off: the file's weights, back in the torch network of its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from onedepth import models
from onedepth.errors import ModelFileError, RecipeError
from onedepth.models import ModelCard
from onedepth.train.network import DepthNetwork
from onedepth.train.recipe import NetworkConfig

_PREFIX = "network."
_FREE = {"size", "enlarge", "min_depth_m", "max_depth_m", "uncertainty"}
"""Keys of `network` in which a run may differ from the file that it starts from."""


def start_from(network: DepthNetwork, model: str | Path) -> None:
    """Give a network a model file's weights.

    Normalisation was folded into the convolutions when the file was made. What is left of it here is its bias, which
    holds only as long as statistics are not taken anew: `network.encoder.batch_norm` must be "frozen".

    Args:
        network: of the same architecture as the file's; an `uncertainty` that the file lacks stays as it was.
        model: name of a model in the package, or path of a model file.

    Raises:
        ModelFileError: no such file, or none of this package's.
        RecipeError: the file holds another network, or normalisation is not frozen.
    """
    path = models.find(model)
    stored, card = _read(path)
    _check_same_architecture(network.config, card, path)
    left, convolution = set(stored), ""
    with torch.no_grad():
        for name, part in network.named_modules():
            if isinstance(part, nn.Conv2d):
                convolution = name
                if name == "scale_head" and f"{name}.weight" not in stored:
                    continue
                wanted = [(part.weight, f"{name}.weight")]
                if part.bias is not None:
                    wanted.append((part.bias, f"{name}.bias"))
            elif isinstance(part, nn.BatchNorm2d):
                nn.init.zeros_(part.running_mean)  # pyright: ignore
                nn.init.constant_(part.running_var, 1 - part.eps)  # pyright: ignore
                nn.init.ones_(part.weight)
                wanted = [(part.bias, f"{convolution}.weight_bias")]
            else:
                continue
            for parameter, key in wanted:
                if key not in stored or stored[key].shape != parameter.shape:
                    raise RecipeError(f"start: {path} holds another network than the recipe's: {key} does not fit")
                parameter.copy_(stored[key])
                left.discard(key)
    if left - {"mean", "std"}:
        raise RecipeError(f"start: {path} holds more than the recipe's network: {min(left)} and {len(left) - 1} more")


def _read(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    try:
        model = onnx.load(path)
    except Exception as error:  # on damaged bytes the reader raises nearly anything
        raise ModelFileError(f"{path}: not a readable ONNX file ({type(error).__name__})") from error
    card = ModelCard.from_metadata({item.key: item.value for item in model.metadata_props}, path)
    named = [item for item in model.graph.initializer if item.name.startswith(_PREFIX)]
    return {item.name.removeprefix(_PREFIX): torch.tensor(numpy_helper.to_array(item)) for item in named}, card


def _check_same_architecture(config: NetworkConfig, card: ModelCard, path: Path) -> None:
    if config.encoder.batch_norm != "frozen":
        raise RecipeError(
            "start: a model file has its normalisation folded into its convolutions; "
            "expected network.encoder.batch_norm=frozen"
        )
    mine, its = _computed(config), _computed(NetworkConfig.model_validate(card.recipe.get("network", {})))
    different = sorted(key for key in mine if mine[key] != its[key])
    if different:
        raise RecipeError(f"start: {path} has another network; these differ: network.{', network.'.join(different)}")


def _computed(config: NetworkConfig) -> dict[str, Any]:
    """What decides what a network computes; not where weights came from, nor which of them learn."""
    encoder = {"name": config.encoder.name, "normalisation": config.encoder.normalisation}
    decoder = config.decoder.model_dump(exclude={"dropout"})
    return config.model_dump(exclude=_FREE) | {"encoder": encoder, "decoder": decoder}
