"""The original network in Keras against the torch network with its weights: how far their answers are apart.

    python benchmarks/keras_parity.py

Needs keras and h5py (pip install 'onedepth[train,keras]'); about a minute of processor time. The weights are random
(`tests/keras_twin.py`). Differences are relative to the largest answer of an image. The further columns show that the
comparison would notice a mistake: the other up-sampling, and torchvision's epsilon instead of Keras'.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from onedepth.train import keras_weights

TWINS = {
    # name: dense blocks, F, activations, up-sampling
    "released": ("6-12-32-32", "1664", "1", "align_corners"),
    "current": ("6-12-32-32", "832", "2", "half_pixel"),
}
SCRIPT = Path(__file__).parents[1] / "tests" / "keras_twin.py"


def main() -> None:
    """Print one line per network and size."""
    with tempfile.TemporaryDirectory() as folder:
        orders = [word for name, order in TWINS.items() for word in (name, *order)]
        environment = os.environ | {"KERAS_BACKEND": "torch"}
        subprocess.run([sys.executable, "-W", "ignore", SCRIPT, folder, *orders], env=environment, check=True)
        for name, (_, width, activations, upsampling) in TWINS.items():
            twin = Path(folder) / name
            other = "half_pixel" if upsampling == "align_corners" else "align_corners"
            columns = [differences(twin), differences(twin, upsampling=other)]
            epsilon, keras_weights.EPSILON = keras_weights.EPSILON, 1e-5
            columns.append(differences(twin))
            keras_weights.EPSILON = epsilon
            print(f"{name}: F = {width}, {activations} activation(s) per block, {upsampling}")
            for size in columns[0]:
                same, swapped, unlike = (column[size] for column in columns)
                print(f"  {size:>7}  {same:.1e}   {other}: {swapped:.1e}   epsilon 1e-5: {unlike:.1e}")


@torch.no_grad()
def differences(twin: Path, **options: str) -> dict[str, float]:
    """Largest difference on each of the twin's images, as a share of the largest answer."""
    network = keras_weights.load(twin.with_suffix(".h5"), **options).module.network  # pyright: ignore
    arrays = np.load(twin.with_suffix(".npz"))
    result = {}
    for size in [name.removeprefix("image ") for name in arrays if name.startswith("image")]:
        image = torch.from_numpy(arrays[f"image {size}"]).permute(2, 0, 1)[None].float() / 255
        theirs = arrays[f"answer {size}"]
        result[size] = float(np.abs(network(image)[0, 0].numpy() - theirs).max() / np.abs(theirs).max())
    return result


if __name__ == "__main__":
    main()
