"""The verb `render-rooms`: furnished rooms with exact depth, to train on before real pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from onedepth.errors import MissingExtraError
from onedepth.progress import progress


def render_rooms(
    out: Annotated[Path, Parameter(help="A new folder, or that of an interrupted rendering.")],
    *,
    count: Annotated[int, Parameter(help="How many frames it shall hold.")],
    seed: Annotated[int, Parameter(help="Names the collection: the same seed gives the same frames.")] = 0,
    furniture: Annotated[
        Path | None,
        Parameter(help="Folder of Sweet Home 3D furniture archives (*.sh3f).", show_default="Debian's"),
    ] = None,
    workers: Annotated[int, Parameter(help="Processes that render.")] = 1,
) -> int:
    """Render furnished rooms with exact depth into a folder with index.csv, 320×240, split train.

    The same command goes on with a rendering that was interrupted. See docs/data.md.
    """
    try:
        from onedepth.data.furnished.collection import render_collection
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"rendering rooms needs {error.name}, which is not installed: pip install 'onedepth[train]'"
        ) from error
    with progress(count) as (advance, _say):
        before = render_collection(out, count, seed, furniture, workers, advance)
    if before:
        print(f"{before} frames were there already")
    print(f"{count} frames, in {out}/")
    return 0
