"""Everything that one call of `onedepth evaluate` found: its table, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from onedepth.comparison import Comparison, compare
from onedepth.contestants import SEEN, Contestant
from onedepth.data.recognise import Source
from onedepth.evaluate import LABELS, Report
from onedepth.protocols import Protocol


@dataclass(frozen=True)
class Evaluation:
    """Reports of several contestants under several protocols, on the same data.

    Attributes:
        data: what it is.
        contestants: in their order; differences are to the first.
        protocols: in their order.
        reports: by name of contestant, then of protocol.
    """

    data: Source
    contestants: tuple[Contestant, ...]
    protocols: tuple[Protocol, ...]
    reports: Mapping[str, Mapping[str, Report]]

    @property
    def where(self) -> str:
        """The data, for people."""
        return self.data.words

    @property
    def incomplete(self) -> bool:
        """Whether a pair failed or had no prediction, somewhere."""
        return any(report.failed or report.missing for by_name in self.reports.values() for report in by_name.values())

    @cached_property
    def comparisons(self) -> Mapping[tuple[str, str], Comparison]:
        """Each contestant but the first, less the first: by its name and the protocol's."""
        names = [one.name for one in self.contestants]
        return {
            (name, p.name): compare(self.reports[names[0]][p.name], self.reports[name][p.name])
            for p in self.protocols
            for name in names[1:]
        }

    def table(self) -> str:
        """Plain text for people."""
        one, *others = self.contestants
        if others:
            return "\n".join(self._side_by_side())
        lines = [f"{one.name} ({one.where.name}) on {self.where}{_said(one)}"]
        for index, protocol in enumerate(self.protocols):
            lines += [""] * (index > 0) + [self.reports[one.name][protocol.name].table()]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Strict JSON; what is infinite or undefined is null."""
        content = {
            "data": str(self.data.path),
            "layout": self.data.layout,
            "files": self.data.files,
            "split": self.data.split,
            "evaluated": [
                {
                    "name": one.name,
                    "where": str(one.where),
                    "seen": one.seen,
                    "seen_in_words": SEEN[one.seen],
                    "training_data": one.training_data,
                    "reports": {name: report.content() for name, report in self.reports[one.name].items()},
                }
                for one in self.contestants
            ],
            "differences": [
                {
                    "first": self.contestants[0].name,
                    "second": name,
                    "protocol": protocol,
                    "images": comparison.images,
                    "resamples": comparison.resamples,
                    "level": comparison.level,
                    "metrics": {
                        d.key: {"value": d.value, "low": d.low, "high": d.high, "second_is": d.verdict}
                        for d in comparison.differences
                        if d.value == d.value and d.low == d.low  # not where one is infinite
                    },
                }
                for (name, protocol), comparison in self.comparisons.items()
            ],
        }
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """One line for each contestant, protocol and image, unrounded."""
        first = self.reports[self.contestants[0].name][self.protocols[0].name]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", "protocol", "id", "pixels", "invalid_predictions", *first.metrics])
        for one in self.contestants:
            for protocol in self.protocols:
                for image in self.reports[one.name][protocol.name].images:
                    numbers = [image.pixels, image.invalid_predictions, *image.metrics.values()]
                    writer.writerow([one.name, protocol.name, image.id, *numbers])
        return text.getvalue()

    def _side_by_side(self) -> Iterator[str]:
        yield self.where
        for protocol in self.protocols:
            reports = [(one, self.reports[one.name][protocol.name]) for one in self.contestants]
            keys = list(reports[0][1].metrics)
            rows = [["", *(LABELS[key] for key in keys), "images"]]
            rows += [[one.name, *(f"{r.metrics[key]:.4f}" for key in keys), str(r.count)] for one, r in reports]
            said = ["", *(_said(one) for one in self.contestants)]
            yield ""
            yield f"protocol {protocol.name}: {protocol.description}"
            for row, note in zip(aligned(rows), said, strict=True):
                yield row + note
            for one, report in reports:
                yield from (f"{one.name}: {line}" for line in report.notes())
            for other in self.contestants[1:]:
                yield from self._differences(other, protocol)

    def _differences(self, other: Contestant, protocol: Protocol) -> Iterator[str]:
        comparison = self.comparisons[other.name, protocol.name]
        yield (
            f"{other.name} less {self.contestants[0].name}, {comparison.level:.0%} intervals of {comparison.resamples} "
            f"paired resamples of {comparison.images} images:"
        )
        rows = [
            [LABELS[d.key], f"{d.value:+.4f}", f"[{d.low:+.4f}, {d.high:+.4f}]", d.verdict]
            for d in comparison.differences
        ]
        yield from (f"  {row}" for row in aligned(rows))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines whose columns stand below each other: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _said(one: Contestant) -> str:
    return f"  — {SEEN[one.seen]}" if SEEN[one.seen] else ""
