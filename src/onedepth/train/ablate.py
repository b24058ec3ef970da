"""Ablations: one recipe trained over a grid of overrides, and the table of what came out.

FOLDER/ROW/            an ordinary run each, which `onedepth train`'s sisters (info, export) take
FOLDER/ROW/row.json    what the table says of it; there once the row is done, or has failed
FOLDER/table.md        the table, rewritten whole after every row
FOLDER/table.csv       the same for programs
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml

from onedepth.errors import OutputError, RecipeError, TrainingError
from onedepth.outputs import replacing
from onedepth.train import recipe as recipes
from onedepth.train import run
from onedepth.train.ablation_table import DONE, FAILED, METRICS, WAITING, Record, to_csv, to_markdown
from onedepth.train.describe import Description, best_epoch, describe
from onedepth.train.processes import launched
from onedepth.train.recipe import NetworkConfig, Recipe
from onedepth.train.sources import open_source
from onedepth.train.step_timer import StepTimer

T = TypeVar("T")

RECORD = "row.json"


@dataclass(frozen=True)
class Row:
    """One point of a grid.

    Attributes:
        axes: value of each axis, by the key that it overrides.
        overrides: value of every key that is overridden, axes included; these are what the row is known by.
        recipe: what it trains by.
    """

    axes: dict[str, Any]
    overrides: dict[str, Any]
    recipe: Recipe

    @property
    def label(self) -> str:
        """The row in words."""
        return ", ".join(f"{key}={_flow(value)}" for key, value in self.axes.items()) or "the recipe as it is"

    @property
    def folder_name(self) -> str:
        """Readable by its axes, and its own by its overrides."""
        words = "-".join(re.sub(r"[^A-Za-z0-9.+]+", "-", _flow(value)).strip("-.") for value in self.axes.values())
        known_by = json.dumps(self.overrides, sort_keys=True, default=str)
        return f"{words[:60].strip('-.') or 'row'}-{hashlib.sha256(known_by.encode()).hexdigest()[:8]}"


def grid(recipe: str | Path, overrides: Iterable[str]) -> list[Row]:
    """Every combination of the axes, the last one changing fastest.

    An override whose value is a YAML list is an axis; for a key that is a list itself, a list of lists is. Where a row
    would end before its first validation, it is validated after its last epoch instead.

    Args:
        recipe: name or path.
        overrides: `key.path=value`.

    Raises:
        RecipeError: a row that is no recipe, or an axis without values; the message names it.
    """
    plain = recipes.load(recipe).model_dump(mode="json")
    choices: dict[str, list[Any]] = {}
    axes: list[str] = []
    for override in overrides:
        key, value = _parsed(override)
        is_axis = isinstance(value, list)
        if isinstance(_at(plain, key), list):
            is_axis = is_axis and any(isinstance(one, list) for one in value)
        if key in choices:
            raise RecipeError(f"{override!r}: {key} is given twice; an axis is one list, as in {key}=[…, …]")
        if is_axis and not value:
            raise RecipeError(f"{override!r}: an axis without values")
        choices[key] = value if is_axis else [value]
        if is_axis:
            axes.append(key)
    rows: dict[str, Row] = {}
    for values in itertools.product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        on_axes = {key: chosen[key] for key in axes}
        row = Row(on_axes, chosen, _load(recipe, chosen, on_axes))
        rows[row.folder_name] = row
    return list(rows.values())


def measured(rows: Sequence[Row]) -> list[Record]:
    """A record for each row, with its network's size; nothing is trained.

    Raises:
        RecipeError: a network that cannot be built, or does not run at its size; the message names the row.
    """
    known: list[tuple[NetworkConfig, Description]] = []
    records = []
    for row in rows:
        config = row.recipe.network
        network = next((one for before, one in known if before == config), None)
        if network is None:
            try:
                network = describe(config)
            except RecipeError as error:
                raise RecipeError(f"row {row.label}: {error}") from error
            known.append((config, network))
        records.append(
            Record(
                row.axes, row.overrides, row.recipe.model_dump(mode="json"), network.parameters,
                network.macs,
            )
        )  # fmt: skip
    return records


@dataclass
class Ablation:
    """A grid in its folder.

    Attributes:
        folder: of all its rows and tables.
        rows: the grid.
        say: gets what is told on the way, and each table.
        progress: whether runs show a progress bar.
    """

    folder: Path
    rows: Sequence[Row]
    say: Callable[[str], None] = print
    progress: bool = True
    _records: list[Record] = field(default_factory=list)

    def run(self, limit: int | None = None) -> list[Record]:
        """Train what is not done, row after row; a row that fails is named in the table, and the work goes on.

        A row that was broken off goes on from its last checkpoint, a failed one is tried again from there.

        Args:
            limit: of rows that are trained now; the others wait.

        Returns:
            Records of all rows of the grid.

        Raises:
            RecipeError: a row that is no network, or a folder that holds rows of another recipe; before anything is
                trained.
            DataError: data that is not there; likewise.
            OutputError: a folder that cannot be written.
        """
        if launched().processes > 1:
            raise TrainingError("ablate: expected one process, got several; start it without torchrun or srun")
        for data in _distinct(row.recipe.data for row in self.rows):
            open_source(data.train)
            open_source(data.val)
        self._records = measured(self.rows)
        for number, row in enumerate(self.rows):
            self._records[number] = self._kept(row, self._records[number])
        todo = [number for number, record in enumerate(self._records) if record.status != DONE]
        for count, number in enumerate(todo[:limit], 1):
            row = self.rows[number]
            self.say(f"row {number + 1} of {len(self.rows)} ({count} of {len(todo[:limit])} now): {row.label}")
            self._records[number] = self._train(row, self._records[number])
            _write(self.folder / row.folder_name / RECORD, self._records[number].to_json())
            self._write_table()
        if not todo[:limit]:
            self._write_table()
        return self._records

    def _train(self, row: Row, record: Record) -> Record:
        folder, timer = self.folder / row.folder_name, StepTimer()
        try:
            run.train(row.recipe, folder, (folder / run.RECIPE).exists(), progress=self.progress, also=[timer])
        except OutputError:
            raise  # the next row would fail in the same place
        except Exception as error:  # out of memory, not a number, or what nobody thought of: the other rows shall run
            record = record.failed(_reason(error))
            self.say(f"failed: {record.reason}")
        else:
            best = best_epoch(folder / run.HISTORY) or {}
            record = record.done(
                {key: float(best[key]) for key in METRICS if key in best}, int(best.get("epoch", -1)) + 1
            )
        finally:
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return record.timed(timer.median_ms, timer.seconds)

    def _kept(self, row: Row, record: Record) -> Record:
        """What an earlier sitting left of this row."""
        folder = self.folder / row.folder_name
        before = Record.read(folder / RECORD)
        if before is not None:
            _check_same(row, recipes.parse(before.recipe, str(folder / RECORD)), folder)
        elif (folder / run.RECIPE).exists():
            _check_same(row, run.recipe_of(folder), folder)
        return before or record

    def _write_table(self) -> None:
        names = {row.folder_name for row in self.rows}
        others = [path for path in sorted(self.folder.glob(f"*/{RECORD}")) if path.parent.name not in names]
        records = [*self._records, *(record for path in others if (record := Record.read(path)) is not None)]
        table = to_markdown(records)
        _write(self.folder / "table.csv", to_csv(records))
        _write(self.folder / "table.md", table)
        self.say(table)


def status_of(records: Sequence[Record]) -> str:
    """How a sitting ended, in one line."""
    counts = {status: sum(record.status == status for record in records) for status in (DONE, FAILED, WAITING)}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def _distinct(values: Iterable[T]) -> list[T]:
    result: list[T] = []
    for value in values:
        if value not in result:
            result.append(value)
    return result


def _parsed(override: str) -> tuple[str, Any]:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"{override!r}: expected key.path=value, or key.path=[value, value] for an axis")
    try:
        return key, yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"{override!r}: the value is not readable as YAML") from error


def _load(recipe: str | Path, chosen: dict[str, Any], axes: dict[str, Any]) -> Recipe:
    overrides = [f"{key}={_flow(value)}" for key, value in chosen.items()]
    try:
        loaded = recipes.load(recipe, overrides)
        epochs = loaded.schedule.epochs
        if loaded.validation.every_epochs > epochs:
            loaded = recipes.load(recipe, [*overrides, f"validation.every_epochs={epochs}"])
    except RecipeError as error:
        place = ", ".join(f"{key}={_flow(value)}" for key, value in axes.items())
        raise RecipeError(f"row {place}: {error}" if place else str(error)) from error
    return loaded


def _at(values: Any, key: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _flow(value: Any) -> str:
    """A value on one line, which YAML reads as the same."""
    if isinstance(value, str) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _reason(error: Exception) -> str:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "out of memory"
    text = " ".join(str(error).split())
    return text if isinstance(error, TrainingError) else f"{type(error).__name__}: {text[:200]}"


def _check_same(row: Row, before: Recipe, folder: Path) -> None:
    old, new = before.model_dump(mode="json"), row.recipe.model_dump(mode="json")
    changed = [key for key in new if new[key] != old.get(key)]
    if changed:
        raise RecipeError(
            f"{folder}: was trained by another recipe ({', '.join(changed)} differ); choose another --folder"
        )


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
