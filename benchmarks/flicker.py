"""How much flicker stabilisation takes away, what it does to accuracy, and what it costs.

    python benchmarks/flicker.py
    python benchmarks/flicker.py --frames 60 --video clip.mp4

For `off`, `fast` and `best`: on rendered walks through rooms (camera noise, drifting exposure), with the shipped model,
inconsistency along the true motion, temporal alignment error, AbsRel and the no-reference flicker; on a real clip, the
no-reference flicker. `onedepth.flicker` says what they are. Cost is processor time of all threads a frame, of
stabilisation alone; run it with OMP_NUM_THREADS=1 to have it on one core.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import onedepth
from onedepth.canonical import canonical_focal_px
from onedepth.data.flythrough import FlyFrame, fly_through
from onedepth.depth import Intrinsics
from onedepth.flicker import Flicker, TrueMotion
from onedepth.metrics import Mean, depth_metrics
from onedepth.predictor import Predictor
from onedepth.stabilise import STABILISERS
from onedepth.temporal import TemporalAlignment

VIDEO = Path("../shared/data/video/bedroom.mp4")
Image = NDArray[np.uint8]


class Line:
    """One stabiliser's numbers."""

    def __init__(self, name: str) -> None:
        self.name, self.stabiliser = name, STABILISERS[name]()
        self.flicker, self.true_motion, self.alignment, self.accuracy = (
            Flicker(),
            TrueMotion(),
            TemporalAlignment(),
            Mean(),
        )
        self.waiting: deque[tuple[Image, FlyFrame | None]] = deque()
        self.cpu_s, self.frames = 0.0, 0

    def push(self, image: Image, depth_m: NDArray[np.float32], truth: FlyFrame | None) -> None:
        """Stabilise the next frame; measure what comes back."""
        self.waiting.append((image, truth))
        self.frames += 1
        started = time.process_time()
        ready = self.stabiliser.push(image, depth_m)
        self.cpu_s += time.process_time() - started
        self._measure(ready)

    def finish(self) -> None:
        """Measure what was held back."""
        started = time.process_time()
        ready = self.stabiliser.finish()
        self.cpu_s += time.process_time() - started
        self._measure(ready)

    def _measure(self, ready: list[NDArray[np.float32]]) -> None:
        for depth_m in ready:
            image, truth = self.waiting.popleft()
            self.flicker.add(image, depth_m)
            if truth is not None:
                # Every second row and column: a quarter of the work, and the same figures to three digits.
                some, true_m, k = depth_m[::2, ::2], truth.depth_m[::2, ::2], truth.intrinsics
                halved = Intrinsics(k.fx / 2, k.fy / 2, k.cx / 2, k.cy / 2)
                self.true_motion.add(some, true_m, halved, truth.camera_to_world)
                self.alignment.add(some, halved, truth.camera_to_world)
                self.accuracy.add(depth_metrics(depth_m, truth.depth_m, np.ones(depth_m.shape, bool)))


def measure(predictor: Predictor, frames: Iterable[tuple[Image, FlyFrame | None]]) -> tuple[list[Line], float]:
    """Run all stabilisers over the frames; their lines, and the model's own processor seconds a frame."""
    lines, model_s, count = [Line(name) for name in STABILISERS], 0.0, 0
    for image, truth in frames:
        height, width = image.shape[:2]
        canonical = canonical_focal_px(height, width, predictor.card.canonical_focal)
        intrinsics = truth.intrinsics if truth else Intrinsics.centred(canonical, height, width)
        started = time.process_time()
        depth_m = predictor.depth_m(image, intrinsics)
        model_s += time.process_time() - started
        count += 1
        for line in lines:
            line.push(image, depth_m, truth)
    for line in lines:
        line.finish()
    return lines, model_s / max(1, count)


def show(title: str, lines: list[Line], model_s: float) -> None:
    print(f"\n{title}; model {model_s * 1e3:.1f} ms of processor time a frame")
    off = lines[0]
    for line in lines:
        cells = [f"{line.name:5}"]
        if line.accuracy.count:
            ours, plain = line.true_motion.result(), off.true_motion.result()
            cells.append(f"inconsistency {ours:.5f} ({ours / plain - 1:+.0%})")
            cells.append(f"TAE {line.alignment.result():.5f}")
            cells.append(f"AbsRel {line.accuracy.result()['abs_rel']:.4f}")
        ours, plain = line.flicker.result(), off.flicker.result()
        cells.append(f"flicker {ours:.5f} ({ours / plain - 1:+.0%})")
        cells.append(f"{line.cpu_s / line.frames * 1e3:5.1f} ms a frame")
        print("  ".join(cells))


def decoded(path: Path) -> Iterator[tuple[Image, None]]:
    """The frames of a video file."""
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), None


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Flicker with and without stabilisation.")
    parser.add_argument("--frames", type=int, default=300, help="of the rendered walk, 30 a second")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--room", type=int, nargs="+", default=[3, 11])
    parser.add_argument("--size", type=int, nargs=2, default=[480, 640], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--video", type=Path, default=VIDEO)
    options = parser.parse_args()
    predictor = onedepth.load(threads=1)
    height, width = options.size
    for room in options.room:
        walk = fly_through(options.seed, room, options.frames, height, width)
        lines, model_s = measure(predictor, ((frame.image, frame) for frame in walk))
        show(f"Walk {options.seed}/{room}, {options.frames} frames of {width}×{height}", lines, model_s)
    if not options.video.exists():
        print(f"\nNo real clip: {options.video} is not there.")
        return
    try:
        lines, model_s = measure(predictor, decoded(options.video))
    except ModuleNotFoundError:
        print("\nNo real clip: reading videos needs PyAV (pip install av).")
        return
    show(f"{options.video.name}, {lines[0].frames} frames", lines, model_s)


if __name__ == "__main__":
    main()
