"""Predictor: pictures in, metric depth out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onedepth import models
from onedepth.canonical import canonical_focal_px
from onedepth.depth import Depth, FocalSource, Intrinsics
from onedepth.errors import ModelFileError, OnedepthError
from onedepth.focal import MAX_FOV_DEG, MIN_FOV_DEG, focal_from_fov
from onedepth.images import DEFAULT_MAX_PIXELS, load_photo
from onedepth.models import ModelCard
from onedepth.runtimes import open_runtime

if TYPE_CHECKING:
    from fractions import Fraction

    from PIL import Image

    from onedepth.video.source import Frame, Source


class Predictor:
    """A loaded model.

    Attributes:
        card: what the model file says of itself.
        path: of the model file.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        runtime: str = "onnxruntime",
        threads: int | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        """Load a model file.

        Args:
            model: None for the package's default, a name of the package, or the path of a model file.
            runtime: "onnxruntime" or "openvino".
            threads: how many the runtime may use; None for all cores.
            max_pixels: larger pictures are refused before they are decoded.

        Raises:
            ModelFileError: no such model file, or it is damaged or not one of ours.
            MissingExtraError: the runtime is not installed.
        """
        if threads is not None and threads < 1:
            raise OnedepthError(f"threads: expected 1 or more, got {threads}")
        self.path = models.find(model)
        self.max_pixels = max_pixels
        self._run = open_runtime(runtime, self.path, threads)
        self.card = ModelCard.from_metadata(self._run.metadata, self.path)

    @property
    def concurrent(self) -> bool:
        """Whether several threads may call `predict` and `depth_m` at once."""
        return self._run.concurrent

    def predict(
        self,
        source: str | Path | bytes | IO[bytes] | Image.Image | NDArray[Any],
        *,
        focal_px: float | None = None,
        fov_deg: float | None = None,
    ) -> Depth:
        """Depth of one picture.

        The focal length sets the scale of the metres. It is taken from `focal_px` or `fov_deg` if given, else from the
        picture's EXIF data, else assumed to be the model's canonical one; `Depth.focal_source` tells which.

        Args:
            source: path, encoded bytes, open file, PIL image, or uint8 array `[H, W, 3]`.
            focal_px: focal length in pixels of the upright picture.
            fov_deg: horizontal field of view in degrees, instead of `focal_px`.

        Returns:
            Depth of the picture's own size.

        Raises:
            ImageError: a picture that is missing, unreadable or too large.
            OnedepthError: a focal length or field of view that no camera has.
        """
        photo = load_photo(source, max_pixels=self.max_pixels)
        height, width = photo.image.shape[:2]
        focal, known = self.focal(height, width, focal_px=focal_px, fov_deg=fov_deg, exif_px=photo.focal_px)
        intrinsics = Intrinsics.centred(focal, height, width)
        return self.answer(photo.image, intrinsics, known, photo.name)

    def answer(self, image: NDArray[np.uint8], intrinsics: Intrinsics, known: FocalSource, name: str) -> Depth:
        """Depth of an upright image uint8 `[H, W, 3]` whose camera is known.

        Args:
            image: the picture.
            intrinsics: its camera.
            known: how the focal length is known.
            name: of the picture.

        Raises:
            ModelFileError: the model file does not run on it.
        """
        depth_m, uncertainty = self._answers(image, intrinsics)
        return Depth(depth_m, image, intrinsics, known, self.card.title, name, uncertainty)

    def depth_m(self, image: NDArray[np.uint8], intrinsics: Intrinsics) -> NDArray[np.float32]:
        """Metres `[H, W]` of an image uint8 `[H, W, 3]` whose camera is known.

        Raises:
            ModelFileError: the model file does not run on it.
        """
        return self._answers(image, intrinsics, depth_only=True)[0]

    def _answers(
        self, image: NDArray[np.uint8], intrinsics: Intrinsics, *, depth_only: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        height, width = image.shape[:2]
        try:
            answers = self._run.answers(image[None], depth_only=depth_only)
            canonical = answers["depth_m"][0]
        except Exception as error:  # whatever the runtime raises: a graph that is not ours, memory
            raise ModelFileError(f"{self.path}: failed on an image of {width}×{height}: {error}") from error
        # depth ∝ focal length at equal apparent size (Metric3D, arXiv 2307.10984, section 3.1)
        scale = intrinsics.focal_px / canonical_focal_px(height, width, self.card.canonical_focal)
        uncertainty = answers["uncertainty"][0] if "uncertainty" in answers else None
        return np.multiply(canonical, np.float32(scale), dtype=np.float32), uncertainty

    def stream(
        self,
        source: str | Path | Source,
        *,
        focal_px: float | None = None,
        fov_deg: float | None = None,
        stabilize: str = "off",
        start_s: float = 0.0,
        end_s: float | None = None,
        every: int = 1,
        fps: float | Fraction | None = None,
    ) -> Iterator[tuple[Frame, Depth]]:
        """Depth of each frame of a video, in order and in bounded memory.

            for frame, depth in predictor.stream("clip.mp4"):
                print(frame.time_s, depth.depth_m.mean())

        Frames are decoded ahead in a thread of their own, and two are predicted at a time.

        Args:
            source: a video file, a folder of frames, a glob pattern, or anything with the methods of
                `onedepth.video.source.Source`, which stays open.
            focal_px: focal length in pixels of the upright frames.
            fov_deg: horizontal field of view in degrees, instead of `focal_px`.
            stabilize: how flicker is taken out, a key of `onedepth.stabilise.STABILISERS`.
            start_s: the first second wanted; time 0 of the frames that come.
            end_s: where to stop, in seconds of the source; None for its end.
            every: only each so many-th frame.
            fps: frames per second of a folder of frames; a video has its own.

        Yields:
            Frame (image, time_s, index; see `onedepth.video.source.Frame`) and its Depth, of the frame's own size.

        Raises:
            OnedepthError: a source that is missing or unreadable, a span without frames, a camera that cannot be.
        """
        from fractions import Fraction

        from onedepth.video.depths import depth_stream
        from onedepth.video.source import Span, open_source

        given_focal(focal_px, fov_deg, width=1)
        own = isinstance(source, str | Path)
        rate = None if fps is None else Fraction(fps).limit_denominator(1_001_000)
        opened = open_source(source, Span(start_s, end_s, every), fps=rate) if own else source
        try:
            yield from depth_stream(self, opened, focal_px=focal_px, fov_deg=fov_deg, stabilise=stabilize)
        finally:
            if own:
                opened.close()

    def focal(
        self,
        height: int,
        width: int,
        *,
        focal_px: float | None = None,
        fov_deg: float | None = None,
        exif_px: float | None = None,
    ) -> tuple[float, FocalSource]:
        """Focal length in pixels of a picture of this size, and how it is known.

        Args:
            height: in pixels.
            width: in pixels.
            focal_px: stated by the user.
            fov_deg: stated by the user, instead.
            exif_px: what the picture's EXIF data tells.

        Raises:
            OnedepthError: a focal length or field of view that no camera has.
        """
        given = given_focal(focal_px, fov_deg, width)
        if given is not None:
            longest_side = max(height, width)
            lowest, highest = focal_from_fov(MAX_FOV_DEG, longest_side), focal_from_fov(MIN_FOV_DEG, longest_side)
            if not lowest <= given <= highest:
                raise OnedepthError(
                    f"focal length of {given:g} px: expected {lowest:.0f} to {highest:.0f} for a picture of "
                    f"{width}×{height}, in pixels, not in millimetres"
                )
            return given, "given"
        if exif_px is not None:
            return exif_px, "exif"
        return canonical_focal_px(height, width, self.card.canonical_focal), "assumed"


def given_focal(focal_px: float | None, fov_deg: float | None, width: int) -> float | None:
    """The focal length in pixels that a user states for a picture of `width` pixels; None if nothing is stated.

    Raises:
        OnedepthError: both are stated, or no camera has such a one.
    """
    if focal_px is not None and fov_deg is not None:
        raise OnedepthError("focal length and field of view (fov) were both given; give one of them")
    if focal_px is not None and not (math.isfinite(focal_px) and focal_px > 0):
        raise OnedepthError(f"focal length: expected pixels above 0, got {focal_px}")
    return focal_px if fov_deg is None else focal_from_fov(fov_deg, width)


def load(
    model: str | Path | None = None,
    *,
    runtime: str = "onnxruntime",
    threads: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Predictor:
    """A predictor with the package's default model, or any other; see `Predictor`."""
    return Predictor(model, runtime=runtime, threads=threads, max_pixels=max_pixels)
