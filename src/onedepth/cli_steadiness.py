"""The verb `evaluate-video`: how much depth flickers, with and without stabilisation. Heavy imports stand inside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from onedepth.cli_options import Model, Runtime, Threads
from onedepth.cli_video import complain
from onedepth.errors import OnedepthError
from onedepth.progress import frame_progress

if TYPE_CHECKING:
    from onedepth.steadiness import Steadiness

SEED = 7
"""The collection of rooms that are walked through."""
MOST_FRAMES = 10**6


def evaluate_video(
    videos: Annotated[
        list[str] | None, Parameter(name="VIDEO", help="Video files, folders of frames, or quoted glob patterns.")
    ] = None,
    *,
    walk: Annotated[
        list[int] | None,
        Parameter(
            help="Rendered room to walk through, with exact depth and camera; may be repeated.",
            show_default="3 and 11 where no video is named",
            negative=(),
        ),
    ] = None,
    frames: Annotated[int, Parameter(help="Of a walk, 30 a second; of a video at most so many.")] = 300,
    stabilize: Annotated[
        list[Literal["off", "fast", "best"]] | None,
        Parameter(help="Ways to compare; may be repeated.", show_default="all", negative=()),
    ] = None,
    model: Model = None,
    json: Annotated[Path | None, Parameter(help="File for all figures, unrounded.")] = None,
    runtime: Runtime = "onnxruntime",
    threads: Threads = None,
) -> int:
    """Measure how much the depths of a video flicker, frame by frame and stabilised.

    On rendered walks, whose depth and camera are known: inconsistency along the true motion, temporal alignment error
    (TAE) and AbsRel. On any video: flicker along the optical flow. See docs/stabilisation.md.
    """
    from onedepth.cli import DONE, SOME_FAILED
    from onedepth.outputs import check_place, replacing
    from onedepth.predictor import Predictor
    from onedepth.stabilise import STABILISERS
    from onedepth.steadiness import footage, measure, table, to_json
    from onedepth.steadiness import walk as walk_through
    from onedepth.video.source import open_source

    if not 2 <= frames <= MOST_FRAMES:
        raise OnedepthError(f"--frames {frames}: expected 2 to {MOST_FRAMES}; a change needs two")
    if json is not None:
        check_place(json)
    sources = [open_source(video) for video in videos or []]
    try:
        predictor = Predictor(model, runtime=runtime, threads=threads)
        rooms = walk if walk is not None else [] if sources else [3, 11]
        pieces = [(f"walk through room {room}", frames, walk_through(SEED, room, frames)) for room in rooms]
        pieces += [(one.facts.label, one.facts.frames, islice(footage(predictor, one), frames)) for one in sources]
        found: list[tuple[str, Sequence[Steadiness]]] = []
        for name, count, shots in pieces:
            with frame_progress(None if count is None else min(count, frames)) as advance:
                rows = measure(predictor, shots, list(dict.fromkeys(stabilize or STABILISERS)), advance)
            found.append((name, rows))
            print(f"{name}, {rows[0].frames} frames, {predictor.card.title}\n{table(rows)}\n", flush=True)
        problems = [problem for one in sources for problem in one.problems]
    finally:
        for one in sources:
            one.close()
    for problem in problems:
        complain(problem)
    if json is not None:
        with replacing(json) as temporary:
            temporary.write_text(to_json(predictor.card.title, found), "utf-8")
    return SOME_FAILED if problems else DONE
