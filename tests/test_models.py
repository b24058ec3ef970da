"""Model files: found, read, or refused in one line."""

import re
from importlib import resources

import pytest

from onedepth import models
from onedepth.errors import ModelFileError
from onedepth.models import ModelCard
from onedepth.predictor import Predictor

CARD = ModelCard(
    "toy", "1", "Apache-2.0", "ten rooms", 0.8, 0.1, 10.0, 81920, 32, {"mean": {"delta1": 0.5}}, {"a": [1]}
)


def test_card_survives_its_metadata(tmp_path):
    metadata = CARD.to_metadata() | {"of another program": "left alone"}
    assert all(isinstance(value, str) for value in metadata.values())
    assert ModelCard.from_metadata(metadata, tmp_path) == CARD


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"onedepth.format": None}, "not a onedepth model file"),
        ({"onedepth.format": '"99"'}, "format 99"),
        ({"onedepth.name": None}, "damaged"),
        ({"onedepth.working_area": "{"}, "damaged"),
    ],
)
def test_bad_metadata(tmp_path, change, words):
    metadata = {key: value for key, value in (CARD.to_metadata() | change).items() if value is not None}
    with pytest.raises(ModelFileError, match=words) as error:
        ModelCard.from_metadata(metadata, tmp_path / "some.onnx")
    assert "some.onnx" in str(error.value) and "\n" not in str(error.value)


def test_default_model_is_in_the_package():
    assert models.find() == models.find(models.DEFAULT_MODEL)
    assert models.shipped()[0] == models.DEFAULT_MODEL


@pytest.mark.parametrize(
    ("name", "words"),
    [("onedepth-smal", "did you mean onedepth-small"), ("gone/m.onnx", "no such model file"), ("x.onnx", "no such")],
)
def test_no_such_model(name, words):
    with pytest.raises(ModelFileError, match=words):
        models.find(name)


def test_damaged_file(tmp_path):
    whole = models.find().read_bytes()
    path = tmp_path / "half.onnx"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match=re.escape(str(path))) as error:
        Predictor(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "most_parameters", "most_bytes"), [("onedepth-small", 8e6, 25e6), ("onedepth-tiny", 2e6, 5e6)]
)
def test_the_shipped_cards_are_complete(name, most_parameters, most_bytes):
    assert name in models.shipped()
    card = Predictor(name).card
    assert card.name == name
    assert card.licence == "Apache-2.0" and "NYU" in card.training_data
    assert card.metrics["count"] == 80 and card.metrics["protocol"] == "eigen"
    assert card.recipe["name"] == card.name and card.revision != "unknown"
    assert card.parameters is not None and card.parameters <= most_parameters
    assert models.find(name).stat().st_size <= most_bytes


def test_sha256(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert models.sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_demo_photo_is_in_the_package():
    photo = resources.files("onedepth") / "assets" / "garage.jpg"
    assert Predictor().predict(photo.read_bytes()).depth_m.shape == (500, 741)
