"""The verb `video`: a video, or a folder of frames, in; videos of depth out. Heavy imports stand inside."""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from onedepth.cli_options import COLOURS, Colormap, Focal, Fov, Layout, Model, Runtime, Threads
from onedepth.errors import OnedepthError, OutputError
from onedepth.progress import frame_progress

if TYPE_CHECKING:
    from onedepth.predictor import Predictor
    from onedepth.video.job import Outcome
    from onedepth.video.results import Result
    from onedepth.video.source import Source

SPAN = Group("Span", help="Which frames. Times are seconds, or [H:]MM:SS, from the video's beginning.")


def video(
    source: Annotated[str, Parameter(name="INPUT", help="Video file, folder of frames, or quoted glob pattern.")],
    *,
    out: Annotated[
        Path | None,
        Parameter(
            name=["--out", "-o"],
            help="The picture video, H.264: .mp4, .mov or .mkv.",
            show_default="depth/NAME_depth.mp4",
        ),
    ] = None,
    metric: Annotated[
        Path | None,
        Parameter(help="Metres for machines, without loss: a file in .mkv (FFV1, 16 bit) or a folder of 16-bit PNGs."),
    ] = None,
    picture: Annotated[bool, Parameter(help="Write the picture video; --no-picture with --metric alone.")] = True,
    layout: Layout = "depth",
    colour_range: Annotated[
        str | None,
        Parameter(
            name="--range",
            group=COLOURS,
            help="Metres of the two ends, as in 0.5:8.",
            show_default="fixed from frames all over the video",
        ),
    ] = None,
    colormap: Colormap = None,
    legend: Annotated[bool, Parameter(group=COLOURS, help="A bar in metres beside the picture.")] = True,
    audio: Annotated[bool, Parameter(help="Let the sound through, as it is.")] = True,
    stabilize: Annotated[
        Literal["off", "fast", "best"] | None,
        Parameter(help="Take out flicker: causally, or with a look ahead.", show_default="fast"),
    ] = None,
    start: Annotated[str | None, Parameter(group=SPAN, help="First moment; time 0 of the result.")] = None,
    end: Annotated[str | None, Parameter(group=SPAN, help="Where to stop.")] = None,
    every: Annotated[int, Parameter(group=SPAN, help="Only each so many-th frame.")] = 1,
    fps: Annotated[
        str | None,
        Parameter(group=SPAN, help="Frames per second of a folder, as in 25 or 30000/1001.", show_default="30"),
    ] = None,
    resume: Annotated[
        bool, Parameter(negative=(), help="Go on with a folder of PNGs; with --metric FOLDER --no-picture.")
    ] = False,
    focal: Focal = None,
    fov: Fov = None,
    model: Model = None,
    runtime: Runtime = "onnxruntime",
    threads: Threads = None,
) -> int:
    """Depth in metres for every frame of a video.

    Writes a video in colours with a legend in metres, with the source's timestamps, size, aspect and sound; and on
    request the metres themselves. Ctrl-C ends it with a whole file of what is done.
    """
    from onedepth.predictor import Predictor, given_focal
    from onedepth.render import DEFAULT
    from onedepth.video.colour_range import parse_range
    from onedepth.video.depths import stabiliser
    from onedepth.video.job import run
    from onedepth.video.painter import Look
    from onedepth.video.results import PictureVideo, metric_result
    from onedepth.video.source import Span, open_source

    way = default_stabiliser() if stabilize is None else stabilize
    stabiliser(way)
    given_focal(focal, fov, width=1)
    given_range = parse_range(colour_range)
    check_colormap(colormap)
    _check_results(picture, metric, resume)
    opened = open_source(
        source,
        Span(parse_time("--start", start) or 0.0, parse_time("--end", end), every),
        fps=parse_rate(fps),
        sound=picture and audio,
    )
    try:
        results: list[Result] = []
        shown = None
        if picture:
            shown = PictureVideo(out or _default_path(opened, audio), Look(1.0, 2.0), audio)
            results.append(shown)
        if metric is not None:
            results.append(metric_result(metric, resume=resume))
        _check_apart(Path(source), [result.path for result in results])
        for result in results:
            result.check(opened)
        predictor = Predictor(model, runtime=runtime, threads=threads)
        with stoppable() as stopped:
            if shown is not None:
                near_m, far_m = given_range or _own_range(predictor, opened, focal, fov)
                shown.look = Look(near_m, far_m, colormap or DEFAULT, layout, legend)
            with frame_progress(opened.facts.frames) as advance:
                outcome = run(
                    predictor,
                    opened,
                    results,
                    focal_px=focal,
                    fov_deg=fov,
                    stabilise=way,
                    every=every,
                    stopped=stopped,
                    advance=advance,
                )
        return _tell(outcome, opened.facts.label, results)
    finally:
        opened.close()


