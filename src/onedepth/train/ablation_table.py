"""The table of an ablation: one record a row, as Markdown for people and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from onedepth.metrics import METRICS as NAMES

METRICS = ("delta1", "abs_rel", "rmse", "log10")
"""Val metrics in the table, of the epoch with the best δ1."""

WAITING, DONE, FAILED = "waiting", "done", "failed"


@dataclass(frozen=True)
class Record:
    """What is known of one row.

    Attributes:
        axes: value of each axis, by the key that it overrides.
        overrides: value of every key that is overridden.
        recipe: the whole recipe, as nested values.
        parameters: of the network.
        macs: multiply-accumulates of one image at the working size.
        status: "waiting", "done" or "failed".
        reason: why it failed.
        step_ms: median milliseconds of a training step.
        seconds: wall time.
        best_epoch: the one that `metrics` are of, counted from 1; 0 where none was measured.
        metrics: by the keys of `METRICS`.
    """

    axes: dict[str, Any]
    overrides: dict[str, Any]
    recipe: dict[str, Any]
    parameters: int
    macs: int
    status: str = WAITING
    reason: str = ""
    step_ms: float | None = None
    seconds: float = 0.0
    best_epoch: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    def done(self, metrics: dict[str, float], best_epoch: int) -> Record:
        """The same after training."""
        return replace(self, status=DONE, reason="", metrics=metrics, best_epoch=best_epoch)

    def failed(self, reason: str) -> Record:
        """The same after training that could not go on."""
        return replace(self, status=FAILED, reason=reason)

    def timed(self, step_ms: float | None, seconds: float) -> Record:
        """The same with what it cost."""
        return replace(self, step_ms=step_ms, seconds=seconds)

    def to_json(self) -> str:
        """For `read`."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, default=str) + "\n"

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """The record in a file; None where there is none, or it is not readable (the row is then trained again)."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def to_markdown(records: Sequence[Record], trained: bool = True) -> str:
    """A Markdown table; `trained` False leaves out what only training tells."""
    keys = columns(records)
    head = [*(_short(key, keys) for key in keys), "parameters", "GMAC"]
    if trained:
        head += ["ms/step", *(NAMES[key] for key in METRICS), "best epoch", "wall time", ""]
    lines = [head]
    for record in records:
        line = [*(_shown(record, key) for key in keys), f"{record.parameters:,}", f"{record.macs / 1e9:.3f}"]
        if trained:
            line.append("" if record.step_ms is None else f"{record.step_ms:.{1 if record.step_ms < 100 else 0}f}")
            line += [f"{record.metrics[key]:.4f}" if key in record.metrics else "" for key in METRICS]
            line += [str(record.best_epoch or ""), _duration(record.seconds), _remark(record)]
        lines.append([cell.replace("|", "\\|") for cell in line])
    # Axes and the remark are words, the rest are numbers.
    left = [i < len(keys) or not name for i, name in enumerate(head)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(head))]
    rule = ["-" * width if words else "-" * (width - 1) + ":" for width, words in zip(widths, left, strict=True)]

    def row(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if words else cell.rjust(width)
            for cell, width, words in zip(cells, widths, left, strict=True)
        )  # fmt: skip
        return f"| {' | '.join(padded)} |"

    return "\n".join([row(lines[0]), row(rule), *map(row, lines[1:])]) + "\n"


def to_csv(records: Sequence[Record]) -> str:
    """CSV with full keys and plain numbers."""
    keys = columns(records)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*keys, "parameters", "macs", "step_ms", *METRICS, "best_epoch", "seconds", "status", "reason"])
    for record in records:
        writer.writerow([
            *(_shown(record, key) for key in keys), record.parameters, record.macs,
            "" if record.step_ms is None else f"{record.step_ms:.3f}",
            *(record.metrics.get(key, "") for key in METRICS), record.best_epoch or "", f"{record.seconds:.1f}",
            record.status, record.reason,
        ])  # fmt: skip
    return text.getvalue()


def columns(records: Sequence[Record]) -> list[str]:
    """Keys in which the table's rows may differ: all axes, and other overrides that are not the same everywhere."""
    keys = dict.fromkeys(key for record in records for key in record.axes)
    for key in dict.fromkeys(key for record in records for key in record.overrides):
        if key not in keys and len({_shown(record, key) for record in records}) > 1:
            keys[key] = None
    return list(keys)


def _shown(record: Record, key: str) -> str:
    """A row's value; where the row does not override the key, its recipe's."""
    value: Any = record.overrides.get(key)
    if key not in record.overrides:
        value = record.recipe
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return "×".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(key: str, keys: Sequence[str]) -> str:
    """The last two words of a key, if they tell it from the others."""
    short = key.split(".")[-2:]
    return key if any(other != key and other.split(".")[-2:] == short for other in keys) else ".".join(short)


def _duration(seconds: float) -> str:
    if not seconds:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _remark(record: Record) -> str:
    """At the end of a line; the CSV has a long reason whole."""
    if record.status == FAILED:
        return f"failed: {textwrap.shorten(record.reason, 60, placeholder=' …')}"
    return "waiting" if record.status == WAITING else ""
