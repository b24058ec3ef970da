"""Who is evaluated: a model file or a folder of predictions, its name, and whether it has seen the data before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from onedepth.errors import OnedepthError
from onedepth.predictions import FilePredictions, ModelPredictions, Predictions
from onedepth.predictor import Predictor

Seen = Literal["trained", "chosen", "no", "unknown"]

SEEN: dict[Seen, str] = {
    "trained": "trained on this data",
    "chosen": "chosen on this data: its training was measured here",
    "no": "",
    "unknown": "not known whether it was trained on this data",
}
"""What a report says beside a name."""


@dataclass(frozen=True)
class Contestant:
    """One row of a comparison.

    Attributes:
        name: unique in the comparison.
        where: file or folder.
        predictions: what it says of a pair.
        seen: whether it was trained on the data that it is evaluated on; "chosen": its epoch was chosen on it.
        training_data: what it learned from, in its own words; empty where nobody said.
    """

    name: str
    where: Path
    predictions: Predictions
    seen: Seen
    training_data: str = ""


def gather(
    predictors: Sequence[Predictor],
    folders: Sequence[Path],
    trained: Sequence[str],
    data: Path,
    split: str | None,
) -> list[Contestant]:
    """Everyone, in the order given, model files first.

    Args:
        predictors: loaded model files.
        folders: of predictions.
        trained: names of those that were trained on the data, by their user's word.
        data: folder of the data.
        split: which part of it, None for all.

    Raises:
        DataError: no such folder.
        OnedepthError: a name in `trained` that nobody bears.
    """
    titles = _unique([predictor.card.title for predictor in predictors], [p.path for p in predictors])
    labels = _unique([folder.resolve().name for folder in folders], folders, taken=titles)
    everyone = [
        Contestant(
            title,
            predictor.path,
            ModelPredictions(predictor.depth_m),
            "trained" if title in trained else seen(predictor.card.recipe, data, split),
            predictor.card.training_data,
        )
        for title, predictor in zip(titles, predictors, strict=True)
    ]
    everyone += [
        Contestant(label, folder, FilePredictions(folder), "trained" if label in trained else "unknown")
        for label, folder in zip(labels, folders, strict=True)
    ]
    names = [one.name for one in everyone]
    for name in trained:
        if name not in names:
            raise OnedepthError(
                f"--trained-on-this: nobody is called {name!r}; there are {', '.join(map(repr, names))}"
            )
    return everyone


def seen(recipe: Mapping[str, Any], data: Path, split: str | None) -> Seen:
    """Whether a recipe names this data, by its folder's name (paths differ from machine to machine), and its split."""
    sources = recipe.get("data")
    if not isinstance(sources, Mapping):
        return "unknown"
    answers: dict[str, Seen] = {"train": "trained", "val": "chosen"}
    for part, answer in answers.items():
        source = sources.get(part)
        if not isinstance(source, Mapping) or not source.get("path"):
            continue
        same_folder = Path(str(source["path"])).name == data.resolve().name
        theirs = source.get("split")
        if same_folder and (theirs is None or split is None or theirs == split):
            return answer
    return "no"


def _unique(names: Sequence[str], paths: Sequence[Path], taken: Sequence[str] = ()) -> list[str]:
    """The names, and the paths beside those that another bears too."""
    everything = [*names, *taken]
    named = [
        name if everything.count(name) == 1 else f"{name} ({path})" for name, path in zip(names, paths, strict=True)
    ]
    for name in named:
        if named.count(name) > 1:
            raise OnedepthError(f"{name} is given twice")
    return named
