"""Recipes: what to train on, which network, which loss, for how long.

A recipe is a YAML file; `key.path=value` on the command line overrides single values. Everything is checked
before anything runs: an unknown key, a wrong type or a value out of range ends in one line that names the
key's path.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from onedepth.canonical import NYU_FOCAL
from onedepth.errors import RecipeError
from onedepth.train.section import Section
from onedepth.train.sources import SOURCES, Source

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=32, le=2048, multiple_of=2)]  # even: the network answers at half the size


class Data(Section):
    """Where pairs come from, and how many processes read them."""

    train: Source
    val: Source
    beside: Source | None = None
    """Other pairs, such as rendered rooms, that take the place of some of an epoch's."""
    beside_share: Share = 0.25
    """Of an epoch's pairs, so many come from `beside`."""
    statement: str = "not stated"
    """What the model card says of the data: name, licence, terms."""
    border_px: Annotated[int, Field(ge=0)] = 0
    """Rows and columns at each side of the stored training images without a picture (NYU: a white frame)."""
    area: Annotated[float, Field(ge=1)] = 5.2
    """Pictures of more than this many times the working size's pixels are reduced to that many when they are read."""
    cache: bool = True
    """Keep decoded pairs in memory."""
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Processes that read pairs, for each training process; "auto": none beside a cache, else one a core, up to 8."""


class EncoderConfig(Section):
    """A backbone by name: densenet121, -161, -169, -201 with the paper's taps, or any of timm's.

    `weights` is "imagenet", "random" or a file of weights.
    """

    name: str = "tf_efficientnet_lite2"
    weights: str = "imagenet"
    normalisation: Literal["imagenet", "none"] = "imagenet"
    """What is done to RGB in [0, 1] first: mean and deviation as ImageNet weights expect, or nothing (the paper)."""
    frozen_maps: Annotated[int, Field(ge=0)] = 0
    """What makes the first so many feature maps, counted from the finest, keeps its weights."""
    batch_norm: Literal["train", "frozen"] = "train"
    """"frozen": the encoder normalises by the statistics that came with its weights, not by those of a step's views."""
    left_out: Annotated[int, Field(ge=0)] = 0
    """So many of its last blocks are left out, for a small network; timm's EfficientNets and MobileNets only."""


class DecoderConfig(Section):
    """DenseDepth's decoder. `width` is F: blocks have F/2, F/4, F/8 and F/16 channels."""

    width: Annotated[int, Field(ge=16)] = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    reduction: Literal[2, 4, 8] = 2
    """The answer's resolution: 1/2 of the image's (the paper); for 1/4 or 1/8 the last blocks are left out."""
    activations: Literal[1, 2] = 2
    """LeakyReLUs in a block: after both convolutions, or (1, the authors' released weights) after the second only."""
    upsampling: Literal["half_pixel", "align_corners"] = "half_pixel"
    """Where the samples of bilinear up-sampling lie; "align_corners" is the authors' released weights'."""


class NetworkConfig(Section):
    """Encoder, decoder, head, and the size at which they work."""

    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    head: Literal["linear", "exponential"] = "linear"
    """How the last convolution becomes reciprocal depth: as it is (the paper), or through exp."""
    size: tuple[Side, Side] = (256, 320)
    """Working height and width in training; a model file keeps their area and takes the picture's aspect."""
    enlarge: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    """Model file and validation work at so many times the area of `size`: training's zoomed views show things larger
    than whole pictures do, and larger pictures make up for it (arXiv 1906.06423)."""
    min_depth_m: Positive = 0.1
    max_depth_m: Positive = 10.0
    uncertainty: bool = False
    """A second answer: how far off the metres are to be expected, pixel by pixel."""
    canonical_focal: Positive = NYU_FOCAL
    """Focal length, in pixels per image width of a 4:3 picture, to which the metres refer."""

    @model_validator(mode="after")
    def _ordered(self) -> NetworkConfig:
        if self.min_depth_m >= self.max_depth_m:
            raise ValueError(f"min_depth_m {self.min_depth_m} is not below max_depth_m {self.max_depth_m}")
        if any(side % self.decoder.reduction for side in self.size):
            raise ValueError(f"size {list(self.size)} is not a multiple of decoder.reduction {self.decoder.reduction}")
        return self

    @property
    def predict_area(self) -> int:
        """Pixels at which a whole picture is worked on."""
        return round(self.size[0] * self.size[1] * self.enlarge)

    @property
    def reciprocal_scale(self) -> float:
        """What reciprocal depth is the reciprocal of: y = max_depth_m / depth_m, 1 at the far end of the range.

        For 0.1–10 m it is 10 and y lies in 1…100, the paper's scaling (1000 / depth in cm); for KITTI's 1–80 m,
        80 and 1…80 (the author in issue #69 of ialhashim/DenseDepth).
        """
        return self.max_depth_m

    @property
    def reciprocal_range(self) -> float:
        """The largest reciprocal depth, max_depth_m / min_depth_m."""
        return self.max_depth_m / self.min_depth_m


