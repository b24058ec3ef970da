"""Video files: everything that FFmpeg decodes, in the file's own timestamps."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from numpy.typing import NDArray

from onedepth.errors import OnedepthError
from onedepth.images import DEFAULT_MAX_PIXELS, label_of
from onedepth.video.source import WHOLE, AudioTracks, Facts, Frame, Span, next_pts
from onedepth.video.upright import Upright, turn_of

if TYPE_CHECKING:
    from av.container import InputContainer

READ_ERRORS = (OSError, ValueError, FFmpegError)
_MICROSECOND = Fraction(1, 1_000_000)  # FFmpeg's AV_TIME_BASE
_MOST_THREADS = 4
_CUT_S, _CUT_SHARE = 0.1, 0.02  # how much of the announced duration may be missing
_FEW = 3
_SAMPLE_SHARE, _SAMPLE_MOST = 10, 240  # of the frames: a tenth is decoded, and no more than so many
_AUDIO_BEYOND_S = 2.0  # audio lies this far behind the video at most, where an --end ends the reading


class FileSource:
    """Frames of a video file, and its sound as packets (see `onedepth.video.source.Source`).

    Timestamps are the file's, to the last digit. Damaged frames are left out, and a file that ends too early ends
    there; both are told in `problems`.
    """

    def __init__(self, path: Path, span: Span = WHOLE, *, sound: bool = False) -> None:
        """Open a file.

        Args:
            path: of the file.
            span: which frames of it.
            sound: read the audio too.

        Raises:
            OnedepthError: missing, not a video, or in a format that cannot be decoded here.
        """
        self.path, self.span = path, span
        self.problems: list[str] = []
        self._container, self._stream = open_video(path)
        self._upright = Upright()
        streams = [stream for stream in self._container.streams.audio if sound and stream.codec_context is not None]
        self.audio = AudioTracks(streams)
        self.facts = self._facts()

    def frames(self) -> Iterator[Frame]:
        """The frames of the span; see `onedepth.video.source.Source.frames`."""
        held: Frame | None = None
        last_pts: int | None = None
        damaged, index, read = 0, 0, 0
        time_base = self.facts.time_base
        first, end = self._first_pts(), self._end_pts()
        if self.span.start_s > 0:
            with suppress(*READ_ERRORS):  # a file without an index is read from its beginning
                self._container.seek(first, stream=self._stream)
        shift = first if self.span.start_s > 0 else 0
        usual = round(1 / (self.facts.rate or 30) / time_base)
        for decoded in self._decoded():
            if decoded is None:
                damaged += 1
                continue
            duration = decoded.duration or 0
            pts = next_pts(_in_base(decoded, time_base), last_pts, duration or usual)
            last_pts = pts
            if self.span.start_s > 0 and pts < first:
                continue
            if end is not None and pts >= end:
                break
            damaged += bool(decoded.is_corrupt)
            read += 1
            if index % self.span.every == 0:
                if held is not None:
                    yield held
                try:
                    image = self._upright(decoded)
                except (*READ_ERRORS, MemoryError) as error:
                    raise OnedepthError(f"{self.facts.label}: a frame cannot be made RGB: {error}") from error
                held = Frame(image, index, pts - shift, duration, time_base)
                if self.span.every == 1:
                    yield held
                    held = None
            elif held is not None:  # what is left out prolongs what is kept
                held = replace(held, duration=pts - shift + duration - held.pts)
            index += 1
        if held is not None:
            yield held
        self._judge(read, damaged, last_pts, usual)

    def sample(self, count: int) -> list[NDArray[np.uint8]]:
        """About `count` images from all over the span, at little cost.

        They are key frames where the file has enough of them. Otherwise they come from the span's beginning, and no
        more than a share of its frames is decoded for them.
        """
        upright = Upright()
        first, end = self._first_pts(), self._end_pts()
        length = (end - first) if end is not None else round((self.facts.duration_s or 0) / self.facts.time_base)
        found: dict[int, NDArray[np.uint8]] = {}
        container, stream = open_video(self.path)
        stream.thread_type = "SLICE"  # pyright: ignore[reportAttributeAccessIssue] -- a frame for a packet
        with container, suppress(*READ_ERRORS):
            for number in range(count):
                container.seek(first + length * (2 * number + 1) // (2 * count), stream=stream)
                for frame in islice(container.decode(stream), 1):
                    if frame.pts not in found:
                        found[frame.pts or 0] = upright(frame)
        if len(found) >= min(count, _FEW):
            return list(found.values())
        images: list[NDArray[np.uint8]] = []
        frames = (self.facts.frames or count) * self.span.every
        share = max(count, min(frames // _SAMPLE_SHARE, _SAMPLE_MOST))
        container, stream = open_video(self.path)
        with container, suppress(*READ_ERRORS):
            if self.span.start_s > 0:
                container.seek(first, stream=stream)
            for number, frame in enumerate(islice(container.decode(stream), share)):
                if number % -(-share // count) == 0:
                    images.append(upright(frame))
        return images or [upright(self._first_frame())]

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    # -- reading ---------------------------------------------------------------------------------------------

    def _decoded(self) -> Iterator[av.VideoFrame | None]:
        """Decoded frames in order; None for a packet that cannot be decoded."""
        tracks = {stream.index: place for place, stream in enumerate(self.audio.streams)}
        packets = self._container.demux([self._stream, *self.audio.streams])
        video_is_over = False
        try:
            while True:
                try:
                    packet = next(packets)
                except StopIteration:
                    break
                except READ_ERRORS as error:
                    self.problems.append(f"{self.facts.label}: cannot be read further ({_words(error)})")
                    break
                if packet.stream.index in tracks:
                    self._keep_audio(tracks[packet.stream.index], packet)
                    continue
                try:
                    yield from self._stream.decode(packet)  # a packet without data drains the decoder
                except READ_ERRORS:
                    yield None
                video_is_over = packet.size == 0
            if not video_is_over:
                with suppress(*READ_ERRORS):
                    yield from self._stream.decode(None)
        finally:
            self._rest_of_audio(packets, tracks)

    def _rest_of_audio(self, packets: Iterator[av.Packet[Any]], tracks: dict[int, int]) -> None:
        """Where an end ends the video: the sound up to there may lie a little behind it in the file."""
        end = self._end_pts()
        if not tracks or end is None:
            return
        until_s = float(end * self.facts.time_base) + _AUDIO_BEYOND_S
        with suppress(*READ_ERRORS):
            for packet in packets:
                if packet.stream.index in tracks:
                    self._keep_audio(tracks[packet.stream.index], packet)
                if packet.dts is not None and packet.time_base and float(packet.dts * packet.time_base) > until_s:
                    break

    def _keep_audio(self, place: int, packet: av.Packet[Any]) -> None:
        if packet.pts is None or not packet.time_base or packet.size == 0:
            return
        first, end = self._first_pts() * self.facts.time_base, self._end_pts()
        time = packet.pts * packet.time_base
        if (self.span.start_s > 0 and time < first) or (end is not None and time >= end * self.facts.time_base):
            return
        if self.span.start_s > 0:
            shift = round(first / packet.time_base)
            packet.pts -= shift
            packet.dts = packet.pts if packet.dts is None else packet.dts - shift
        self.audio.packets.append((place, packet))

    # -- what is known ---------------------------------------------------------------------------------------

    def _facts(self) -> Facts:
        stream, container = self._stream, self._container
        time_base = stream.time_base or Fraction(1, 90_000)
        rate = stream.average_rate or stream.guessed_rate or None
        duration_s = _duration_s(container, stream)
        frames = stream.frames or None
        if duration_s is not None:
            end_s = duration_s if self.span.end_s is None else min(self.span.end_s, duration_s)
            share = max(0.0, end_s - self.span.start_s) / duration_s if duration_s else 1.0
            if frames is None and rate is not None:
                frames = round(duration_s * rate)
            duration_s *= share
            if frames is not None:
                frames = math.ceil(frames * share / self.span.every)
        elif self.span.start_s > 0 or self.span.end_s is not None or self.span.every > 1:
            frames = None
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if turn_of(self._first_frame())[0]:
            aspect = 1 / aspect
        return Facts(self.path.stem, label_of(self.path), time_base, rate, aspect, frames, duration_s)

    def _first_frame(self) -> av.VideoFrame:
        """The first frame that can be decoded, from a container of its own.

        Raises:
            OnedepthError: there is none.
        """
        container, stream = open_video(self.path)
        with container:
            packets, packet = container.demux(stream), None
            while packet is None or packet.size > 0:
                try:
                    packet = next(packets, None)
                    decoded = stream.decode(packet)
                except READ_ERRORS:
                    decoded = []
                if decoded:
                    return decoded[0]
                if packet is None:
                    break
        raise OnedepthError(
            f"{label_of(self.path)}: no frame in it can be decoded ({stream.codec_context.name}); copy it again, or "
            "check with `ffmpeg -i` what it is"
        )

    def _origin(self) -> Fraction:
        """The file's beginning on its own clock, in seconds."""
        return (self._container.start_time or 0) * _MICROSECOND

    def _first_pts(self) -> int:
        start = self._origin() + Fraction(self.span.start_s).limit_denominator(1_000_000)
        return math.ceil(start / (self._stream.time_base or 1))

    def _end_pts(self) -> int | None:
        if self.span.end_s is None:
            return None
        end = self._origin() + Fraction(self.span.end_s).limit_denominator(1_000_000)
        return math.ceil(end / (self._stream.time_base or 1))

    def _judge(self, read: int, damaged: int, last_pts: int | None, usual: int) -> None:
        """What was wrong, now that all is read."""
        label = self.facts.label
        if damaged:
            self.problems.append(f"{label}: {damaged} damaged {'frame' if damaged == 1 else 'frames'}")
        if read == 0 and not damaged and (self.span.start_s > 0 or self.span.end_s is not None):
            raise OnedepthError(
                f"{label}: no frame between --start {self.span.start_s:g} s and "
                f"{'its end' if self.span.end_s is None else f'--end {self.span.end_s:g} s'}"
            )
        whole_s = _duration_s(self._container, self._stream)
        if whole_s is None or last_pts is None or self.span.end_s is not None:
            return
        reached_s = float((last_pts + usual) * self.facts.time_base - self._origin())
        if whole_s - reached_s > max(_CUT_S, _CUT_SHARE * whole_s, 2 * usual * float(self.facts.time_base)):
            self.problems.append(
                f"{label}: ends after {reached_s:.1f} of {whole_s:.1f} s; it is damaged or was not copied whole"
            )


