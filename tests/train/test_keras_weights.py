"""The authors' Keras weights: the torch network answers what the Keras network does, or the file is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision import models

from command_line import call
from onedepth import canonical
from onedepth import models as models_of_onedepth
from onedepth.errors import MissingExtraError, ModelFileError
from onedepth.predictor import Predictor
from onedepth.runtimes.onnxruntime import OnnxRuntime
from onedepth.train import export, keras_graph, keras_weights

if find_spec("keras") is None or find_spec("h5py") is None:
    pytest.skip(
        "keras and h5py rebuild the original network here: pip install onedepth[train,keras]", allow_module_level=True
    )

from keras_files import as_keras_2, as_weights_only, changed, config_of

TOLERANCE = 1e-5  # of the largest answer; single precision through 169 layers leaves about 2e-6
NOTICED = 1e-4

TWINS = {
    # name: dense blocks, F, activations, up-sampling
    "released": ("6-12-32-32", 1664, 1, "align_corners"),  # as nyu.h5 and kitti.h5
    "current": ("6-12-32-32", 832, 2, "half_pixel"),  # as the authors' code writes by default
    "larger": ("6-12-48-32", 32, 2, "half_pixel"),  # DenseNet-201, which their code offers
    "shallow": ("2-2-2-2", 32, 1, "align_corners"),  # where another depth would only take time
}


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> Path:
    """Folder with NAME.h5 and NAME.npz of every twin."""
    folder = tmp_path_factory.mktemp("keras")
    orders = [str(word) for name, order in TWINS.items() for word in (name, *order)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", Path(__file__).parents[1] / "keras_twin.py", folder, *orders],
        env=os.environ | {"KERAS_BACKEND": "torch", "KERAS_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def shallow(twins, monkeypatch) -> Path:
    """The shallow twin's file, and torchvision's DenseNet of its depth under the name of densenet169."""
    monkeypatch.setattr(models, "get_model", lambda name, weights: models.DenseNet(32, (2, 2, 2, 2), 64))
    return twins / "shallow.h5"


@torch.no_grad()
def error(file: Path, twin: Path, size: str = "", **options) -> float:
    """Largest difference to the Keras network's answers over all its images, relative to the largest answer."""
    network = keras_weights.load(file, **options).module.network
    arrays = np.load(twin.with_suffix(".npz"))
    worst = 0.0
    for name in arrays:
        if name.startswith("image") and size in name:
            theirs = arrays[name.replace("image", "answer")]
            image = torch.from_numpy(arrays[name]).permute(2, 0, 1)[None].float() / 255
            ours = network(image)[0, 0].numpy()
            assert ours.shape == theirs.shape
            worst = max(worst, float(np.abs(ours - theirs).max() / np.abs(theirs).max()))
    return worst


# The same answers


@pytest.mark.parametrize("size", ["64×96", "96×128", "64×224"])
@pytest.mark.parametrize("name", ["released", "current"])
def test_answers_of_the_keras_network(twins, name, size):
    twin = twins / f"{name}.h5"
    answers = np.load(twin.with_suffix(".npz"))[f"answer {size}"]
    assert np.percentile(answers, 2) > 1 and np.percentile(answers, 98) < 110 and answers.std() > 5
    assert error(twin, twin, size) < TOLERANCE


def test_the_larger_encoder_is_known_by_its_layers(twins):
    assert keras_weights.load(twins / "larger.h5").module.recipe.network.encoder.name == "densenet201"
    assert error(twins / "larger.h5", twins / "larger.h5", "64×96") < TOLERANCE


def test_released_files_have_the_papers_number_of_parameters(twins):
    network = keras_weights.load(twins / "released.h5").module.network
    assert sum(parameter.numel() for parameter in network.parameters()) == 42_657_689


def test_an_older_keras_names_and_graph(twins, tmp_path):
    file = as_keras_2(twins / "released.h5", tmp_path / "nyu.h5")
    assert error(file, twins / "released.h5", "64×96") < TOLERANCE


