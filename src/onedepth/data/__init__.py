"""RGB-D data: one module per layout on disk, all yielding the same `Pair`.

A new layout is one module and one line in `LAYOUTS`; docs/data.md says what each looks like on disk.
"""

from __future__ import annotations

from collections.abc import Callable

from onedepth.data.bts import BtsData
from onedepth.data.folder import FolderData
from onedepth.data.kitti import KittiData
from onedepth.data.nyu_mat import NyuMatData
from onedepth.data.nyu_test_zip import NyuTestZipData
from onedepth.data.nyu_zip import NyuZipData
from onedepth.data.pair import PairData
from onedepth.data.siblings import SiblingsData
from onedepth.data.synthetic import SyntheticData

LAYOUTS: dict[str, Callable[..., PairData]] = {
    "folder": FolderData,
    "siblings": SiblingsData,
    "nyu_zip": NyuZipData,
    "nyu_test_zip": NyuTestZipData,
    "nyu_mat": NyuMatData,
    "bts": BtsData,
    "kitti": KittiData,
    "synthetic": SyntheticData,
}
"""Kind of data, as recipes and the command line name it, and the class that reads it."""
