"""Cameras; and video files played at their own pace, as if they were one.

A thread takes every frame that the camera gives and keeps the newest. Whoever is slower than the camera sees fewer
frames, never old ones.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from onedepth.errors import OnedepthError
from onedepth.video.source import WHOLE, AudioTracks, Facts, Frame, Span, next_pts
from onedepth.video.upright import Upright

if TYPE_CHECKING:
    from av.container import InputContainer

FORMATS = {
    # platform: FFmpeg's input format, the device of a number, what to do where it cannot be opened
    "linux": ("v4l2", "/dev/video{}", "is it used by another program, and are you in the group video?"),
    "darwin": ("avfoundation", "{}:none", "System Settings > Privacy & Security > Camera must allow this terminal"),
    "win32": (
        "dshow",
        "video={}",
        "a device is named by its name here, as in `ffmpeg -list_devices true -f dshow -i x`",
    ),
}
TIME_BASE = Fraction(1, 90_000)
FIRST_FRAME_S = 10.0
"""How long a camera may take to give its first frame."""
SAMPLE_S = 1.0


class LiveSource:
    """The newest frames of a device (see `onedepth.video.source.Source`).

    Attributes:
        given: frames that the device gave so far.
        taken: frames that were taken of them; the others are dropped.
        stopped: set, it ends the frames.
    """

    def __init__(self, container: InputContainer, label: str, name: str, span: Span, *, paced: bool) -> None:
        """Begin to take frames.

        Args:
            container: the opened device, or file.
            label: for messages.
            name: for results.
            span: when to end, and which frames.
            paced: a file: a frame is there when its time has come.

        Raises:
            OnedepthError: no frame comes.
        """
        self.problems: list[str] = []
        self.audio = AudioTracks()
        self.given = self.taken = 0
        self.stopped = threading.Event()
        self._container, self._span, self._paced = container, span, paced
        self._changed = threading.Condition()
        self._newest: tuple[av.VideoFrame, float] | None = None
        self._upright = Upright()
        self._over = False
        self._closed = threading.Event()
        stream = container.streams.video[0]
        self._label = label
        self._thread = threading.Thread(target=self._run, name="onedepth-camera", daemon=True)
        self._thread.start()
        first = self._next(after=0, timeout_s=FIRST_FRAME_S)
        if first is None:
            self.close()
            raise OnedepthError(f"{label}: gives no frames" + "".join(f" ({problem})" for problem in self.problems))
        aspect = stream.sample_aspect_ratio or Fraction(1)
        self.facts = Facts(
            name, label, TIME_BASE, stream.average_rate or None, aspect, duration_s=span.end_s, live=True
        )

    def frames(self) -> Iterator[Frame]:
        """The newest frame each time that one is asked for, until the device or the span ends."""
        began: float | None = None
        last_pts: int | None = None
        seen = index = 0
        while not self.stopped.is_set():
            newest = self._next(after=seen, timeout_s=0.1)
            if newest is None:
                if self._over:
                    return
                continue
            seen, decoded, arrived_s = newest
            began = arrived_s if began is None else began
            if self._span.end_s is not None and arrived_s - began >= self._span.end_s:
                return
            self.taken += 1
            last_pts = next_pts(round((arrived_s - began) / TIME_BASE), last_pts, 1)
            yield Frame(self._upright(decoded), index, last_pts, 0, TIME_BASE, arrived_s)
            index += 1

    def sample(self, count: int) -> list[NDArray[np.uint8]]:
        """About `count` images of the second that begins now."""
        images: list[NDArray[np.uint8]] = []
        began, seen = time.monotonic(), 0
        while len(images) < count and not self.stopped.is_set() and not self._over:
            newest = self._next(after=seen, timeout_s=0.1)
            if newest is not None:
                seen = newest[0]
                images.append(self._upright(newest[1]))
            wait_s = began + len(images) * SAMPLE_S / count - time.monotonic()
            if wait_s > 0:
                self._closed.wait(wait_s)
            if time.monotonic() - began > 2 * SAMPLE_S and images:
                break
        return images

    def close(self) -> None:
        """Let go of the device."""
        self._closed.set()
        self._thread.join(timeout=2)  # a device that hangs is left to the end of the process

    def _next(self, after: int, timeout_s: float) -> tuple[int, av.VideoFrame, float] | None:
        """Number, frame and arrival of the newest frame, once there are more than `after`; None if none came."""
        with self._changed:
            self._changed.wait_for(lambda: self.given > after or self._over, timeout_s)
            if self.given > after and self._newest is not None:
                return self.given, *self._newest
        return None

    def _run(self) -> None:
        began: float | None = None
        try:
            for frame in self._container.decode(video=0):
                if self._closed.is_set():
                    break
                if self._paced:
                    time_s = float((frame.pts or 0) * (frame.time_base or 0))
                    began = time.monotonic() - time_s if began is None else began
                    if self._closed.wait(max(0.0, began + time_s - time.monotonic())):
                        break
                with self._changed:
                    self._newest = frame, time.monotonic()
                    self.given += 1
                    self._changed.notify_all()
        except (OSError, ValueError, FFmpegError) as error:
            self.problems.append(f"{self._label}: {getattr(error, 'strerror', None) or error}")
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
            with suppress(OSError, ValueError, FFmpegError):
                self._container.close()


def open_camera(
    device: str,
    span: Span = WHOLE,
    *,
    size: str | None = None,
    fps: Fraction | None = None,
) -> LiveSource:
    """Open a camera by number or name, or a video file as if it were one.

    Args:
        device: "0", "/dev/video0", a name that FFmpeg knows, or the path of a video file.
        span: when to end.
        size: asked of the device, as in "1280x720".
        fps: frames per second asked of the device.

    Raises:
        OnedepthError: there is no such device, it cannot be opened, or it gives no frames.
    """
    path = Path(device)
    if path.is_file():
        from onedepth.video.file_source import open_video

        return LiveSource(open_video(path)[0], str(path), path.stem, span, paced=True)
    form, pattern, advice = FORMATS.get(sys.platform, FORMATS["linux"])
    name = pattern.format(device) if device.isdecimal() else device
    if name.startswith("/") and not Path(name).exists():
        there = ", ".join(sorted(str(found) for found in Path("/dev").glob("video*"))) or "none"
        raise OnedepthError(f"camera {device}: there is no {name}; cameras here: {there}")
    options = {}
    if size is not None:
        options["video_size"] = size
    if fps is not None:
        options["framerate"] = str(fps)
    elif form == "avfoundation":
        options["framerate"] = "30"  # its default, 29.97, is refused by most Macs' cameras
    try:
        container = av.open(name, format=form, options=options)
    except (OSError, ValueError, FFmpegError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OnedepthError(f"camera {device}: cannot be opened ({reason}); {advice}") from error
    if not container.streams.video:
        container.close()
        raise OnedepthError(f"camera {device}: gives no pictures")
    return LiveSource(container, f"camera {device}", f"camera_{Path(name).name}", span, paced=False)
