"""Furniture of Sweet Home 3D's archives (`*.sh3f`): what there is, in true sizes, by the part it plays in a room."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onedepth.data.furnished.mesh import Material, Mesh
from onedepth.data.furnished.obj import NoModelError, read_member, read_obj
from onedepth.data.furnished.textures import Textures
from onedepth.errors import DataError

DEBIAN_FOLDER = Path("/usr/share/sweethome3d/furniture")
DEBIAN_PACKAGE = "sweethome3d-furniture"
LIST_NAME = "PluginFurnitureCatalog.properties"
LARGEST_FACES = 60_000
LARGEST_BYTES = 3_000_000  # of an OBJ file: about so many faces

# The first line that fits names the part; the category is matched too: "Bathroom/Bath".
_PARTS: list[tuple[str, str]] = [
    ("", r"^(Vehicles|Staircases|Doors and windows|Exterior/(?!.*(?i:cafe|rattan|teck|trash|painted bench|table)))"),
    ("", r"(?i)horse|deer|plug|socket$|switch|letters box|fence|railing|container|column|garage|barn|chimney"),
    ("", r"(?i)bill \d|arrow|parking|lying|sitting|holding|umbrella$|shower door|pool table|table tennis|smoke det"),
    ("", r"(?i)mower|ring$|glove|tatami|street|lamppost|park light|street light|cctv|mannequin|hammock"),
    ("person", r"^Characters/(?!.*(Bulldog|Cat|Dog|Chicken|Rabbit))"),
    ("pet", r"^Characters/"),
    ("ceiling_lamp", r"^Lights/(Ceiling lamp|Fluorescent light|Hanging light|Lamp hanging|Chandelier|Pendant|Track)"),
    ("hung", r"(?i)Wall light|wall spotlight|cuckoo|dart game|air cond.*internal|towel rack|wall flat tv|clothes hanger"
             r"|water heater$|surveillance|radiator$"),
    ("lamp", r"^Lights/(Desk lamp|Lamp|Little lamp|Pedestal|Japanese|Candle|Camping)"),
    ("", r"^Lights/"),
    ("plant", r"(?i)plant|flower|ficus|bonsai|tulip|lily|orchid|yucca|spathi|bamboo|cactus|christmas"),
    ("bedside", r"(?i)bedside"),
    ("bed", r"^Bedroom/.*(?i:bed$|crib|day bed|futon)"),
    ("wardrobe", r"^Bedroom/(Wardrobe|Cupboard)"),
    ("dresser", r"(?i)dresser|^Bedroom/Chest$|changing table|dressing table|TV stand|television cabinet|/Box$.*"
                r"|piano$|fireplace"),
    ("shelf", r"(?i)bookcase|^(Living room|Bedroom)/(Shelves|Vertical shelves)|contemporary living"),
    ("office_chair", r"^Office/(Chair|Armchair|Class seat)"),
    ("desk", r"^Office/.*(Desk|desk|Wooden|table)"),
    ("coffee_table", r"(?i)coffee table|rattan table|children table"),
    ("sofa", r"(?i)sofa|couch"),
    ("armchair", r"(?i)armchair|puff$|relax chair|ryokan"),
    ("stool", r"(?i)stool|bar chair|bench$"),
    ("chair", r"^(Living room|Exterior)/.*(?i:chair)"),
    ("table", r"^(Living room|Exterior|Kitchen)/.*(?i:table|island)"),
    ("fridge", r"(?i)fridge|refrigerator|high cabinet|double oven"),
    ("stove", r"(?i)large stove|^Kitchen/(Sink|Sink cabinet|Oven|Propane stove)$"),
    ("kitchen_low", r"^Kitchen/(?i:.*lower cabinet|drawers cabinet|.*washing machine|dryer|chest freezer)"),
    ("kitchen_up", r"^Kitchen/(?i:.*upper cabinet|glass door cabinet|upper shelves|hood|range hood)"),
    ("bath", r"^Bathroom/(Bath|Corner bathtub|Island bath|Shower stall)$"),
    ("toilet", r"^Bathroom/(Toilets unit|Bidet|Urinal)"),
    ("washbasin", r"^Bathroom/(Washbasin|Vanity|Double vanity|Small lavatory)"),
    ("screen", r"^Living room/TV|iMac|Laptop|iBook|(?i:printer)"),
]  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A line of the catalogue.

    Attributes:
        archive: file that holds it.
        model: the OBJ file in it.
        name: what it is called.
        part: what it is in a room ("bed", "small", …); "" is left out.
        size: width, height, depth, metres.
        elevation: above the floor, metres.
        top: height at which things can be put on it, metres; 0 where they can't.
        rotation: of the model, nine numbers, or None.
    """

    archive: Path
    model: str
    name: str
    part: str
    size: tuple[float, float, float]
    elevation: float
    top: float
    rotation: tuple[float, ...] | None