class AugmentConfig(Section):
    """Random changes to a training pair; geometry moves image, depth, validity and intrinsics together."""

    mirror: Share = 0.5
    channel_permutation: Share | Literal["paper", "code"] = "paper"
    """Probability that the colour channels change places: a number; "paper", 0.25; "code", 0.5 as in the authors'
    code, whose list of seven orders holds the identity twice, so that colours truly change in 35.7 % of samples."""
    zoom: Annotated[float, Field(ge=1, le=4)] = 1.0
    """Crops show between all and 1/zoom of the image's width; metres follow the canonical focal."""
    aspect: Annotated[float, Field(ge=1, le=2)] = 1.0
    """Crops are stretched by up to this factor."""
    rotation_deg: Annotated[float, Field(ge=0, le=45)] = 0.0
    turn: Share = 0.0
    """Probability that a view from the picture's side is seen by a camera turned there, not cut out of the picture."""
    inside: Share = 0.0
    """Probability that a view lies inside the picture's frame (`data.border_px`); others may show it."""
    colour: NotNegative = 0.0
    """Strength of changes to brightness, contrast, colour and gamma; 0 is off, 1 is strong."""
    blur: Share = 0.0
    """Probability of a slight blur."""
    noise: NotNegative = 0.0
    """Largest standard deviation of sensor noise, on the image's 0…1 scale."""
    erase: Share = 0.0
    """Probability that a rectangle of the picture is painted over; the depth below it is still asked for."""
    jpeg: Share = 0.0
    """Probability that a picture is compressed as JPEG, at qualities from poor to good."""
    cut_depth: Share = 0.0
    """Probability that a rectangle of the truth is painted over the picture (CutDepth, arXiv 2107.07684)."""


class Schedule(Section):
    """Optimiser and its course."""

    epochs: Count
    batch_size: Count = 8
    """Pairs that a step takes, all processes together."""
    accumulate: Count = 1
    """In how many goes a step's pairs are worked through, where memory does not hold them at once."""
    optimizer: Literal["adam-amsgrad", "adamw"] = "adamw"
    learning_rate: Positive = 5e-4
    encoder_rate: Positive = 1.0
    """The encoder's learning rate, as a share of `learning_rate`."""
    weight_decay: NotNegative = 1e-2
    curve: Literal["constant", "cosine"] = "cosine"
    warmup: Share = 0.05
    """Share of all steps over which the rate rises from zero."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the moving average of weights that is validated and exported; 0 is off."""
    keep_every_epochs: Annotated[int, Field(ge=0)] = 0
    """Weights of each so many-th epoch stay; `onedepth export --checkpoint mean` is their mean. 0 keeps none."""
    gradient_clip: NotNegative = 0.0
    save_every_steps: Annotated[int, Field(ge=0)] = 0
    """Checkpoints within an epoch, for long ones; 0 is off. A run goes on from the last one."""


class Validation(Section):
    """When and by which protocol a run is measured."""

    protocol: str = "eigen"
    every_epochs: Count = 1


class Pretraining(Section):
    """A run before the run, on other pairs; the run itself begins with its weights. What is not given is the same."""

    train: Source
    schedule: Schedule
    size: tuple[Side, Side] | None = None
    augment: AugmentConfig | None = None


class Recipe(Section):
    """Everything a run needs; what `onedepth train` reads and every model file carries."""

    name: str
    version: str = "0.1"
    licence: str = "not stated"
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    channels_last: bool = True
    compile: bool = False
    """Let torch.compile make kernels for the training step: slow to start, then faster, most of all on a GPU."""
    data: Data
    network: NetworkConfig = NetworkConfig()
    loss: dict[str, NotNegative] = Field(default={"ssim": 1.0, "gradient": 1.0, "l1": 0.1})
    augment: AugmentConfig = AugmentConfig()
    schedule: Schedule
    validation: Validation = Validation()
    start: str | None = None
    """A model file, or the name of one in the package: the run begins with its weights, and is not pretrained."""
    pretraining: Pretraining | None = None
    """Of this, the run in RUN/pretraining is made first."""


def pretraining_recipe(recipe: Recipe) -> Recipe | None:
    """What a recipe's pretraining is run by; None if it has none."""
    before = recipe.pretraining
    if before is None or recipe.start is not None:
        return None
    network = recipe.network.model_copy(update={} if before.size is None else {"size": before.size})
    return recipe.model_copy(
        update={
            "name": f"{recipe.name}-pretraining",
            "data": recipe.data.model_copy(update={"train": before.train, "beside": None, "border_px": 0}),
            "network": network,
            "augment": before.augment or recipe.augment,
            "schedule": before.schedule,
            "pretraining": None,
        }
    )


