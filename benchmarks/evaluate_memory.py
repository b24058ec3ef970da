"""Memory and arithmetic of an evaluation: 654 images of 640×480, none of which is kept.

    python benchmarks/evaluate_memory.py [--images 654] [--threads 1] [--every] [--html report.html]

The pairs come from a source that makes them when asked, as a memory-mapped array would: nothing of it stays. It prints
the peak of resident memory, and how much of the model's own time the comparing takes. `--every` compares under
every protocol that fits the pictures, which makes the model run three times for each image.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import onedepth
from onedepth.contestants import Contestant
from onedepth.data.pair import Pair
from onedepth.data.recognise import Source
from onedepth.depth import Intrinsics
from onedepth.error_figures import ErrorFigures
from onedepth.evaluate import evaluate_all
from onedepth.evaluation import Evaluation
from onedepth.predictions import ModelPredictions
from onedepth.protocols import PROTOCOLS, fitting

HEIGHT, WIDTH = 480, 640


class Stream(Sequence[Pair]):
    """Pairs with a sloping floor for truth and noise for a picture, made anew each time."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.seconds = 0.0
        self.ids = tuple(f"{index:05d}" for index in range(length))
        self._rows = np.linspace(8, 1, HEIGHT, dtype=np.float32)[:, None]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index):  # pyright: ignore[reportIncompatibleMethodOverride]
        started = time.perf_counter()
        rng = np.random.default_rng(index)
        depth_m = self._rows * rng.uniform(0.8, 1.2, (1, WIDTH)).astype(np.float32)
        image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        pair = Pair(self.ids[index], image, depth_m, depth_m > 0, Intrinsics(518.9, 519.5, 325.6, 253.7))
        self.seconds += time.perf_counter() - started
        return pair


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=654)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", action="store_true", help="every protocol that fits 640×480, instead of eigen")
    parser.add_argument("--html", type=Path, help="make the page as well, with its curves and pictures")
    arguments = parser.parse_args()
    predictor = onedepth.load(threads=arguments.threads)
    in_model = 0.0

    def predict(image, intrinsics):
        nonlocal in_model
        started = time.perf_counter()
        depth_m = predictor.depth_m(image, intrinsics)
        in_model += time.perf_counter() - started
        return depth_m

    pairs = Stream(arguments.images)
    protocols = fitting((HEIGHT, WIDTH)) if arguments.every else [PROTOCOLS["eigen"]]
    figures = ErrorFigures(protocols[0]) if arguments.html else None
    one = Contestant("model", predictor.path, ModelPredictions(predict), "no")
    started = time.perf_counter()
    reports = evaluate_all({one.name: one.predictions}, pairs, protocols, observe=figures)
    total = time.perf_counter() - started
    arithmetic = total - in_model - pairs.seconds
    if figures is not None:
        from onedepth.html_report import page

        evaluation = Evaluation(Source("stream", Path("rooms")), (one,), tuple(protocols), reports)
        arguments.html.write_text(page(evaluation, pairs, figures), "utf-8")
    per_image = 1000 / arguments.images
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print(f"{arguments.images} images of {WIDTH}×{HEIGHT}, protocols {', '.join(p.name for p in protocols)}")
    print(f"peak resident memory {megabytes:.0f} MB")
    print(
        f"an image: model {in_model * per_image:.1f} ms, comparing {arithmetic * per_image:.2f} ms "
        f"({arithmetic / in_model:.1%} of the model's time)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
