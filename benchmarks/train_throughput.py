"""Images per second of nyu-half's training at 480×640, against a plain loop as upstream's.

    python benchmarks/train_throughput.py [--steps 4] [--batch 4] [key=value of nyu-half ...]

Both train the same network (DenseNet-169, random weights, decoder of half width) on the same nyu_data.zip of rendered
rooms on this machine, each in a process of its own, taking turns. The plain loop is what upstream's port does, written
anew: the archive in memory, PIL and ToTensor in the main process, float32, Adam with amsgrad, L1 + gradient + SSIM.
Ours is `onedepth train nyu-half` with its loader, checkpoints and log. Steps are timed from end to end, loading
included; the first one of each is left out. Prints the ratio, and what the paper's million pairs would take at our
rate.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

PAPER_PAIRS = 1_000_000


def make(path: Path, pairs: int) -> None:
    """An archive of DenseDepth's form with rendered rooms."""
    import numpy as np
    from PIL import Image

    from onedepth.data.synthetic import render_scene

    def encoded(values: np.ndarray, kind: str) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(values).save(stream, kind)
        return stream.getvalue()

    with zipfile.ZipFile(path, "w") as file:
        lines = []
        for number in range(pairs):
            scene = render_scene(0, number, 480, 640)
            name = f"data/nyu2_train/room_{number % 4:04d}_out/{number}"
            file.writestr(f"{name}.jpg", encoded(scene.image, "JPEG"))
            file.writestr(f"{name}.png", encoded((scene.depth_m * 25.5).astype(np.uint8), "PNG"))
            lines.append(f"{name}.jpg,{name}.png\n")
        file.writestr("data/nyu2_train.csv", "".join(lines))


def plain(archive: Path, batch: int, steps: int) -> list[float]:
    """Seconds of each step of the plain loop."""
    import numpy as np
    import torch
    from PIL import Image
    from torch import nn
    from torchvision.transforms.functional import to_tensor

    from onedepth.train import recipe as recipes
    from onedepth.train.losses import total_loss
    from onedepth.train.network import DepthNetwork

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    rows = [line.split(",") for line in members["data/nyu2_train.csv"].decode().split()]
    network: nn.Module = DepthNetwork(recipes.load("nyu-half").network, "random").train().to(device)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, amsgrad=True)

    def sample(row: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        image, depth = (Image.open(io.BytesIO(members[name])) for name in row)
        if random.random() < 0.5:
            image, depth = (picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in (image, depth))
        if random.random() < 0.5:
            image = Image.fromarray(np.asarray(image)[..., random.sample(range(3), 3)])
        depth = depth.resize((320, 240))
        return to_tensor(image), (10 / (to_tensor(depth) * 10).clamp(0.1, 10)).float()

    times = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        pairs = [sample(row) for row in random.sample(rows, batch)]
        image, truth = (torch.stack(tensors).to(device) for tensors in zip(*pairs, strict=True))
        weights = {"ssim": 1.0, "gradient": 1.0, "l1": 0.1}
        loss = total_loss(weights, network(image), truth, torch.ones_like(truth, dtype=torch.bool))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter() - started)
    return times[1:]


def ours(archive: Path, batch: int, steps: int, overrides: list[str]) -> list[float]:
    """Seconds of each step of `onedepth train nyu-half`."""
    import torch
    from lightning.pytorch.callbacks import Callback

    from onedepth.train import recipe as recipes
    from onedepth.train import run

    ends: list[float] = []

    class Clock(Callback):
        """Moments at which steps ended."""

        def on_train_batch_end(self, *_: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            ends.append(time.perf_counter())

    source = f"layout: nyu_zip, path: {archive}, val_scenes: 1"
    recipe = recipes.load(
        "nyu-half",
        [
            f"data.train={{{source}, split: train}}",
            f"data.val={{{source}, split: val, limit: 1}}",
            "network.encoder.weights=random",
            "schedule.epochs=1",
            f"schedule.batch_size={batch}",
            *overrides,
        ],
    )
    with tempfile.TemporaryDirectory() as folder:
        run.train(recipe, Path(folder) / "run", progress=False, also=[Clock()])
    return [after - before for before, after in pairwise(ends)][:steps]


def main() -> None:
    """Take turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--one", choices=["plain", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--archive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    if options.one == "plain":
        print(json.dumps(plain(options.archive, options.batch, options.steps)))
        return
    if options.one == "ours":
        print(json.dumps(ours(options.archive, options.batch, options.steps, options.overrides)))
        return
    import torch

    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} threads"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "nyu_data.zip"
        make(archive, 2 * options.batch * (options.steps + 1))  # a quarter of the rooms is held out
        found: dict[str, list[float]] = {"plain": [], "ours": []}
        for _ in range(options.turns):
            for name, times in found.items():
                command = [sys.executable, "-W", "ignore", __file__, "--one", name, "--archive", str(archive)]
                command += ["--steps", str(options.steps), "--batch", str(options.batch), *options.overrides]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                times.extend(json.loads(done.stdout.splitlines()[-1]))
    rates = {name: options.batch / sorted(times)[len(times) // 2] for name, times in found.items()}
    print(f"nyu-half, 480×640, batch {options.batch}, {where}; median of {len(found['ours'])} steps, loading included")
    for name, rate in rates.items():
        print(f"{rate:8.3f} images/s  {rate / rates['plain']:5.2f} ×  {name}")
    print(f"the paper's {PAPER_PAIRS:,} pairs at our rate: {PAPER_PAIRS / rates['ours'] / 3600:,.1f} hours")


if __name__ == "__main__":
    main()
