"""A Sweet Home 3D furniture archive made by hand, so that tests need no package of Debian's."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

CUBE = """# a cube of 2 units, quads, numbers from the front and from the back
mtllib things.mtl
v -1 0 -1
v 1 0 -1
v 1 0 1
v -1 0 1
v -1 2 -1
v 1 2 -1
v 1 2 1
v -1 2 1
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vn 0 1 0
usemtl painted
f 1/1 2/2 3/3 4/4
f 1 2 6 5
usemtl red
f -4//1 -3//1 -2//1 -1//1
usemtl red
f 4 3 7 8
f 2 3 7 6
usemtl glass
f 1 4 8 5
"""
MATERIALS = """newmtl painted
Kd 0.2 0.2 0.2
map_Kd pictures/grain.png

newmtl red
Kd 1 0 0
Ks 0.5 0.5 0.5
Ns 50

newmtl glass
Kd 0.9 0.9 1
d 0.1
"""
# name, category, centimetres: width, depth, height
PIECES = (
    ("Wooden bed", "Bedroom", 140, 200, 60),
    ("Sofa", "Living room", 180, 80, 75),
    ("Square table", "Living room", 90, 90, 74),
    ("Chair", "Living room", 42, 45, 88),
    ("Desk", "Office", 120, 60, 72),
    ("Armchair", "Office", 50, 50, 90),
    ("Bookcase", "Living room", 80, 30, 190),
    ("Fridge", "Kitchen", 60, 62, 150),
    ("Toilets unit", "Bathroom", 40, 65, 80),
    ("Teapot", "Miscellaneous", 20, 14, 16),
)


def catalogue_lines() -> str:
    """The properties file: every piece is the cube in another size; the last entry is a door."""
    lines = ["id=tests"]
    entries = [*PIECES, ("Door", "Doors and windows", 90, 10, 200)]
    for number, (name, category, width, depth, height) in enumerate(entries, 1):
        lines += [
            f"name#{number}={name}", f"category#{number}={category}", f"model#{number}=/models/cube.obj",
            f"width#{number}={width}", f"depth#{number}={depth}", f"height#{number}={height}",
        ]  # fmt: skip
    return "\n".join([*lines, f"doorOrWindow#{len(entries)}=true"]) + "\n"


def members() -> dict[str, bytes]:
    """Files of the archive."""
    grain = io.BytesIO()
    pixels = np.random.default_rng(0).integers(90, 250, (8, 16, 3), np.uint8)
    Image.fromarray(pixels).save(grain, "PNG")
    return {
        "PluginFurnitureCatalog.properties": catalogue_lines().encode("latin-1"),
        "models/cube.obj": CUBE.encode(),
        "models/things.mtl": MATERIALS.encode(),
        "models/pictures/grain.png": grain.getvalue(),
    }


def write_archive(path: Path, changed: dict[str, bytes] | None = None) -> Path:
    """Write the archive, with some files changed; gives its path. Files are stored, so that tests can damage them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (members() | (changed or {})).items():
            archive.writestr(name, content)
    return path


def read_one(path: Path, name: str):
    """Triangles and materials of an OBJ file, and the textures they added."""
    from onedepth.data.furnished.obj import read_obj

    textures: list[np.ndarray] = []

    def add(picture: np.ndarray) -> int:
        textures.append(picture)
        return len(textures) - 1

    with zipfile.ZipFile(path) as archive:
        mesh, materials = read_obj(archive, name, add)
    return mesh, materials, textures
