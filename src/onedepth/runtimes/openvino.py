"""OpenVINO on the CPU, in float32: `pip install onedepth[openvino]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onedepth.errors import MissingExtraError, ModelFileError

try:
    import openvino
    from openvino import opset13
except ModuleNotFoundError as error:
    raise MissingExtraError("openvino is not installed: pip install 'onedepth[openvino]'") from error


class OpenVino:
    """A model file in OpenVINO."""

    metadata: Mapping[str, str]
    concurrent = False  # its compiled model has one request

    def __init__(self, path: Path, threads: int | None = None) -> None:
        # float32: the bfloat16 that OpenVINO prefers moves the metres by 1 to 2 % on average.
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = threads
        try:
            core = openvino.Core()
            model = core.read_model(path)
            _antialias(model)
            self._compiled = core.compile_model(model, "CPU", config)
        except RuntimeError as error:
            raise ModelFileError(f"{path}: not a readable ONNX file (OpenVINO: {_last_line(error)})") from error
        info = model.get_rt_info()
        framework = info["framework"] if "framework" in info else {}  # noqa: SIM401 -- not a dict
        self.metadata = {key: str(value.value) for key, value in framework.items()}

    def answers(self, images: NDArray[np.uint8], *, depth_only: bool = False) -> dict[str, NDArray[np.float32]]:
        """All outputs by name, for images `[N, H, W, 3]`, or depth alone; see `Runtime`. Here it takes as long."""
        found = self._compiled(images)
        # Copies: OpenVINO reuses its own buffers.
        named = {output.get_any_name(): output for output in self._compiled.outputs}
        return {name: np.array(found[output]) for name, output in named.items() if name == "depth_m" or not depth_only}


def _antialias(model: Any) -> None:
    """Give the two antialiased resizes the kernel that ONNX asks for.

    OpenVINO 2025 and 2026 import an antialiased linear Resize as "linear_onnx", which samples without a filter: metres
    come out 8 % different on average at 640×480. Its "bilinear_pillow" mode is the filter meant.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Interpolate" or not node.get_attributes()["antialias"]:
            continue
        sides = opset13.gather(node.input_value(1), opset13.constant(np.array([2, 3])), opset13.constant(0))
        resize = opset13.interpolate(
            node.input_value(0),
            sides,
            mode="bilinear_pillow",
            shape_calculation_mode="sizes",
            axes=opset13.constant(np.array([2, 3])),
        )
        node.output(0).replace(resize.output(0))
    model.validate_nodes_and_infer_types()


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:120] if lines else type(error).__name__
