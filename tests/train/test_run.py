"""A run from its first step to its model: it learns, it can be interrupted, and it leaves nothing half-written."""

from __future__ import annotations

import csv
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from onedepth.errors import DataError, MissingExtraError, OutputError, RecipeError, TrainingError
from onedepth.evaluate import evaluate
from onedepth.protocols import PROTOCOLS
from onedepth.train import module as module_file
from onedepth.train import recipe as recipes
from onedepth.train import run
from onedepth.train.module import DepthModule, rate_at
from onedepth.train.recipe import Recipe, Schedule
from onedepth.train.sources import open_source

EPOCHS, STEPS = 4, 4  # of `tiny()`; steps in each epoch


def tiny(*overrides: str) -> Recipe:
    """The tiny recipe, shrunk to a few seconds."""
    shrunk = ["data.train.count=16", "schedule.batch_size=4", "data.val.count=4", f"schedule.epochs={EPOCHS}"]
    return recipes.load("tiny", [*shrunk, "validation.every_epochs=2", *overrides])


def least(*overrides: str) -> Recipe:
    """Two steps of training."""
    return tiny("data.train.count=4", "data.val.count=1", "schedule.epochs=1", "validation.every_epochs=1", *overrides)


def delta1(module: DepthModule) -> float:
    pairs = open_source(module.recipe.data.val)
    return evaluate(module.eval().predict_m, pairs, PROTOCOLS["full"]).metrics["delta1"]


def checkpoint(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def history(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / run.HISTORY).read_text("utf-8").splitlines()))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DepthModule]:
    """A finished run, and the module that `train` gave back."""
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    return folder, run.train(tiny(), folder, progress=False)


def test_a_run_learns(tmp_path):
    recipe = recipes.load(
        "tiny",
        ["data.train.count=64", "data.val.count=16", "schedule.epochs=12", "schedule.batch_size=4",
         "augment.channel_permutation=0", "validation.every_epochs=12"],
    )  # fmt: skip
    torch.manual_seed(recipe.seed)
    untrained = delta1(DepthModule(recipe))
    depths = [pair.depth_m for pair in open_source(recipe.data.val)]

    def constant(depth_m: float) -> float:
        return float(np.mean([np.maximum(one / depth_m, depth_m / one) < 1.25 for one in depths]))

    best_constant = max(constant(depth_m) for depth_m in np.arange(1, 8, 0.1))  # chosen with the truth at hand
    run.train(recipe, tmp_path / "run", progress=False)
    learned = delta1(run.load(tmp_path / "run"))
    assert learned > best_constant + 0.05
    assert learned > untrained + 0.05


# What a run leaves


def test_a_run_leaves_its_files(undisturbed):
    folder, _ = undisturbed
    names = {path.name for path in folder.iterdir()}
    assert {run.RECIPE, run.LAST, run.BEST, run.HISTORY} <= names
    assert any(name.startswith("events.out") for name in names)
    assert [name for name in names if name.startswith(".")] == []
    assert run.recipe_of(folder) == tiny()


def test_the_history_has_a_line_for_each_validation(undisturbed):
    folder, _ = undisturbed
    lines = history(folder)
    assert [line["epoch"] for line in lines] == ["1", "3"]
    assert all(0 < float(line["delta1"]) < 1 and float(line["abs_rel"]) > 0 for line in lines)


def test_load_gives_the_averaged_weights_of_the_best_epoch(undisturbed):
    folder, trained = undisturbed
    best = run.load(folder)
    assert not best.training
    assert not any(part.training for part in best.modules())
    saved = checkpoint(folder / run.BEST)
    for name, value in best.state_dict().items():
        assert torch.equal(value, saved["state_dict"][name])
    # The average is not what the optimiser works on …
    head = "network.head.weight"
    assert not torch.equal(saved["state_dict"][head], saved["current_model_state"][head])
    # … but what was measured and what `train` gives back.
    lines = history(folder)
    assert delta1(best) == pytest.approx(max(float(line["delta1"]) for line in lines), abs=1e-4)
    last = run.load(folder, run.LAST)
    for name, value in trained.state_dict().items():
        assert torch.equal(value, last.state_dict()[name])


def test_checkpoints_hold_each_tensor_once_and_no_python_objects(undisturbed):
    folder, module = undisturbed
    keys = checkpoint(folder / run.LAST)["state_dict"].keys()
    assert {key.partition(".")[0] for key in keys} == {"network"}
    assert len(keys) == len(module.network.state_dict())
    assert checkpoint(folder / run.LAST)["epoch"] == EPOCHS - 1  # weights_only: nothing but tensors and numbers


