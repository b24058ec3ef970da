"""RGB-D data: one module per layout on disk, all yielding the same `Pair`.

A new layout is one module and one line in `LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onedepth.data.folder import FolderData
from onedepth.data.pair import Pair
from onedepth.data.synthetic import SyntheticData

LAYOUTS: dict[str, Callable[..., Sequence[Pair]]] = {
    "folder": FolderData,
    "synthetic": SyntheticData,
}
"""Kind of data, as recipes and the command line name it, and the class that reads it."""
