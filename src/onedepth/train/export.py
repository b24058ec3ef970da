"""From a training run to a model file, and the proof that both answer the same metres.

The network alone comes from torch's exporter. What stands before and after it (resize to the working size, scaling to
0…1, reciprocal to metres, resize back) is written out below in ONNX's text form and joined to it, so that every
program that runs the file does exactly the same.
"""

from __future__ import annotations

import contextlib
import io
import logging
import subprocess
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim

import onedepth
from onedepth.canonical import MIN_SIDE, longest_side
from onedepth.data.pair import Pair
from onedepth.errors import OnedepthError
from onedepth.evaluate import Report, evaluate
from onedepth.intervals import calibrate
from onedepth.models import ModelCard
from onedepth.outputs import replacing
from onedepth.predictor import Predictor
from onedepth.protocols import PROTOCOLS
from onedepth.runtimes.onnxruntime import OnnxRuntime
from onedepth.train.module import DepthModule
from onedepth.train.network import DepthNetwork
from onedepth.train.recipe import Source
from onedepth.train.sources import open_source

OPSET = 18  # the first with an antialiased Resize
TOLERANCE = 1e-3
CHECK_SIZES = ((480, 640), (97, 131), (1200, 1600), (640, 480), (270, 480), (31, 17))
"""Height and width: three sizes of 4:3, a portrait, a 16:9, and a very small picture."""

# exclude_outside: weights of samples beyond the edge are dropped, as torch and Pillow do; else borders differ by 5 %.
# Sides of the working size are worked out in float64, in the same order as `canonical.working_size`.
BEFORE = """
<ir_version: 9, opset_import: ["": {opset}]>
before (uint8[N, H, W, 3] image) => (float[N, 3, h, w] rgb, int64[2] sides, double stretch)
<int64[1] three = {{3}}, double area = {{{area}.0}}, double learned = {{{learned}.0}},
 double multiple = {{{multiple}.0}}, double shortest = {{{shortest}.0}},
 double longest = {{{longest}.0}}, float levels = {{255.0}}>
{{
    batch = Shape <start = 0, end = 1> (image)
    sides = Shape <start = 1, end = 3> (image)
    exact_sides = Cast <to = 11> (sides)
    count = ReduceProd <keepdims = 0> (sides)
    pixels = Cast <to = 11> (count)
    ratio = Div (area, pixels)
    scale = Sqrt (ratio)
    scaled = Mul (exact_sides, scale)
    blocks = Div (scaled, multiple)
    whole_blocks = Round (blocks)
    wanted = Mul (whole_blocks, multiple)
    working = Clip (wanted, shortest, longest)
    working_sides = Cast <to = 7> (working)
    working_count = ReduceProd <keepdims = 0> (working_sides)
    working_pixels = Cast <to = 11> (working_count)
    enlarged = Div (working_pixels, learned)
    stretch = Sqrt (enlarged)
    planes = Transpose <perm = [0, 3, 1, 2]> (image)
    values = Cast <to = 1> (planes)
    small_shape = Concat <axis = 0> (batch, three, working_sides)
    small = Resize <mode = "linear", antialias = 1, exclude_outside = 1,
                    coordinate_transformation_mode = "half_pixel"> (values, , , small_shape)
    rgb = Div (small, levels)
}}
"""

AFTER = """
<ir_version: 9, opset_import: ["": {opset}]>
after (float[N, C, p, q] answers, int64[2] picture_sides, double enlargement) => (float[N, H, W] depth_m{result})
<float scale = {{{scale}}}, float lowest = {{{lowest}}}, float highest = {{{highest}}}, int64[1] none = {{0}},
 int64[1] one = {{1}}, int64[1] two = {{2}}, float factor_90 = {{{factor}}}>
{{
    reciprocal = Slice (answers, none, one, one)
    bounded = Clip (reciprocal, lowest, highest)
    metres = Div (scale, bounded)
    count = Shape <start = 0, end = 1> (reciprocal)
    full_shape = Concat <axis = 0> (count, one, picture_sides)
    full = Resize <mode = "linear", antialias = 1, exclude_outside = 1,
                   coordinate_transformation_mode = "half_pixel"> (metres, , , full_shape)
    factor = Cast <to = 1> (enlargement)
    canonical = Mul (full, factor)
    depth_m = Squeeze (canonical, one)
    {uncertainty}
}}
"""

