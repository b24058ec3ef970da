"""A runtime that needs no model's time: depth from brightness."""

import numpy as np
import pytest

from onedepth import models, predictor
from onedepth.runtimes import open_runtime


class StubRuntime:
    """Bright is near: 1 m for white, 5 m for black, at each pixel of its own."""

    concurrent = True

    def __init__(self) -> None:
        self.metadata = open_runtime("onnxruntime", models.find(), 1).metadata

    def answers(self, images: np.ndarray, *, depth_only: bool = False) -> dict[str, np.ndarray]:
        return {"depth_m": (5 - images[..., 1].astype(np.float32) / 63.75).astype(np.float32)}


def use(monkeypatch: pytest.MonkeyPatch, runtime: object) -> None:
    """Give every new predictor this runtime."""
    monkeypatch.setattr(predictor, "open_runtime", lambda *_arguments: runtime)
