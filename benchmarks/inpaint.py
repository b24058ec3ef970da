"""Seconds to in-paint a KITTI-sized depth map, and how far the result is from a direct solution of the same system.

    python benchmarks/inpaint.py

A rendered room of 1242×375 pixels; a fifth of the lower two thirds has truth, as in KITTI's annotated depth. One core
is used, whatever there are. Needs `pip install 'onedepth[data]'`.
"""

from __future__ import annotations

import time

import numpy as np

from onedepth.data.inpaint import inpaint
from onedepth.data.synthetic import render_scene


def main() -> None:
    """Print the table."""
    scene = render_scene(1, 3, 375, 1242)
    rng = np.random.default_rng(0)
    valid = rng.random(scene.depth_m.shape) < 0.2
    valid[:130] = False
    started = time.perf_counter()
    exact = inpaint(scene.image, scene.depth_m, valid, direct=True)
    direct_s = time.perf_counter() - started
    print(f"direct      {direct_s:6.2f} s")
    for tolerance in (1e-4, 1e-5, 1e-6, 1e-7):
        started = time.perf_counter()
        depth_m = inpaint(scene.image, scene.depth_m, valid, tolerance=tolerance)
        seconds = time.perf_counter() - started
        error = np.abs(depth_m - exact)[~valid] / exact[~valid]
        print(
            f"to {tolerance:.0e}  {seconds:6.2f} s, {direct_s / seconds:4.1f} × as fast; relative difference "
            f"mean {error.mean():.1e}, 99.9 % below {np.quantile(error, 0.999):.1e}, largest {error.max():.1e}"
        )


if __name__ == "__main__":
    main()
