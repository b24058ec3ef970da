"""Wavefront OBJ models with their MTL materials, read from a ZIP archive."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onedepth.data.furnished.mesh import Material, Mesh
from onedepth.errors import DataError

TEXTURE_SIDE = 256  # pixels; larger pictures are made smaller
CLEAR = 0.45  # what is less opaque is left out: glass
ADD = Callable[[NDArray[np.uint8]], int]


class NoModelError(ValueError):
    """A model has nothing that could be drawn."""


@dataclass
class _Lines:
    """An OBJ file's lines, sorted.

    Attributes:
        corners: vertex, texture coordinates, normal of each polygon's corners, from 0; -1 = none.
        starts: of the polygons, in `corners`.
        kinds: of the polygons.
        positions, uvs, normals: numbers as they are written.
        names: materials, with their numbers.
        libraries: files of materials.
    """

    corners: list[tuple[int, int, int]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    uvs: list[str] = field(default_factory=list)
    normals: list[str] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Content of an archive's file.

    Raises:
        KeyError: no such file.
        DataError: it is damaged.
    """
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{archive.filename}: is damaged, {name} cannot be read ({error})") from error


def read_obj(archive: zipfile.ZipFile, name: str, add_texture: ADD) -> tuple[Mesh, list[Material]]:
    """A model's triangles in its own units, and its materials.

    Args:
        archive: holds the model, its materials and their pictures.
        name: the OBJ file's.
        add_texture: told of each picture, uint8 `[H, W, 3]`; gives its number.

    Raises:
        KeyError: no such file.
        NoModelError: nothing in it can be drawn.
        ValueError, IndexError: it is no OBJ file.
        DataError: the archive is damaged.
    """
    found = _sorted_lines(read_member(archive, name).decode("latin-1"))
    if not found.starts:
        raise NoModelError("no faces")
    triangle, face_kind = _triangles(found)
    vertices = _numbers(found.positions, 3)
    faces = triangle[..., 0]
    flat = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    size = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = flat / np.maximum(size, 1e-20)
    corner_normals = np.repeat(flat[:, None], 3, axis=1)
    if found.normals:
        table = _numbers(found.normals, 3)
        table = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-20)
        corner_normals = np.where(triangle[..., 2:] >= 0, table[triangle[..., 2]], corner_normals)
    corner_uvs = np.zeros((len(faces), 3, 2))
    if found.uvs:
        table = _numbers(found.uvs, 2)
        corner_uvs = np.where(triangle[..., 1:2] >= 0, table[triangle[..., 1]], 0.0)
    known = _materials(archive, posixpath.dirname(name), found.libraries, add_texture)
    grey = (Material((0.5, 0.5, 0.5)), 1.0)
    materials = [known.get(one, grey) for one in found.names]
    kept = (np.array([opaque for _, opaque in materials])[face_kind] >= CLEAR) & (size[:, 0] > 0)
    if not kept.any():
        raise NoModelError("all glass")
    mesh = Mesh(
        vertices.astype(np.float32),
        faces[kept].astype(np.int32),
        corner_uvs[kept].astype(np.float32),
        corner_normals[kept].astype(np.float32),
        face_kind[kept].astype(np.int32),
    )
    return mesh, [material for material, _ in materials]


def _sorted_lines(text: str) -> _Lines:
    out = _Lines()
    tables = {"v ": out.positions, "vt": out.uvs, "vn": out.normals}
    kind = 0
    for line in text.splitlines():
        head = line[:2]
        if head in tables:
            tables[head].append(line[len(head.strip()) + 1 :])
        elif head == "f ":
            out.starts.append(len(out.corners))
            out.kinds.append(kind)
            out.corners += [_corner(word, out) for word in line[2:].split()]
        elif line.startswith("usemtl"):
            kind = out.names.setdefault(line[6:].strip(), len(out.names))
        elif line.startswith("mtllib"):
            out.libraries.append(line[6:].strip())
    if not out.names:
        out.names[""] = 0
    return out


