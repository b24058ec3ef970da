"""The paper's recipes: what they say, and that they train on DenseDepth's archive, whole or damaged."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from command_line import call
from layouts import nyu_members, write_nyu_zip
from onedepth.errors import TrainingError
from onedepth.train import module as module_file
from onedepth.train import recipe as recipes
from onedepth.train import run
from onedepth.train.describe import describe
from onedepth.train.module import DepthModule

LOSS = {"ssim": 1.0, "gradient": 1.0, "l1": 0.1}
SMALL = [
    "network.encoder={name: test_resnet, weights: random, normalisation: none}", "network.decoder.width=16",
    "network.size=[64,64]", "validation.protocol=full", "schedule.epochs=1", "schedule.batch_size=4",
    "precision=32-true",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameters", "gmac", "size"),
    [
        ("nyu-paper", 42_657_689, 123, (480, 640)),
        ("nyu-half", 21_365_405, 49, (480, 640)),
        ("nyu-folder", 21_365_405, 49, (480, 640)),
        ("kitti-paper", 42_657_689, 196, (384, 1280)),  # 122.7 · 384·1280 / (480·640)
    ],
)
def test_what_a_recipe_builds(name: str, parameters: int, gmac: int, size: tuple[int, int]):
    recipe = recipes.load(name)
    network = describe(recipe.network)
    assert network.parameters == parameters
    assert round(network.macs / 1e9) == gmac
    assert recipe.network.size == size
    assert network.answer_size == (size[0] // 2, size[1] // 2)


@pytest.mark.parametrize("name", ["nyu-paper", "nyu-half", "kitti-paper"])
def test_target_loss_and_optimiser_are_the_papers(name: str):
    recipe = recipes.load(name)
    assert recipe.loss == LOSS
    assert recipe.network.head == "linear"
    assert recipe.network.encoder.normalisation == "none"
    assert recipe.network.reciprocal_range == (80 if name == "kitti-paper" else 100)
    changes = recipe.augment.model_dump(exclude={"mirror", "channel_permutation"})
    assert recipe.augment.mirror == 0.5
    assert not any(value for key, value in changes.items() if key not in {"zoom", "aspect"})
    assert changes["zoom"] == changes["aspect"] == 1
    assert recipe.schedule.epochs == 20
    assert recipe.schedule.ema == recipe.schedule.gradient_clip == recipe.schedule.warmup == 0
    small = recipes.load(name, ["network.encoder.weights=random", "network.encoder.name=densenet121"])
    optimizer = DepthModule(small)
    optimizer._trainer = type("Trainer", (), {"estimated_stepping_batches": 10})()  # type: ignore[assignment]
    built = optimizer.configure_optimizers()
    [adam] = {type(built["optimizer"])}
    assert adam is torch.optim.Adam
    for group in built["optimizer"].param_groups:
        assert group["amsgrad"] is True
        assert (group["initial_lr"], group["eps"], group["betas"], group["weight_decay"]) == (
            1e-4,
            1e-7,
            (0.9, 0.999),
            0,
        )
    assert built["lr_scheduler"]["scheduler"].lr_lambdas[0](9) == 1  # constant


# Training on the archive


def archive(folder: Path, damage=None, size: tuple[int, int] = (64, 80)) -> Path:
    members = nyu_members(size=size)
    if damage:
        damage(members)
    return write_nyu_zip(folder / "nyu_data.zip", members)


def sources(path: Path, *extra: str) -> list[str]:
    more = "".join(f", {one}" for one in extra)
    return [
        f"data.train={{layout: nyu_zip, path: {path}, split: train, val_scenes: 1{more}}}",
        f"data.val={{layout: nyu_zip, path: {path}, split: val, val_scenes: 1{more}}}",
    ]


def losses(folder: Path) -> list[str]:
    return (folder / run.LOSS).read_text("utf-8").splitlines()[1:]


def test_nyu_half_trains_from_the_archive_with_workers(tmp_path):
    recipe = recipes.load("nyu-half", [*SMALL, *sources(archive(tmp_path)), "data.workers=2"])
    run.train(recipe, tmp_path / "run", progress=False)
    # Two pairs of each of seven recordings; the one held out is kitchen_0003: 12 pairs are left, 4 a step.
    assert len(losses(tmp_path / "run")) == 3


def cut(name: str, keep: int):
    def damage(members: dict[str, bytes]) -> None:
        members[name] = members[name][:keep]

    return damage


def gone(members: dict[str, bytes]) -> None:
    del members["data/nyu2_train/study_0001_out/2.jpg"]


def text(members: dict[str, bytes]) -> None:
    members["data/nyu2_train/study_0001_out/2.jpg"] = b"not a picture" * 9


BEFORE_TRAINING = {
    "a row that points nowhere": (gone, "data/nyu2_train.csv line 14 names 'data/nyu2_train/study_0001_out/2.jpg'"),
    "text as a picture": (text, "study_0001_out/2.jpg"),
    "nothing as a depth": (cut("data/nyu2_train/study_0001_out/2.png", 0), "study_0001_out/2.png"),
}


@pytest.mark.parametrize("what", BEFORE_TRAINING)
def test_damage_that_an_index_check_shows_stops_before_the_first_epoch(what, tmp_path, capsys):
    damage, words = BEFORE_TRAINING[what]
    path = archive(tmp_path, damage)
    status, _, err = call("train", "nyu-half", *SMALL, *sources(path), "--run", tmp_path / "run", capsys=capsys)
    assert status == 2 and len(err) == 1 and words in err[0], err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("what", BEFORE_TRAINING)
def test_it_is_left_out_and_counted_where_the_recipe_allows_it(what, tmp_path, capsys):
    damage, words = BEFORE_TRAINING[what]
    path = archive(tmp_path, damage)
    arguments = [*SMALL, *sources(path, "damaged: skip"), "--run", tmp_path / "run"]
    status, _, err = call("train", "nyu-half", *arguments, capsys=capsys)
    assert status == 0, err
    assert any("left out 1 damaged" in line for line in err)
    assert any(words in line for line in err)


def flip_a_byte(path: Path, name: str) -> None:
    """Damage in the middle of a member, which no index shows."""
    with zipfile.ZipFile(path) as file:
        info = file.getinfo(name)
        content = file.read(name)
    whole = bytearray(path.read_bytes())
    at = whole.find(content, info.header_offset)
    whole[at + len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(whole))


@pytest.mark.parametrize("workers", [0, 2])
def test_damage_that_only_reading_shows_is_one_line_that_names_it(workers: int, tmp_path, capsys):
    path = archive(tmp_path)
    for scene in ("bedroom_0001", "study_0001", "office_0004"):
        flip_a_byte(path, f"data/nyu2_train/{scene}_out/1.jpg")
    arguments = [*SMALL, *sources(path), f"data.workers={workers}", "--run", tmp_path / "run"]
    status, _, err = call("train", "nyu-half", *arguments, capsys=capsys)
    assert status == 2 and len(err) == 1, err
    assert "_out/1.jpg" in err[0] and "training stopped at step" in err[0]


def test_such_a_pair_is_left_out_where_the_recipe_allows_it(tmp_path, capsys):
    path = archive(tmp_path)
    flip_a_byte(path, "data/nyu2_train/bedroom_0001_out/1.jpg")
    flip_a_byte(path, "data/nyu2_train/study_0001_out/1.jpg")
    arguments = [*SMALL, *sources(path, "damaged: skip"), "schedule.epochs=2", "--run", tmp_path / "run"]
    status, _, err = call("train", "nyu-half", *arguments, capsys=capsys)
    assert status == 0, err
    named = [line for line in err if "left out" in line and "_out/1.jpg" in line]
    assert len(named) == 2  # each pair once, however often its turn comes
    assert "left out, 1 so far" in named[0] and "left out, 2 so far" in named[1]


# A loss that is not a number


def tiny(*overrides: str) -> recipes.Recipe:
    small = ["data.train.count=8", "data.val.count=1", "schedule.batch_size=4", "schedule.epochs=3"]
    return recipes.load("tiny", [*small, "validation.every_epochs=1", *overrides])


def test_a_loss_that_is_not_a_number_names_its_pair_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    forward = DepthModule.training_step

    def poisoned(self, batch, batch_idx):
        if self.global_step == 3:
            spoilt = self._forward

            def network(image):
                answer = spoilt(image).clone()
                answer[2] = float("nan")
                self.poisoned = self.train_pairs.ids[int(batch.number[2])]
                return answer

            monkeypatch.setattr(self, "_forward", network)
        return forward(self, batch, batch_idx)

    monkeypatch.setattr(DepthModule, "training_step", poisoned)
    with pytest.raises(TrainingError, match="loss is nan at step 3") as error:
        run.train(tiny(), tmp_path / "run", progress=False)
    said = str(error.value)
    assert said.count("synthetic-0-") == 1  # the guilty one of four
    saved = torch.load(tmp_path / "run" / run.LAST, weights_only=True)
    assert saved["global_step"] == 2
    assert all(torch.isfinite(value).all() for value in saved["state_dict"].values())


def test_weights_that_are_not_finite_never_replace_a_checkpoint(tmp_path, monkeypatch):
    total_loss = module_file.total_loss
    seen = []

    class Explosive(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value.clone()

        @staticmethod
        def backward(ctx, slope):
            return slope * float("inf")

    def spoilt(*args):
        losses = total_loss(*args)
        seen.append(0)
        return losses | {"loss": Explosive.apply(losses["loss"])} if len(seen) == 4 else losses

    monkeypatch.setattr(module_file, "total_loss", spoilt)
    with pytest.raises(TrainingError, match="are not finite after step 4"):
        run.train(tiny(), tmp_path / "run", progress=False)
    assert torch.load(tmp_path / "run" / run.LAST, weights_only=True)["global_step"] == 2


def test_more_pairs_a_step_than_there_are(tmp_path, capsys):
    path = archive(tmp_path)
    arguments = [*SMALL, *sources(path), "schedule.batch_size=40", "--run", tmp_path / "run"]
    status, _, err = call("train", "nyu-half", *arguments, capsys=capsys)
    assert status == 2 and len(err) == 1 and "schedule.batch_size: a step takes 40 pairs" in err[0]