class Catalogue:
    """Furniture of a folder of archives; models are read when asked for, and kept.

    Raises:
        DataError: no folder, or no archive with furniture in it.
    """

    def __init__(self, folder: Path | None, textures: Textures) -> None:
        where = DEBIAN_FOLDER if folder is None else Path(folder)
        if not where.is_dir():
            raise DataError(
                f"{where}: no such folder, expected one with furniture archives (*.sh3f), which Debian's package"
                f" {DEBIAN_PACKAGE} brings, in {DEBIAN_FOLDER}"
            )
        self.pieces = [piece for path in sorted(where.glob("*.sh3f")) for piece in _read_list(path)]
        if not self.pieces:
            raise DataError(
                f"{where}: holds no furniture, expected archives *.sh3f as in Debian's package {DEBIAN_PACKAGE}"
            )
        self.textures = textures
        self._archives: dict[Path, zipfile.ZipFile] = {}
        self._models: dict[Piece, tuple[Mesh, list[Material]] | None] = {}  # not by OBJ: pieces may share one
        self._parts: dict[str, list[Piece]] = {}
        for piece in self.pieces:
            self._parts.setdefault(piece.part, []).append(piece)

    def of(self, part: str) -> Sequence[Piece]:
        """Pieces that play a part; none is an empty list."""
        return self._parts.get(part, [])

    def model(self, piece: Piece) -> tuple[Mesh, list[Material]] | None:
        """A piece's triangles in metres, its middle above (0, 0), standing on 0, front towards +z.

        None where the model is too large, or nothing that could be drawn.

        Raises:
            DataError: the archive is damaged.
        """
        if piece not in self._models:
            if piece.archive not in self._archives:
                self._archives[piece.archive] = _opened(piece.archive)
            archive = self._archives[piece.archive]
            try:
                small = archive.getinfo(piece.model).file_size <= LARGEST_BYTES
                found = read_obj(archive, piece.model, self.textures.add) if small else None
            except (NoModelError, KeyError, ValueError, IndexError):
                found = None
            if found is not None and len(found[0].faces) > LARGEST_FACES:
                found = None
            self._models[piece] = found if found is None else (_sized(found[0], piece), found[1])
        return self._models[piece]


def _sized(mesh: Mesh, piece: Piece) -> Mesh:
    vertices, normals = mesh.vertices.astype(np.float64), mesh.normals.astype(np.float64)
    if piece.rotation is not None:
        turn = np.array(piece.rotation).reshape(3, 3)
        vertices, normals = vertices @ turn.T, normals @ turn.T
    used = vertices[np.unique(mesh.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    scale = np.array(piece.size) / np.maximum(high - low, 1e-9)
    vertices = (vertices - [(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]) * scale
    normals = normals / scale
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-20)
    return Mesh(vertices.astype(np.float32), mesh.faces, mesh.uvs, normals.astype(np.float32), mesh.materials)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is no furniture archive ({error}), expected a ZIP with {LIST_NAME}") from error


def _read_list(path: Path) -> list[Piece]:
    """Pieces of an archive, in the order of their numbers; lines that are no furniture are left out."""
    with _opened(path) as archive:
        try:
            text = read_member(archive, LIST_NAME).decode("latin-1")
        except KeyError as error:
            raise DataError(f"{path}: is no furniture archive, expected a ZIP with {LIST_NAME}") from error
    records: dict[int, dict[str, str]] = {}
    for match in re.finditer(r"^(\w+)#(\d+)\s*=\s*(.*?)\s*$", text, re.MULTILINE):
        records.setdefault(int(match[2]), {})[match[1]] = match[3]
    pieces = []
    for _, fields in sorted(records.items()):
        piece = _piece(path, fields)
        if piece is not None:
            pieces.append(piece)
    return pieces


def _piece(path: Path, fields: dict[str, str]) -> Piece | None:
    try:
        width, depth, height = (float(fields[key]) / 100 for key in ("width", "depth", "height"))
        model, name, category = fields["model"].lstrip("/"), fields["name"], fields["category"]
        elevation = float(fields.get("elevation", 0)) / 100
        drop = float(fields.get("dropOnTopElevation", 0)) / 100
        rotation = tuple(float(word) for word in fields["modelRotation"].split()) if "modelRotation" in fields else None
    except (KeyError, ValueError):
        return None
    if fields.get("doorOrWindow") == "true" or min(width, depth, height) <= 0:
        return None
    part = _part(f"{category}/{name}", (width, height, depth), elevation)
    top = 0.0 if drop < 0 else drop or height
    return Piece(path, model, name, part, (width, height, depth), elevation, top, rotation)


def _part(name: str, size: tuple[float, float, float], elevation: float) -> str:
    """What "category/name" is in a room; size (width, height, depth) and elevation in metres."""
    for part, pattern in _PARTS:
        if re.search(pattern, name):
            if part == "plant":
                return "plant" if size[1] > 0.55 else "small_plant"
            return "floor_lamp" if part == "lamp" and size[1] > 0.85 else part
    if elevation > 0.3:
        return "hung" if size[2] < 0.5 else ""
    if 0.05 < max(size) < 0.5:
        return "small"
    odd = max(size) <= 0.05 or size[1] > 2.4 or max(size) > 3
    return "" if odd else "stray"
