"""Images per second of a training step on this machine, and what each measure brings.

    python benchmarks/train_step.py [ENCODER]
    python benchmarks/train_step.py --parts [RECIPE]

Needs the training wing. The first prints one line per setting; ratios are against plain float32. The second prints what
a recipe's step spends on views, network and loss, for pictures of 640×480.
"""

from __future__ import annotations

import subprocess
import sys
import time

SETTINGS = {
    "float32": (),
    "bf16 autocast": ("bf16",),
    "bf16, depthwise float32": ("bf16", "depthwise"),
    "bf16, depthwise float32, memory kept": ("bf16", "depthwise", "keep"),
}
BATCH, STEPS = 8, 6


def measure(encoder: str, options: list[str]) -> float:
    """Images per second, the median of some steps. Runs in a process of its own: memory settings stick."""
    import torch
    from torch import nn

    from onedepth.train import encoders
    from onedepth.train.allocator import keep_freed_memory
    from onedepth.train.losses import total_loss
    from onedepth.train.network import DepthNetwork
    from onedepth.train.recipe import EncoderConfig, NetworkConfig

    if "keep" in options:
        keep_freed_memory()
    if "depthwise" not in options:
        encoders.DepthwiseConv2d._convolve = lambda self, x, padding: nn.functional.conv2d(  # pyright: ignore
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )
    network = DepthNetwork(NetworkConfig(encoder=EncoderConfig(name=encoder, weights="random")))
    network = network.train().to(memory_format=torch.channels_last)  # pyright: ignore
    image = torch.rand(BATCH, 3, 256, 320).to(memory_format=torch.channels_last)
    truth = torch.rand(BATCH, 1, 128, 160) * 5 + 1
    optimizer = torch.optim.AdamW(network.parameters())
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in options):
            prediction = network(image)
        weights = {"ssim": 1.0, "gradient": 1.0, "l1": 0.1}
        total_loss(weights, prediction, truth, torch.ones_like(truth, dtype=torch.bool))["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - started)
    return BATCH / sorted(times[1:])[len(times) // 2 - 1]


def parts(name: str) -> None:
    """Print milliseconds of each part of a recipe's training step, and its images per second."""
    import torch

    from onedepth.data.pair import Pair
    from onedepth.data.synthetic import SyntheticData
    from onedepth.train import recipe as recipes
    from onedepth.train.allocator import keep_freed_memory
    from onedepth.train.draws import Draws
    from onedepth.train.loader import Items, collate
    from onedepth.train.losses import total_loss
    from onedepth.train.module import DepthModule
    from onedepth.train.network import depth_to_reciprocal

    keep_freed_memory()
    recipe = recipes.load(name)
    module = DepthModule(recipe, encoder_weights="random").train()
    pairs: list[Pair] = list(SyntheticData(BATCH, height=480, width=640))
    items = Items(pairs, recipe.network.size, cache=False, border_px=recipe.data.border_px, area=recipe.data.area)
    batch = collate([items[i] for i in range(BATCH)])
    spent: dict[str, list[float]] = {"views": [], "network": [], "loss": []}
    for step in range(STEPS):
        started = time.perf_counter()
        view = module.augment(batch, Draws(step, BATCH))
        viewed = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision.startswith("bf16")):
            answer = module.network(view.image.contiguous(memory_format=torch.channels_last))
        answered = time.perf_counter()
        prediction = answer.detach().float().requires_grad_()
        truth = depth_to_reciprocal(view.depth_m, view.valid, recipe.network.max_depth_m)
        total_loss(recipe.loss, prediction, truth, view.valid, recipe.network.reciprocal_range)["loss"].backward()
        judged = time.perf_counter()
        answer.backward(prediction.grad)
        learned = time.perf_counter()
        spent["views"].append(viewed - started)
        spent["network"].append(answered - viewed + learned - judged)
        spent["loss"].append(judged - answered)
    middle = {part: sorted(values[1:])[len(values) // 2 - 1] for part, values in spent.items()}
    for part, seconds in middle.items():
        print(f"{1000 * seconds:7.1f} ms  {part}")
    print(f"{BATCH / sum(middle.values()):7.1f} images/s without reading and the optimiser's step")


def main() -> None:
    """Print the table."""
    encoder = sys.argv[1] if len(sys.argv) > 1 else "tf_efficientnet_lite2"
    first = None
    for name, options in SETTINGS.items():
        command = [sys.executable, __file__, "--one", encoder, *options]
        rate = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        first = first or rate
        print(f"{rate:6.1f} images/s  {rate / first:4.2f} ×  {name}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(measure(sys.argv[2], sys.argv[3:]))
    elif sys.argv[1:2] == ["--parts"]:
        parts(sys.argv[2] if len(sys.argv) > 2 else "onedepth-small")
    else:
        main()
