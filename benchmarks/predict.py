"""Time from process start to a saved depth map, and of the model alone.

    python benchmarks/predict.py [--model MODEL]

Prints the parts of one run, each the best of several, in seconds; and the model's share by picture size.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from onedepth.models import DEFAULT_MODEL

START = "import time; t = time.perf_counter(); import onedepth; p = onedepth.load({!r}); print(time.perf_counter() - t)"


def whole(photo: Path, out: Path, model: str) -> float:
    started = time.perf_counter()
    command = ["predict", photo, "-o", out, "--model", model]
    subprocess.run([sys.executable, "-m", "onedepth", *command], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    model = parser.parse_args().model or DEFAULT_MODEL
    from PIL import Image

    import onedepth
    from onedepth.data.synthetic import render_scene
    from onedepth.depth import Intrinsics
    from onedepth.outputs import save_image

    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "room.jpg"
        save_image(Image.fromarray(render_scene(0, 0, 480, 640).image), photo)
        times = [whole(photo, Path(folder) / "out", model) for _ in range(5)]
        print(
            f"{min(times):6.2f} s  process start to saved depth map of 640×480 (median {statistics.median(times):.2f})"
        )
    start = [sys.executable, "-c", START.format(model)]
    loads = [float(subprocess.run(start, check=True, capture_output=True, text=True).stdout) for _ in range(5)]
    print(f"{min(loads):6.2f} s  of which import and model load (median {statistics.median(loads):.2f})")
    predictor = onedepth.load(model)
    for height, width in ((480, 640), (1080, 1920), (3000, 4000)):
        small = render_scene(0, 0, 480, 640).image
        image = small.repeat(-(-height // 480), 0).repeat(-(-width // 640), 1)[:height, :width].copy()
        runs = []
        for _ in range(8):
            started = time.perf_counter()
            predictor.depth_m(image, Intrinsics.centred(1000.0, height, width))
            runs.append(time.perf_counter() - started)
        best, middle = min(runs) * 1e3, statistics.median(runs) * 1e3
        print(f"{best:6.0f} ms  model, image → metres, {width}×{height} (median {middle:.0f})")


if __name__ == "__main__":
    main()
