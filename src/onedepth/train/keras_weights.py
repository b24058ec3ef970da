"""DenseDepth's Keras weights (.h5) as a onedepth network.

Read with h5py alone: Keras and TensorFlow are not needed. What a file must hold to be this network is worked out from
the network itself, so nothing is left over and nothing is left random; where the file carries its graph
(`model_config`), every layer's input in it is compared too, since the same weights fit other graphs as well.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from onedepth.canonical import NYU_FOCAL, canonical_focal_px
from onedepth.errors import MissingExtraError, ModelFileError
from onedepth.train import recipe as recipes
from onedepth.train.keras_graph import EPSILON, Graph
from onedepth.train.module import DepthModule

Kind = Literal["nyu", "kitti"]
Upsampling = Literal["half_pixel", "align_corners"]

KITTI_FOCAL = 721.5377 / canonical_focal_px(375, 1242, 1.0)
"""KITTI's rectified colour cameras of 2011-09-26: 721.5377 px at 1242×375, from the data set's calibration files."""

UNSTATED = "not stated in the file; the authors' repository (ialhashim/DenseDepth) is GPL-3.0"
KINDS: dict[str, dict[str, Any]] = {
    # Depth ranges: the author in issue #69. KITTI's size: the paper's, in training; the author names 384×1248 too (#12).
    "nyu": {
        "size": (480, 640),
        "min_depth_m": 0.1,
        "max_depth_m": 10.0,
        "canonical_focal": NYU_FOCAL,
        "statement": "not stated in the file; the authors' nyu.h5 learned from about 50 K pairs of NYU Depth v2",
    },
    "kitti": {
        "size": (384, 1280),
        "min_depth_m": 1.0,
        "max_depth_m": 80.0,
        "canonical_focal": KITTI_FOCAL,
        "statement": "not stated in the file; the authors' kitti.h5 learned from KITTI with in-painted depth",
    },
}
"""What a .h5 file does not say of itself, by the data set that it was trained on."""

FULL_WIDTH = 1664
"""F of the released files; the authors' code halves it by default."""

MIN_WIDTH, MAX_WIDTH = 16, 4096

_VARIABLES = {
    "weight": ("kernel", "gamma"),
    "bias": ("bias", "beta"),
    "running_mean": ("", "moving_mean"),
    "running_var": ("", "moving_variance"),
}
"""torch's name of a tensor, and Keras' in a convolution and in a BatchNormalization."""


@dataclass
class KerasNetwork:
    """A network with a file's weights.

    Attributes:
        module: the network, in evaluation mode, with a recipe that says what is known.
        assumed: what the file does not say, one line each.
    """

    module: DepthModule
    assumed: list[str] = field(default_factory=list)


def load(
    path: Path,
    kind: Kind = "nyu",
    activations: int | None = None,
    upsampling: Upsampling | None = None,
) -> KerasNetwork:
    """Build the network that a .h5 file of DenseDepth's Keras code holds.

    Args:
        path: what `model.save` or `model.save_weights` wrote in HDF5.
        kind: data set it was trained on, which sets depth range, working size and canonical focal.
        activations: LeakyReLUs per decoder block; by default what the file says, else 1 for the full width and 2 for
            others.
        upsampling: no file says it; by default align_corners with one activation (the released files), half_pixel
            with two (the authors' code since 2020-09-28).

    Raises:
        ModelFileError: no such file, not HDF5, damaged, or another network.
        MissingExtraError: h5py is not installed.
    """
    with _File(path) as file:
        width, encoder = file.width(), file.encoder()
        graph = file.graph()
        assumed = []
        if graph is not None:
            found = file.activations(graph)
            if activations is not None and activations != found:
                raise ModelFileError(f"{path}: has {found} LeakyReLU in each decoder block, not {activations}")
            activations = found
        elif activations is None:
            activations = 1 if width == FULL_WIDTH else 2
            assumed.append(
                f"{activations} LeakyReLU in each decoder block, as the width is {width} and the file has no "
                f"model_config; --activations {3 - activations} for the other form"
            )
        if upsampling is None:
            upsampling = "align_corners" if activations == 1 else "half_pixel"
            like = "the authors' released files" if activations == 1 else "the authors' code since 2020-09-28"
            other = "half_pixel" if activations == 1 else "align_corners"
            assumed.append(
                f"{upsampling} up-sampling, as in {like}; no file says it; --upsampling {other} for the other"
            )
        recipe = _recipe(
            kind,
            encoder,
            {"width": width, "activations": activations, "upsampling": upsampling},
            version=_digest(path)[:8],
        )
        module = DepthModule(recipe, encoder_weights="random").eval()
        state = file.state(module.network)
        if graph is not None:
            file.check_graph(graph, module.network, activations)
    module.network.load_state_dict(state)
    return KerasNetwork(module, assumed)