# Going on


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Power fails in the middle of that step."""
    training_step = DepthModule.training_step

    def until(self: DepthModule, batch, batch_idx: int):
        if self.global_step == step:
            raise InterruptedError("power cut")
        return training_step(self, batch, batch_idx)

    monkeypatch.setattr(DepthModule, "training_step", until)


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_resumed_run_equals_an_undisturbed_one_bit_for_bit(undisturbed, tmp_path, monkeypatch, epoch: int):
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_at(epoch * STEPS + 2, patch)
        with pytest.raises(InterruptedError):
            run.train(tiny(), folder, progress=False)
    assert checkpoint(folder / run.LAST)["epoch"] == epoch - 1
    run.train(tiny(), folder, resume=True, progress=False)
    ours, theirs = (checkpoint(path / run.LAST) for path in (folder, undisturbed[0]))
    assert ours["epoch"] == theirs["epoch"] == EPOCHS - 1
    assert ours["global_step"] == theirs["global_step"] == EPOCHS * STEPS
    assert_same(ours, theirs, but={"loops"})
    assert_same(checkpoint(folder / run.BEST), checkpoint(undisturbed[0] / run.BEST), but={"loops"})
    for mine, other in zip(history(folder), history(undisturbed[0]), strict=True):
        assert mine | {"seconds": ""} == other | {"seconds": ""}


def assert_same(ours, theirs, but: frozenset[str] | set[str] = frozenset(), path: str = "") -> None:
    """Equal to the last bit, wherever tensors hide."""
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs), path
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), path
        for key in ours.keys() - but:
            assert_same(ours[key], theirs[key], path=f"{path}/{key}")
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs), path
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_same(*pair, path=f"{path}/{index}")
    else:
        assert ours == theirs, path


def test_resuming_a_finished_run_changes_nothing(undisturbed, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed[0], folder)
    module = run.train(tiny(), folder, resume=True, progress=False)
    assert_same(checkpoint(folder / run.LAST), checkpoint(undisturbed[0] / run.LAST))
    assert_same(module.state_dict(), undisturbed[1].state_dict())


def test_a_run_that_saved_nothing_yet_resumes_from_the_start(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(0, patch)
        with pytest.raises(InterruptedError):
            run.train(least(), tmp_path / "run", progress=False)
    run.train(least(), tmp_path / "run", resume=True, progress=False)
    assert checkpoint(tmp_path / "run" / run.LAST)["epoch"] == 0


def refusal(kind: type[Exception], recipe: Recipe, folder: Path, **kwargs) -> str:
    with pytest.raises(kind) as error:
        run.train(recipe, folder, progress=False, **kwargs)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_folder_that_holds_a_run_is_not_written_over(undisturbed):
    before = (undisturbed[0] / run.LAST).stat().st_mtime_ns
    text = refusal(RecipeError, tiny(), undisturbed[0])
    assert f"{undisturbed[0]}: holds a run already; go on with --resume" in text
    assert (undisturbed[0] / run.LAST).stat().st_mtime_ns == before


def test_a_run_does_not_go_on_by_another_recipe(undisturbed):
    text = refusal(RecipeError, tiny("schedule.learning_rate=1e-3", "seed=1"), undisturbed[0], resume=True)
    assert "was run by another recipe (seed, schedule differ)" in text
    assert run.recipe_of(undisturbed[0]) == tiny()


def test_only_a_run_can_be_resumed(tmp_path):
    text = refusal(RecipeError, tiny(), tmp_path, resume=True)
    assert f"{tmp_path}: not a training run: there is no recipe.yaml in it" in text


# What is wrong shows before anything is written


def test_data_that_is_not_there_leaves_no_folder(tmp_path):
    recipe = tiny("data.train={layout: folder, path: /no/such/place}")
    assert "/no/such/place" in refusal(DataError, recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_of_a_size_that_the_protocol_does_not_take_leaves_no_folder(tmp_path):
    text = refusal(DataError, tiny("validation.protocol=eigen"), tmp_path / "run")
    assert "is 96×72, protocol 'eigen' expects 640×480" in text
    assert not (tmp_path / "run").exists()


def test_weights_that_cannot_be_had_leave_no_folder(tmp_path, monkeypatch):
    def nothing(*args):
        raise MissingExtraError("network.encoder.weights: cannot be had")

    monkeypatch.setattr("onedepth.train.network.build_encoder", nothing)
    refusal(MissingExtraError, tiny(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert f"{tmp_path / 'file'}" in refusal(OutputError, tiny(), tmp_path / "file" / "run")


# What goes wrong later


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path, monkeypatch):
    total_loss = module_file.total_loss

    def poisoned(*args):
        return {name: value * float("nan") for name, value in total_loss(*args).items()}

    monkeypatch.setattr(module_file, "total_loss", poisoned)
    with pytest.raises(TrainingError, match="loss is nan at step 0"):
        run.train(least(), tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / run.LAST).exists()


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    keeper = run.AtomicCheckpointIO()
    path = tmp_path / "deep" / run.LAST
    keeper.save_checkpoint({"weights": torch.arange(3)}, path)

    def disk_full(checkpoint, file):
        file.write(b"half a check")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", disk_full)
        with pytest.raises(OSError, match="No space left"):
            keeper.save_checkpoint({"weights": torch.arange(9)}, path)
    assert keeper.load_checkpoint(path)["weights"].tolist() == [0, 1, 2]
    assert [entry.name for entry in path.parent.iterdir()] == [run.LAST]
    keeper.save_checkpoint({"weights": torch.arange(2)}, path)
    assert keeper.load_checkpoint(path)["weights"].tolist() == [0, 1]


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_checkpoint_runs_no_code(tmp_path, capsys):
    torch.save({"state_dict": Evil()}, tmp_path / run.LAST)
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        run.AtomicCheckpointIO().load_checkpoint(tmp_path / run.LAST, weights_only=False)
    assert "code ran" not in capsys.readouterr().out


# Loading


def loading(folder: Path, name: str = run.BEST) -> str:
    with pytest.raises(RecipeError) as error:
        run.load(folder, name)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_loading_from_a_folder_without_a_run(tmp_path):
    assert "not a training run" in loading(tmp_path)


def test_loading_before_the_first_epochs_end(undisturbed, tmp_path):
    shutil.copy(undisturbed[0] / run.RECIPE, tmp_path)
    assert "best.ckpt: no such checkpoint" in loading(tmp_path)


def test_loading_a_damaged_checkpoint(undisturbed, tmp_path):
    shutil.copy(undisturbed[0] / run.RECIPE, tmp_path)
    (tmp_path / run.BEST).write_bytes((undisturbed[0] / run.BEST).read_bytes()[:1000])
    assert "best.ckpt: not a checkpoint of a run" in loading(tmp_path)


def test_loading_a_checkpoint_of_another_network(undisturbed, tmp_path):
    shutil.copy(undisturbed[0] / run.BEST, tmp_path)
    text = (undisturbed[0] / run.RECIPE).read_text("utf-8")
    (tmp_path / run.RECIPE).write_text(text.replace("width: 64", "width: 32"), "utf-8")
    text = loading(tmp_path)
    assert "best.ckpt: does not fit" in text
    assert "network.decoder" in text


# The optimiser's course


def test_the_rate_rises_and_falls():
    schedule = Schedule(epochs=1, curve="cosine", warmup=0.1)
    rates = [rate_at(step, 100, schedule) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert rates[10] == 1
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_a_constant_rate_is_constant():
    schedule = Schedule(epochs=1, curve="constant", warmup=0)
    assert {rate_at(step, 7, schedule) for step in range(8)} == {1.0}
    assert rate_at(0, 1, Schedule(epochs=1, warmup=1)) == 1  # a run of one step


def test_the_average_forgets_where_it_began():
    update = run.moving_average(0.99)
    average = [torch.zeros(2), torch.tensor([0])]
    for step in range(1, 31):
        update(average, [torch.ones(2), torch.tensor([step])], torch.tensor(step))
    assert average[0][0] > 0.999  # a plain average of decay 0.99 would be at 0.26
    assert average[1].item() == 30
    update(average, [torch.zeros(2), torch.tensor([0])], torch.tensor(100_000))
    assert average[0].tolist() == pytest.approx([0.99, 0.99], abs=1e-3)


def test_the_encoder_has_a_rate_of_its_own(undisturbed):
    module = DepthModule(tiny("schedule.encoder_rate=0.5", "schedule.warmup=0", "schedule.curve=constant"))

    class Trainer:
        estimated_stepping_batches = 10

    module._trainer = Trainer()  # type: ignore[assignment]
    optimizer = module.configure_optimizers()["optimizer"]
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 2e-3]
    counted = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    assert counted == sum(p.numel() for p in module.parameters())


# Prediction


def test_a_prediction_has_the_pictures_size_and_follows_its_camera(undisturbed):
    module = run.load(undisturbed[0])
    pair = open_source(module.recipe.data.val)[0]
    k = pair.intrinsics
    depth_m = module.predict_m(pair.image, k)
    assert depth_m.shape == pair.depth_m.shape
    assert depth_m.dtype == np.float32
    farther = module.predict_m(pair.image, type(k)(2 * k.fx, 2 * k.fy, k.cx, k.cy))
    np.testing.assert_allclose(farther, 2 * depth_m, rtol=1e-5)


def test_the_mean_of_best_and_last(undisturbed):
    folder, _ = undisturbed
    best, last, mean = (m.state_dict() for m in (run.load(folder), run.load(folder, run.LAST), run.load_mean(folder)))
    for key, value in mean.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (best[key] + last[key]) / 2)


def test_the_mean_of_kept_epochs(tmp_path):
    values = least().model_dump()
    values["schedule"] |= {"epochs": 5, "keep_every_epochs": 2, "ema": 0.5}
    run.train(recipes.parse(values), tmp_path, progress=False)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["0002.ckpt", "0004.ckpt"]
    two, four = (run.load(tmp_path, f"kept/000{n}.ckpt").state_dict() for n in (2, 4))
    moved = [key for key in two if two[key].is_floating_point() and not torch.equal(two[key], four[key])]
    assert "network.head.weight" in moved
    whole, late = run.load_mean(tmp_path).state_dict(), run.load_mean(tmp_path, [4]).state_dict()
    for key in moved:
        torch.testing.assert_close(whole[key], (two[key] + four[key]) / 2)
        torch.testing.assert_close(late[key], four[key])
    with pytest.raises(RecipeError, match=r"epoch 5 was not kept .*; it has 2, 4"):
        run.load_mean(tmp_path, [4, 5])


def test_kept_epochs_are_those_of_the_averaged_weights(tmp_path):
    values = least().model_dump()
    values["schedule"] |= {"epochs": 1, "keep_every_epochs": 1, "ema": 0.5}
    run.train(recipes.parse(values), tmp_path, progress=False)
    kept, last = (run.load(tmp_path, name).state_dict() for name in ("kept/0001.ckpt", run.LAST))
    assert all(torch.equal(kept[key], last[key]) for key in last)


# Pretraining


def with_pretraining() -> Recipe:
    recipe = least().model_dump()
    train = {"layout": "synthetic", "count": 8, "seed": 5, "height": 48, "width": 64}
    before = {"train": train, "schedule": {"epochs": 2, "batch_size": 4}, "size": (64, 64)}
    return recipes.parse(recipe | {"pretraining": before})


def test_a_run_begins_with_what_its_pretraining_learned(tmp_path, monkeypatch):
    recipe = with_pretraining()
    folder = tmp_path / "run"
    begun_with = []
    fit = run.pl.Trainer.fit

    def watched(trainer, module, **kwargs):
        begun_with.append({key: value.clone() for key, value in module.state_dict().items()})
        return fit(trainer, module, **kwargs)

    monkeypatch.setattr(run.pl.Trainer, "fit", watched)
    run.train(recipe, folder, progress=False)
    before = folder / run.PRETRAINING
    assert run.recipe_of(before).schedule.epochs == 2
    assert run.recipe_of(before).network.size == (64, 64)
    assert checkpoint(before / run.LAST)["global_step"] == 4
    learned = checkpoint(before / run.LAST)["state_dict"]
    assert len(begun_with) == 2
    for key, value in begun_with[1].items():
        assert torch.equal(value, learned[key]), key
    assert checkpoint(folder / run.LAST)["global_step"] == 1


def test_a_run_broken_off_while_pretraining_goes_on_there(tmp_path, monkeypatch):
    recipe = with_pretraining()
    run.train(recipe, tmp_path / "undisturbed", progress=False)
    folder = tmp_path / "broken"

    save = run.Journal.on_train_epoch_end

    def save_and_stop(self, trainer, pl_module):
        save(self, trainer, pl_module)
        if trainer.max_epochs == 2 and trainer.current_epoch == 0:
            raise RuntimeError("power cut")

    monkeypatch.setattr(run.Journal, "on_train_epoch_end", save_and_stop)
    with pytest.raises(RuntimeError, match="power cut"):
        run.train(recipe, folder, progress=False)
    assert not (folder / run.LAST).exists()
    monkeypatch.setattr(run.Journal, "on_train_epoch_end", save)
    run.train(recipe, folder, resume=True, progress=False)
    ends = [checkpoint(one / run.LAST)["state_dict"] for one in (folder, tmp_path / "undisturbed")]
    for key, value in ends[0].items():
        assert torch.equal(value, ends[1][key]), key
