"""Calling the command line in tests, and small data for it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onedepth.cli import main
from onedepth.data.synthetic import render_scene


def call(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, list[str]]:
    """Exit status, standard output, lines of standard error."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err.splitlines()


def write_pairs(folder: Path, splits: tuple[str, ...] = ("val", "val")) -> None:
    """Rendered rooms in the folder layout, one for each entry of `splits`."""
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    lines = ["id,rgb,depth,split,fx,fy,cx,cy"]
    for number, split in enumerate(splits):
        scene = render_scene(0, number, 60, 80)
        Image.fromarray(scene.image).save(folder / "rgb" / f"{number}.png")
        Image.fromarray(np.round(scene.depth_m * 1000).astype(np.uint16)).save(folder / "depth" / f"{number}.png")
        k = scene.intrinsics
        lines.append(f"{number},rgb/{number}.png,depth/{number}.png,{split},{k.fx},{k.fy},{k.cx},{k.cy}")
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
