"""Focal lengths in pixels: from EXIF data, from a field of view."""

from __future__ import annotations

import math

from PIL import ExifTags, Image

from onedepth.errors import OnedepthError

MIN_FOV_DEG, MAX_FOV_DEG = 2.0, 170.0
"""Field of view, in degrees, outside of which a focal length is taken for nonsense."""

_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # FocalPlaneResolutionUnit; 4 and 5 are not in the standard


def focal_from_exif(exif: Image.Exif, width: int, height: int) -> float | None:
    """Focal length in pixels of a `width` × `height` picture; None if EXIF has none or nonsense.

    Width and height may be those of the stored or of the upright picture: pixels are taken as square, so
    turning changes nothing. Two sources, in this order:

    - FocalLengthIn35mmFilm, converted by the diagonal, as the guideline CIPA DCG-001 defines it: "(Diagonal
      distance of image area in the 35 mm camera (43.27 mm) / Diagonal distance of image area on the image
      sensor of the DSC) × focal length of the lens of the DSC". The Exif standard (CIPA DC-008) only says
      "assuming a 35mm film camera", and that 0 means unknown.
    - FocalLength in mm × FocalPlaneXResolution, in pixels of the picture as recorded (PixelXDimension ×
      PixelYDimension); scaled if this one has another size, not used if its aspect says it was cropped.
    """
    try:
        tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # Pillow's parser raises what it meets; a focal length is not worth losing the picture
        return None

    def number(tag: ExifTags.Base, default: float = math.nan) -> float:
        try:
            return float(tags.get(tag, default))
        except (TypeError, ValueError, ArithmeticError):
            return math.nan

    long, short = max(width, height), min(width, height)
    by_diagonal = number(ExifTags.Base.FocalLengthIn35mmFilm) * math.hypot(long, short) / math.hypot(36, 24)

    recorded = (number(ExifTags.Base.ExifImageWidth, width), number(ExifTags.Base.ExifImageHeight, height))
    unit_mm = _UNIT_MM.get(tags.get(ExifTags.Base.FocalPlaneResolutionUnit, 2), math.nan)
    pixels_per_mm = number(ExifTags.Base.FocalPlaneXResolution) / unit_mm
    scale = long / max(recorded) if min(recorded) > 0 else math.nan
    if not math.isclose(scale * min(recorded), short, rel_tol=0.02, abs_tol=1):
        scale = math.nan
    by_focal_plane = number(ExifTags.Base.FocalLength) * pixels_per_mm * scale

    shortest, longest = focal_from_fov(MAX_FOV_DEG, long), focal_from_fov(MIN_FOV_DEG, long)
    for focal_px in (by_diagonal, by_focal_plane):
        if shortest <= focal_px <= longest:  # false for NaN
            return focal_px
    return None


def focal_from_fov(fov_deg: float, width: int) -> float:
    """Focal length in pixels from the horizontal field of view in degrees: f = W / (2 tan(fov / 2)).

    Raises:
        OnedepthError: `fov_deg` outside of `MIN_FOV_DEG` … `MAX_FOV_DEG`.
    """
    if not MIN_FOV_DEG <= fov_deg <= MAX_FOV_DEG:
        raise OnedepthError(
            f"field of view {fov_deg:g}°: expected {MIN_FOV_DEG:g} to {MAX_FOV_DEG:g} degrees, horizontally; "
            "a phone's main camera has about 65"
        )
    return width / (2 * math.tan(math.radians(fov_deg) / 2))
