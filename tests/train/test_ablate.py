"""Ablations: a grid of ordinary runs that can be broken off, and their table."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from command_line import call
from onedepth.errors import RecipeError
from onedepth.train import ablate, run, step_timer
from onedepth.train import recipe as recipes
from onedepth.train.ablate import Ablation, grid
from onedepth.train.ablation_table import Record, to_csv, to_markdown
from onedepth.train.describe import describe
from onedepth.train.module import DepthModule
from onedepth.train.step_timer import WARM_UP, StepTimer

SMALL = ["data.train.count=8", "data.val.count=1", "schedule.batch_size=2", "schedule.epochs=2",
         "validation.every_epochs=1"]  # fmt: skip
STEPS = 8  # of a small run
WIDTHS = "network.decoder.width=[16,32]"
LOSSES = "loss=[{l1: 1}, {ssim: 1, l1: 0.1}]"


def small(folder: Path, *overrides: str, limit: int | None = None) -> list[Record]:
    return Ablation(folder, grid("tiny", [*SMALL, *overrides]), lambda text: None, False).run(limit)


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "table.csv").read_text("utf-8").splitlines()))


class Killed(KeyboardInterrupt):
    """As a signal that arrives in the midst of a step."""


@pytest.fixture
def steps(monkeypatch) -> SimpleNamespace:
    """Counts training steps, and can end the process at one of them."""
    counted = SimpleNamespace(done=0, kill_at=None)
    original = DepthModule.training_step

    def step(self: DepthModule, batch: Any, batch_idx: int) -> Any:
        if counted.done == counted.kill_at:
            raise Killed
        counted.done += 1
        return original(self, batch, batch_idx)

    monkeypatch.setattr(DepthModule, "training_step", step)
    return counted


# The grid


def axes(*overrides: str) -> list[dict[str, Any]]:
    return [row.axes for row in grid("tiny", overrides)]


def test_every_combination_the_last_axis_fastest():
    rows = grid("tiny", ["network.encoder.name=[test_resnet, resnet10t]", "schedule.epochs=4", WIDTHS, LOSSES])
    assert len(rows) == len({row.folder_name for row in rows}) == 8
    assert [row.axes["network.decoder.width"] for row in rows] == [16, 16, 32, 32] * 2
    assert [row.axes["loss"] for row in rows[:2]] == [{"l1": 1}, {"ssim": 1, "l1": 0.1}]
    for row in rows:
        assert row.recipe.network.encoder.name == row.axes["network.encoder.name"]
        assert row.recipe.network.decoder.width == row.axes["network.decoder.width"]
        assert row.recipe.loss == row.axes["loss"]
        assert row.recipe.schedule.epochs == 4


def test_of_a_list_a_list_of_lists_is_the_axis():
    assert axes("network.size=[64,96]") == [{}]
    assert axes("network.size=[[64,96],[96,128]]") == [{"network.size": [64, 96]}, {"network.size": [96, 128]}]


def test_of_a_section_a_list_of_sections_is_the_axis():
    rows = grid("tiny", ["augment=[{mirror: 0.5}, {mirror: 0.5, zoom: 1.7}]"])
    assert [row.recipe.augment.zoom for row in rows] == [1.0, 1.7]


def test_values_that_yaml_could_misread_come_through():
    rows = grid("tiny", ["version=['0.10', 'no', 'a: b']", "schedule.learning_rate=[1e-3, 2.5e-4]"])
    assert [row.recipe.version for row in rows[::2]] == ["0.10", "no", "a: b"]
    assert [row.recipe.schedule.learning_rate for row in rows[:2]] == [1e-3, 2.5e-4]


def test_the_same_row_twice_is_one():
    assert axes("network.decoder.width=[32,32]") == [{"network.decoder.width": 32}]


def test_each_row_is_validated_at_least_once():
    every = [row.recipe.validation.every_epochs for row in grid("tiny", ["schedule.epochs=[2,4,6]"])]
    assert every == [2, 4, 4]  # tiny says 4


def test_a_row_is_known_by_its_overrides_in_any_order():
    one, other = (grid("tiny", overrides)[0] for overrides in ([WIDTHS, LOSSES], [LOSSES, WIDTHS]))
    assert one.overrides == other.overrides
    assert one.folder_name.split("-")[-1] == other.folder_name.split("-")[-1]
    assert one.folder_name != grid("tiny", [WIDTHS, LOSSES, "seed=1"])[0].folder_name


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["network.decoder.width=[32, wide]"], r"row network.decoder.width=wide: .*network\.decoder\.width"),
        (["network.decoder.wdth=[32, 64]"], "did you mean width"),
        (["network.decoder.width=[]"], "without values"),
        (["network.decoder.width=[32", ], "not readable as YAML"),
        (["network.decoder.width"], "expected key.path=value"),
        ([WIDTHS, WIDTHS], "given twice"),
    ],
)  # fmt: skip
def test_what_is_no_grid(overrides: list[str], words: str):
    with pytest.raises(RecipeError, match=words):
        grid("tiny", overrides)


# Rows that train


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, list[Record]]:
    folder = tmp_path_factory.mktemp("ablations") / "widths"
    return folder, small(folder, WIDTHS)


def test_each_row_is_an_ordinary_run(finished):
    folder, records = finished
    for row, record in zip(grid("tiny", [*SMALL, WIDTHS]), records, strict=True):
        place = folder / row.folder_name
        assert run.recipe_of(place) == row.recipe
        assert record.status == "done"
        history = list(csv.DictReader((place / run.HISTORY).read_text("utf-8").splitlines()))
        best = max(history, key=lambda line: float(line["delta1"]))
        assert record.metrics == {key: float(best[key]) for key in ("delta1", "abs_rel", "rmse", "log10")}
        assert record.best_epoch == int(best["epoch"]) + 1
        measured = describe(row.recipe.network)
        assert (record.parameters, record.macs) == (measured.parameters, measured.macs)
        assert record.step_ms is not None and 0 < record.step_ms < 1000 * record.seconds / (STEPS - WARM_UP)


def test_the_table_says_the_same(finished):
    folder, records = finished
    for line, record in zip(table(folder), records, strict=True):
        assert line["network.decoder.width"] == str(record.axes["network.decoder.width"])
        assert int(line["parameters"]) == record.parameters and line["status"] == "done"
        assert float(line["delta1"]) == record.metrics["delta1"]
    text = (folder / "table.md").read_text("utf-8")
    assert text == to_markdown(records)
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []


def test_what_is_done_is_not_done_again(finished, monkeypatch):
    folder, records = finished

    def refuse(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(run, "train", refuse)
    before = (folder / "table.md").read_text("utf-8")
    assert small(folder, WIDTHS) == records
    assert (folder / "table.md").read_text("utf-8") == before


@pytest.fixture
def again(finished, tmp_path) -> Path:
    """The finished ablation's folder, to go on in."""
    return Path(shutil.copytree(finished[0], tmp_path / "again"))


