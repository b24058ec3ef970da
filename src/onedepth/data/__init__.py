"""RGB-D data: one module per layout on disk, all yielding the same `Pair`.

A new layout is one module and one line in `LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Callable

from onedepth.data.folder import FolderData
from onedepth.data.nyu_zip import NyuZipData
from onedepth.data.pair import PairData
from onedepth.data.synthetic import SyntheticData

LAYOUTS: dict[str, Callable[..., PairData]] = {
    "folder": FolderData,
    "nyu_zip": NyuZipData,
    "synthetic": SyntheticData,
}
"""Kind of data, as recipes and the command line name it, and the class that reads it."""
