"""A model away from its training data: the demo's garage against its truth, and under JPEG compression.

    python benchmarks/elsewhere.py [--model MODEL]

Needs scikit-image (pip install --no-deps scikit-image), which carries the photo and its disparities: "Motorcycle" of
Middlebury Stereo 2014 at a quarter of its size; calibration from the docstring of `skimage.data.stereo_motorcycle`.
"""

from __future__ import annotations

import argparse
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

import onedepth

FOCAL_PX, BASELINE_M, PRINCIPAL_POINTS_APART_PX = 994.978, 0.193001, 31.086


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    model = parser.parse_args().model
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise SystemExit("benchmarks/elsewhere.py: pip install --no-deps scikit-image")
    folder = Path(found.origin).parent / "data"
    photo = Image.open(folder / "motorcycle_left.png").convert("RGB")
    with np.load(folder / "motorcycle_disp.npz") as stored:
        disparity = stored["arr_0"]
    valid = np.isfinite(disparity) & (disparity > 0)
    true_m = FOCAL_PX * BASELINE_M / (disparity[valid] + PRINCIPAL_POINTS_APART_PX)
    predictor = onedepth.load(model)
    ratio = predictor.predict(photo, focal_px=FOCAL_PX).depth_m[valid] / true_m
    log = np.log(ratio)
    print(f"garage: truth's median {np.median(true_m):.2f} m; predicted / true: median {np.median(ratio):.2f}")
    print(f"garage: AbsRel {np.mean(abs(ratio - 1)):.3f}, SILog {100 * log.std():.1f}")
    small = photo.resize((320, 216))
    plain = np.median(predictor.predict(small).depth_m)
    for quality in (95, 75, 50, 25):
        file = io.BytesIO()
        small.save(file, "JPEG", quality=quality)
        median = np.median(predictor.predict(file.getvalue()).depth_m)
        print(
            f"320×216, JPEG quality {quality}: median depth {median / plain - 1:+.1%} against the uncompressed picture"
        )


if __name__ == "__main__":
    main()
