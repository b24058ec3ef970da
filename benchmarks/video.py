"""A whole video job against the model alone on the same frames, and its memory over time.

    python benchmarks/video.py                       throughput on a rendered video of 640×480
    python benchmarks/video.py --video clip.mp4      on a video of yours
    python benchmarks/video.py --memory              resident memory at frame 300 and at frame 3,000

Throughput: the model runs over decoded frames one by one, as fast as it can; the job looks at some frames for the
range of colours, then decodes, predicts, draws, encodes and writes H.264. The two take turns in one process, and the
ratio is that of their best rounds and of their medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

import onedepth
from onedepth.data.synthetic import render_scene
from onedepth.depth import Intrinsics
from onedepth.stabilise import STABILISERS
from onedepth.video.colour_range import samples_for, steady_range
from onedepth.video.job import run
from onedepth.video.painter import Look
from onedepth.video.results import PictureVideo
from onedepth.video.source import open_source

HEIGHT, WIDTH = 480, 640
RATE = Fraction(30_000, 1001)


def write_clip(path: Path, frames: int) -> None:
    """A camera that pans over a rendered room, to and fro."""
    room = render_scene(0, 2, HEIGHT, 2 * WIDTH).image
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, width=WIDTH, height=HEIGHT, options={"preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            left = round(WIDTH / 2 * (1 - np.cos(number / 40)))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(room[:, left : left + WIDTH]), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def throughput(predictor: onedepth.Predictor, clip: Path, stabilise: str, rounds: int, out: Path) -> None:
    source = open_source(clip)
    images = [frame.image for frame, _ in zip(source.frames(), range(200), strict=False)]
    source.close()
    height, width = images[0].shape[:2]
    camera = Intrinsics.centred(0.8 * width, height, width)
    for image in images[:5]:
        predictor.depth_m(image, camera)
    alone, whole = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        for image in images:
            predictor.depth_m(image, camera)
        alone.append((time.perf_counter() - started) / len(images))
        started = time.perf_counter()
        opened = open_source(clip)
        images_seen = opened.sample(samples_for(opened.facts.frames))
        found = steady_range(images_seen, lambda image: predictor.depth_m(image, camera))
        assert found is not None
        outcome = run(predictor, opened, [PictureVideo(out, Look(*found))], stabilise=stabilise)
        whole.append((time.perf_counter() - started) / outcome.frames)
        opened.close()
        print(
            f"model alone {1000 * alone[-1]:5.1f} ms a frame, whole job {1000 * whole[-1]:5.1f} ms: "
            f"{alone[-1] / whole[-1]:.0%} of the model's throughput",
            flush=True,
        )
    print(
        f"{clip.name}, {width}×{height}, {len(images)} frames, stabilisation {stabilise}: best rounds "
        f"{min(alone) / min(whole):.0%}, medians {statistics.median(alone) / statistics.median(whole):.0%}"
    )


def resident_mb() -> float:
    """Resident memory of this process now, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no /proc here")


def memory(predictor: onedepth.Predictor, clip: Path, stabilise: str, out: Path) -> None:
    marks: dict[int, float] = {}
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done % 300 == 0:
            marks[done] = resident_mb()
            print(f"frame {done:5d}  {marks[done]:.1f} MB", flush=True)

    source = open_source(clip)
    run(predictor, source, [PictureVideo(out, Look(0.8, 6.0))], stabilise=stabilise, advance=advance)
    source.close()
    print(f"frame 3,000 against frame 300: {marks[3000] / marks[300] - 1:+.1%} (stabilisation {stabilise})")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, help="a video of yours, instead of a rendered one")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--stabilize", choices=sorted(STABILISERS), default="off")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    predictor = onedepth.load(threads=arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        clip = arguments.video or Path(folder) / "pan.mp4"
        if arguments.video is None:
            write_clip(clip, 3000 if arguments.memory else 200)
        if arguments.memory:
            memory(predictor, clip, arguments.stabilize, Path(folder) / "out.mp4")
        else:
            throughput(predictor, clip, arguments.stabilize, arguments.rounds, Path(folder) / "out.mp4")
    return 0


if __name__ == "__main__":
    sys.exit(main())
