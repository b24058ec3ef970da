"""Metric depth from one image: metres for every pixel.

    import onedepth

    depth = onedepth.load().predict("photo.jpg")
    depth.depth_m            # float32 [H, W], metres
    depth.save("photo.npz")

Names are imported on first use, so that `import onedepth` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onedepth.depth import Depth, Intrinsics
    from onedepth.errors import OnedepthError
    from onedepth.predictor import Predictor, load

__version__ = "0.1.0"
__all__ = ["Depth", "Intrinsics", "OnedepthError", "Predictor", "__version__", "load"]

_HOMES = {
    "Depth": "onedepth.depth",
    "Intrinsics": "onedepth.depth",
    "OnedepthError": "onedepth.errors",
    "Predictor": "onedepth.predictor",
    "load": "onedepth.predictor",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'onedepth' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
