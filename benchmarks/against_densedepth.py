"""A model of the package against the full-width DenseDepth, on the same picture and cores, in turns.

    python benchmarks/against_densedepth.py [--model MODEL] [--rounds N]

DenseDepth is the network of arXiv 1812.11941 (DenseNet-169, decoder of width 1664, 42.7 M parameters) in PyTorch,
float32, with random weights, which take as long as any; its input is the picture as it is, 640×480. Ours is the whole
model file in ONNX Runtime, from uint8 picture to metres of every pixel. Needs onedepth[train].
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import onedepth
from onedepth.canonical import canonical_focal_px
from onedepth.data.synthetic import render_scene
from onedepth.depth import Intrinsics
from onedepth.train.network import DepthNetwork
from onedepth.train.recipe import load

HEIGHT, WIDTH = 480, 640


def seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """How long it took, each time."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return times


def main() -> None:
    """Print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model")
    given = parser.parse_args()
    rounds = given.rounds
    config = load("nyu-paper").network
    encoder = config.encoder.model_copy(update={"weights": "random"})
    rival = DepthNetwork(config.model_copy(update={"encoder": encoder})).eval()
    predictor = onedepth.load(given.model)
    image = render_scene(0, 0, HEIGHT, WIDTH).image
    camera = Intrinsics.centred(canonical_focal_px(HEIGHT, WIDTH, predictor.card.canonical_focal), HEIGHT, WIDTH)
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    ours, theirs = [], []
    with torch.inference_mode():
        rival(planes)
        for _ in range(rounds):
            theirs += seconds(lambda: rival(planes), 1)
            seconds(lambda: predictor.depth_m(image, camera), 2)  # torch's threads come to rest
            ours += seconds(lambda: predictor.depth_m(image, camera), 20)
    count = sum(p.numel() for p in rival.parameters())
    print(f"DenseDepth, {count / 1e6:.1f} M parameters, {torch.get_num_threads()} threads: ", end="")
    print(f"{1e3 * min(theirs):7.1f} ms (median {1e3 * statistics.median(theirs):.1f})")
    print(f"{predictor.card.title}, {predictor.card.parameters / 1e6:.1f} M parameters: ", end="")
    print(f"{1e3 * min(ours):7.1f} ms (median {1e3 * statistics.median(ours):.1f})")
    print(f"{statistics.median(theirs) / statistics.median(ours):.0f} times as fast by medians")


if __name__ == "__main__":
    main()
