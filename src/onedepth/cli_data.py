"""The command line's `data`: looking at RGB-D data, and rewriting it as the folder layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from onedepth.cli_layout import AS_RECOGNISED, LayoutOptions
from onedepth.errors import OnedepthError
from onedepth.progress import progress

app = App(name="data", help="Look at RGB-D data, and convert it.")
Data = Annotated[Path, Parameter(help="Folder or file of RGB-D data.")]

DONE, SOME_FAILED, WRONG_INPUT = 0, 1, 2
PROBLEMS = 10  # that are printed


@app.command
def inspect(
    path: Data,
    *,
    options: LayoutOptions = AS_RECOGNISED,
    sample: Annotated[int, Parameter(help="How many pairs to read, spread over all.")] = 64,
    sheet: Annotated[Path | None, Parameter(help="Write twelve pairs as a picture here.")] = None,
) -> int:
    """Say what data there is: layout, counts, sizes, depths, and what is wrong with it.

    Headers of all files are looked at; a sample of pairs is read.
    """
    from onedepth.data.survey import contact_sheet, look_at
    from onedepth.data.survey import sample as spread
    from onedepth.outputs import save_image

    if sample < 1:
        raise OnedepthError(f"--sample: expected 1 or more, got {sample}")
    name, parts = options.open_parts(path)
    count = sum(len(pairs) for _, pairs in parts)
    damage = [one for _, pairs in parts for one in pairs.check()]
    _row("layout", name)
    splits = ", ".join(f"{split} {len(pairs)}" for split, pairs in parts if split)
    _row("pairs", f"{count}{f' ({splits})' if splits else ''}")
    problems = [one.message for one in damage]
    kept = []
    for split_name, pairs in parts:
        whole = pairs.without([one.id for one in damage])
        if not len(whole):
            continue
        indices = spread(whole, max(1, round(sample * len(whole) / count)))
        with progress(len(indices)) as (advance, _say):
            survey, some = look_at(whole, indices, advance)
        kept += some
        problems += survey.failed
        print(f"{f'split {split_name}: ' if split_name else ''}{survey.looked_at} pairs read")
        if not survey.looked_at:
            continue
        _row("sizes", ", ".join(f"{size} ({times})" for size, times in survey.sizes.most_common(5)))
        focals = sorted(survey.focals_px)
        _row("focal", f"{focals[0]:.1f}–{focals[-1]:.1f} px" if focals[0] < focals[-1] else f"{focals[0]:.1f} px")
        _row("truth", f"{survey.valid_share:.1%} of pixels; {len(survey.without_truth)} pairs have none")
        if survey.farthest_m:
            _row("depth", f"{survey.nearest_m:.3f}–{survey.farthest_m:.3f} m")
        for line in survey.histogram():
            print(f"  {line}")
    if sheet is not None and kept:
        # Evenly from all splits.
        chosen = kept[:: -(-len(kept) // 12)]
        print(f"{save_image(contact_sheet(chosen), sheet)}: {len(chosen)} pairs")
    _row("problems", str(len(problems)))
    for message in problems[:PROBLEMS]:
        print(f"  {message}")
    if len(problems) > PROBLEMS:
        print(f"  and {len(problems) - PROBLEMS} more")
    return SOME_FAILED if problems else DONE


@app.command
def convert(
    path: Data,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="A new folder, or that of an interrupted conversion.")],
    inpaint: Annotated[
        bool, Parameter(negative=(), help="Fill depth where there is no truth, as DenseDepth did for KITTI.")
    ] = False,
    options: LayoutOptions = AS_RECOGNISED,
) -> int:
    """Rewrite data as a folder with index.csv: depth as 16-bit PNG in millimetres, pictures without loss.

    JPEGs are copied as they are. The same command goes on with a conversion that was interrupted.
    """
    from onedepth.data.convert import LARGEST_MM
    from onedepth.data.convert import convert as rewrite

    name, parts = options.open_parts(path)
    origin = {"path": str(path.resolve()), "layout": name} | {
        key: str(value) for key, value in options.arguments.items() if value is not None
    }
    if inpaint:
        origin["inpaint"] = "yes"
    count = sum(len(pairs) for _, pairs in parts)
    with progress(count) as (advance, _say):
        result = rewrite(
            parts, out, origin, advance, lambda text: print(f"onedepth: {text}", file=sys.stderr), fill=inpaint
        )
    if result.before:
        print(f"{result.before} pairs were there already")
    if result.clipped:
        print(f"{result.clipped} pixels lie beyond {LARGEST_MM / 1000} m, where the format ends: without truth here")
    print(f"{result.done} of {count} pairs, in {out}/")
    if not result.done:
        return WRONG_INPUT
    return SOME_FAILED if result.failed else DONE


def _row(name: str, text: str) -> None:
    print(f"{name:>10}  {text}")
