"""Options that several verbs have, declared once."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Group, Parameter

COLOURS = Group("Colours", help="How it looks.")
CAMERA = Group("Camera", help="Sets the scale of the metres. Without it: EXIF data of pictures, else a usual camera.")

Model = Annotated[str | None, Parameter(help="Model file, or name of a model in the package.")]
Runtime = Annotated[Literal["onnxruntime", "openvino"], Parameter(help="What runs the model file.")]
Threads = Annotated[int | None, Parameter(help="CPU threads; by default all cores.")]

Focal = Annotated[float | None, Parameter(group=CAMERA, help="Focal length in pixels of the picture.")]
Fov = Annotated[float | None, Parameter(group=CAMERA, help="Horizontal field of view in degrees.")]

Layout = Annotated[
    Literal["depth", "side-by-side", "overlay"], Parameter(group=COLOURS, help="What a frame of the video shows.")
]
Colormap = Annotated[
    str | None, Parameter(group=COLOURS, help="Any name of the cmap catalogue.", show_default="cmocean:thermal")
]
