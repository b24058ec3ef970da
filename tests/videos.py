"""Small videos for tests, made with PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

NTSC = Fraction(30_000, 1001)


def picture(number: int, height: int, width: int) -> np.ndarray:
    """A bright corner at the top left on a ground that brightens from frame to frame: neither turned nor swapped."""
    image = np.full((height, width, 3), 40 + 8 * (number % 20), np.uint8)
    image[: height // 2, : width // 2] = 250
    return image


def write_video(
    path: Path,
    *,
    pts: Sequence[int] = range(10),
    time_base: Fraction = 1 / NTSC,
    duration: int = 1,
    rate: Fraction = NTSC,
    size: tuple[int, int] = (32, 24),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation: int | None = None,
    sample_aspect: Fraction | None = None,
    audio: str | None = None,
    b_frames: bool = False,
    key_every: int = 250,
    images: Sequence[np.ndarray] | None = None,
) -> Path:
    """A video of `size` (width, height) whose frames are shown at `pts`; with sound of the same length if wanted."""
    width, height = size
    options = {"preset": "ultrafast", "bf": "2" if b_frames else "0", "g": str(key_every)} if codec == "libx264" else {}
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(codec, rate=rate, width=width, height=height, options=options)
        video.codec_context.pix_fmt = pix_fmt
        video.codec_context.time_base = video.time_base = time_base
        if rotation is not None:
            video.set_display_rotation(rotation)
        if sample_aspect is not None:
            video.codec_context.sample_aspect_ratio = sample_aspect
        sound: Any = container.add_stream(audio, rate=48_000) if audio else None
        packets = []
        for number, when in enumerate(pts):
            image = images[number] if images is not None else picture(number, height, width)
            frame: Any = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base, frame.duration = when, time_base, duration
            packets += video.encode(frame)
        packets += video.encode(None)
        for packet in packets:
            packet.duration = duration
            container.mux_one(packet)
        if sound is not None:
            seconds = float((pts[-1] + duration) * time_base)
            for start in range(0, int(seconds * 48_000), 1024):
                wave = (8000 * np.sin(np.arange(start, start + 1024) / 20)).astype(np.int16)
                block: Any = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], "s16", "stereo")
                block.sample_rate, block.pts = 48_000, start
                container.mux(sound.encode(block))
            container.mux(sound.encode(None))
    return path


def times(path: Path) -> list[tuple[Fraction, Fraction]]:
    """When each frame of a video is shown and for how long, in seconds, exactly."""
    with av.open(str(path)) as container:
        frames: list[Any] = list(container.decode(video=0))
        return [(frame.pts * frame.time_base, (frame.duration or 0) * frame.time_base) for frame in frames]


def images(path: Path) -> list[np.ndarray]:
    """The frames of a video as RGB, as they are stored."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def packets(path: Path) -> list[tuple[bytes, Fraction]]:
    """The packets of a video's first sound, with their times in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [(bytes(p), p.pts * p.time_base) for p in container.demux(stream) if p.size and p.pts is not None]