@pytest.mark.parametrize("chunks", [1, 3])
def test_weights_alone(twins, tmp_path, chunks):
    file = as_weights_only(twins / "current.h5", tmp_path / "weights.h5", chunks)
    assert error(file, twins / "current.h5", "64×96") < TOLERANCE


def test_every_number_of_the_network_is_the_files(shallow):
    """Whatever stands in the network before, the answers are the file's."""
    first = keras_weights.load(shallow).module.network.state_dict()
    torch.manual_seed(1)
    for key, value in keras_weights.load(shallow).module.network.state_dict().items():
        assert torch.equal(value, first[key]), key


# What the comparison would notice


def test_other_upsampling_is_noticed(twins):
    assert error(twins / "released.h5", twins / "released.h5", "64×96", upsampling="half_pixel") > 100 * NOTICED
    assert error(twins / "current.h5", twins / "current.h5", "64×96", upsampling="align_corners") > 100 * NOTICED


def test_other_activations_are_noticed(shallow, twins, tmp_path):
    file = as_weights_only(shallow, tmp_path / "weights.h5")
    assert error(file, shallow, activations=1) < TOLERANCE
    assert error(file, shallow, activations=2, upsampling="align_corners") > 100 * NOTICED


def test_torchvisions_epsilon_is_noticed(twins, monkeypatch):
    monkeypatch.setattr(keras_weights, "EPSILON", 1e-5)
    assert error(twins / "current.h5", twins / "current.h5", "64×96") > NOTICED


def turn_a_kernel(file) -> None:
    kernel = file["model_weights/conv2_block1_2_conv/conv2_block1_2_conv/kernel"]
    kernel[...] = kernel[()].transpose(1, 0, 2, 3)


def swap_two_channels(file) -> None:
    kernel = file["model_weights/pool3_conv/pool3_conv/kernel"]
    kernel[...] = kernel[()][:, :, [1, 0, *range(2, kernel.shape[2])]]


@pytest.mark.parametrize("change", [turn_a_kernel, swap_two_channels])
def test_a_wrong_permutation_is_noticed(shallow, tmp_path, change):
    assert error(shallow, shallow) < TOLERANCE
    assert error(changed(shallow, tmp_path / "wrong.h5", change), shallow) > NOTICED


# What is assumed is said


def test_upsampling_is_assumed_by_the_activations(shallow, twins):
    network = keras_weights.load(shallow)
    assert network.module.recipe.network.decoder.upsampling == "align_corners"
    assert len(network.assumed) == 1 and "--upsampling half_pixel" in network.assumed[0]
    assert keras_weights.load(shallow, upsampling="half_pixel").assumed == []


@pytest.mark.parametrize(("name", "expected"), [("released", 1), ("current", 2)])
def test_without_a_graph_the_width_decides_on_activations(twins, tmp_path, name, expected):
    network = keras_weights.load(as_weights_only(twins / f"{name}.h5", tmp_path / "w.h5"))
    assert network.module.recipe.network.decoder.activations == expected
    assert len(network.assumed) == 2 and f"--activations {3 - expected}" in network.assumed[0]


# The model file


