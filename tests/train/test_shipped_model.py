"""The models in the package are the torch networks of their own recipes."""

from pathlib import Path

import numpy as np
import pytest

from onedepth import models
from onedepth.data.folder import FolderData
from onedepth.predictor import Predictor
from onedepth.train import export, recipe
from onedepth.train.module import DepthModule
from onedepth.train.start import start_from

SHARED = Path(__file__).parents[3] / "shared" / "data" / "nyu"


@pytest.fixture(scope="module", params=models.shipped())
def module(request) -> DepthModule:
    """The recipe on the file's card, with the file's numbers: normalisation is folded into its convolutions."""
    made = DepthModule(recipe.parse(Predictor(request.param).card.recipe), encoder_weights="random").eval()
    frozen = made.network.config.encoder.model_copy(update={"batch_norm": "frozen"})
    made.network.config = made.network.config.model_copy(update={"encoder": frozen})
    start_from(made.network, models.find(request.param))
    return made


def check(module: DepthModule, images: list[tuple[str, np.ndarray]]) -> None:
    for item in export.compare(module, models.find(module.recipe.name), images):
        assert item.relative_error < export.TOLERANCE, item


def test_agrees_on_rendered_rooms(module):
    check(module, export.check_images())


def test_agrees_on_val_images(module):
    if not SHARED.exists():
        pytest.skip("no ../shared/data/nyu here")
    pairs = FolderData(SHARED, split="val", limit=10)
    check(module, [(pair.id, pair.image) for pair in pairs])


@pytest.mark.parametrize("name", models.shipped())
def test_the_recipe_is_the_committed_one(name):
    on_card = recipe.parse(Predictor(name).card.recipe)
    assert on_card == recipe.load(on_card.name)
