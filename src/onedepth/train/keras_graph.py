"""The graph in a Keras file, compared with DenseDepth's.

The same weights fit graphs that answer something else: without the last ReLU (DenseNet in keras_applications before
1.0.5), with one activation less, with the skip before the up-sampled map. So every layer that has weights is compared
by its settings and by what feeds it, written as an expression over other such layers, for example
`up2(leaky0.2(up1_convB)), avg2/2(pool2_conv)`: names of layers without weights, which differ between versions of Keras,
do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onedepth.train.decoder import LEAK

EPSILON = 1.001e-5
"""Of every BatchNormalization in keras_applications' DenseNet; torchvision's is 1e-5."""

STEM = "relu(conv1_bn)"
POOLED_STEM = f"max3/2(pad1({STEM}))"
_LEAKY = f"leaky{LEAK:g}"
_POOLS = {"MaxPooling2D": "max", "AveragePooling2D": "avg"}
_LONGEST = 10_000  # characters of an expression; DenseNet-201's longest has about 1,000


class Graph:
    """Layers of a functional Keras model, by name with slashes as underscores."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Args: the parsed `model_config`; anything that is no functional model raises what parsing it raises."""
        self._layers: dict[str, tuple[str, dict[str, Any], list[str]]] = {}
        for layer in config["config"]["layers"]:
            own = dict(layer["config"])
            name = str(layer.get("name") or own["name"]).replace("/", "_")
            inputs = [source.replace("/", "_") for source in _sources(layer.get("inbound_nodes", []))]
            self._layers[name] = (str(layer["class_name"]), own, inputs)

    def activations(self) -> int:
        """LeakyReLUs in a decoder block: 2 where one stands between the first block's convolutions, else 1."""
        return 2 if self.fed_by("up1_convB").startswith("leaky") else 1

    def differences(self, layers: list[str], activations: int) -> list[str]:
        """Where the graph is not DenseDepth's, a phrase for each layer.

        Args:
            layers: Keras' names of all layers with weights, from the image to the answer.
            activations: LeakyReLUs in each decoder block.
        """
        result = []
        for layer, (settings, inputs) in _densedepth(layers, activations).items():
            if layer not in self._layers:
                result.append(f"{layer} is not in it")
                continue
            if (found := self.settings(layer)) != settings:
                result.append(f"{layer} is {found}, expected {settings}")
            if (found := self.fed_by(layer)) != inputs:
                result.append(f"{layer} is fed by {_short(found, inputs)}, expected {_short(inputs, found)}")
        return result

    def fed_by(self, layer: str) -> str:
        """What goes into a layer, as an expression."""
        if layer not in self._layers:
            return ""
        text = ", ".join(self._expression(name) for name in self._layers[layer][2])
        if len(text) > _LONGEST:
            raise ValueError(f"what feeds {layer} has no end")
        return text

    def settings(self, layer: str) -> str:
        """Class of a layer with weights and whatever else decides its answer."""
        kind, own, _ = self._layers[layer]
        if kind.startswith("BatchNormalization"):  # …V1, …V2 in some versions
            return f"BatchNormalization epsilon {own.get('epsilon'):g}" + _odd(own, axis=(3, -1))
        text = f"{kind} {_pair(own.get('kernel_size'))}/{_pair(own.get('strides'))} {own.get('padding')}"
        if text.startswith("Conv2D 1/1 "):
            text = "Conv2D 1/1"  # for which both paddings are none
        return text + _odd(own, dilation_rate=(1,), groups=(1,), activation=("linear",))

    def _expression(self, name: str) -> str:
        kind, own, _ = self._layers[name]
        if kind.startswith("BatchNormalization") or "filters" in own:
            return name
        if kind == "InputLayer":
            return "image"
        if kind == "Concatenate":
            return self.fed_by(name) + _odd(own, axis=(3, -1))  # joined joins are one
        return f"{_operation(kind, own)}({self.fed_by(name)})"


