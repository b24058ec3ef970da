"""Who is evaluated: a model file or a folder of predictions, its name, and whether it has seen the data before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from onedepth.data.recognise import Source
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
    data: Source,
) -> list[Contestant]:
    """Everyone, in the order given, model files first.

    Args:
        predictors: loaded model files.
        folders: of predictions.
        trained: names of those that were trained on the data, by their user's word.
        data: what they are evaluated on.

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
            "trained" if title in trained else seen(predictor.card.recipe, data),
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


def seen(recipe: Mapping[str, Any], data: Source) -> Seen:
    """Whether a recipe trained on this data, chose its epoch on it, or neither.

    Paths differ from machine to machine, so data is known by its layout, the last name of its path, its list and its
    split. NYU Depth v2's own files hold the same scenes under other names: what a recipe took of one of them may well
    be in another, unless that is the test split, which no recipe can name.
    """
    sources = recipe.get("data")
    if not isinstance(sources, Mapping):
        return "unknown"
    answers: dict[str, Seen] = {"train": "trained", "val": "chosen"}
    found: list[Seen] = ["no"]
    for part, answer in answers.items():
        source = sources.get(part)
        if not isinstance(source, Mapping) or not source.get("path"):
            continue  # rendered rooms, or nothing
        same = _same(source, data)
        found.append(answer if same else "unknown" if same is None else "no")
    severity: list[Seen] = ["trained", "unknown", "chosen", "no"]
    return min(found, key=severity.index)


_NYU = {"nyu_zip", "nyu_test_zip", "nyu_mat"}


def _same(source: Mapping[str, Any], data: Source) -> bool | None:
    """Whether a recipe's source and the data have pairs in common; None: that cannot be known."""
    layout = source.get("layout", "folder")
    same_name = Path(str(source["path"])).name == data.path.resolve().name
    if {layout, data.layout} <= _NYU:
        if data.split == "test":
            return False
        if layout != data.layout:
            return None
    elif not same_name:
        return False
    elif layout != data.layout:
        return None  # one folder, read in two ways
    theirs = source.get("split")
    if None not in (theirs, data.split) and theirs != data.split:
        # Another number of rooms held out moves rooms from one split to the other.
        return False if source.get("val_scenes") == data.val_scenes else None
    lists = [Path(name).name for name in (source.get("files"), data.files) if name]
    return len(lists) < 2 or lists[0] == lists[1]


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
