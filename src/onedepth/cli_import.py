"""The verb `import-keras`: the authors' weights as a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from onedepth.errors import MissingExtraError, OutputError


def import_keras(
    weights: Annotated[Path, Parameter(help="The .h5 file that Keras wrote.")],
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="The model file to write.")],
    kind: Annotated[
        Literal["nyu", "kitti"], Parameter(help="What it was trained on: depth range, working size, canonical focal.")
    ] = "nyu",
    activations: Annotated[
        Literal[1, 2] | None,
        Parameter(help="LeakyReLUs in each decoder block.", show_default="what the file says, else by its width"),
    ] = None,
    upsampling: Annotated[
        Literal["half_pixel", "align_corners"] | None,
        Parameter(
            help="Where the samples of the decoder's up-sampling lie; no file says it.",
            show_default="align_corners with one activation, half_pixel with two",
        ),
    ] = None,
) -> int:
    """Make a model file of DenseDepth's Keras weights (the authors' nyu.h5, kitti.h5), without Keras.

    Compares the file with the torch network before it is put in place. Says what was assumed where the weights
    do not say it; see docs/densedepth.md.
    """
    try:
        from onedepth.train import export, keras_weights
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"importing weights needs {error.name}, which is not installed: pip install 'onedepth[train]'"
        ) from error
    if out.suffix != ".onnx":
        raise OutputError(f"{out}: a model file's name ends in .onnx")
    network = keras_weights.load(weights, kind, activations, upsampling)
    for line in network.assumed:
        print(f"assumed: {line}")
    card, agreements, _ = export.export_run(network.module, out, measure=False)
    for item in agreements:
        print(f"{item.relative_error:9.1e} relative to the torch network: {item.name}")
    parameters = sum(parameter.numel() for parameter in network.module.network.parameters())
    print(f"{out}: {card.title}, {parameters:,} parameters from {weights}, {out.stat().st_size / 1e6:.1f} MB")
    print(f"Nothing was measured: `onedepth evaluate --model {out} --data FOLDER` does that.")
    return 0
