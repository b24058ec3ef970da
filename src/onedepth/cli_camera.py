"""The verb `camera`: live depth. Heavy imports stand inside."""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from cyclopts import Parameter

from onedepth.cli_options import COLOURS, Colormap, Focal, Fov, Layout, Model, Runtime, Threads
from onedepth.cli_video import check_colormap, complain, default_stabiliser, parse_rate, parse_time, stoppable
from onedepth.errors import OnedepthError

if TYPE_CHECKING:
    import av

    from onedepth.video.live_source import LiveSource
    from onedepth.video.source import Frame

Where = Literal["window", "page", "none"]
_WINDOW = 10_000  # latencies that are remembered
_RECENT = 20  # frames of which the rate and latency of the moment are made
_TELL_EVERY_S = 0.5


class View(Protocol):
    """A place where pictures are seen.

    Attributes:
        address: what it is, for messages.
    """

    address: str

    @property
    def closed(self) -> bool:
        """Whether the user has closed it."""
        ...

    def show(self, frame: av.VideoFrame, text: str) -> None:
        """Show a picture, and a line with it."""
        ...

    def close(self) -> None:
        """Take it away."""
        ...


def camera(
    device: Annotated[
        str,
        Parameter(help="Number or name of a camera; or a video file, which is played at its pace as if it were one."),
    ] = "0",
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="Also write a video: .mp4, .mov or .mkv.")] = None,
    show: Annotated[
        Where | None,
        Parameter(
            help="A window needs a display and Python's tkinter; a page is seen in a browser on this machine.",
            show_default="window if it can be, else page; none with --out",
        ),
    ] = None,
    port: Annotated[int, Parameter(help="Of the page; 0 for any that is free.")] = 8642,
    seconds: Annotated[str | None, Parameter(help="Stop after so long.", show_default="until Ctrl-C")] = None,
    size: Annotated[str | None, Parameter(help="Asked of the camera, as in 1280x720.")] = None,
    fps: Annotated[str | None, Parameter(help="Frames per second asked of the camera.")] = None,
    layout: Layout = "side-by-side",
    colour_range: Annotated[
        str | None,
        Parameter(name="--range", group=COLOURS, help="Metres, as in 0.5:8.", show_default="from the first second"),
    ] = None,
    colormap: Colormap = None,
    stabilize: Annotated[
        Literal["off", "fast"] | None, Parameter(help="Take out flicker.", show_default="fast")
    ] = None,
    focal: Focal = None,
    fov: Fov = None,
    model: Model = None,
    runtime: Runtime = "onnxruntime",
    threads: Threads = None,
) -> int:
    """Live depth of a camera, with its latency.

    Every picture shown is the newest: frames that come while the model works are dropped. Ctrl-C ends it.
    """
    from onedepth.predictor import Predictor, given_focal
    from onedepth.render import DEFAULT, focal_note
    from onedepth.video.colour_range import parse_range, steady_range
    from onedepth.video.depths import Cameras, depth_stream, stabiliser
    from onedepth.video.live_source import open_camera
    from onedepth.video.painter import Look, Painter
    from onedepth.video.results import PictureVideo
    from onedepth.video.source import Span

    way = default_stabiliser() if stabilize is None else stabilize
    stabiliser(way)
    given_focal(focal, fov, width=1)
    given_range = parse_range(colour_range)
    check_colormap(colormap)
    span = Span(end_s=parse_time("--seconds", seconds))
    recording = None if out is None else PictureVideo(out, Look(1.0, 2.0), sound=False)
    if out is not None and out.resolve() == Path(device).resolve():
        raise OnedepthError(f"{out}: is what is read; choose another name")
    predictor = Predictor(model, runtime=runtime, threads=threads)
    source = open_camera(device, span, size=size, fps=parse_rate(fps))
    with ExitStack() as stack:
        stack.callback(source.close)
        if recording is not None:
            recording.check(source)
        view = _view(show or ("none" if out else None), port)
        if view is not None:
            stack.callback(view.close)
        source.stopped = stopped = stack.enter_context(stoppable())
        found = given_range or steady_range(source.sample(5), Cameras(predictor, source.facts, focal, fov).depth_m)
        if found is None:
            raise OnedepthError(f"{source.facts.label}: ended before its first second; give --range near:far")
        if view is not None:
            print(f"{source.facts.label} in {view.address}; Ctrl-C ends it", flush=True)
        look, painter, record = Look(*found, colormap or DEFAULT, layout), None, None
        pace = _Pace(source)
        for frame, depth in depth_stream(
            predictor, source, focal_px=focal, fov_deg=fov, stabilise=way, stopped=stopped
        ):
            if painter is None:
                painter = Painter(depth.depth_m.shape, look, focal_note(depth), source.facts.sample_aspect)
                if recording is not None:
                    recording.look = look
                    record = stack.enter_context(recording.open(source, depth))
            if record is not None:
                record(frame, depth)
            if view is not None:
                view.show(painter.paint(depth.image, depth.depth_m), pace.text)
            pace.shown(frame)
            if view is not None and view.closed:
                break
        pace.end()
    return _tell(source, pace, out)


