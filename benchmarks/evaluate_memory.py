"""Memory and arithmetic of an evaluation: 654 images of 640×480, none of which is kept.

    python benchmarks/evaluate_memory.py [--images 654] [--threads 1] [--every] [--zip stored|deflated] [--html FILE]

The pairs come from a source that makes them when asked, or, with `--zip`, from an archive in the form of DenseDepth's
nyu_test.zip, which is written first (1.4 GB stored, in the folder for temporary files) and read as `onedepth evaluate
--data nyu_test.zip` reads it. It prints the peak of resident memory, and how much of the model's own time the comparing
takes. `--every` compares under every protocol that fits the pictures, which makes the model run three times for
each image.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

import onedepth
from onedepth.contestants import Contestant
from onedepth.data.nyu_test_zip import CROP, DEPTH, RGB
from onedepth.data.pair import Pair
from onedepth.data.recognise import Source, layout_of, open_one
from onedepth.data.synthetic import render_scene
from onedepth.depth import Intrinsics
from onedepth.error_figures import ErrorFigures
from onedepth.evaluate import evaluate_all
from onedepth.evaluation import Evaluation
from onedepth.predictions import ModelPredictions
from onedepth.protocols import PROTOCOLS, fitting

HEIGHT, WIDTH = 480, 640
ROOMS = 6  # rendered for an archive; its images are these, shifted


class Stream(Sequence[Pair]):
    """Pairs with a sloping floor for truth and noise for a picture, made anew each time."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.ids = tuple(f"{index:05d}" for index in range(length))
        self._rows = np.linspace(8, 1, HEIGHT, dtype=np.float32)[:, None]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index):  # pyright: ignore[reportIncompatibleMethodOverride]
        rng = np.random.default_rng(index)
        depth_m = self._rows * rng.uniform(0.8, 1.2, (1, WIDTH)).astype(np.float32)
        image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        return Pair(self.ids[index], image, depth_m, depth_m > 0, Intrinsics(518.9, 519.5, 325.6, 253.7))


class TimedPredictions(ModelPredictions):
    """A model, the seconds that it ran, and those that it took to have its input: the mirror image, the small one."""

    def __init__(self, predictor: onedepth.Predictor) -> None:
        super().__init__(self._timed)
        self.predictor = predictor
        self.model = self.everything = 0.0

    def _timed(self, image, intrinsics):
        started = time.perf_counter()
        depth_m = self.predictor.depth_m(image, intrinsics)
        self.model += time.perf_counter() - started
        return depth_m

    def depth_m(self, pair, view):  # noqa: D102
        started = time.perf_counter()
        depth_m = super().depth_m(pair, view)
        self.everything += time.perf_counter() - started
        return depth_m


class Timed(Sequence[Pair]):
    """Pairs, and the seconds that it took to have them."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self.seconds = 0.0
        self.ids = getattr(pairs, "ids", ())

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index):  # pyright: ignore[reportIncompatibleMethodOverride]
        started = time.perf_counter()
        pair = self.pairs[index]
        self.seconds += time.perf_counter() - started
        return pair


def write_archive(path: Path, images: int, method: int) -> None:
    """An archive as DenseDepth's nyu_test.zip."""
    rooms = [render_scene(1, number, HEIGHT, WIDTH) for number in range(ROOMS)]
    arrays = {
        RGB: ((images, HEIGHT, WIDTH, 3), "|u1", [room.image for room in rooms]),
        DEPTH: ((images, HEIGHT, WIDTH), "<f4", [room.depth_m for room in rooms]),
    }
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        for name, (shape, kind, parts) in arrays.items():
            with archive.open(name, "w", force_zip64=True) as file:
                npy.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
                for number in range(images):
                    shift = 7 * (number // ROOMS)
                    file.write(np.roll(parts[number % ROOMS], shift, axis=1).astype(kind).tobytes())
        with archive.open(CROP, "w") as file:
            npy.write_array(file, np.array([20, 459, 24, 615]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=654)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", action="store_true", help="every protocol that fits 640×480, instead of eigen")
    parser.add_argument("--zip", choices=("stored", "deflated"), help="read a temporary nyu_test.zip, packed so")
    parser.add_argument("--html", type=Path, help="make the page as well, with its curves and pictures")
    arguments = parser.parse_args()
    if arguments.zip is None:
        return measure(arguments, Source("stream", Path("rooms")), Stream(arguments.images))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nyu_test.zip"
        method = zipfile.ZIP_STORED if arguments.zip == "stored" else zipfile.ZIP_DEFLATED
        # In a process of its own, whose memory does not count here.
        writer = multiprocessing.get_context("spawn").Process(
            target=write_archive, args=(path, arguments.images, method)
        )
        writer.start()
        writer.join()
        if writer.exitcode:
            return 1
        print(f"{path.name}, {arguments.zip}: {path.stat().st_size / 1e6:.0f} MB")
        source, pairs = open_one(path, layout_of(path), {})
        return measure(arguments, source, pairs)


def measure(arguments: argparse.Namespace, source: Source, pairs: Sequence[Pair]) -> int:
    predictor = onedepth.load(threads=arguments.threads)
    predictions = TimedPredictions(predictor)
    timed = Timed(pairs)
    protocols = fitting((HEIGHT, WIDTH)) if arguments.every else [PROTOCOLS["eigen"]]
    figures = ErrorFigures(protocols[0]) if arguments.html else None
    one = Contestant("model", predictor.path, predictions, "no")
    started = time.perf_counter()
    reports = evaluate_all({one.name: one.predictions}, timed, protocols, observe=figures)
    total = time.perf_counter() - started
    model, views = predictions.model, predictions.everything - predictions.model
    arithmetic = total - predictions.everything - timed.seconds
    per_image = 1000 / arguments.images
    line = (
        f"an image: reading {timed.seconds * per_image:.1f} ms, model {model * per_image:.1f} ms, making its input "
        f"{views * per_image:.2f} ms ({views / model:.1%} of the model's time), comparing "
        f"{arithmetic * per_image:.2f} ms ({arithmetic / model:.1%})"
    )
    if figures is not None:
        from onedepth.html_report import page

        evaluation = Evaluation(source, (one,), tuple(protocols), reports)
        arguments.html.write_text(page(evaluation, timed, figures), "utf-8")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print(f"{arguments.images} images of {WIDTH}×{HEIGHT}, protocols {', '.join(p.name for p in protocols)}")
    print(f"peak resident memory {megabytes:.0f} MB")
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
