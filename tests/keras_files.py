"""Other forms of a .h5 file that Keras wrote: an older Keras' names and graph, weights alone, and changed copies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def as_keras_2(source: Path, target: Path) -> Path:
    """As Keras 2.2 and its keras_applications wrote it: conv1/conv, kernel:0, bytes, inbound_nodes as lists."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        new.attrs["keras_version"], new.attrs["backend"] = b"2.2.4", b"tensorflow"
        new.attrs["model_config"] = json.dumps(_config_of_keras_2(json.loads(old.attrs["model_config"]))).encode()
        weights, group = old["model_weights"], new.create_group("model_weights")
        layers = list(weights.attrs["layer_names"])
        group.attrs["layer_names"] = np.array([_old_name(layer).encode() for layer in layers])
        for layer in layers:
            part = group.create_group(_old_name(layer))
            names = [str(name) for name in weights[layer].attrs["weight_names"]]
            old_names = [f"{_old_name(layer)}/{name.split('/')[-1]}:0" for name in names]
            part.attrs["weight_names"] = np.array([name.encode() for name in old_names])
            for name, old_name in zip(names, old_names, strict=True):
                part.create_dataset(old_name, data=weights[layer][name][()])
    return target


def as_weights_only(source: Path, target: Path, chunks: int = 1) -> Path:
    """As `save_weights` writes it; with several chunks, its list of layers is split as that of a long list is."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        for layer in old["model_weights"]:
            old.copy(old["model_weights"][layer], new, layer)
        names = old["model_weights"].attrs["layer_names"]
        if chunks == 1:
            new.attrs["layer_names"] = names
        else:
            for number, part in enumerate(np.array_split(names, chunks)):
                new.attrs[f"layer_names{number}"] = list(part)
    return target


def changed(source: Path, target: Path, change: Callable[[h5py.File], None]) -> Path:
    """A copy, after a change to the open file."""
    shutil.copy(source, target)
    with h5py.File(target, "r+") as file:
        change(file)
    return target


@contextmanager
def config_of(file: h5py.File):
    """The layers of a file's graph by name, to be changed in place."""
    config: dict[str, Any] = json.loads(file.attrs["model_config"])
    yield {layer["config"]["name"]: layer for layer in config["config"]["layers"]}
    file.attrs["model_config"] = json.dumps(config)


def _old_name(name: str) -> str:
    return name.replace("conv1_", "conv1/", 1) if name in {"conv1_conv", "conv1_bn", "conv1_relu"} else name


def _config_of_keras_2(config: dict[str, Any]) -> dict[str, Any]:
    layers = []
    for layer in config["config"]["layers"]:
        own = dict(layer["config"])
        own["name"] = _old_name(own["name"])
        if "negative_slope" in own:
            own["alpha"] = np.float32(own.pop("negative_slope")).item()
        sources = _histories(layer["inbound_nodes"])
        nodes = [[[_old_name(name), 0, 0, {}] for name in sources]] if sources else []
        layers.append({"name": own["name"], "class_name": layer["class_name"], "config": own, "inbound_nodes": nodes})
    return {"class_name": "Model", "config": {"name": "model_1", "layers": layers}}


def _histories(nodes: Any) -> list[str]:
    if isinstance(nodes, dict) and "keras_history" in nodes:
        return [nodes["keras_history"][0]]
    values = nodes.values() if isinstance(nodes, dict) else nodes if isinstance(nodes, list) else ()
    return [name for value in values for name in _histories(value)]
