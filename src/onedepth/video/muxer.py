"""A video file being written: frames are encoded, sound goes through, the file is whole or not there."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from onedepth.errors import OutputError
from onedepth.outputs import replacing

if TYPE_CHECKING:
    from av.container import OutputContainer


class Nothing(Exception):  # noqa: N818
    """Raised inside `video_file` to leave no file."""


class Muxer:
    """An open video file."""

    def __init__(self, container: OutputContainer, video: av.VideoStream, sound: Sequence[av.AudioStream]) -> None:
        self._container, self._video, self._sound = container, video, sound
        self._durations: dict[int, int] = {}
        self.frames = 0

    def add(self, frame: av.VideoFrame, pts: int, duration: int, time_base: Fraction) -> None:
        """Encode a frame that is shown at `pts` for `duration`, both in units of `time_base`; 0 if unknown."""
        frame.pts, frame.time_base = pts, time_base
        if duration > 0:
            frame.duration = duration
            self._durations[pts] = duration
        self._mux(self._video.encode(frame))
        self.frames += 1

    def add_audio(self, place: int, packet: av.Packet[Any]) -> None:
        """A packet of the `place`-th audio stream, as it is."""
        packet.stream = self._sound[place]
        self._container.mux_one(packet)

    def finish(self) -> None:
        """Encode what is left."""
        self._mux(self._video.encode(None))

    def _mux(self, packets: Sequence[av.Packet[Any]]) -> None:
        for packet in packets:
            # Encoders drop the duration: without it the last frame would last as long as the rate says.
            duration = self._durations.pop(packet.pts or 0, None)
            if duration is not None:
                packet.duration = duration
            self._container.mux_one(packet)


@contextmanager
def video_file(
    path: Path,
    *,
    codecs: Sequence[str],
    size: tuple[int, int],
    pix_fmt: str,
    time_base: Fraction,
    rate: Fraction | None,
    sample_aspect: Fraction = Fraction(1),
    options: dict[str, str] | None = None,
    colour: int | None = None,
    sound: Sequence[av.AudioStream] = (),
    tags: dict[str, str] | None = None,
) -> Iterator[Muxer]:
    """Write a video file beside its target and move it into place at the end.

    Args:
        path: of the file; its suffix names the container.
        codecs: encoders' names, the first that there is.
        size: width and height in pixels.
        pix_fmt: of the frames.
        time_base: of the timestamps, in seconds.
        rate: frames per second, for players that ask; timestamps are what counts.
        sample_aspect: width of a pixel over its height.
        options: of the encoder.
        colour: BT709, where the frames have colours.
        sound: streams whose packets shall go through.
        tags: of the container.

    Raises:
        OutputError: the place cannot be written, the disk is full, or there is no such encoder.
    """
    with suppress(Nothing), replacing(path) as temporary:
        container = av.open(str(temporary), "w")
        try:
            video = container.add_stream(
                encoder(codecs, path), rate=rate or Fraction(30), width=size[0], height=size[1], options=options or {}
            )
            assert isinstance(video, av.VideoStream)
            context = video.codec_context
            context.pix_fmt = pix_fmt
            context.time_base = video.time_base = time_base
            context.sample_aspect_ratio = sample_aspect
            context.thread_count = 1  # the cores have a network to run
            if colour is not None:
                context.color_primaries = context.color_trc = context.colorspace = colour
                context.color_range = 1
            container.metadata.update(tags or {})
            muxer = Muxer(container, video, [_copied(container, stream) for stream in sound])
            yield muxer
            if muxer.frames == 0:
                raise Nothing
            muxer.finish()
            container.close()
        except FFmpegError as error:
            if isinstance(error, OSError):
                raise  # `replacing` knows the words
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        finally:
            # After an error this fails in the same place; left open, it would fail where nobody listens.
            with suppress(OSError, ValueError, FFmpegError):
                container.close()


def encoder(names: Sequence[str], path: Path) -> str:
    """The first of several encoders that this PyAV has.

    Raises:
        OutputError: it has none.
    """
    for name in names:
        with suppress(UnknownCodecError):
            av.Codec(name, "w")
            return name
    raise OutputError(
        f"cannot write {path}: this PyAV ({av.__version__}) has no encoder {' or '.join(names)}; the one that "
        "`pip install --force-reinstall av` brings has"
    )


def fits(stream: av.AudioStream, suffix: str) -> bool:
    """Whether a file of this suffix can hold the stream's packets as they are."""
    formats = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
    with suppress(OSError, ValueError, FFmpegError), av.open(io.BytesIO(), "w", formats[suffix]) as container:
        container.add_stream_from_template(stream)
        return True
    return False


def _copied(container: OutputContainer, stream: av.AudioStream) -> av.AudioStream:
    copy = container.add_stream_from_template(stream)
    language = stream.metadata.get("language")
    if language:
        copy.metadata["language"] = language
    return copy