def test_model_file_answers_the_keras_networks_metres(shallow, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(keras_weights.KINDS["kitti"], "size", (64, 224))
    target = tmp_path / "kitti.onnx"
    status, out, err = call("import-keras", shallow, "-o", target, "--kind", "kitti", capsys=capsys)
    assert (status, err) == (0, [])
    assert "assumed: align_corners" in out and "densedepth-kitti" in out
    arrays = np.load(shallow.with_suffix(".npz"))
    metres = 80 / np.clip(arrays["answer 64×224"], 1, 80)
    expected = F.interpolate(torch.from_numpy(metres)[None, None], scale_factor=2, mode="bilinear")[0, 0].numpy()
    depth_m = OnnxRuntime(target).answers(arrays["image 64×224"][None])["depth_m"][0]
    np.testing.assert_allclose(depth_m, expected, rtol=1e-4)
    assert depth_m.min() < depth_m.max() / 2

    card = Predictor(target).card
    assert (card.min_depth_m, card.max_depth_m, card.working_area, card.metrics) == (1.0, 80.0, 64 * 224, {})
    assert "GPL-3.0" in card.licence and "kitti.h5" in card.training_data
    assert card.version == models_of_onedepth.sha256(shallow)[:8]
    encoder = {"name": "densenet169", "weights": "imagenet", "normalisation": "none"}
    assert card.recipe["network"]["encoder"].items() >= encoder.items()


def test_nyu_is_the_default(shallow):
    recipe = keras_weights.load(shallow).module.recipe
    assert (recipe.name, recipe.network.size) == ("densedepth-nyu", (480, 640))
    assert (recipe.network.min_depth_m, recipe.network.max_depth_m) == (0.1, 10.0)
    assert "nyu.h5" in recipe.data.statement and "GPL-3.0" in recipe.licence


def test_what_the_kinds_say():
    nyu, kitti = keras_weights.KINDS["nyu"], keras_weights.KINDS["kitti"]
    assert canonical.canonical_focal_px(480, 640, nyu["canonical_focal"]) == pytest.approx(518.86)
    assert canonical.canonical_focal_px(375, 1242, kitti["canonical_focal"]) == pytest.approx(721.5377)
    height, width = kitti["size"]
    assert canonical.working_size(375, 1242, height * width, 32) == kitti["size"]


# Files that are refused: one line that says what differs, and nothing written


def remove_a_layer(file) -> None:
    names = list(file["model_weights"].attrs["layer_names"])
    names.remove("up2_convA")
    file["model_weights"].attrs["layer_names"] = names


def add_a_layer(file) -> None:
    group = file["model_weights"].create_group("up5_convA")
    group.attrs["weight_names"] = ["up5_convA/kernel"]
    group["up5_convA/kernel"] = np.zeros((3, 3, 2, 1), np.float32)
    file["model_weights"].attrs["layer_names"] = [*file["model_weights"].attrs["layer_names"], "up5_convA"]


def another_shape(file) -> None:
    del file["model_weights/conv3/conv3/bias"]
    file["model_weights/conv3/conv3/bias"] = np.zeros(7, np.float32)


def not_a_number(file) -> None:
    file["model_weights/conv3/conv3/bias"][0] = np.nan


def no_names(file) -> None:
    del file["model_weights"].attrs["layer_names"]


def a_name_without_data(file) -> None:
    del file["model_weights/conv3/conv3/bias"]


def config_is_no_json(file) -> None:
    file.attrs["model_config"] = "{"


def config_of_another_kind(file) -> None:
    file.attrs["model_config"] = "[1]"


def no_last_relu(file) -> None:
    with config_of(file) as layers:
        layers["relu"]["config"]["activation"] = "linear"


def another_leak(file) -> None:
    with config_of(file) as layers:
        next(layer for name, layer in layers.items() if "leaky" in name)["config"]["negative_slope"] = 0.3


def skip_first(file) -> None:
    with config_of(file) as layers:
        layers["up3_concat"]["inbound_nodes"][0]["args"][0].reverse()


def another_epsilon(file) -> None:
    with config_of(file) as layers:
        layers["pool2_bn"]["config"]["epsilon"] = 1e-3


def maximum_in_transition(file) -> None:
    with config_of(file) as layers:
        layers["pool2_pool"]["class_name"] = "MaxPooling2D"


def an_activation_more(file) -> None:
    with config_of(file) as layers:
        layers["up2_convA"]["config"]["activation"] = "relu"


def a_loop(file) -> None:
    with config_of(file) as layers:
        layers["relu"]["inbound_nodes"] = layers["conv2"]["inbound_nodes"]


REFUSED = {
    remove_a_layer: "2 missing (up2_convA/kernel, up2_convA/bias)",
    add_a_layer: "1 unexpected (up5_convA/kernel)",
    another_shape: "1 of another shape (conv3/bias 7 instead of 1)",
    not_a_number: "conv3/bias holds values that are not finite",
    no_names: "has no layer_names",
    a_name_without_data: "damaged",
    config_is_no_json: "model_config",
    config_of_another_kind: "model_config",
    no_last_relu: "conv2 is fed by linear(bn), expected relu(bn)",
    another_leak: "up2_convA is fed by up2(leaky0.3(up1_convB)), ",
    skip_first: "up3_convA is fed by",
    another_epsilon: "pool2_bn is BatchNormalization epsilon 0.001, expected BatchNormalization epsilon 1.001e-05",
    maximum_in_transition: "max2/2(pool2_conv)",
    an_activation_more: "up2_convA is Conv2D 3/1 same activation relu, expected Conv2D 3/1 same",
    a_loop: "model_config",
}


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_refused(shallow, tmp_path, capsys, change):
    file = changed(shallow, tmp_path / "changed.h5", change)
    status, _, err = call("import-keras", file, "-o", tmp_path / "m.onnx", capsys=capsys)
    assert status == 2 and len(err) == 1, err
    assert str(file) in err[0] and REFUSED[change] in err[0], err
    assert list(tmp_path.iterdir()) == [file]


def test_another_architecture_names_a_few_layers(twins, tmp_path):
    """The shallow file, held against DenseNet-169."""
    with pytest.raises(ModelFileError) as refusal:
        keras_weights.load(twins / "shallow.h5")
    text = str(refusal.value)
    assert "\n" not in text and len(text) < 600
    assert "missing (conv2_block3_0_bn/gamma, " in text and "of another shape (" in text


@pytest.mark.parametrize("length", [0, 100, 5000, 400_000])
def test_a_truncated_file(twins, tmp_path, length):
    file = tmp_path / "half.h5"
    file.write_bytes((twins / "shallow.h5").read_bytes()[:length])
    with pytest.raises(ModelFileError, match=r"half\.h5: not a readable HDF5 file") as refusal:
        keras_weights.load(file)
    assert "\n" not in str(refusal.value)


MISTAKES = {
    "no such file": ("gone.h5", [], "gone.h5: no such file"),
    "no HDF5": ("text.h5", [], "text.h5: not a readable HDF5 file"),
    "a folder": (".", [], "no such file"),
    "no ONNX name": ("text.h5", ["-o", "model.h5"], "ends in .onnx"),
    "other kind": ("text.h5", ["--kind", "sun"], "sun"),
    "three activations": ("text.h5", ["--activations", "3"], "3"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes_on_the_command_line(what, tmp_path, monkeypatch, capsys):
    name, options, words = MISTAKES[what]
    monkeypatch.chdir(tmp_path)
    Path("text.h5").write_text("no weights\n")
    status, _, err = call(
        "import-keras", name, *(["-o", "m.onnx"] if "-o" not in options else []), *options, capsys=capsys
    )
    assert status == 2 and words in err[0], err
    assert [path.name for path in tmp_path.iterdir()] == ["text.h5"]


def test_activations_that_the_file_contradicts(shallow):
    with pytest.raises(ModelFileError, match="has 1 LeakyReLU in each decoder block, not 2"):
        keras_weights.load(shallow, activations=2)


def test_without_h5py_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'onedepth\[train\]'"):
        keras_weights.load(tmp_path / "nyu.h5")


def test_an_unwritable_place(shallow, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "export", lambda *_: pytest.fail("too late"))
    (tmp_path / "file").write_text("")
    status, _, err = call("import-keras", shallow, "-o", tmp_path / "file" / "m.onnx", capsys=capsys)
    assert status == 2 and len(err) == 1 and "cannot write" in err[0]


def test_a_graph_that_grows_without_end_is_refused():
    layers = [{"name": "a0", "class_name": "InputLayer", "config": {"name": "a0"}, "inbound_nodes": []}]
    for number in range(1, 60):
        before = [f"a{number - 1}", 0, 0, {}]
        layers.append(
            {"class_name": "Concatenate", "config": {"name": f"a{number}"}, "inbound_nodes": [[before, before]]}
        )
    with pytest.raises(ValueError, match="no end"):
        keras_graph.Graph({"config": {"layers": layers}}).fed_by("a59")
