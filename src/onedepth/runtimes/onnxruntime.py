"""ONNX Runtime on the CPU: always there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from onedepth.errors import ModelFileError


class OnnxRuntime:
    """A model file in ONNX Runtime."""

    metadata: Mapping[str, str]
    concurrent = True

    def __init__(self, path: Path, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors come as exceptions
        if threads is not None:
            options.intra_op_num_threads = threads
        # Between two pictures there is decoding and writing to do: waiting threads must not burn the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen unrelated classes
            raise ModelFileError(f"{path}: not a readable ONNX file ({_first_sentence(error)})") from error
        # What leads to no output that was asked for is not computed.
        self._to_outputs = onnxruntime.RunOptions()
        self._to_outputs.only_execute_path_to_fetches = True
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.metadata = self._session.get_modelmeta().custom_metadata_map

    def answers(self, images: NDArray[np.uint8], *, depth_only: bool = False) -> dict[str, NDArray[np.float32]]:
        """All outputs by name, for images `[N, H, W, 3]`, or depth alone; see `Runtime`."""
        wanted = ["depth_m"] if depth_only else self._outputs
        values = self._session.run(wanted, {"image": images}, self._to_outputs)
        return {name: np.asarray(value) for name, value in zip(wanted, values, strict=True)}


def _first_sentence(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0].split(" : ")[-1][:120] or type(error).__name__
