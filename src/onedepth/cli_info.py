"""What `onedepth info` prints: a model's card, a recipe's network, a run's course."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from onedepth import models
from onedepth.errors import OnedepthError
from onedepth.metrics import METRICS

Rows = list[tuple[str, str]]


def sections(name: str | None, overrides: Sequence[str]) -> list[Rows]:
    """Sections of two columns each.

    Args:
        name: a model in the package, a recipe in the package, the path of a model file, of a recipe or of a run's
            folder; None for the default model. What is both a model and a recipe gives both.
        overrides: `key.path=value`, for a recipe.

    Raises:
        OnedepthError: there is no such thing, or overrides for something that is no recipe.
        ModuleNotFoundError: a recipe or run, without the training wing.
    """
    if name is None:
        return [model_rows(None)]
    path, found = Path(name).expanduser(), []
    is_model = path.suffix.lower() == ".onnx" or name in models.shipped()
    is_recipe = path.suffix in {".yaml", ".yml"} or name in _recipes()
    if is_model and not (overrides and is_recipe):
        _no_overrides(name, overrides)
        found.append(model_rows(name))
    if is_recipe:
        try:
            found.append(_recipe_rows(name, overrides))
        except ModuleNotFoundError:
            if not found:
                raise
    if not found:
        if not path.is_dir():
            raise _unknown(name)
        _no_overrides(name, overrides)
        found += _run_sections(path)
    return found


def model_rows(name: str | None) -> Rows:
    """What a model file says of itself."""
    from onedepth.canonical import working_size
    from onedepth.predictor import Predictor

    predictor = Predictor(name)
    card = predictor.card
    height, width = working_size(480, 640, card.working_area, card.working_multiple)
    return [
        ("model", card.title),
        ("file", f"{predictor.path} ({predictor.path.stat().st_size / 1e6:.1f} MB)"),
        ("sha256", models.sha256(predictor.path)),
        ("licence", card.licence),
        ("training data", card.training_data),
        ("network", _network(card.recipe)),
        ("parameters", f"{card.parameters:,}" if card.parameters is not None else "not on its card"),
        ("canonical focal", f"{card.canonical_focal:.4f} pixels per image width (4:3)"),
        ("depth range", f"{card.min_depth_m:g}–{card.max_depth_m:g} m for the canonical focal"),
        ("working size", f"{width}×{height} for a 4:3 picture; the aspect follows the picture"),
        ("measured", _measured(card.metrics)),
        ("uncertainty", _interval(card.interval)),
        ("made by", card.revision),
    ]


def _interval(interval: dict[str, Any]) -> str:
    """What a card says of its intervals (see `onedepth.intervals`)."""
    if not interval:
        return "none: the file says nothing of its errors"
    if "level" not in interval:
        return "the network's own, not calibrated"
    tested = f"; {interval['coverage']:.1%} with a factor from other pictures" if "coverage" in interval else ""
    return f"{interval['level']:.0%} intervals, calibrated on {interval['count']} pictures{tested}"


def _recipe_rows(name: str, overrides: Sequence[str]) -> Rows:
    from onedepth.train import recipe as recipes
    from onedepth.train.describe import recipe_rows

    return recipe_rows(recipes.load(name, overrides))


def _run_sections(folder: Path) -> list[Rows]:
    from onedepth.train.describe import recipe_rows, run_rows
    from onedepth.train.run import recipe_of

    return [run_rows(folder), recipe_rows(recipe_of(folder))]


def _recipes() -> list[str]:
    """Names of the recipes in the package; known without the training wing."""
    folder = resources.files("onedepth") / "train" / "recipes"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def _unknown(name: str) -> OnedepthError:
    known = sorted({*_recipes(), *models.shipped()})
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f" (did you mean {' or '.join(close)}?)" if close else ""
    return OnedepthError(
        f"{name}: no such recipe, model or run{hint}; recipes are {', '.join(_recipes())}, models "
        f"{', '.join(models.shipped())}, a file's name ends in .yaml or .onnx, and a run is named by its folder"
    )


def _no_overrides(name: str, overrides: Sequence[str]) -> None:
    if overrides:
        raise OnedepthError(f"{overrides[0]!r}: overrides go with a recipe, and {name} is none")


def _network(recipe: dict[str, Any]) -> str:
    """Encoder, decoder and head by the recipe on a card, which another version may have written."""
    network = recipe.get("network")
    if not isinstance(network, dict):
        return "not on its card"
    encoder, decoder = network.get("encoder", {}), network.get("decoder", {})
    return (
        f"{encoder.get('name')} encoder from {encoder.get('weights')} weights, decoder of width "
        f"{decoder.get('width')}, {network.get('head')} head, by the recipe {recipe.get('name')}"
    )


def _measured(metrics: dict[str, object]) -> str:
    values = metrics.get("mean")
    if not isinstance(values, dict):
        return "nothing"
    numbers = "  ".join(f"{METRICS[key]} {value:.3f}" for key, value in values.items() if key in METRICS)
    return f"{numbers}  ({metrics.get('data')}, {metrics.get('count')} images, protocol {metrics.get('protocol')})"