def _operation(kind: str, own: Mapping[str, Any]) -> str:
    if kind in {"Activation", "ReLU"}:
        return str(own.get("activation", "relu")) + _odd(own, max_value=(None,), negative_slope=(0,), threshold=(0,))
    if kind == "LeakyReLU":
        return f"leaky{_number(own.get('negative_slope', own.get('alpha'))):.6g}"
    if kind == "ZeroPadding2D":
        return f"pad{_pair(own['padding'])}"
    if kind in _POOLS:
        size, stride = _pair(own["pool_size"]), _pair(own["strides"])
        return f"{_POOLS[kind]}{size}/{stride}" + _odd(own, padding=("valid",))
    if kind.endswith("UpSampling2D"):  # the authors' BilinearUpSampling2D, or Keras' own
        return f"up{_pair(own['size'])}" + _odd(own, interpolation=("bilinear",))
    return kind


def _densedepth(layers: list[str], activations: int) -> dict[str, tuple[str, str]]:
    """Settings and inputs of every layer with weights, from their names."""
    norm = f"BatchNormalization epsilon {EPSILON:g}"
    point, same = "Conv2D 1/1", "Conv2D 3/1 same"
    result = {"conv1_conv": ("Conv2D 7/2 valid", "pad3(image)"), "conv1_bn": (norm, "conv1_conv")}
    maps = POOLED_STEM  # what the dense block has gathered so far
    for stage in range(2, 6):
        for number in range(1, sum(name.startswith(f"conv{stage}_block") for name in layers) // 4 + 1):
            block = f"conv{stage}_block{number}"
            result[f"{block}_0_bn"] = (norm, maps)
            result[f"{block}_1_conv"] = (point, f"relu({block}_0_bn)")
            result[f"{block}_1_bn"] = (norm, f"{block}_1_conv")
            result[f"{block}_2_conv"] = (same, f"relu({block}_1_bn)")
            maps = f"{maps}, {block}_2_conv"
        if stage < 5:
            result[f"pool{stage}_bn"] = (norm, maps)
            result[f"pool{stage}_conv"] = (point, f"relu(pool{stage}_bn)")
            maps = f"avg2/2(pool{stage}_conv)"
    result["bn"] = (norm, maps)
    result["conv2"] = (point, "relu(bn)")
    deep = "conv2"
    for block, skip in enumerate(("avg2/2(pool3_conv)", "avg2/2(pool2_conv)", POOLED_STEM, STEM), start=1):
        first = f"up{block}_convA"
        result[first] = (same, f"up2({deep}), {skip}")
        result[f"up{block}_convB"] = (same, f"{_LEAKY}({first})" if activations == 2 else first)
        deep = f"{_LEAKY}(up{block}_convB)"
    result["conv3"] = (same, deep)
    return result


def _sources(nodes: Any) -> Iterator[str]:
    """Names in `inbound_nodes`, in order: [[[name, 0, 0, {}], …]] in Keras 2, nested dicts in Keras 3."""
    if isinstance(nodes, dict):
        if "keras_history" in nodes:
            yield str(nodes["keras_history"][0])
        else:
            for value in nodes.values():
                yield from _sources(value)
    elif isinstance(nodes, list):
        if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
            yield nodes[0]
        else:
            for value in nodes:
                yield from _sources(value)


def _pair(value: Any) -> str:
    """2 for (2, 2) and ((2, 2), (2, 2)); the whole of anything uneven."""
    flat = str(value).replace("[", "").replace("]", "").replace("(", "").replace(")", "").split(", ")
    return flat[0] if len(set(flat)) == 1 else str(value)


def _number(value: Any) -> float:
    # Some versions store a number as an array: {"type": "ndarray", "value": 0.2}.
    return float(value["value"] if isinstance(value, dict) else value)


def _odd(own: Mapping[str, Any], **usual: tuple[Any, ...]) -> str:
    """Settings that are there and not what they usually are."""
    found = []
    for key, values in usual.items():
        value = own.get(key, values[0])
        if value not in values and _pair(value) not in map(str, values):
            found.append(f" {key} {value}")
    return "".join(found)


def _short(one: str, other: str) -> str:
    """An expression without the parts at its front that both have."""
    ours, theirs = one.split(", "), other.split(", ")
    same = 0
    while same < min(len(ours), len(theirs)) - 1 and ours[same] == theirs[same]:
        same += 1
    text = ", ".join(ours[same:])
    return ("…, " if same else "") + (text if len(text) <= 80 else f"{text[:77]}…") if text else "nothing"