UNCERTAINTY = """
    error_scale = Slice (answers, one, two, one)
    half_width = Mul (error_scale, factor_90)
    full_half_width = Resize <mode = "linear", antialias = 1, exclude_outside = 1,
                              coordinate_transformation_mode = "half_pixel"> (half_width, , , full_shape)
    uncertainty = Squeeze (full_half_width, one)
"""


@dataclass(frozen=True)
class Agreement:
    """How far model file and torch network are apart on one image: max |a − b| / b over its pixels."""

    name: str
    relative_error: float


class _Aligned(nn.Module):
    """The network for sizes that need no padding, which is what the graph gives it."""

    def __init__(self, network: DepthNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, rgb: Tensor) -> Tensor:
        return self.network.aligned(rgb)


def export(module: DepthModule, path: Path, interval: dict[str, Any] | None = None) -> ModelCard:
    """Write a run's network as a model file; nothing is compared or measured (see `export_run`).

    Args:
        module: the trained network and its recipe.
        path: where to.
        interval: how expected errors become 90 % intervals, as `calibrate` says; by default as they are, times 1.

    Returns:
        The card in the file.
    """
    recipe, network = module.recipe, module.network
    config = recipe.network
    card = ModelCard(
        name=recipe.name,
        version=recipe.version,
        licence=recipe.licence,
        training_data=recipe.data.statement,
        canonical_focal=config.canonical_focal,
        min_depth_m=config.min_depth_m,
        max_depth_m=config.max_depth_m,
        working_area=config.predict_area,
        working_multiple=network.stride,
        recipe=recipe.model_dump(mode="json"),
        revision=revision(),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        interval=(interval or {"factor": 1.0}) if config.uncertainty else {},
    )
    model = _whole_graph(_network_graph(network), card, learned_area=config.size[0] * config.size[1])
    model.doc_string = "image: uint8 RGB [N, H, W, 3]; depth_m: float32 [N, H, W], metres for the canonical focal"
    if config.uncertainty:
        model.doc_string += "; uncertainty: float32 [N, H, W], nine of ten truths lie in depth_m * exp(+-uncertainty)"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    _write_card(path, card)
    return card


def export_run(
    module: DepthModule, path: Path, measure: bool = True
) -> tuple[ModelCard, list[Agreement], Report | None]:
    """Export, compare with the torch network, and measure on the recipe's val data; `path` appears only if all is well.

    Args:
        module: the trained network and its recipe.
        path: where the model file shall be.
        measure: evaluate the file on the recipe's val data, and put the numbers on its card.

    Raises:
        OnedepthError: file and network disagree by more than 1e-3.
        DataError: val data that cannot be read.
        OutputError: the place cannot be written.
    """
    with replacing(path) as temporary:
        pairs = open_source(module.recipe.data.val) if measure else []
        card = export(module, temporary)
        if measure and card.interval:
            card = export(module, temporary, calibrate(temporary, pairs, module.recipe.validation.protocol))
        agreements = compare(module, temporary, check_images(pairs[i] for i in range(min(10, len(pairs)))))
        check(agreements, path)
        if not measure:
            return card, agreements, None
        predictor = Predictor(temporary)
        report = evaluate(predictor.depth_m, pairs, PROTOCOLS[module.recipe.validation.protocol])
        card = replace(card, metrics=_for_card(report, module.recipe.data.val))
        _write_card(temporary, card)
    return card, agreements, report


def compare(module: DepthModule, path: Path, images: Iterable[tuple[str, NDArray[np.uint8]]]) -> list[Agreement]:
    """Run model file and torch network on the same images.

    Args:
        module: the network the file was made from.
        path: of the model file.
        images: name and uint8 `[H, W, 3]`.
    """
    runtime = OnnxRuntime(path)
    factor = ModelCard.from_metadata(runtime.metadata, path).interval.get("factor", 1.0)
    result = []
    for name, image in images:
        answers = runtime.answers(image[None])
        ours = answers["depth_m"][0]
        with torch.no_grad():
            planes = torch.from_numpy(image).permute(2, 0, 1)[None].float()
            metres, scale = module.full_size(planes)
            theirs = metres[0, 0].numpy()
        if ours.shape != theirs.shape or not np.isfinite(ours).all():
            raise OnedepthError(
                f"{path}: answers {ours.shape} with non-finite values on {name}, expected {theirs.shape}"
            )
        result.append(Agreement(name, float(np.max(np.abs(ours - theirs) / theirs))))
        if scale is not None:
            wanted = scale[0, 0].numpy() * factor
            error = float(np.max(np.abs(answers["uncertainty"][0] - wanted) / wanted))
            result.append(Agreement(f"{name}, uncertainty", error))
    return result


