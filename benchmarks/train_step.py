"""Images per second of a training step on this machine, and what each measure brings.

    python benchmarks/train_step.py [ENCODER]

Needs the training wing. Prints one line per setting; ratios are against plain float32.
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
    else:
        main()
