"""Wavefront OBJ models with their MTL materials, read from a ZIP archive."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onedepth.data.furnished.mesh import Material, Mesh
from onedepth.errors import DataError

TEXTURE_SIDE = 256  # pixels; larger pictures are made smaller
CLEAR = 0.45  # what is less opaque is left out: glass
ADD = Callable[[NDArray[np.uint8]], int]


def read_obj(archive: zipfile.ZipFile, name: str, add_texture: ADD) -> tuple[Mesh, list[Material]]:
    """A model's triangles in its own units, and its materials.

    Args:
        archive: holds the model, its materials and their pictures.
        name: the OBJ file's.
        add_texture: told of each picture, uint8 `[H, W, 3]`; gives its number.

    Raises:
        DataError: no triangle can be read.
    """
    folder = posixpath.dirname(name)
    corners: list[tuple[int, int, int]] = []  # vertex, texture, normal; -1 = none
    starts: list[int] = []  # of the polygons, in corners
    kinds: list[int] = []
    positions, uvs, normals = [], [], []
    known: dict[str, int] = {}
    libraries: list[str] = []
    kind = 0
    try:
        text = archive.read(name).decode("latin-1")
    except (KeyError, zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{archive.filename}: {name} cannot be read ({error})") from error
    for line in text.splitlines():
        head = line[:2]
        if head == "v ":
            positions.append(line[2:])
        elif head == "vt":
            uvs.append(line[3:])
        elif head == "vn":
            normals.append(line[3:])
        elif head == "f ":
            starts.append(len(corners))
            kinds.append(kind)
            for word in line[2:].split():
                parts = word.split("/")
                v = int(parts[0])
                t = int(parts[1]) if len(parts) > 1 and parts[1] else 0
                n = int(parts[2]) if len(parts) > 2 and parts[2] else 0
                corners.append(
                    (
                        v - 1 if v > 0 else len(positions) + v,
                        t - 1 if t > 0 else (len(uvs) + t if t < 0 else -1),
                        n - 1 if n > 0 else (len(normals) + n if n < 0 else -1),
                    )
                )
        elif line.startswith("usemtl"):
            kind = known.setdefault(line[6:].strip(), len(known))
        elif line.startswith("mtllib"):
            libraries.append(line[6:].strip())
    if not starts:
        raise DataError(f"{archive.filename}: {name} holds no faces")
    if not known:
        known[""] = 0
    corner = np.array(corners, np.int64)
    begin = np.array(starts)
    length = np.diff(np.append(begin, len(corner)))
    # Fans: (0, 1, 2), (0, 2, 3) …
    pieces = [
        np.stack([begin[length > k + 1], begin[length > k + 1] + k, begin[length > k + 1] + k + 1], 1)
        for k in range(1, int(length.max()) - 1)
    ]
    face_kind = np.concatenate([np.array(kinds)[length > k + 1] for k in range(1, int(length.max()) - 1)])
    triangle = corner[np.concatenate(pieces)]  # [F, 3, 3]
    vertices = _numbers(positions, 3)
    faces = triangle[..., 0]
    flat = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    size = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = flat / np.maximum(size, 1e-20)
    corner_normals = np.repeat(flat[:, None], 3, axis=1)
    if normals:
        table = _numbers(normals, 3)
        table = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-20)
        corner_normals = np.where(triangle[..., 2:] >= 0, table[triangle[..., 2]], corner_normals)
    corner_uvs = np.zeros((len(faces), 3, 2))
    if uvs:
        table = _numbers(uvs, 2)
        corner_uvs = np.where(triangle[..., 1:2] >= 0, table[triangle[..., 1]], 0.0)
    found = _materials(archive, folder, libraries, add_texture)
    names = sorted(known, key=known.__getitem__)
    grey = (Material((0.5, 0.5, 0.5)), 1.0)
    materials = [found.get(one, grey) for one in names]
    kept = (np.array([opaque for _, opaque in materials])[face_kind] >= CLEAR) & (size[:, 0] > 0)
    if not kept.any():
        raise DataError(f"{archive.filename}: {name} is all glass")
    mesh = Mesh(
        vertices.astype(np.float32),
        faces[kept].astype(np.int32),
        corner_uvs[kept].astype(np.float32),
        corner_normals[kept].astype(np.float32),
        face_kind[kept].astype(np.int32),
    )
    return mesh, [material for material, _ in materials]


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
            text = archive.read(posixpath.normpath(posixpath.join(folder, library))).decode("latin-1")
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
        with Image.open(io.BytesIO(archive.read(path))) as image:
            image.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE))
            whole = image.convert("RGBA")
    except (KeyError, OSError, ValueError):
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