def _corner(word: str, so_far: _Lines) -> tuple[int, int, int]:
    """A corner "v", "v/vt", "v//vn" or "v/vt/vn"; numbers count from 1, negative ones from the end."""
    parts = word.split("/")
    v = int(parts[0])
    t = int(parts[1]) if len(parts) > 1 and parts[1] else 0
    n = int(parts[2]) if len(parts) > 2 and parts[2] else 0
    return (
        v - 1 if v > 0 else len(so_far.positions) + v,
        t - 1 if t > 0 else (len(so_far.uvs) + t if t < 0 else -1),
        n - 1 if n > 0 else (len(so_far.normals) + n if n < 0 else -1),
    )


def _triangles(found: _Lines) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Polygons as fans (0, 1, 2), (0, 2, 3) …: int64 `[F, 3, 3]`, corners as in `_Lines`; int64 `[F]`, kinds."""
    corner = np.array(found.corners, np.int64)
    begin, kinds = np.array(found.starts), np.array(found.kinds)
    length = np.diff(np.append(begin, len(corner)))
    rounds = range(1, int(length.max()) - 1)
    if not rounds:
        raise NoModelError("no triangles")
    pieces = [
        np.stack([begin[length > k + 1], begin[length > k + 1] + k, begin[length > k + 1] + k + 1], 1) for k in rounds
    ]
    return corner[np.concatenate(pieces)], np.concatenate([kinds[length > k + 1] for k in rounds])


def _numbers(lines: list[str], columns: int) -> NDArray[np.float64]:
    widths = {len(line.split()) for line in lines[:1]} if lines else set()
    try:
        values = np.array(" ".join(lines).split(), np.float64)
        if len(values) == len(lines) * next(iter(widths)) and next(iter(widths)) >= columns:
            return values.reshape(len(lines), -1)[:, :columns]
    except ValueError:
        pass
    return np.array([[float(word) for word in line.split()[:columns]] for line in lines])


def _materials(
    archive: zipfile.ZipFile, folder: str, libraries: list[str], add_texture: ADD
) -> dict[str, tuple[Material, float]]:
    """Materials and how opaque they are, by name."""
    found: dict[str, tuple[Material, float]] = {}
    pictures: dict[str, tuple[int, float] | None] = {}
    for library in libraries:
        try:
            text = read_member(archive, posixpath.normpath(posixpath.join(folder, library))).decode("latin-1")
        except KeyError:
            continue
        for block in ("\n" + text).replace("\r", "").split("\nnewmtl ")[1:]:
            lines = [line.split() for line in block.splitlines()]
            values = {words[0]: words[1:] for words in lines[1:] if len(words) > 1}
            colour = _triple(values.get("Kd"), 0.6)
            shine = min(1.0, max(_triple(values.get("Ks"), 0.0)))
            glow = 0.0
            texture = -1
            opaque = float(values["d"][0]) if "d" in values and _is_number(values["d"][0]) else 1.0
            if "map_Kd" in values:
                path = posixpath.normpath(posixpath.join(folder, " ".join(values["map_Kd"])))
                if path not in pictures:
                    pictures[path] = _picture(archive, path, add_texture)
                entry = pictures[path]
                if entry is not None:
                    texture, solid = entry
                    opaque = min(opaque, solid)
                    colour = (1.0, 1.0, 1.0)
            gloss = float(values["Ns"][0]) if "Ns" in values and _is_number(values["Ns"][0]) else 20.0
            linear = tuple(float(c) ** 2.2 for c in colour)
            material = Material(
                (linear[0], linear[1], linear[2]), texture, 1.0, shine * 0.5, min(max(gloss, 4), 120), glow
            )
            found[block.splitlines()[0].strip()] = (material, opaque)
    return found


def _picture(archive: zipfile.ZipFile, path: str, add_texture: ADD) -> tuple[int, float] | None:
    """Number of a texture and how much of it is opaque."""
    try:
        with Image.open(io.BytesIO(read_member(archive, path))) as image:
            image.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE))
            whole = image.convert("RGBA")
    except (KeyError, OSError, ValueError, Image.DecompressionBombError):
        return None
    pixels = np.asarray(whole)
    return add_texture(np.ascontiguousarray(pixels[..., :3])), 1.0 if (pixels[..., 3] > 127).mean() > 0.85 else 0.0


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _triple(words: list[str] | None, default: float) -> tuple[float, float, float]:
    if words and len(words) >= 3 and all(_is_number(word) for word in words[:3]):
        return (float(words[0]), float(words[1]), float(words[2]))
    return (default, default, default)
