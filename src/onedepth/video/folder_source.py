"""Pictures as frames of a video: a folder, or a glob pattern."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onedepth.errors import ImageError, OnedepthError
from onedepth.images import label_of, load_photo
from onedepth.inputs import find_images
from onedepth.video.source import WHOLE, AudioTracks, Facts, Frame, Span

DEFAULT_RATE = Fraction(30)
"""Frames per second of pictures, unless told otherwise."""


@dataclass(frozen=True)
class _Numbered:
    index: int
    path: Path


class FolderSource:
    """Pictures in natural order, img2 before img10 (see `onedepth.video.source.Source`)."""

    def __init__(self, name: str | Path, span: Span = WHOLE, *, fps: Fraction | None = None) -> None:
        """Find the pictures.

        Args:
            name: folder or pattern.
            span: which of them.
            fps: frames per second; by default `DEFAULT_RATE`.

        Raises:
            OnedepthError: no pictures, a rate that none can be, or a span that holds none.
        """
        rate = DEFAULT_RATE if fps is None else fps
        if not rate > 0:
            raise OnedepthError(f"--fps: expected more than 0 frames per second, got {float(rate):g}")
        self.problems: list[str] = []
        self.audio = AudioTracks()
        self._every = span.every
        paths = find_images([name])
        first = -(-Fraction(span.start_s).limit_denominator(10**6) * rate // 1)
        end = len(paths)
        if span.end_s is not None:
            end = min(end, -(-Fraction(span.end_s).limit_denominator(10**6) * rate // 1))
        chosen = paths[int(first) : int(end)]
        if not chosen:
            raise OnedepthError(
                f"{label_of(Path(name))}: no frame in the span: {len(paths)} pictures are "
                f"{len(paths) / rate:g} s at {float(rate):g} frames per second (see --fps)"
            )
        self._left = [_Numbered(index, path) for index, path in enumerate(chosen) if index % span.every == 0]
        self._rate = rate
        self._length = len(chosen)
        self.facts = Facts(
            Path(name).stem if Path(name).is_dir() else self._left[0].path.parent.name or "frames",
            label_of(Path(name)),
            1 / rate,
            rate,
            frames=len(self._left),
            duration_s=float(len(chosen) / rate),
            focal_px=self._focal(),
        )

    def frames(self) -> Iterator[Frame]:
        """The pictures; one that cannot be read is left out and told in `problems`."""
        for item in self._left:
            try:
                photo = load_photo(item.path)
            except ImageError as error:
                self.problems.append(str(error))
                continue
            duration = min(self._every, self._length - item.index)
            yield Frame(photo.image, item.index, item.index, duration, self.facts.time_base)

    def sample(self, count: int) -> list[NDArray[np.uint8]]:
        """Pictures from all over the folder."""
        places = sorted({(2 * n + 1) * len(self._left) // (2 * count) for n in range(count)})
        images = []
        for place in places:
            try:
                images.append(load_photo(self._left[place].path).image)
            except ImageError:
                continue  # `frames` tells
        return images

    def close(self) -> None:
        """Nothing is open."""

    def _focal(self) -> float | None:
        try:
            return load_photo(self._left[0].path).focal_px
        except ImageError:
            return None
