"""The model in the package is the torch network of its own recipe."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from onedepth import models
from onedepth.data.folder import FolderData
from onedepth.predictor import Predictor
from onedepth.train import export, recipe
from onedepth.train.module import DepthModule

SHARED = Path(__file__).parents[3] / "shared" / "data" / "nyu"


@pytest.fixture(scope="module")
def module() -> DepthModule:
    """The recipe on the file's card, with the file's numbers: normalisation is folded into its convolutions."""
    made = DepthModule(recipe.parse(Predictor().card.recipe), encoder_weights="random").eval()
    graph = onnx.load(models.find()).graph
    stored = {item.name: torch.tensor(onnx.numpy_helper.to_array(item)) for item in graph.initializer}
    convolution, taken = "", set()
    for name, part in made.named_modules():
        if isinstance(part, nn.Conv2d):
            convolution = f"{name}.weight"
            part.weight.data.copy_(stored[convolution])
            if part.bias is not None:
                part.bias.data.copy_(stored[f"{name}.bias"])
            taken |= {convolution, f"{name}.bias"}
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.zeros_(part.running_mean)
            nn.init.constant_(part.running_var, 1 - part.eps)
            nn.init.ones_(part.weight)
            part.bias.data.copy_(stored[f"{convolution}_bias"])
            taken.add(f"{convolution}_bias")
    left = {name for name in stored if name.startswith("network.")} - taken
    assert left <= {"network.mean"}, left
    return made


def check(module: DepthModule, images: list[tuple[str, np.ndarray]]) -> None:
    for item in export.compare(module, models.find(), images):
        assert item.relative_error < export.TOLERANCE, item


def test_agrees_on_rendered_rooms(module):
    check(module, export.check_images())


def test_agrees_on_val_images(module):
    if not SHARED.exists():
        pytest.skip("no ../shared/data/nyu here")
    pairs = FolderData(SHARED, split="val", limit=10)
    check(module, [(pair.id, pair.image) for pair in pairs])


def test_the_recipe_is_the_committed_one():
    on_card = recipe.parse(Predictor().card.recipe)
    assert on_card == recipe.load(on_card.name)
