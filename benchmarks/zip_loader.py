"""Reading training pairs straight from nyu_data.zip against the same pairs as loose files: speed, and memory.

    python benchmarks/zip_loader.py [PAIRS]

Makes an archive of DenseDepth's form in a temporary folder: PAIRS (1,500) rendered 640×480 pairs, under 50,688 names
in its list. Needs the training wing; the memory figures need Linux. Ratios are the median of pairs of runs that take
turns, since other load comes and goes.
"""

from __future__ import annotations

import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROWS, READ, TURNS = 50_688, 384, 3
BATCH = 8


def make(folder: Path, pairs: int) -> tuple[Path, Path]:
    """The archive, and its first `pairs` pairs as loose files in the same form."""
    import numpy as np
    from PIL import Image

    from onedepth.data.synthetic import render_scene

    def encoded(values: np.ndarray, kind: str) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(values).save(stream, kind, **({"quality": 90} if kind == "JPEG" else {}))
        return stream.getvalue()

    rng = np.random.default_rng(0)
    scenes = [render_scene(0, number, 480, 640) for number in range(24)]
    archive, loose = folder / "nyu_data.zip", folder / "loose"
    lines = []
    loose_lines = []
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(ROWS):
            name = f"data/nyu2_train/room_{number // 180:04d}_out/{number}"
            lines.append(f"{name}.jpg,{name}.png\n")
            if number < pairs:
                scene = scenes[number % len(scenes)]
                shift = int(rng.integers(640))  # no two pictures are the same bytes
                image = encoded(np.roll(scene.image, shift, axis=1), "JPEG")
                depth = encoded(np.roll((scene.depth_m * 25.5).astype(np.uint8), shift, axis=1), "PNG")
                (loose / name).parent.mkdir(parents=True, exist_ok=True)
                (loose / f"{name}.jpg").write_bytes(image)
                (loose / f"{name}.png").write_bytes(depth)
                loose_lines.append(lines[-1])
                file.writestr(f"{name}.jpg", image)
                file.writestr(f"{name}.png", depth)
            else:  # two small members, so that the directory has its true length
                file.writestr(f"{name}.jpg", b"\xff\xd8\xff" + bytes(60))
                file.writestr(f"{name}.png", depth[:60])
        file.writestr("data/nyu2_train.csv", "".join(lines))
    (loose / "data/nyu2_train.csv").write_text("".join(loose_lines))
    return archive, loose


def rate(path: Path, workers: int, pairs: int) -> float:
    """Images per second through the training loader, once its workers are up."""
    from onedepth.data.nyu_zip import NyuZipData
    from onedepth.train.loader import Items, Share, train_loader

    data = NyuZipData(path, val_scenes=0, limit=min(pairs, READ + 8 * BATCH))
    batches = iter(train_loader(Items(data, (256, 320), cache=False), Share(BATCH), workers, seed=0))
    for _ in range(4):
        next(batches)
    started = time.perf_counter()
    count = sum(len(batch.image) for batch in batches)
    return count / (time.perf_counter() - started)


def memory_mb(path: Path | None, workers: int, pairs: int) -> float:
    """Proportional set size of this process and its workers, with the archive's loader running or without one."""
    from onedepth.data.nyu_zip import NyuZipData
    from onedepth.data.synthetic import SyntheticData
    from onedepth.train.loader import Items, Share, train_loader

    torch_threads_up()
    data = SyntheticData(BATCH * 40, height=8, width=8) if path is None else NyuZipData(path, val_scenes=0)[:pairs]
    batches = iter(train_loader(Items(data, (256, 320), cache=False), Share(BATCH), workers, seed=0))
    last = None
    for _ in range(min(30, len(data) // BATCH)):
        last = next(batches)
    del last
    own = os.getpid()
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    return sum(_pss_kb(int(pid)) for pid in [own, *children]) / 1000


def torch_threads_up() -> None:
    """Make torch do something once, so that both measurements hold its first allocations."""
    import torch

    torch.ones(64, 64).matmul(torch.ones(64, 64))


def _pss_kb(pid: int) -> int:
    """Memory of its own and its share of shared memory; not the libraries' files, whose share others decide."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def ask(*arguments: object) -> float:
    """A number from a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def main() -> None:
    """Print the tables."""
    from onedepth.data.nyu_zip import NyuZipData

    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    folder = Path(tempfile.mkdtemp(prefix="onedepth-zip-"))
    try:
        archive, loose = make(folder, pairs)
        started = time.perf_counter()
        data = NyuZipData(archive, val_scenes=0)
        print(f"open {len(data)} rows, {archive.stat().st_size / 1e6:.0f} MB: {time.perf_counter() - started:.2f} s")
        started = time.perf_counter()
        damage = data.check()
        print(f"check {2 * len(data)} members: {time.perf_counter() - started:.2f} s, {len(damage)} damaged")
        for workers in (0, 2):
            runs = [[ask("--rate", path, workers, pairs) for path in (archive, loose)] for _ in range(TURNS)]
            zipped, files = (statistics.median(column) for column in zip(*runs, strict=True))
            ratio = statistics.median(one / other for one, other in runs)
            print(f"{workers} workers: zip {zipped:.0f} images/s, loose files {files:.0f}, ratio {ratio:.2f}")
            empty, files, zipped = (
                statistics.median(ask("--memory", path, workers, pairs) for _ in range(TURNS))
                for path in ("none", loose, archive)
            )
            print(
                f"{workers} workers: memory above that of a loader of 8×8 pictures ({empty:.0f} MB): "
                f"zip {zipped - empty:+.0f} MB, loose files {files - empty:+.0f} MB"
            )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rate"]:
        print(rate(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
    elif sys.argv[1:2] == ["--memory"]:
        print(memory_mb(None if sys.argv[2] == "none" else Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
    else:
        main()