def shipped() -> list[str]:
    """Names of the recipes in the package."""
    folder = resources.files("onedepth.train") / "recipes"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def load(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe of the package by name, or any recipe by path, and apply `key.path=value` overrides.

    Raises:
        RecipeError: no such recipe, not YAML, or a key, type or value that is wrong; the message names it.
    """
    text, where = _read(name_or_path)
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date without such a day
        raise RecipeError(f"{where}: not readable as YAML: {_one_line(error)}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: expected `key: value` lines, got {type(values).__name__}")
    overrides = list(overrides)
    for override in overrides:
        _override(values, override)
    _disown(values, {override.partition("=")[0] for override in overrides})
    return parse(values, where)


def parse(values: dict[str, Any], where: str = "recipe") -> Recipe:
    """Check a recipe given as nested dicts.

    Raises:
        RecipeError: a key, type or value that is wrong.
    """
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{where}: " + "; ".join(_explanations(error.errors()))) from error
    from onedepth.protocols import PROTOCOLS
    from onedepth.train.losses import TERMS

    for key in recipe.loss:
        _known(key, TERMS, f"{where}: loss.{key}", "loss term")
    if not any(recipe.loss.values()):
        raise RecipeError(f"{where}: loss: every weight is 0, nothing would be learned; give at least one term")
    _known(recipe.validation.protocol, PROTOCOLS, f"{where}: validation.protocol", "protocol")
    return recipe


def _read(name_or_path: str | Path) -> tuple[str, str]:
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise RecipeError(f"recipe {path}: {reason}") from error
    _known(str(name_or_path), shipped(), str(name_or_path), "recipe")
    return (resources.files("onedepth.train") / "recipes" / f"{name_or_path}.yaml").read_text(
        "utf-8"
    ), f"recipe {name_or_path}"


def _disown(values: dict[str, Any], changed: set[str]) -> None:
    """What a recipe says of its own data is not true of data put in its place: such a model must not claim it."""
    if not any(key == "data.train" or key.startswith("data.train.") for key in changed):
        return
    if "data.statement" not in changed and isinstance(values.get("data"), dict):
        values["data"]["statement"] = "not stated (own data, see the recipe)"
    if "licence" not in changed:
        values["licence"] = "not stated"


def _override(values: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    if not separator or not path:
        raise RecipeError(f"{override!r}: expected key.path=value, for example schedule.epochs=10")
    *parents, last = path.split(".")
    section = values
    for depth, key in enumerate(parents):
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            raise RecipeError(f"{override!r}: {'.'.join(parents[: depth + 1])} is a value, not a section")
    try:
        section[last] = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"{override!r}: the value is not readable as YAML") from error


def _explanations(errors: Iterable[Any]) -> list[str]:
    """One sentence for each key; of a key that may be a number or a word, what either would have to be."""
    by_key: dict[str, list[str]] = {}
    for item in errors:
        path, _, message = _explain(item).partition(": ")
        by_key.setdefault(path, []).append(message)
    result = []
    for path, messages in by_key.items():
        *others, last = messages
        wanted = [message.rpartition(", got ")[0] for message in others]
        result.append(f"{path}: " + " or ".join([*wanted, last]))
    return result


def _explain(item: Any) -> str:
    # A union's member appears as a part of the path that the user never wrote: of sources, or of number and word.
    parts = [str(part) for part in item["loc"] if part not in SOURCES]
    path = ".".join(part for part in parts if not part.startswith(("constrained-", "literal[")))
    if item["type"] == "extra_forbidden":
        known = _keys_beside(item["loc"])
        return f"{path}: unknown key{_nearest(str(item['loc'][-1]), known)}"
    if item["type"] == "union_tag_invalid":
        nearest = _nearest(item["ctx"]["tag"], SOURCES)
        return f"{path}.layout: no such layout{nearest}; there are: {', '.join(SOURCES)}"
    if item["type"] == "union_tag_not_found":
        return f"{path}.layout: this key is missing; there are: {', '.join(SOURCES)}"
    if item["type"] == "missing":
        return f"{path}: this key is missing"
    message = item["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(item["input"], dict) else f", got {item['input']!r}"
    return f"{path}: {message[0].lower()}{message[1:]}{shown}" if path else message


def _keys_beside(location: tuple[Any, ...]) -> list[str]:
    """Keys of the section that `location` lies in."""
    section: Any = Recipe
    for part in location[:-1]:
        if part in SOURCES:
            section = SOURCES[part]
        elif part in getattr(section, "model_fields", {}):
            section = section.model_fields[part].annotation
    return list(getattr(section, "model_fields", {}))


def _known(name: str, known: Iterable[str], where: str, kind: str) -> None:
    if name not in known:
        raise RecipeError(f"{where}: no such {kind}{_nearest(name, known)}; there are: {', '.join(sorted(known))}")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
