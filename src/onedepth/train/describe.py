"""What a recipe's network is, without weights: parameters, work, and how far its feature maps see."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from onedepth.canonical import working_size
from onedepth.errors import RecipeError
from onedepth.metrics import METRICS
from onedepth.train.encoders import weights_origin
from onedepth.train.macs import count_macs
from onedepth.train.network import DepthNetwork
from onedepth.train.receptive_field import Field, UnknownOperationError, receptive_fields
from onedepth.train.recipe import NetworkConfig, Recipe

Rows = list[tuple[str, str]]
"""Left column and right column, as `onedepth info` prints them."""


@dataclass(frozen=True)
class Part:
    """Encoder, decoder, or head (all that reads the decoder's maps): parameters and multiply-accumulates."""

    name: str
    parameters: int
    macs: int


@dataclass(frozen=True)
class Map:
    """A feature map: the module it comes from, channels, reduction; its field, None where that is not known."""

    module: str
    channels: int
    reduction: int
    field: Field | None


@dataclass(frozen=True)
class Description:
    """What a network is.

    Attributes:
        parts: encoder, decoder, head.
        maps: the encoder's, finest first; all but the last are the decoder's skips.
        answer: the network's output.
        size: height and width at which it works, multiples of its stride.
        answer_size: height and width of the output.
        unknown_field: why fields are not known; empty if they are.
    """

    parts: tuple[Part, ...]
    maps: tuple[Map, ...]
    answer: Map
    size: tuple[int, int]
    answer_size: tuple[int, int]
    unknown_field: str = ""

    @property
    def parameters(self) -> int:
        """Of the whole network."""
        return sum(part.parameters for part in self.parts)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(part.macs for part in self.parts)


def describe(config: NetworkConfig) -> Description:
    """Measure a network on the meta device: no weights are loaded, made or computed with.

    Raises:
        RecipeError: there is no such encoder, it has no maps that the decoder could use, or it works at other sizes.
    """
    with torch.device("meta"):
        network: Any = DepthNetwork(config, weights="random").eval()
    sides = config.size
    if config.enlarge != 1:
        sides = working_size(*config.size, config.predict_area, network.stride)
    height, width = (-(-side // network.stride) * network.stride for side in sides)
    image = torch.empty(1, 3, height, width, device="meta")
    try:
        encoder_macs, features = count_macs(network.encoder, image)
        decoder_macs, decoded = count_macs(network.decoder, features)
        head_macs, out = count_macs(network.read_off, decoded)
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise RecipeError(
            f"network.encoder.name: {config.encoder.name} does not run at {width}×{height} ({reason})"
        ) from error
    encoder_size, decoder_size = _parameters(network.encoder), _parameters(network.decoder)
    parts = (
        Part("encoder", encoder_size, encoder_macs),
        Part("decoder", decoder_size, decoder_macs),
        Part("head", _parameters(network) - encoder_size - decoder_size, head_macs),
    )
    fields, unknown = _fields(network, image, len(features))
    info = network.encoder.feature_info
    maps = map(Map, info.module_name(), info.channels(), info.reduction(), fields)
    return Description(
        parts,
        tuple(maps),
        Map("head", 1, config.decoder.reduction, fields[-1]),
        (height, width),
        (out.shape[-2], out.shape[-1]),
        unknown,
    )


def recipe_rows(recipe: Recipe) -> Rows:
    """What `onedepth info` prints of a recipe."""
    config, measured = recipe.network, describe(recipe.network)
    height, width = measured.size
    decoder, encoder = config.decoder, config.encoder
    rows = [
        ("recipe", f"{recipe.name} {recipe.version}"),
        ("encoder", f"{encoder.name}; weights: {weights_origin(encoder.name, encoder.weights)}"),
        ("decoder", f"width {decoder.width}, {config.head} head, {config.min_depth_m:g}–{config.max_depth_m:g} m"),
        ("working size", f"{width}×{height}, answered at {measured.answer_size[1]}×{measured.answer_size[0]}"),
        ("training", f"{recipe.schedule.epochs} epochs, batches of {recipe.schedule.batch_size}; {_losses(recipe)}"),
        ("", f"{'parameters':>14}{'GMAC':>10}"),
    ]
    rows += [(part.name, f"{part.parameters:>14,}{part.macs / 1e9:>10.3f}") for part in measured.parts]
    rows.append(("total", f"{measured.parameters:>14,}{measured.macs / 1e9:>10.3f}"))
    length = max(len(one.module) for one in measured.maps) + 2
    rows.append(("", f"{'module':<{length}}{'channels':>8}{'at':>6}  sees, in pixels of {width}×{height}"))
    for number, one in enumerate((*measured.maps, measured.answer)):
        kinds = {len(measured.maps) - 1: "deepest map", len(measured.maps): "answer"}
        kind = kinds.get(number, f"skip {number + 1}")
        rows.append((kind, f"{one.module:<{length}}{one.channels:>8}{f'1/{one.reduction}':>6}  {seen(one.field)}"))
    if measured.unknown_field:
        rows.append(("", f"fields are not known: {measured.unknown_field}"))
    return rows


def run_rows(folder: Path) -> Rows:
    """What `onedepth info` prints of a run, above its recipe.

    Raises:
        RecipeError: no run there.
    """
    from onedepth.train.run import HISTORY, LAST, recipe_of  # Lightning: not needed for a recipe alone

    recipe = recipe_of(folder)
    rows = [("run", str(folder)), ("epochs", _progress(folder / LAST, recipe.schedule.epochs))]
    best = best_epoch(folder / HISTORY)
    if best is None:
        rows.append(("best on val", "not measured yet"))
    else:
        numbers = "  ".join(f"{METRICS[key]} {float(best[key]):.4f}" for key in METRICS if key in best)
        rows.append(("best on val", f"{numbers}  (after epoch {int(best['epoch']) + 1})"))
    for path in sorted(folder.glob("*.ckpt")):
        rows.append(("checkpoint", f"{path.name}, {path.stat().st_size / 1e6:.1f} MB"))
    return rows


def seen(field: Field | None) -> str:
    """A receptive field in words."""
    if field is None:
        return "not known"
    height, width = field.pixels
    if height is not None and width is not None:
        return f"{width}×{height}"
    around_height, around_width = field.around
    if not around_height or not around_width:
        return "everything"
    return f"everything; {around_width}×{around_height} around what mixes the whole image"


def _fields(network: Any, image: Tensor, count: int) -> tuple[Sequence[Field | None], str]:
    """Fields of the encoder's maps and of the answer."""
    maps: list[Tensor] = []
    hook = network.encoder.register_forward_hook(lambda _module, _image, features: maps.extend(features))
    try:
        return receptive_fields(network, image, lambda answer: [*maps, answer]), ""
    except UnknownOperationError as error:
        return [None] * (count + 1), str(error)
    finally:
        hook.remove()


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _losses(recipe: Recipe) -> str:
    return "loss " + " + ".join(f"{weight:g} {term}" for term, weight in recipe.loss.items() if weight)


def _progress(path: Path, epochs: int) -> str:
    """How far a run has come, by its last checkpoint; the tensors in it are not read."""
    done = steps = 0
    if path.is_file():
        try:
            state = torch.load(path, map_location="meta", weights_only=True, mmap=True)
            batches = state["loops"]["fit_loop"]["epoch_loop.batch_progress"]
            done = int(state["epoch"]) + bool(batches["is_last_batch"])
            steps = int(state["global_step"])
        except Exception:  # on damaged bytes the reader raises nearly anything
            return f"not known, {path.name} is damaged"
    return f"{done} of {epochs} done, {steps} steps"


def best_epoch(path: Path) -> dict[str, str] | None:
    """The line of a run's history.csv that best.ckpt was kept for; None before the first validation."""
    if not path.is_file():
        return None
    lines = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    return max(lines, key=lambda line: float(line["delta1"]), default=None)