def row_folder(folder: Path, number: int) -> Path:
    return folder / grid("tiny", [*SMALL, WIDTHS])[number].folder_name


def test_another_grid_adds_its_rows(again, steps):
    small(again, "network.decoder.width=[16]", LOSSES, limit=1)
    assert steps.done == STEPS
    lines = table(again)
    # The first grid's rows stand below, with the loss that their recipe has.
    assert [line["status"] for line in lines] == ["done", "waiting", "done", "done"]
    before = "ssim: 1.0, gradient: 1.0, l1: 0.1, log_l1: 5.0"
    assert [line["loss"] for line in lines] == ["l1: 1", "ssim: 1, l1: 0.1", before, before]
    assert sorted(line["network.decoder.width"] for line in lines) == ["16", "16", "16", "32"]


def test_what_differs_beside_the_axes_is_a_column_too(again, monkeypatch):
    monkeypatch.setattr(run, "train", lambda *args, **kwargs: None)
    small(again, WIDTHS, "seed=3", limit=1)
    assert [line["seed"] for line in table(again)] == ["3", "3", "0", "0"]


def test_killed_and_started_again_it_goes_on(finished, again, steps):
    _, undisturbed = finished
    second = row_folder(again, 1)
    shutil.rmtree(second)
    steps.kill_at = STEPS // 2 + 1  # one step into the second epoch
    with pytest.raises(KeyboardInterrupt):
        small(again, WIDTHS)
    assert not (second / ablate.RECORD).exists()
    steps.done, steps.kill_at = 0, None
    records = small(again, WIDTHS)
    assert steps.done == STEPS // 2  # the epoch that was broken off
    assert [record.metrics for record in records] == [record.metrics for record in undisturbed]
    assert [line["status"] for line in table(again)] == ["done", "done"]
    # Each sitting's first steps are not timed: one step of the first sitting was, one of the second.
    state = torch.load(second / run.LAST, weights_only=True)["callbacks"]["StepTimer"]
    assert len(state["steps_ms"]) == 2 * (STEPS // 2 - WARM_UP)


def test_killed_before_its_record_was_written(finished, again, steps):
    _, undisturbed = finished
    (row_folder(again, 0) / ablate.RECORD).unlink()
    records = small(again, WIDTHS)
    assert steps.done == 0
    assert records[0].metrics == undisturbed[0].metrics and records[0].step_ms == undisturbed[0].step_ms


def test_a_row_that_fails_is_named_and_the_others_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rates = "schedule.learning_rate=[1.0e+30, 1.0e-3]"
    status, out, _ = call("ablate", "tiny", *SMALL, rates, capsys=capsys)
    folder = tmp_path / "ablations" / "tiny"
    failed, done = table(folder)
    assert status == 1 and "1 done, 1 failed" in out
    assert failed["status"] == "failed" and "loss is nan" in failed["reason"] and failed["delta1"] == ""
    assert done["status"] == "done" and float(done["delta1"]) > 0
    assert "failed: " in (folder / "table.md").read_text("utf-8")
    assert (folder / "table.md").read_text("utf-8") in out


def test_out_of_memory_is_a_reason_and_a_failed_row_is_tried_again(again, steps, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    for number in (0, 1):
        (row_folder(again, number) / ablate.RECORD).unlink()
    with monkeypatch.context() as patched:
        patched.setattr(run, "train", full)
        records = small(again, WIDTHS)
    assert [(record.status, record.reason) for record in records] == [("failed", "out of memory")] * 2
    assert [record.status for record in small(again, WIDTHS, limit=1)] == ["done", "failed"]
    assert steps.done == 0  # from the checkpoint that was there


# What is refused before anything is trained


def test_rows_of_another_recipe_are_not_mixed_in(finished, tmp_path, monkeypatch):
    folder, _ = finished
    changed = tmp_path / "tiny.yaml"
    text = (Path(recipes.__file__).parent / "recipes" / "tiny.yaml").read_text("utf-8")
    changed.write_text(text.replace("seed: 0", "seed: 7", 1), "utf-8")
    rows = grid(changed, [*SMALL, WIDTHS])
    with pytest.raises(RecipeError, match=r"seed differ.*--folder"):
        Ablation(folder, rows, lambda text: None, False).run()


MISTAKES = {
    "encoder": (["tiny", "network.encoder.name=[test_resnet, resnet10]"], "row network.encoder.name=resnet10: "),
    "size": (["tiny", "network.encoder.name=[test_resnet, swin_tiny_patch4_window7_224]"], "does not run at 96×64"),
    "recipe": (["tiney", WIDTHS], "did you mean tiny"),
    "data": (["onedepth-small", "data.train.path=[gone, away]"], "gone: no such folder"),
    "limit": (["tiny", WIDTHS, "--limit-rows", "0"], "--limit-rows"),
    "value": (["tiny", "loss=[{l1: 1}, {l2: 1}]"], "loss.l2"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(what, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, words = MISTAKES[what]
    status, _, err = call("ablate", *arguments, capsys=capsys)
    assert status == 2 and len(err) == 1 and words in err[0], err
    assert list(tmp_path.iterdir()) == []


def test_several_processes_are_refused(tmp_path, monkeypatch, capsys):
    for key, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0",
                       "LOCAL_RANK": "0", "TORCHELASTIC_RUN_ID": "x"}.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    status, _, err = call("ablate", "tiny", WIDTHS, "--folder", tmp_path / "a", capsys=capsys)
    assert status == 2 and "one process" in err[0]


def test_dry_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, err = call("ablate", "tiny", WIDTHS, LOSSES, "--dry-run", capsys=capsys)
    assert (status, err) == (0, []) and list(tmp_path.iterdir()) == []
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.strip().splitlines()]
    assert lines[0] == ["decoder.width", "loss", "parameters", "GMAC"] and len(lines) == 2 + 4
    measured = describe(grid("tiny", [WIDTHS])[1].recipe.network)
    assert lines[-1] == ["32", "ssim: 1, l1: 0.1", f"{measured.parameters:,}", f"{measured.macs / 1e9:.3f}"]


def test_interrupted_says_how_to_go_on(tmp_path, steps, capsys):
    steps.kill_at = 1
    status, _, err = call("ablate", "tiny", *SMALL, WIDTHS, "--folder", tmp_path, capsys=capsys)
    assert status == 130 and "the same command goes on" in err[-1]


# The table and the clock


def record(**kwargs) -> Record:
    return Record({"a.b.name": "x|y"}, {"a.b.name": "x|y"}, {"a": {"b": {"name": "x|y"}}}, 1000, 5_000_000, **kwargs)


def test_markdown_keeps_its_columns():
    lines = to_markdown([record(), record(status="failed", reason="a|b " * 40), record(step_ms=123.4, seconds=600)])
    rows = lines.splitlines()
    assert len({len(row) for row in rows}) == 1
    assert "x\\|y" in rows[2] and rows[2].rstrip(" |").endswith("waiting") and "…" in rows[3]
    assert " 123 |" in rows[4] and "10 min" in rows[4]
    assert ("a|b " * 40).strip() in to_csv([record(status="failed", reason=("a|b " * 40).strip())])


def test_a_damaged_record_is_none(tmp_path):
    path = tmp_path / "row.json"
    path.write_text(record().to_json()[:50])
    assert Record.read(path) is None
    path.write_text(record().to_json())
    assert Record.read(path) == record()


def test_the_clock_counts_whole_steps_after_the_first(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(step_timer.time, "perf_counter", lambda: now[0])
    timer, trainer = StepTimer(), SimpleNamespace(accumulate_grad_batches=2)
    module = SimpleNamespace(device=torch.device("cpu"))
    for step in range(WARM_UP + 3):
        for batch in (2 * step, 2 * step + 1):
            timer.on_train_batch_start(trainer, module, None, batch)
            now[0] += 100.0 if step < WARM_UP else step - WARM_UP + 1  # two of 1, 2, 3 seconds
            timer.on_train_batch_end(trainer, module, None, None, batch)
            now[0] += 1000.0  # loading
    # A step of two batches is timed from the start of the first to the end of the second, loading between included.
    assert list(timer.steps_ms) == [1_002_000, 1_004_000, 1_006_000]
    assert timer.median_ms == 1_004_000
    again = StepTimer()
    again.load_state_dict(timer.state_dict())
    assert again.median_ms == timer.median_ms and again.seconds >= timer.state_dict()["seconds"]
    assert StepTimer().median_ms is None