def _tell(source: LiveSource, pace: _Pace, out: Path | None) -> int:
    """Print how it went; the exit status."""
    from onedepth.cli import DONE, SOME_FAILED

    for problem in source.problems:
        complain(problem)
    print(pace.summary + ("" if out is None else f", in {out}"))
    return SOME_FAILED if source.problems else DONE


class _Pace:
    """How fast pictures are shown, and how old they are then."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._given_before = source.given
        self._began = time.monotonic()
        self._times_s: deque[float] = deque(maxlen=_WINDOW)
        self._latencies_s: deque[float] = deque(maxlen=_WINDOW)
        self._frames = 0
        self._told_s = 0.0

    def shown(self, frame: Frame) -> None:
        """A frame has just been shown."""
        now = time.monotonic()
        self._frames += 1
        self._times_s.append(now)
        if frame.arrived_s is not None:
            self._latencies_s.append(now - frame.arrived_s)
        if sys.stderr.isatty() and now - self._told_s > _TELL_EVERY_S:
            self._told_s = now
            print(f"\r{self.text}   ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Nothing more is shown."""
        self._seconds = time.monotonic() - self._began
        if self._told_s:
            print(file=sys.stderr)

    @property
    def text(self) -> str:
        """Frames per second and latency now, and the share of the camera's frames that was dropped so far."""
        recent = list(self._latencies_s)[-_RECENT:]
        if not recent:
            return ""
        times_s = list(self._times_s)[-_RECENT:]
        rate = (len(times_s) - 1) / (times_s[-1] - times_s[0]) if len(times_s) > 1 else 0.0
        return f"{rate:.1f} frames/s  latency {1000 * sum(recent) / len(recent):.0f} ms  dropped {self._dropped:.0%}"

    @property
    def summary(self) -> str:
        """All of it, in one line; latencies of its last minutes."""
        text = f"{self._source.facts.label}  {self._frames} frames in {self._seconds:.1f} s"
        if not self._latencies_s:
            return text
        ordered = sorted(self._latencies_s)
        middle, late = ordered[len(ordered) // 2], ordered[len(ordered) * 19 // 20]
        return (
            f"{text}, {self._frames / self._seconds:.1f} frames/s, {self._dropped:.0%} of the camera's dropped, "
            f"latency {1000 * middle:.0f} ms (95 % below {1000 * late:.0f})"
        )

    @property
    def _dropped(self) -> float:
        given = max(1, self._source.given - self._given_before)
        return max(0.0, 1 - self._frames / given)


def _view(where: Where | None, port: int) -> View | None:
    """Where pictures are seen.

    Raises:
        OnedepthError: the place that was asked for cannot be had.
    """
    from onedepth.video.page import Page
    from onedepth.video.window import Window

    if where == "none":
        return None
    if where == "page":
        return Page(port)
    try:
        return Window()
    except OnedepthError:
        if where == "window":
            raise
        return Page(port)
