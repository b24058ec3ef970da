"""Recipes: what is wrong in one is said in one line that names the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from onedepth import models
from onedepth.errors import RecipeError
from onedepth.train.recipe import Recipe, load, parse, shipped
from onedepth.train.sources import SOURCES

MINIMAL: dict[str, Any] = {
    "name": "minimal",
    "data": {
        "train": {"layout": "folder", "path": "here", "split": "train"},
        "val": {"layout": "synthetic", "count": 4, "split": "val"},
    },
    "schedule": {"epochs": 2},
}


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "minimal.yaml"
    path.write_text(yaml.safe_dump(MINIMAL), "utf-8")
    return path


def refusal(path: str | Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as error:
        load(path, overrides)
    text = str(error.value)
    assert "\n" not in text
    return text


# The recipes in the package


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_loads(name: str):
    recipe = load(name)
    assert recipe.name == name
    assert recipe.data.statement != "not stated"
    assert recipe.licence != "not stated"


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_says_its_command(name: str):
    text = (Path(__file__).parents[2] / f"src/onedepth/train/recipes/{name}.yaml").read_text("utf-8")
    assert text.startswith("#")
    assert f"onedepth train {name}" in text


def test_the_recipes_of_the_models_and_the_tiny_one_are_there():
    assert {*models.shipped(), "tiny"} <= set(shipped())


def test_an_unknown_recipe_names_the_nearest():
    text = refusal("onedepth-smal")
    assert "onedepth-smal: no such recipe (did you mean onedepth-small?)" in text
    assert "tiny" in text


# Reading


def test_a_recipe_by_path(minimal: Path):
    recipe = load(minimal)
    assert recipe.name == "minimal"
    assert recipe.loss == {"ssim": 1.0, "gradient": 1.0, "l1": 0.1}  # the paper's


def test_a_recipe_survives_the_way_to_yaml_and_back(tmp_path: Path):
    for name in shipped():
        recipe = load(name, ["loss={l1: 3e-1, ssim: 0}", "network.size=[64, 96]", "seed=3"])
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), "utf-8")
        assert load(path) == recipe


def test_a_recipe_cannot_be_changed(minimal: Path):
    recipe = load(minimal)
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3  # type: ignore[misc]


def test_a_missing_file_is_named(tmp_path: Path):
    text = refusal(tmp_path / "none.yaml")
    assert "none.yaml: No such file" in text
    assert "Is a directory" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["a: [1, 2", "a: b: c", "\tname: x", "a: 2020-13-45", "a: \x00"])
def test_what_is_not_yaml_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "broken.yaml"
    path.write_text(text, "utf-8")
    assert f"{path}: not readable as YAML" in refusal(path)


def test_what_is_not_text_is_refused(tmp_path: Path):
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\x89PNG\xff\xfe")
    assert f"{path}: not a text file" in refusal(path)


@pytest.mark.parametrize(("text", "kind"), [("- a\n- b\n", "list"), ("tiny", "str"), ("", "NoneType")])
def test_what_is_not_a_mapping_is_refused(tmp_path: Path, text: str, kind: str):
    path = tmp_path / "list.yaml"
    path.write_text(text, "utf-8")
    assert f"expected `key: value` lines, got {kind}" in refusal(path)


# Keys, types and values


@pytest.mark.parametrize(
    ("override", "said"),
    [
        # unknown keys: the path, and the nearest key of that section
        ("schedule.epoch=3", "schedule.epoch: unknown key (did you mean epochs?)"),
        ("shedule.epochs=3", "shedule: unknown key (did you mean schedule?)"),
        ("network.encoder.weigths=random", "network.encoder.weigths: unknown key (did you mean weights?)"),
        ("data.train.pth=x", "data.train.pth: unknown key (did you mean path?)"),
        ("data.val.cuont=3", "data.val.cuont: unknown key (did you mean count?)"),
        ("data.val.path=x", "data.val.path: unknown key"),
        # a number or a word
        (
            "augment.channel_permutation=often",
            "augment.channel_permutation: input should be a valid number, unable to parse string as a number "
            "or input should be 'paper' or 'code', got 'often'",
        ),
        (
            "data.workers=-1",
            "data.workers: input should be greater than or equal to 0 or input should be 'auto', got -1",
        ),
        # types
        ("schedule.epochs=many", "schedule.epochs: input should be a valid integer"),
        ("schedule.epochs=2.5", "schedule.epochs: input should be a valid integer"),
        ("schedule.learning_rate=fast", "schedule.learning_rate: input should be a valid number"),
        ("network=small", "network: input should be a valid dictionary"),
        ("data.cache=perhaps", "data.cache: input should be a valid boolean"),
        ("network.size=256", "network.size: input should be a valid tuple"),
        ("network.size=[256]", "network.size.1: this key is missing"),
        ("loss.l1=much", "loss.l1: input should be a valid number"),
        ("schedule.epochs=", "schedule.epochs: input should be a valid integer, got None"),
        # ranges
        ("schedule.learning_rate=-1e-3", "schedule.learning_rate: input should be greater than 0"),
        ("schedule.learning_rate=.nan", "schedule.learning_rate: input should be"),
        ("schedule.learning_rate=.inf", "schedule.learning_rate: input should be a finite number"),
        ("schedule.epochs=0", "schedule.epochs: input should be greater than or equal to 1, got 0"),
        ("augment.mirror=1.5", "augment.mirror: input should be less than or equal to 1, got 1.5"),
        ("augment.mirror=.nan", "augment.mirror: input should be"),
        ("network.size=[16, 320]", "network.size.0: input should be greater than or equal to 32, got 16"),
        ("network.size=[255, 320]", "network.size.0: input should be a multiple of 2, got 255"),
        ("network.min_depth_m=20", "network: min_depth_m 20.0 is not below max_depth_m 10.0"),
        ("loss.l1=-1", "loss.l1: input should be greater than or equal to 0, got -1"),
        ("precision=bf16", "precision: input should be '32-true', 'bf16-mixed', '16-mixed' or '64-true', got 'bf16'"),
        # names from our own lists
        ("loss.sim=1", "loss.sim: no such loss term (did you mean ssim?); there are: berhu, gradient,"),
        ("validation.protocol=eigne", "validation.protocol: no such protocol (did you mean eigen?)"),
        # the kinds of data
        (
            "data.train={layout: foldr, path: x}",
            f"data.train.layout: no such layout (did you mean folder?); there are: {', '.join(SOURCES)}",
        ),
        ("data.train={path: x}", f"data.train.layout: this key is missing; there are: {', '.join(SOURCES)}"),
        ("data.train={layout: folder}", "data.train.path: this key is missing"),
        ("data.train=here", "data.train: "),
        ("data.val={layout: synthetic}", "data.val.count: this key is missing"),
        ("data.val.split=test2", "data.val.split: input should be 'train' or 'val', got 'test2'"),
    ],
)
def test_a_mistake_is_named(minimal: Path, override: str, said: str):
    text = refusal(minimal, override)
    assert text.startswith(f"{minimal}: ")
    assert said in text


def test_a_missing_key_is_named(tmp_path: Path):
    for key in ("name", "data", "schedule"):
        path = tmp_path / f"without_{key}.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in MINIMAL.items() if k != key}), "utf-8")
        assert f"{key}: this key is missing" in refusal(path)


def test_several_mistakes_are_named_at_once(minimal: Path):
    text = refusal(minimal, "schedule.epoch=3", "seed=-1")
    assert "schedule.epoch: unknown key" in text
    assert "seed: input should be greater than or equal to 0, got -1" in text


def test_a_key_that_is_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "numbers.yaml"
    path.write_text(yaml.safe_dump(MINIMAL) + "7: seven\n", "utf-8")
    assert "7" in refusal(path)


@pytest.mark.parametrize("overrides", [["loss={}"], ["loss={l1: 0}"], ["loss.l1=0", "loss.ssim=0", "loss.gradient=0"]])
def test_a_loss_of_nothing_is_refused(minimal: Path, overrides: list[str]):
    assert "loss: every weight is 0" in refusal(minimal, *overrides)


# Overrides


def test_overrides_reach_nested_keys(minimal: Path):
    recipe = load(
        minimal,
        [
            "network.encoder.name=resnet10t",
            "network.decoder.width=64",
            "network.size=[64, 96]",
            "data.train.limit=8",
            "loss={l1: 1}",
            "loss.log_l1=2.5",
            "augment.zoom=1.5",
        ],
    )
    assert recipe.network.encoder.name == "resnet10t"
    assert recipe.network.encoder.weights == "imagenet"
    assert recipe.network.decoder.width == 64
    assert recipe.network.size == (64, 96)
    assert recipe.data.train.model_dump()["limit"] == 8
    assert recipe.loss == {"l1": 1.0, "log_l1": 2.5}
    assert recipe.augment.zoom == 1.5


@pytest.mark.parametrize("text", ["3e-4", "3E-4", "3.0e-4", "0.0003", "'3e-4'"])
def test_3e_4_is_a_number(minimal: Path, text: str):
    # YAML 1.1 takes 3e-4, without a point, for a string.
    rate = load(minimal, [f"schedule.learning_rate={text}"]).schedule.learning_rate
    assert rate == 3e-4
    assert isinstance(rate, float)


def test_the_last_override_wins(minimal: Path):
    assert load(minimal, ["seed=1", "seed=2"]).seed == 2


def test_an_override_may_hold_an_equals_sign(minimal: Path):
    assert load(minimal, ["data.statement=a=b"]).data.statement == "a=b"


@pytest.mark.parametrize("override", ["seed", "=3", "seed 3"])
def test_an_override_that_is_none_is_refused(minimal: Path, override: str):
    assert f"{override!r}: expected key.path=value" in refusal(minimal, override)


def test_an_override_below_a_value_is_refused(minimal: Path):
    assert "schedule.epochs is a value, not a section" in refusal(minimal, "schedule.epochs.first=3")


@pytest.mark.parametrize("override", ["network.size=[64, 96", "data.statement=2020-13-45"])
def test_an_override_that_is_not_yaml_is_refused(minimal: Path, override: str):
    assert f"{override!r}: the value is not readable as YAML" in refusal(minimal, override)


def test_parse_takes_nested_dicts():
    recipe = parse(MINIMAL)
    assert isinstance(recipe, Recipe)
    with pytest.raises(RecipeError, match="recipe: nme: unknown key"):
        parse(MINIMAL | {"nme": "x"})


def test_a_recipe_claims_nothing_of_other_data():
    own = load("onedepth-small", ["data.train.path=mine"])
    assert "NYU" not in own.data.statement and own.licence == "not stated"
    said = load("onedepth-small", ["data.train.path=mine", "data.statement=my rooms", "licence=MIT"])
    assert (said.data.statement, said.licence) == ("my rooms", "MIT")
    assert "NYU" in load("onedepth-small", ["schedule.epochs=3"]).data.statement
