"""The result of a prediction: metres for every pixel, and how far to trust their scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from onedepth.errors import OnedepthError

if TYPE_CHECKING:
    from PIL import Image

FocalSource = Literal["given", "exif", "assumed"]


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera: focal lengths and principal point in pixels of the image it travels with.

    The centre of the top left pixel is (0, 0), so the centre of a W pixels wide image is (W - 1) / 2.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def centred(cls, focal_px: float, height: int, width: int) -> Intrinsics:
        """Square pixels and a principal point in the middle: what one knows of a photo from elsewhere."""
        return cls(focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)

    @property
    def focal_px(self) -> float:
        """One focal length for both axes, in pixels: the geometric mean of fx and fy."""
        return math.sqrt(self.fx * self.fy)


@dataclass(frozen=True)
class Depth:
    """Metric depth of one image.

    Attributes:
        depth_m: float32 `[H, W]`, metres along the optical axis (z, not ray length).
        image: uint8 `[H, W, 3]`, the upright RGB image that the depth belongs to.
        intrinsics: pinhole camera in pixels of `image`.
        focal_source: how the focal length is known: "given" by the user, from "exif", or "assumed".
        model: name and version of the model file.
        name: name of the picture, without folder and suffix.
        uncertainty: float32 `[H, W]`, half the width of a 90 % interval of ln depth (see `interval_m`); None where the
            model file does not say.
    """

    depth_m: NDArray[np.float32]
    image: NDArray[np.uint8]
    intrinsics: Intrinsics
    focal_source: FocalSource
    model: str
    name: str = "image"
    uncertainty: NDArray[np.float32] | None = None

    def interval_m(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Nearest and farthest depth to reckon with, each float32 `[H, W]`: nine of ten true depths lie between them.

        That is how often they did on the pictures that the model was measured on (see its card); on pictures of another
        kind they may do so less often.

        Raises:
            OnedepthError: the model file says nothing of its errors.
        """
        if self.uncertainty is None:
            raise OnedepthError(f"{self.model} says nothing of its errors: its file has no output `uncertainty`")
        factor = np.exp(self.uncertainty).astype(np.float32)
        return np.divide(self.depth_m, factor), np.multiply(self.depth_m, factor)

    def within(self, share: float) -> Depth:
        """The same without the metres that are not to be believed.

        Args:
            share: largest relative error to put up with, as 0.25 for a quarter: pixels whose interval (see
                `interval_m`) reaches farther become NaN, which pictures show in grey and 16-bit PNGs as 0.

        Raises:
            OnedepthError: `share` is not above 0, or the model file says nothing of its errors.
        """
        if not (math.isfinite(share) and share > 0):
            raise OnedepthError(f"expected a share of the depth above 0, as 0.25 for a quarter, got {share}")
        _, far_m = self.interval_m()
        return replace(self, depth_m=np.where(far_m > self.depth_m * (1 + share), np.float32(np.nan), self.depth_m))

    def colorize(
        self,
        near_m: float | None = None,
        far_m: float | None = None,
        colormap: str | None = None,
        legend: bool = True,
        side_by_side: bool = False,
    ) -> Image.Image:
        """Picture for people: a perceptual colour map with a legend in metres (see `onedepth.render`)."""
        from onedepth import render

        return render.picture(
            self, near_m=near_m, far_m=far_m, colormap=colormap, legend=legend, side_by_side=side_by_side
        )

    def save(self, path: str | Path) -> Path:
        """Write the depth to `path`, whole or not at all; its suffix names the format.

        `.png` is uint16 millimetres with unit, model and focal in its text chunks, `.npz` holds everything
        (see `onedepth.outputs`).

        Raises:
            OutputError: unknown suffix, or a place that cannot be written.
        """
        from onedepth import outputs

        return outputs.save(self, Path(path))
