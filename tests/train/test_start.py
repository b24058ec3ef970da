"""A run that starts from a model file answers what the file does, and learns from there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onedepth import models
from onedepth.data.synthetic import render_scene
from onedepth.errors import ModelFileError, RecipeError
from onedepth.runtimes.onnxruntime import OnnxRuntime
from onedepth.train import export, recipe, run
from onedepth.train.module import DepthModule
from onedepth.train.start import start_from

SYNTHETIC = {"layout": "synthetic", "count": 4, "height": 48, "width": 64}
VALUES = {
    "name": "toy",
    "data": {"train": SYNTHETIC, "val": SYNTHETIC | {"split": "val", "count": 1}},
    "network": {
        "encoder": {"name": "mobilenetv2_035", "weights": "random", "batch_norm": "frozen"},
        "decoder": {"width": 16},
        "size": [64, 96],
    },
    "schedule": {"epochs": 1, "batch_size": 4},
    "validation": {"protocol": "full"},
}


def module(**network: object) -> DepthModule:
    return DepthModule(recipe.parse(VALUES | {"network": VALUES["network"] | network}), encoder_weights="random")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    torch.manual_seed(1)
    made = module().eval()
    for _name, buffer in made.network.encoder.named_buffers():  # statistics as training would leave them
        if buffer.is_floating_point():
            torch.nn.init.uniform_(buffer, 0.5, 1.5)
    torch.nn.init.normal_(made.network.head.weight, std=2.0)
    path = tmp_path_factory.mktemp("start") / "toy.onnx"
    export.export_run(made, path, measure=False)
    return path


def test_the_network_answers_what_the_file_does(file):
    torch.manual_seed(2)
    made = module().eval()
    start_from(made.network, file)
    for item in export.compare(made, file, export.check_images()):
        assert item.relative_error < 1e-4, item
    assert made.train().network.training  # and in training too: nothing is normalised anew
    with torch.no_grad():
        image = torch.rand(2, 3, 64, 96)
        before = made.network(image)
        torch.testing.assert_close(made.eval().network(image), before)


def test_a_run_starts_there(file, tmp_path):
    values = VALUES | {"start": str(file), "schedule": VALUES["schedule"] | {"learning_rate": 1e-12, "warmup": 0}}
    still = run.train(recipe.parse(values), tmp_path / "still", progress=False)
    image = render_scene(0, 0, 48, 64).image
    with torch.no_grad():
        ours = still.eval().canonical_m(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0, 0].numpy()
    np.testing.assert_allclose(ours, OnnxRuntime(file).answers(image[None])["depth_m"][0], rtol=1e-3)


def test_expected_errors_may_be_new(file):
    made = module(uncertainty=True).eval()
    start_from(made.network, file)
    image = torch.rand(1, 3, 64, 96)
    plain = module().eval()
    start_from(plain.network, file)
    with torch.no_grad():
        torch.testing.assert_close(made.network(image), plain.network(image))


def test_another_network_is_refused(file):
    with pytest.raises(RecipeError, match=r"start: .*toy\.onnx has another network; these differ: network\.decoder"):
        start_from(module(decoder={"width": 32}).network, file)
    with pytest.raises(RecipeError, match=r"these differ: network\.encoder"):
        start_from(module(encoder={"name": "test_resnet", "weights": "random", "batch_norm": "frozen"}).network, file)


def test_normalisation_must_be_frozen(file):
    with pytest.raises(RecipeError, match=r"expected network\.encoder\.batch_norm=frozen"):
        start_from(module(encoder={"name": "mobilenetv2_035", "weights": "random"}).network, file)


def test_no_model_file(tmp_path):
    with pytest.raises(ModelFileError, match="no such model file"):
        start_from(module().network, tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(ModelFileError, match="not a readable ONNX file"):
        start_from(module().network, tmp_path / "text.onnx")


def test_the_package_has_a_recipe_that_starts_from_its_model():
    chosen = recipe.load("finetune")
    assert chosen.start in models.shipped()
    made = DepthModule(chosen, encoder_weights="random").eval()
    start_from(made.network, models.find(chosen.start))
    rooms = export.check_images()[:2]
    agreements = export.compare(made, models.find(), rooms)
    assert max(item.relative_error for item in agreements if "uncertainty" not in item.name) < 1e-3