def _recipe(kind: Kind, encoder: str, decoder: dict[str, Any], version: str) -> recipes.Recipe:
    """The authors' recipe as far as their code and paper state it; where their data lies is not known here."""
    known = dict(KINDS[kind])
    statement = known.pop("statement")
    data = {"layout": "folder", "path": kind}
    return recipes.parse(
        {
            "name": f"densedepth-{kind}",
            "version": version,
            "licence": UNSTATED,
            "data": {"train": data | {"split": "train"}, "val": data | {"split": "val"}, "statement": statement},
            "network": {
                "encoder": {"name": encoder, "weights": "imagenet", "normalisation": "none"},
                "decoder": decoder,
                "head": "linear",
                **known,
            },
            "schedule": {"epochs": 20, "optimizer": "adam-amsgrad", "learning_rate": 1e-4, "curve": "constant"},
        },
        "import-keras",
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _File:
    """An open .h5 file: its variables by layer, and its graph."""

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "reading Keras weights needs h5py, which is not installed: pip install 'onedepth[train]'"
            ) from error
        self.path = path
        if not path.is_file():
            raise ModelFileError(f"{path}: no such file")
        try:
            self._file: Any = h5py.File(path, "r")
        except OSError as error:
            raise ModelFileError(
                f"{path}: not a readable HDF5 file ({_one_line(error)}); expected Keras weights (.h5)"
            ) from error
        try:
            self._variables = dict(self._read_variables())
        except ModelFileError:
            self._file.close()
            raise
        except Exception as error:  # on damaged bytes h5py raises nearly anything
            self._file.close()
            raise self._damaged(error) from error

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _damaged(self, error: Exception) -> ModelFileError:
        return ModelFileError(f"{self.path}: a damaged HDF5 file ({_one_line(error)})")

    def _read_variables(self) -> Iterator[tuple[tuple[str, str], Any]]:
        """((layer, variable), data set) of all weights; slashes in layers' names become underscores."""
        group = self._file.get("model_weights", self._file)
        layers = _texts(group.attrs, "layer_names")
        if layers is None:
            raise ModelFileError(
                f"{self.path}: has no layer_names, so it is not what Keras' model.save or save_weights writes as .h5 "
                "(newer Keras: save as NAME.h5, not .keras or .weights.h5)"
            )
        seen = set()
        for layer in layers:
            for name in _texts(group[layer].attrs, "weight_names") or []:
                key = (layer.replace("/", "_"), name.split("/")[-1].removesuffix(":0"))
                if key in seen:
                    raise ModelFileError(f"{self.path}: {layer} has two variables named {key[1]}")
                seen.add(key)
                yield key, group[layer][name]

    def width(self) -> int:
        """F, the decoder's width."""
        kernel = self._variables.get(("conv2", "kernel"))
        found = int(kernel.shape[-1]) if kernel is not None and len(kernel.shape) == 4 else FULL_WIDTH
        return found if MIN_WIDTH <= found <= MAX_WIDTH else FULL_WIDTH  # of which `state` says how the file differs

    def encoder(self) -> str:
        """densenet169, or densenet201, which the authors' code offers too."""
        return "densenet201" if ("conv4_block33_1_conv", "kernel") in self._variables else "densenet169"

    def graph(self) -> Graph | None:
        """The layers and what feeds them, where the file says so."""
        text = self._file.attrs.get("model_config")
        if text is None:
            return None
        with self._config_errors():
            return Graph(json.loads(text))

    def activations(self, graph: Graph) -> int:
        """LeakyReLUs in each decoder block, as the graph has them."""
        with self._config_errors():
            return graph.activations()

    def check_graph(self, graph: Graph, network: nn.Module, activations: int) -> None:
        """Compare the file's graph with the network's.

        Raises:
            ModelFileError: they differ; the message names the first layers.
        """
        places = [_place(network, key) for key in network.state_dict()]
        layers = list(dict.fromkeys(place[0] for place in places if place is not None))
        with self._config_errors():
            differences = graph.differences(layers, activations)
        if differences:
            raise ModelFileError(
                f"{self.path}: the weights of DenseDepth's network in another graph, {len(differences)} layers differ: "
                f"{_some(differences)}"
            )

    @contextmanager
    def _config_errors(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
            raise ModelFileError(
                f"{self.path}: its model_config is not a functional Keras model's ({_one_line(error)})"
            ) from error

    def state(self, network: nn.Module) -> dict[str, Tensor]:
        """The file's weights as a state dict of `network`.

        Raises:
            ModelFileError: the file holds other weights than the network has; the message names the first ones.
        """
        wanted = {key: place for key in network.state_dict() if (place := _place(network, key)) is not None}
        self._check(network, wanted)
        state = network.state_dict()
        for key, place in wanted.items():
            state[key] = self._tensor(place)
        return state

    def _check(self, network: nn.Module, wanted: Mapping[str, tuple[str, str]]) -> None:
        state = network.state_dict()
        missing = [place for place in wanted.values() if place not in self._variables]
        unexpected = sorted(self._variables.keys() - set(wanted.values()))
        shapes = [
            f"{_name(place)} {_shape(found.shape)} instead of {_shape(shape)}"
            for key, place in wanted.items()
            if (found := self._variables.get(place)) is not None
            and tuple(found.shape) != (shape := _keras_shape(state[key]))
        ]
        groups = (
            ("missing", [_name(place) for place in missing]),
            ("unexpected", [_name(place) for place in unexpected]),
            ("of another shape", shapes),
        )
        if any(names for _, names in groups):
            said = "; ".join(f"{len(names)} {what} ({_some(names)})" for what, names in groups if names)
            raise ModelFileError(f"{self.path}: not DenseDepth's network of {len(wanted)} variables: {said}")

    def _tensor(self, place: tuple[str, str]) -> Tensor:
        try:
            values = torch.from_numpy(self._variables[place][()].astype("float32"))
        except Exception as error:
            raise self._damaged(error) from error
        if not bool(torch.isfinite(values).all()):
            raise ModelFileError(f"{self.path}: {_name(place)} holds values that are not finite")
        if values.ndim == 4:
            values = values.permute(3, 2, 0, 1)  # HWIO → OIHW
        if place[1] == "moving_variance":
            # Another epsilon is the same as another variance. Unlike an attribute of the modules, this stays with the
            # weights wherever they go.
            values = values + (EPSILON - nn.BatchNorm2d(1).eps)
        return values


def _place(network: nn.Module, key: str) -> tuple[str, str] | None:
    """Keras' layer and variable of a tensor of the network; None for what Keras does not store."""
    path, _, tensor = key.rpartition(".")
    if tensor not in _VARIABLES or not path:
        return None  # mean, std and the counters of batches
    is_norm = isinstance(network.get_submodule(path), nn.BatchNorm2d)
    return _layer(path), _VARIABLES[tensor][is_norm]


_LAYERS = (
    # torch's name, Keras' name (slashes as underscores)
    (r"encoder\.features\.conv0", r"conv1_conv"),
    (r"encoder\.features\.norm0", r"conv1_bn"),
    (r"encoder\.features\.denseblock(\d)\.denselayer(\d+)\.norm1", r"conv{}_block{}_0_bn"),
    (r"encoder\.features\.denseblock(\d)\.denselayer(\d+)\.conv1", r"conv{}_block{}_1_conv"),
    (r"encoder\.features\.denseblock(\d)\.denselayer(\d+)\.norm2", r"conv{}_block{}_1_bn"),
    (r"encoder\.features\.denseblock(\d)\.denselayer(\d+)\.conv2", r"conv{}_block{}_2_conv"),
    (r"encoder\.features\.transition(\d)\.norm", r"pool{}_bn"),
    (r"encoder\.features\.transition(\d)\.conv", r"pool{}_conv"),
    (r"encoder\.features\.norm5", r"bn"),
    (r"decoder\.entry", r"conv2"),
    (r"decoder\.blocks\.(\d)\.first", r"up{}_convA"),
    (r"decoder\.blocks\.(\d)\.second", r"up{}_convB"),
    (r"head", r"conv3"),
)


def _layer(path: str) -> str:
    """Keras' layer of one of the network's modules."""
    for pattern, name in _LAYERS:
        match = re.fullmatch(pattern, path)
        if match:
            first, *rest = [int(number) for number in match.groups()] or [0]
            return name.format(first + 1, *rest)  # conv1 and pool1 are the stem, and torch counts blocks from 0
    raise ValueError(path)


def _keras_shape(tensor: Tensor) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    return (shape[2], shape[3], shape[1], shape[0]) if len(shape) == 4 else shape


def _texts(attributes: Any, name: str) -> list[str] | None:
    """A list of names; Keras splits one of more than 64 KB into NAME0, NAME1 and so on."""
    if name in attributes:
        values = list(attributes[name])
    elif f"{name}0" in attributes:
        values, number = [], 0
        while f"{name}{number}" in attributes:
            values += list(attributes[f"{name}{number}"])
            number += 1
    else:
        return None
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def _name(place: tuple[str, str]) -> str:
    return "/".join(place)


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "a single number"


def _some(phrases: Sequence[str], most: int = 3) -> str:
    return ", ".join(phrases[:most]) + (", …" if len(phrases) > most else "")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
