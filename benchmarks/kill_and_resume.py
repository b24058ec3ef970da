"""Kill a training run with SIGKILL at random moments, resume it, and compare what comes out with an undisturbed run.

    python benchmarks/kill_and_resume.py [--kills 20] [--seed 0] [key=value of the tiny recipe ...]

Prints a line for each kill, and ends with status 1 unless every broken-off run left the same weights, optimiser state,
averages and losses as the undisturbed one, to the last bit. On the CPU, with one thread.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RECIPE = ("schedule.save_every_steps=7",)


def train(overrides: list[str], folder: Path) -> None:
    """A run in this process, started or gone on with; ends the process."""
    from onedepth.train import recipe as recipes
    from onedepth.train import run

    resume = (folder / run.RECIPE).exists()
    run.train(recipes.load("tiny", overrides), folder, resume=resume, progress=False)


def forked(overrides: list[str], folder: Path) -> int:
    """Start `train` in a process that has all imports already; gives its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        train(overrides, folder)
        status = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def ended(child: int, after_s: float) -> bool:
    """Whether a process ended by itself within so many seconds; kills it otherwise."""
    end = time.monotonic() + after_s
    while time.monotonic() < end:
        number, status = os.waitpid(child, os.WNOHANG)
        if number:
            if os.waitstatus_to_exitcode(status):
                raise SystemExit("the run failed")
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two checkpoints are not equal to the last bit."""
    import torch

    if isinstance(ours, torch.Tensor):
        return [] if torch.equal(ours, theirs) else [path]
    if isinstance(ours, dict):
        keys = [key for key in ours if key != "loops"] if not path else list(ours)  # counters of Lightning's own
        return [found for key in keys for found in differences(ours[key], theirs[key], f"{path}/{key}")]
    if isinstance(ours, list | tuple):
        return [
            found
            for i, pair in enumerate(zip(ours, theirs, strict=True))
            for found in differences(*pair, f"{path}/{i}")
        ]
    return [] if ours == theirs else [path]


def compare(ours: Path, theirs: Path) -> list[str]:
    """What differs between two finished runs."""
    import torch

    from onedepth.train import run

    found = []
    for name in (run.LAST, run.BEST):
        one, other = (torch.load(folder / name, weights_only=True) for folder in (ours, theirs))
        found += [f"{name}{place}" for place in differences(one, other)]
    if (ours / run.LOSS).read_bytes() != (theirs / run.LOSS).read_bytes():
        found.append(run.LOSS)
    histories = []
    for folder in (ours, theirs):
        rows = csv.DictReader((folder / run.HISTORY).read_text("utf-8").splitlines())
        histories.append([row | {"seconds": ""} for row in rows])
    return found + ([] if histories[0] == histories[1] else [run.HISTORY])


def steps(folder: Path) -> int:
    """Steps up to a run's last checkpoint."""
    import torch

    from onedepth.train import run

    return int(torch.load(folder / run.LAST, weights_only=True)["global_step"]) if (folder / run.LAST).exists() else 0


def main() -> None:
    """Kill until there were enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    overrides = [*RECIPE, *options.overrides]
    import torch

    import onedepth.train.run  # noqa: F401 - before the fork, so that each start takes no time

    torch.set_num_threads(1)
    chance = random.Random(options.seed)
    kills = finished = 0
    with tempfile.TemporaryDirectory() as place:
        undisturbed = Path(place) / "undisturbed"
        started = time.monotonic()
        if not ended(forked(overrides, undisturbed), 3600):
            raise SystemExit("the undisturbed run took over an hour")
        whole_s = time.monotonic() - started
        print(f"undisturbed: {steps(undisturbed)} steps in {whole_s:.1f} s")
        while kills < options.kills or not finished:
            folder = Path(place) / f"broken-{finished}"
            last = kills >= options.kills  # let the last one come to its end
            while not ended(forked(overrides, folder), 3600 if last else chance.uniform(0, whole_s / 2)):
                kills += 1
                print(f"kill {kills:2d}: checkpoint at step {steps(folder)}", flush=True)
                last = kills >= options.kills
            finished += 1
            if found := compare(folder, undisturbed):
                raise SystemExit(f"run {finished} differs from the undisturbed one in {', '.join(found[:5])}")
            left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
            if left:
                raise SystemExit(f"run {finished} left {', '.join(left)}")
            print(f"run {finished} ended; all of it equals the undisturbed one to the last bit", flush=True)
    print(f"{kills} kills, {finished} runs, no difference")


if __name__ == "__main__":
    main()