def check(agreements: Iterable[Agreement], path: Path) -> None:
    """Fail loudly where file and network are more than 1e-3 apart.

    Raises:
        OnedepthError: they are; the message names the worst image.
    """
    worst = max(agreements, key=lambda item: item.relative_error)
    if not worst.relative_error <= TOLERANCE:
        raise OnedepthError(
            f"{path}: the model file is {worst.relative_error:.1e} (relative) away from the torch network on "
            f"{worst.name}, more than {TOLERANCE:g}; it was not written"
        )


def check_images(pairs: Iterable[Pair] = ()) -> list[tuple[str, NDArray[np.uint8]]]:
    """Rendered rooms in every size of `CHECK_SIZES`, and the images of `pairs`."""
    from onedepth.data.synthetic import render_scene

    rooms = [
        (f"a room of {width}×{height}", render_scene(0, number, height, width).image)
        for number, (height, width) in enumerate(CHECK_SIZES)
    ]
    return rooms + [(pair.id, pair.image) for pair in pairs]


def revision() -> str:
    """Version of the package, and the commit where it lies in a git checkout."""
    version = f"onedepth {onedepth.__version__}"
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return f"{version}, {subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()}"
    return version


def _write_card(path: Path, card: ModelCard) -> None:
    model = onnx.load(path)
    del model.metadata_props[:]
    for key, value in card.to_metadata().items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)


def _for_card(report: Report, source: Source) -> dict[str, object]:
    where = source.model_dump(mode="json", exclude_none=True, exclude={"damaged"})
    if "path" in where:
        where["path"] = Path(where["path"]).name  # what it is called, not where it lies on one machine
    return {
        "mean": {key: round(value, 5) for key, value in report.metrics.items()},
        "count": report.count,
        "protocol": report.protocol.name,
        "data": " ".join(str(value) for value in where.values()),
    }


def _network_graph(network: DepthNetwork) -> onnx.ModelProto:
    # Sizes are multiples of the stride, so that no arithmetic on shapes enters the graph.
    stride = network.stride
    most = longest_side(network.config.predict_area, stride) // stride
    rows, columns = Dim("rows", min=2, max=most), Dim("columns", min=2, max=most)
    example = torch.rand(2, 3, 4 * stride, 6 * stride)
    wrapped = _Aligned(network).eval().to("cpu")
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # the exporter's own, about its own dependencies
            program = torch.onnx.export(
                wrapped,
                (example,),
                dynamo=True,
                input_names=["rgb"],
                output_names=["answers"],
                dynamic_shapes=({0: Dim("N", min=1, max=4096), 2: stride * rows, 3: stride * columns},),
                opset_version=OPSET,
            )
    finally:
        quiet.setLevel(level)
    if program is None:
        raise OnedepthError("torch gave no ONNX program for this network")
    return program.model_proto


def _whole_graph(network: onnx.ModelProto, card: ModelCard, learned_area: int) -> onnx.ModelProto:
    uncertain = bool(card.interval)
    before = onnx.parser.parse_model(
        BEFORE.format(
            opset=OPSET,
            area=card.working_area,
            learned=learned_area,
            multiple=card.working_multiple,
            shortest=MIN_SIDE,
            longest=longest_side(card.working_area, card.working_multiple),
        )
    )
    after = onnx.parser.parse_model(
        AFTER.format(
            opset=OPSET,
            scale=repr(card.max_depth_m),
            lowest=repr(1.0),
            highest=repr(card.max_depth_m / card.min_depth_m),
            factor=repr(float(card.interval.get("factor", 1.0))),
            result=", float[N, H, W] uncertainty" if uncertain else "",
            uncertainty=UNCERTAINTY if uncertain else "",
        )
    )
    network.ir_version = before.ir_version
    model = onnx.compose.merge_models(
        onnx.compose.add_prefix(before, "before/", rename_inputs=False, rename_outputs=False),
        network,
        io_map=[("rgb", "rgb")],
        outputs=["answers", "sides", "stretch"],
    )
    model = onnx.compose.merge_models(
        model,
        onnx.compose.add_prefix(after, "after/", rename_inputs=False, rename_outputs=False),
        io_map=[("answers", "answers"), ("sides", "picture_sides"), ("stretch", "enlargement")],
        outputs=["depth_m", "uncertainty"] if uncertain else ["depth_m"],
    )
    model.graph.name = card.name
    model.producer_name, model.producer_version = "onedepth", onedepth.__version__
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return model
