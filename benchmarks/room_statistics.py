"""How far away things are in rendered rooms, beside NYU Depth v2.

    python benchmarks/room_statistics.py ROOMS [NYU]

ROOMS and NYU are folders in the folder layout; of each the split `train` is read, nothing else. NYU's white border,
10 pixels on each side, is left out. A row of the table is a quantile of the pictures, a column is what is measured
in each picture; metres. Then the mean depth of each place in the picture, 8 × 8 places, and that of NYU beside it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from onedepth.data.folder import FolderData

COLUMNS = ("nearest 1 %", "5 %", "median", "95 %", "largest", "mean", "standard deviation")
QUANTILES = (5, 25, 50, 75, 95)
NYU_BORDER = 10  # pixels
PLACES = 8


@dataclass(frozen=True)
class Statistics:
    """Of many pictures: `table` float64 `[N, 7]` (see `COLUMNS`), `places` float64 `[8, 8]`; metres."""

    table: np.ndarray
    places: np.ndarray


def measure(folder: Path, border: int) -> Statistics:
    """Statistics of the training pictures of a folder; `border` pixels on each side are left out."""
    rows, places = [], np.zeros((PLACES, PLACES))
    for pair in FolderData(folder, split="train"):
        depth_m = pair.depth_m[border : pair.depth_m.shape[0] - border, border : pair.depth_m.shape[1] - border]
        valid = pair.valid[border : pair.valid.shape[0] - border, border : pair.valid.shape[1] - border]
        known = depth_m[valid].astype(np.float64)
        low, near, median, far = np.percentile(known, (1, 5, 50, 95))
        rows.append((low, near, median, far, known.max(), known.mean(), known.std()))
        filled = Image.fromarray(np.where(valid, depth_m, median).astype(np.float32))
        places += np.asarray(filled.resize((PLACES, PLACES), Image.Resampling.BOX))
    return Statistics(np.array(rows), places / len(rows))


def main(arguments: list[str]) -> None:
    """Print the tables."""
    if len(arguments) not in {1, 2}:
        sys.exit(__doc__)
    names = ["rooms", "NYU"][: len(arguments)]
    found = [measure(Path(folder), NYU_BORDER * i) for i, folder in enumerate(arguments)]
    print("pictures: " + ", ".join(f"{name} {len(one.table)}" for name, one in zip(names, found, strict=True)))
    print("| of pictures | | " + " | ".join(COLUMNS) + " |")
    print("|---" * (2 + len(COLUMNS)) + "|")
    for quantile in QUANTILES:
        for i, (name, one) in enumerate(zip(names, found, strict=True)):
            values = " | ".join(f"{value:.2f}" for value in np.percentile(one.table, quantile, axis=0))
            print(f"| {'' if i else f'{quantile} %'} | {name} | {values} |")
    print("mean depth by place, top to bottom: " + " | ".join(names))
    for row in range(PLACES):
        print("  |  ".join(" ".join(f"{value:4.1f}" for value in one.places[row]) for one in found))


if __name__ == "__main__":
    main(sys.argv[1:])
