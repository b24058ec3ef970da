"""Runtimes: ways to run a model file. One class each, listed here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Runtime(Protocol):
    """A loaded model file. Constructed from its path and a number of threads (None: all cores).

    Attributes:
        metadata: of the model file.
        concurrent: whether several threads may call it at once.
    """

    metadata: Mapping[str, str]
    concurrent: bool

    def __init__(self, path: Path, threads: int | None = None) -> None: ...

    def answers(self, images: NDArray[np.uint8], *, depth_only: bool = False) -> dict[str, NDArray[np.float32]]:
        """All outputs of the file by name, for images `[N, H, W, 3]`, or depth alone, which takes less time.

        "depth_m" `[N, H, W]`, metres for the canonical focal; "uncertainty" of the same shape where the file has it:
        nine of ten truths lie in depth_m · exp(± uncertainty).
        """
        ...


RUNTIMES = {
    # name: module and class; imported on use, because each brings a library of its own.
    "onnxruntime": ("onedepth.runtimes.onnxruntime", "OnnxRuntime"),
    "openvino": ("onedepth.runtimes.openvino", "OpenVino"),
}


def open_runtime(name: str, path: Path, threads: int | None = None) -> Runtime:
    """Load a model file in a runtime of `RUNTIMES`.

    Raises:
        ModelFileError: not a readable model file, or no such runtime.
        MissingExtraError: the runtime's library is not installed.
    """
    import importlib

    from onedepth.errors import ModelFileError

    if name not in RUNTIMES:
        raise ModelFileError(f"no runtime {name!r}; there are {', '.join(RUNTIMES)}")
    module, cls = RUNTIMES[name]
    return getattr(importlib.import_module(module), cls)(path, threads)
