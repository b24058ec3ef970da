"""What a video job writes: a picture video for people, and metres for machines as a video or as a folder of PNGs.

A new form is one class with `check` and `open`, and one line in `METRIC_KINDS` or `PICTURE_KINDS`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from onedepth import outputs, render
from onedepth.depth import Depth
from onedepth.errors import DataError, OutputError
from onedepth.outputs import check_place, read_png16, replacing
from onedepth.outputs.png16 import MAX_MM, millimetres
from onedepth.video.muxer import encoder, fits, video_file
from onedepth.video.painter import BT709, Look, Painter, fitted
from onedepth.video.source import Frame, Source

Add = Callable[[Frame, Depth], None]

H264 = ("libx264", "h264_videotoolbox", "libopenh264", "h264_v4l2m2m")
FFV1 = ("ffv1",)
# No B frames: nothing is held back, and the first timestamp is the first frame's. For smooth depth the fastest preset
# at a constant quantiser takes a quarter of the time of "superfast", which spends its bits on gradients (docs/log.md).
# Photos differ.
_H264_OPTIONS = {"preset": "ultrafast", "qp": "18", "bf": "0"}
_H264_PHOTO_OPTIONS = {"preset": "superfast", "crf": "18", "bf": "0"}
_FFV1_OPTIONS = {"level": "3", "coder": "1", "context": "0", "slicecrc": "1"}
_SMALL = 16  # below so many rows or columns FFV1 refuses slices

FRAMES_CSV = "frames.csv"


class Result(Protocol):
    """One thing that a job writes.

    Attributes:
        path: where.
    """

    path: Path

    def check(self, source: Source) -> None:
        """Refuse what cannot be written, before the model runs.

        Raises:
            OutputError: a place that cannot be written, a missing encoder, sound that the container cannot hold.
        """
        ...

    def open(self, source: Source, depth: Depth) -> AbstractContextManager[Add]:
        """Begin; the first depth tells size and camera. What is yielded takes every frame, the first one too."""
        ...


@dataclass
class PictureVideo:
    """H.264: depth in colours with a legend, exact timestamps, the source's sound.

    Attributes:
        path: the file; see `PICTURE_KINDS`.
        look: how depth is drawn.
        sound: let the source's audio through.
    """

    path: Path
    look: Look
    sound: bool = True

    def check(self, source: Source) -> None:
        """See `Result.check`."""
        _known(self.path, PICTURE_KINDS, "a picture video")
        check_place(self.path)
        encoder(H264, self.path)
        homes = homes_of(source.audio.streams) if self.sound else list(PICTURE_KINDS)
        if self.path.suffix.lower() not in homes:
            codecs = ", ".join(sorted({stream.codec_context.name for stream in source.audio.streams}))
            raise OutputError(
                f"cannot write {self.path}: {self.path.suffix} does not hold sound in {codecs} as it is; "
                + (f"{' or '.join(homes)} does, or leave" if homes else "leave")
                + " the sound out with --no-audio"
            )

    @contextmanager
    def open(self, source: Source, depth: Depth) -> Iterator[Add]:
        """See `Result.open`."""
        facts = source.facts
        painter = Painter(depth.depth_m.shape, self.look, render.focal_note(depth), facts.sample_aspect)
        with video_file(
            self.path,
            codecs=H264,
            size=(painter.width, painter.height),
            pix_fmt=painter.pix_fmt,
            time_base=facts.time_base,
            rate=facts.rate,
            sample_aspect=facts.sample_aspect,
            options=_H264_OPTIONS if self.look.layout == "depth" else _H264_PHOTO_OPTIONS,
            colour=BT709,
            sound=source.audio.streams if self.sound else (),
            tags=_tags(depth, f"colours: {self.look.near_m:g} to {self.look.far_m:g} m, even in log depth"),
        ) as muxer:

            def add_sound() -> None:
                while source.audio.packets:
                    place, packet = source.audio.packets.popleft()
                    if self.sound:
                        muxer.add_audio(place, packet)

            def add(frame: Frame, depth: Depth) -> None:
                add_sound()
                muxer.add(painter.paint(depth.image, depth.depth_m), frame.pts, frame.duration, frame.time_base)

            yield add
            if muxer.frames:
                add_sound()


@dataclass
class MetricVideo:
    """FFV1 in Matroska, gray16le: millimetres without loss, 0 = unknown. Its timestamps are milliseconds.

    Attributes:
        path: the file.
        clipped: frames with depths beyond what 16 bits hold, 65.535 m.
    """

    path: Path
    clipped: int = 0

    def check(self, source: Source) -> None:  # noqa: ARG002
        """See `Result.check`."""
        check_place(self.path)
        encoder(FFV1, self.path)

    @contextmanager
    def open(self, source: Source, depth: Depth) -> Iterator[Add]:
        """See `Result.open`."""
        height, width = depth.depth_m.shape
        facts = source.facts
        with video_file(
            self.path,
            codecs=FFV1,
            size=(width, height),
            pix_fmt="gray16le",
            time_base=facts.time_base,
            rate=facts.rate,
            sample_aspect=facts.sample_aspect,
            options=_FFV1_OPTIONS | {"slices": "1" if min(height, width) < _SMALL else "4"},
            tags=_tags(depth, "depth along the optical axis in millimetres, uint16, 0 = unknown"),
        ) as muxer:

            def add(frame: Frame, depth: Depth) -> None:
                depth_m = depth.depth_m
                if depth_m.shape != (height, width):
                    _, depth_m = fitted(depth.image, depth_m, height, width)
                whole_mm, beyond = millimetres(depth_m)
                self.clipped += beyond > 0
                grey = av.VideoFrame.from_ndarray(whole_mm, "gray16le")
                muxer.add(grey, frame.pts, frame.duration, frame.time_base)

            yield add


@dataclass
class MetricFolder:
    """One 16-bit PNG a frame, as `onedepth predict` writes it, and `frames.csv` with their times.

    Attributes:
        path: the folder.
        resume: go on where frames are missing.
        name: what the files' names begin with; known from `check` on.
        there: indices of frames that were there before.
        clipped: frames with depths beyond what 16 bits hold, 65.535 m.
    """

    path: Path
    resume: bool = False
    name: str = ""
    there: set[int] = field(default_factory=set)
    clipped: int = 0
    _times: dict[int, tuple[int, Fraction]] = field(default_factory=dict)

    def check(self, source: Source) -> None:
        """See `Result.check`."""
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path}: is a file; frames need a folder, and a metric video's name ends in .mkv")
        check_place(self.path / FRAMES_CSV)
        self.name = source.facts.name
        for path in self.path.glob("*_depth_mm.png") if self.path.exists() else ():
            number = path.name.removeprefix(f"{self.name}_").removesuffix("_depth_mm.png")
            if number.isdecimal():
                self.there.add(int(number))
        if self.there and not self.resume:
            raise OutputError(
                f"{self.path}: holds {len(self.there)} frames of {self.name} already; --resume goes on with them, "
                "or name another folder"
            )

    def note(self, frame: Frame) -> None:
        """Remember when a frame is shown, whether it is written now or was before."""
        self._times[frame.index] = frame.pts, frame.time_base

    @contextmanager
    def open(self, source: Source, depth: Depth) -> Iterator[Add]:  # noqa: ARG002
        """See `Result.open`."""
        if self.there:
            self._check_same(depth)

        def add(frame: Frame, depth: Depth) -> None:
            self.note(frame)
            if frame.index not in self.there:
                outputs.save(depth, self._file(frame.index))
                self.clipped += bool((depth.depth_m > MAX_MM / 1000).any())

        try:
            yield add
        finally:
            if self._times:
                self._write_times()

    def _file(self, index: int) -> Path:
        return self.path / f"{self.name}_{index:06d}_depth_mm.png"

    def _check_same(self, depth: Depth) -> None:
        """Refuse to mix frames of two models or cameras.

        Raises:
            OutputError: the frames there are of others.
        """
        path = self._file(min(self.there))
        try:
            _, text = read_png16(path)
        except DataError as error:
            raise OutputError(f"cannot go on in {self.path}: {error}") from error
        ours = {"Model": depth.model, "Focal": f"{depth.intrinsics.focal_px:.2f} px, {depth.focal_source}"}
        for key, value in ours.items():
            if text.get(key) != value:
                raise OutputError(
                    f"cannot go on in {self.path}: {path.name} was made with {key.lower()} {text.get(key)}, this is "
                    f"{value}; name another folder"
                )

    def _write_times(self) -> None:
        with replacing(self.path / FRAMES_CSV) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("file", "index", "time_s", "pts", "time_base"))
            for index, (pts, time_base) in sorted(self._times.items()):
                if self._file(index).exists():
                    rows.writerow((self._file(index).name, index, f"{float(pts * time_base):.9f}", pts, time_base))


PICTURE_KINDS: dict[str, type[PictureVideo]] = {  # the most widely played first
    ".mp4": PictureVideo,
    ".mkv": PictureVideo,
    ".mov": PictureVideo,
    ".m4v": PictureVideo,
}
METRIC_KINDS: dict[str, type[MetricVideo] | type[MetricFolder]] = {
    ".mkv": MetricVideo,
    "": MetricFolder,
}


def metric_result(path: Path, *, resume: bool = False) -> MetricVideo | MetricFolder:
    """The metric result that a name stands for: a file in .mkv, or a folder.

    Raises:
        OutputError: a suffix that is none of `METRIC_KINDS`.
    """
    suffix = "" if path.is_dir() else path.suffix.lower()
    if suffix not in METRIC_KINDS:
        raise OutputError(
            f"cannot write {path}: metres go into a file in .mkv (FFV1) or into a folder of PNGs, not into {suffix}"
        )
    kind = METRIC_KINDS[suffix]
    return MetricFolder(path, resume) if kind is MetricFolder else kind(path)


def homes_of(streams: Sequence[av.AudioStream]) -> list[str]:
    """Suffixes of `PICTURE_KINDS` whose containers hold the packets of these streams as they are."""
    return [suffix for suffix in PICTURE_KINDS if all(fits(stream, suffix) for stream in streams)]


def read_metric_video(path: str | Path) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Read back what `MetricVideo` wrote.

    Args:
        path: of the file.

    Yields:
        Time in seconds, and depth_m float32 `[H, W]` in metres, 0 where there is none.

    Raises:
        DataError: missing, or not 16-bit grey.
    """
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                if frame.format.name != "gray16le":
                    raise DataError(f"{path}: pixels of kind {frame.format.name}, expected gray16le (millimetres)")
                metres = frame.to_ndarray().astype(np.float64) / 1000
                yield float(frame.time), metres.astype(np.float32)
    except (OSError, ValueError, IndexError, FFmpegError) as error:
        raise DataError(f"cannot read {path} as a metric video: {error}") from error


def _known(path: Path, kinds: dict[str, type[PictureVideo]], what: str) -> None:
    if path.suffix.lower() not in kinds:
        came = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise OutputError(f"cannot write {path}: {came}, expected one of {', '.join(kinds)} for {what}")


def _tags(depth: Depth, comment: str) -> dict[str, str]:
    from onedepth import __version__

    focal = f"focal {depth.intrinsics.focal_px:.2f} px, {depth.focal_source}"
    return {
        "title": depth.name.rsplit("_", 1)[0],
        "comment": f"onedepth {__version__}, {depth.model}; {comment}; {focal}",
    }
