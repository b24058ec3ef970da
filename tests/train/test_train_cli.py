"""Mistakes in training, as the command line answers them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import call, write_pairs

PAIRS = ["onedepth-small", "data.train.path=pairs", "data.val.path=pairs", "validation.protocol=full"]


def eight_bit(depth: Path) -> None:
    Image.fromarray(np.full((60, 80), 9, np.uint8)).save(depth)


def another_size(depth: Path) -> None:
    Image.fromarray(np.full((30, 40), 900, np.uint16)).save(depth)


MISTAKES = {
    "unknown key": (["tiny", "schedule.epoch=3"], "schedule.epoch", None),
    "negative rate": (["tiny", "schedule.learning_rate=-1e-3"], "schedule.learning_rate", None),
    "not key=value": (["tiny", "schedule.epochs"], "schedule.epochs", None),
    "unknown recipe": (["tiney"], "did you mean tiny", None),
    "no such file": (["gone.yaml"], "gone.yaml", None),
    "unknown encoder": (["tiny", "network.encoder.name=efficentnet_lite0"], "efficientnet_lite0", None),
    "no data": (["onedepth-small", "data.train.path=gone"], "gone", None),
    "8-bit depth": (PAIRS, "1.png", eight_bit),
    "depth of another size": (PAIRS, "40×30", another_size),
    "text as depth": (PAIRS, "1.png", lambda depth: depth.write_text("not a picture")),
    "nothing to resume": (["tiny", "--resume"], "runs/tiny", None),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_one_line_status_2_and_nothing_written(what, tmp_path, monkeypatch, capsys):
    arguments, words, damage = MISTAKES[what]
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs", splits=("train", "train", "val"))
    if damage:
        damage(tmp_path / "pairs" / "depth" / "1.png")
    status, _, err = call("train", *arguments, capsys=capsys)
    assert status == 2 and len(err) == 1 and words in err[0], err
    assert not (tmp_path / "runs").exists()


def test_export_of_no_run(tmp_path, capsys):
    status, _, err = call("export", tmp_path, "-o", tmp_path / "m.onnx", capsys=capsys)
    assert status == 2 and len(err) == 1 and str(tmp_path) in err[0]
    assert list(tmp_path.iterdir()) == []


def test_epochs_are_named_for_a_mean_alone(tmp_path, capsys):
    status, _, err = call("export", tmp_path, "-o", tmp_path / "m.onnx", "--epoch", 8, capsys=capsys)
    assert status == 2
    assert err == ["onedepth: --epoch names epochs for --checkpoint mean, got --checkpoint best; give mean"]
