"""What frames come from, and what is known of it before the first is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onedepth.errors import OnedepthError

if TYPE_CHECKING:
    import av


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a video.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB, upright (rotation metadata applied), in the video's own pixels.
        index: number of the frame in its source, from 0; counted from `start_s` where one is given.
        pts: when it is shown, in units of `time_base`.
        duration: how long, in units of `time_base`; 0 if unknown.
        time_base: seconds.
        arrived_s: when a camera gave it, on the clock of `time.monotonic`; None for what is not live.
    """

    image: NDArray[np.uint8]
    index: int
    pts: int
    duration: int
    time_base: Fraction
    arrived_s: float | None = None

    @property
    def time_s(self) -> float:
        """When the frame is shown, in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True)
class Facts:
    """What is known of a source before it is read.

    Attributes:
        name: for results: a file's name without suffix.
        label: for messages.
        time_base: of the frames' pts, in seconds.
        rate: frames per second, exactly; None if unknown.
        sample_aspect: width of a pixel over its height, upright.
        frames: how many are expected; None if unknown.
        duration_s: of what will be read; None if unknown or endless.
        focal_px: of the upright frames, from EXIF; None if the source does not tell.
        live: frames that are not taken in time are dropped; reading ahead would only make them old.
    """

    name: str
    label: str
    time_base: Fraction
    rate: Fraction | None = None
    sample_aspect: Fraction = Fraction(1)
    frames: int | None = None
    duration_s: float | None = None
    focal_px: float | None = None
    live: bool = False


@dataclass(frozen=True)
class Span:
    """Which frames of a source are wanted.

    Attributes:
        start_s: the first, in seconds from the source's beginning, which becomes time 0 of the result.
        end_s: the first that is not, in seconds from the source's beginning; None for all.
        every: only each so many-th frame.

    Raises:
        OnedepthError: a span that holds no frame.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if not (np.isfinite(self.start_s) and self.start_s >= 0):
            raise OnedepthError(f"--start: expected 0 seconds or more, got {self.start_s:g}")
        if self.end_s is not None and not self.end_s > self.start_s:
            raise OnedepthError(f"--end {self.end_s:g} s is not after --start {self.start_s:g} s")
        if self.every < 1:
            raise OnedepthError(f"--every: expected 1 or more, got {self.every}")


WHOLE = Span()
"""All frames."""


@dataclass
class AudioTracks:
    """Sound that goes through as it is.

    Attributes:
        streams: of the input container; templates for those of the output.
        packets: read and not yet written, with their stream's place in `streams`; in the source's time as it will be.
    """

    streams: Sequence[av.AudioStream] = ()
    packets: deque[tuple[int, av.Packet[Any]]] = field(default_factory=deque)


class Source(Protocol):
    """Frames, once, in order.

    Attributes:
        facts: what is known beforehand.
        problems: what was wrong with the source, one line each; complete when `frames` is exhausted.
        audio: sound beside the frames; packets arrive while `frames` runs.
    """

    facts: Facts
    problems: list[str]
    audio: AudioTracks

    def frames(self) -> Iterator[Frame]:
        """The frames; may be called once.

        Raises:
            OnedepthError: nothing in the source can be read.
        """
        ...

    def sample(self, count: int) -> list[NDArray[np.uint8]]:
        """About so many images from all over the source, or from its beginning where nothing else can be had.

        Each uint8 `[H, W, 3]`. Does not disturb `frames`. A camera is watched for a second.
        """
        ...

    def close(self) -> None:
        """Let go of files and devices."""
        ...


def open_source(name: str | Path, span: Span = WHOLE, *, fps: Fraction | None = None, sound: bool = False) -> Source:
    """Open what a user names: a video file, a folder of frames or a glob pattern, a capture device.

    Args:
        name: path or pattern.
        span: which frames.
        fps: frames per second of pictures; by default 30. A video has its own.
        sound: read the audio too; whoever asks for it must take its packets.

    Raises:
        OnedepthError: there is no such thing, or it cannot be read.
    """
    path = Path(name)
    if not str(name):
        raise OnedepthError("an empty name was given, expected a video, a folder of frames or a pattern")
    if "://" in str(name):
        raise OnedepthError(f"{name}: expected a file, not a URL; download it first")
    if path.is_char_device():
        from onedepth.video.live_source import open_camera

        return open_camera(str(name), span)
    if path.is_dir() or (not path.exists() and any(mark in str(name) for mark in "*?[")):
        from onedepth.video.folder_source import FolderSource

        return FolderSource(name, span, fps=fps)
    if fps is not None:
        raise OnedepthError(f"--fps: goes with a folder of frames; {name} has its own timestamps")
    from onedepth.video.file_source import FileSource

    return FileSource(path, span, sound=sound)


def next_pts(pts: int | None, last: int | None, duration: int) -> int:
    """A timestamp after the last one: the frame's own, or as long after it as the last one lasts."""
    if last is None:
        return 0 if pts is None else pts
    if pts is None or pts <= last:
        return last + max(1, duration)
    return pts
