"""Model files: one ONNX file each, complete in itself, with a card in its metadata."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from onedepth.errors import ModelFileError

DEFAULT_MODEL = "onedepth-small"
"""The model in the package that is used when none is named."""

FORMAT = "1"
"""Version of the model file's contract: inputs, outputs and the keys of `ModelCard`."""


@dataclass(frozen=True)
class ModelCard:
    """What a model file says of itself; stored as ONNX metadata, every value as text.

    Attributes:
        name: of the model.
        version: of the model.
        licence: of the weights.
        training_data: what it learned from, with the data's terms.
        canonical_focal: focal length, in pixels per image width of a 4:3 picture, to which the metres refer.
        min_depth_m: smallest depth it can answer, for the canonical focal.
        max_depth_m: largest.
        working_area: pixels (height × width) of the size at which the network works; the aspect follows the picture.
        working_multiple: height and width of the working size are multiples of this.
        metrics: what was measured with this file, and on what.
        recipe: the recipe that made it, as nested values.
        interval: where the file has an output `uncertainty`: the factor in it that makes the network's expected errors
            90 % intervals, and how many truths lay in intervals made from other pictures (see `onedepth.intervals`).
        parameters: trained numbers in its network; None on older cards.
        revision: version and revision of the source code that made it.
        format: version of this contract.
    """

    name: str
    version: str
    licence: str
    training_data: str
    canonical_focal: float
    min_depth_m: float
    max_depth_m: float
    working_area: int
    working_multiple: int
    metrics: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    revision: str = "unknown"
    interval: dict[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    format: str = FORMAT

    def to_metadata(self) -> dict[str, str]:
        """Keys and texts for an ONNX file."""
        return {f"onedepth.{key}": json.dumps(value, ensure_ascii=False) for key, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> ModelCard:
        """The card in a file's metadata.

        Raises:
            ModelFileError: not a model file of this package, or of a later version of the contract.
        """
        found = {key.removeprefix("onedepth."): value for key, value in metadata.items() if key.startswith("onedepth.")}
        if "format" not in found:
            raise ModelFileError(
                f"{path}: an ONNX file, but not a onedepth model file: it has no onedepth.format in its metadata; "
                "make one with `onedepth export`"
            )
        try:
            values = {key: json.loads(text) for key, text in found.items()}
            if values["format"] != FORMAT:
                raise ModelFileError(
                    f"{path}: a model file of format {values['format']}, this version of onedepth reads {FORMAT}; "
                    "update onedepth, or export the model again"
                )
            known = {item.name for item in fields(cls)}
            return cls(**{key: value for key, value in values.items() if key in known})
        except (ValueError, TypeError) as error:
            raise ModelFileError(f"{path}: its onedepth metadata is damaged ({error})") from error

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


def shipped() -> list[str]:
    """Names of the models in the package, the default first."""
    folder = resources.files("onedepth") / "weights"
    names = sorted(item.name.removesuffix(".onnx") for item in folder.iterdir() if item.name.endswith(".onnx"))
    return sorted(names, key=lambda name: name != DEFAULT_MODEL)


def find(name_or_path: str | Path | None = None) -> Path:
    """Path of a model file: the default, one of the package by name, or any file by path.

    Raises:
        ModelFileError: there is no such file or name.
    """
    if name_or_path is None:
        name_or_path = DEFAULT_MODEL
    path = Path(name_or_path).expanduser()
    if path.suffix.lower() == ".onnx" or len(path.parts) > 1:
        if not path.is_file():
            raise ModelFileError(f"{path}: no such model file")
        return path
    if str(name_or_path) not in shipped():
        close = difflib.get_close_matches(str(name_or_path), shipped(), n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise ModelFileError(
            f"{name_or_path}: no model of this name in the package{hint}; there are {', '.join(shipped()) or 'none'}; "
            "a model file of your own is named by its path, ending in .onnx"
        )
    return Path(str(resources.files("onedepth") / "weights" / f"{name_or_path}.onnx"))


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