def default_stabiliser() -> str:
    """The way of taking out flicker that costs little and delays nothing, where there is one."""
    from onedepth.stabilise import STABILISERS

    return "fast" if "fast" in STABILISERS else "off"


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that work can end with whole files; a second Ctrl-C breaks off."""
    stopped = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    try:
        before = signal.signal(signal.SIGINT, stop)
    except ValueError:  # not the main thread, which has no Ctrl-C
        yield stopped
        return
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def parse_time(option: str, text: str | None) -> float | None:
    """Seconds from "90", "1:30" or "0:01:30.5".

    Raises:
        OnedepthError: not a time.
    """
    if text is None:
        return None
    seconds = 0.0
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or any(not 0 <= part < math.inf for part in parts):
        raise OnedepthError(f"{option} {text}: expected seconds, or [H:]MM:SS")
    for part in parts:
        seconds = 60 * seconds + part
    return seconds


def parse_rate(text: str | None) -> Fraction | None:
    """Frames per second from "25", "29.97" or "30000/1001"; exact where it is a fraction.

    Raises:
        OnedepthError: not a number above 0.
    """
    if text is None:
        return None
    try:
        rate = Fraction(text).limit_denominator(1_001_000)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 10_000:
        raise OnedepthError(f"--fps {text}: expected frames per second, as in 25 or 30000/1001")
    return rate


def check_colormap(name: str | None) -> None:
    """Refuse an unknown colour map before anything is opened."""
    from onedepth import render

    if name is not None:
        render.lookup_table(name)


def _check_results(picture: bool, metric: Path | None, resume: bool) -> None:
    """Refuse what would write nothing, or cannot go on."""
    if not picture and metric is None:
        raise OnedepthError("--no-picture leaves nothing to write; name a place for the metres with --metric")
    if resume and (picture or metric is None or metric.suffix.lower() == ".mkv"):
        raise OnedepthError(
            "--resume goes on with a folder of PNGs, a video is written in one go: give --metric FOLDER --no-picture"
        )


def _check_apart(source: Path, paths: list[Path]) -> None:
    """Refuse to write over the source, or two results into one file."""
    for path in paths:
        if path.resolve() == source.resolve():
            raise OutputError(f"{path}: is what is read; choose another name")
    if len({path.resolve() for path in paths}) < len(paths):
        raise OutputError(f"{paths[0]}: was named for the picture video and for the metres; choose two names")


def _default_path(source: Source, audio: bool) -> Path:
    """In MP4, which everything plays; in another container where MP4 cannot hold the sound as it is."""
    from onedepth.video.results import homes_of

    homes = homes_of(source.audio.streams) if audio else []
    return Path("depth") / f"{source.facts.name}_depth{homes[0] if homes else '.mp4'}"


def _own_range(predictor: Predictor, source: Source, focal: float | None, fov: float | None) -> tuple[float, float]:
    """A range that fits frames all over the source.

    Raises:
        OnedepthError: there are none to look at.
    """
    from onedepth.video.colour_range import samples_for, steady_range
    from onedepth.video.depths import Cameras

    cameras = Cameras(predictor, source.facts, focal, fov)
    found = steady_range(source.sample(samples_for(source.facts.frames)), cameras.depth_m)
    if found is None:
        raise OnedepthError(
            f"{source.facts.label}: has no frames to take a range of colours from; give --range near:far"
        )
    return found


def _tell(outcome: Outcome, label: str, results: Sequence[Result]) -> int:
    """Print what was done, and what was wrong; the exit status."""
    from onedepth.cli import DONE, INTERRUPTED, SOME_FAILED
    from onedepth.video.results import MetricFolder, MetricVideo, PictureVideo

    for problem in outcome.problems:
        complain(problem)
    for result in results:
        if isinstance(result, MetricVideo | MetricFolder) and result.clipped:
            complain(f"{result.path}: {result.clipped} frames reach beyond 65.535 m, where 16-bit millimetres end")
    places = ", ".join(str(result.path) for result in results)
    if outcome.depth is not None:
        width, height = outcome.sizes[0]
        known = "" if outcome.depth.focal_source != "assumed" else ": metres may be off by a constant factor"
        look = next((result.look for result in results if isinstance(result, PictureVideo)), None)
        print(
            f"{label}  {width}×{height}  {outcome.frames} frames in {outcome.seconds:.1f} s, "
            f"{outcome.frames / outcome.seconds:.1f} frames/s  "
            f"{'' if look is None else f'colours {look.near_m:.2f} to {look.far_m:.2f} m  '}"
            f"focal {outcome.depth.intrinsics.focal_px:.0f} px ({outcome.depth.focal_source}{known})"
        )
    if outcome.frames:
        print(f"in {places}")
    if outcome.interrupted:
        complain(f"interrupted; {outcome.frames} frames are done" + (f", in {places}" if outcome.frames else ""))
        return INTERRUPTED
    return SOME_FAILED if outcome.problems else DONE


def complain(message: str) -> None:
    """One line on standard error."""
    print(f"onedepth: {message}", file=sys.stderr)