def open_video(path: Path) -> tuple[InputContainer, av.VideoStream]:
    """A file and its first stream of moving pictures.

    Raises:
        OnedepthError: missing, not a video, or in a format that cannot be decoded here.
    """
    label = label_of(path)
    if not path.is_file():
        raise OnedepthError(f"{label}: no such file; check the path; a relative one starts at the working folder")
    if path.stat().st_size == 0:
        raise OnedepthError(f"{label}: is empty (0 bytes), expected a video; copy or download it again")
    try:
        # "file:" and the list: a name with a colon is a name, and a play list opens nothing on the network.
        container = av.open(f"file:{os.path.abspath(path)}", options={"protocol_whitelist": "file"})  # noqa: PTH100
    except PermissionError as error:
        raise OnedepthError(f"{label}: cannot be opened (permission denied)") from error
    except READ_ERRORS as error:
        raise OnedepthError(
            f"{label}: not a video, or cut before its index ({_words(error)}); expected a file that FFmpeg reads"
        ) from error
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        container.close()
        raise OnedepthError(f"{label}: has no moving pictures in it (only {kinds}), expected a video")
    stream = streams[0]
    if stream.codec_context is None:
        container.close()
        raise OnedepthError(f"{label}: its codec cannot be decoded by this PyAV ({av.__version__}); convert it first")
    context = stream.codec_context
    if context.width * context.height > DEFAULT_MAX_PIXELS:
        container.close()
        raise OnedepthError(
            f"{label}: frames of {context.width}×{context.height}, expected no more than {DEFAULT_MAX_PIXELS / 1e6:g} "
            "megapixels; scale it down first"
        )
    stream.thread_type = "AUTO"  # pyright: ignore[reportAttributeAccessIssue]
    stream.codec_context.thread_count = min(_MOST_THREADS, os.cpu_count() or 1)
    return container, stream


def _in_base(frame: av.VideoFrame, time_base: Fraction) -> int | None:
    if frame.pts is None or frame.time_base in (None, time_base):
        return frame.pts
    return round(frame.pts * frame.time_base / time_base)


def _duration_s(container: InputContainer, stream: av.VideoStream) -> float | None:
    """How long the pictures last, as far as the file tells."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    with suppress(KeyError, ValueError):  # Matroska
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return (
            3600 * int(hours) + 60 * int(minutes) + float(seconds) - float((container.start_time or 0) * _MICROSECOND)
        )
    if container.duration and len(container.streams) == 1:
        return float(container.duration * _MICROSECOND)
    return None


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
