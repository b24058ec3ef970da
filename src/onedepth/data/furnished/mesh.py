"""Triangles with what they are made of, and a builder of walls, boxes and cylinders."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

NO_TEXTURE = -1


@dataclass(frozen=True)
class Material:
    """What a surface is made of.

    Attributes:
        colour: linear light reflected, 0…1, RGB; the texture is multiplied by it.
        texture: number in the `Textures`, or -1.
        repeats: of the texture per unit of the mesh's texture coordinates.
        shine: strength of the highlight, 0…1.
        gloss: its exponent.
        glow: light given off, times the colour.
    """

    colour: tuple[float, float, float]
    texture: int = NO_TEXTURE
    repeats: float = 1.0
    shine: float = 0.0
    gloss: float = 20.0
    glow: float = 0.0


@dataclass(frozen=True)
class Mesh:
    """Triangles.

    Attributes:
        vertices: float32 `[V, 3]`, metres; y up.
        faces: int32 `[F, 3]`, corners of the triangles; either winding.
        uvs: float32 `[F, 3, 2]`, texture coordinates of the corners.
        normals: float32 `[F, 3, 3]`, at the corners; unit length.
        materials: int32 `[F]`, number of the face's material.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    uvs: NDArray[np.float32]
    normals: NDArray[np.float32]
    materials: NDArray[np.int32]

    @cached_property
    def bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest and highest corner, `[3]` each, metres."""
        return self.vertices.min(axis=0), self.vertices.max(axis=0)


def material_table(materials: list[Material]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Materials as the kernels read them: float32 `[M, 7]` (RGB, repeats, shine, gloss, glow), textures int32 `[M]`."""
    numbers = np.array([[*m.colour, m.repeats, m.shine, m.gloss, m.glow] for m in materials] or [[0.0] * 7], np.float32)
    return numbers, np.array([m.texture for m in materials] or [NO_TEXTURE], np.int32)


@dataclass
class Item:
    """A mesh put somewhere in the room.

    Attributes:
        mesh: the triangles.
        materials: what their material numbers mean.
        pose: float64 `[3, 4]`, from the mesh's frame to the room's.
        shadow: whether it throws one.
    """

    mesh: Mesh
    materials: list[Material]
    pose: NDArray[np.float64]
    shadow: bool = True


def turned(x: float, y: float, z: float, turn: float, size: tuple[float, float, float] = (1, 1, 1)) -> NDArray:
    """Pose `[3, 4]`: scaled by `size`, turned by `turn` radians about the vertical, then moved to (x, y, z)."""
    c, s = np.cos(turn), np.sin(turn)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.hstack([rotation * np.array(size), [[x], [y], [z]]])


# A box's faces: which corner (bits x, y, z) and the axes of its texture.
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
_QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]], np.int32)
_SIDES = np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]], np.float64)
_AXES = np.array([[2, 1], [2, 1], [0, 2], [0, 2], [0, 1], [0, 1]])
_AROUND = 14


@dataclass
class Builder:
    """Collects quads, boxes and cylinders, and makes one mesh of them; texture coordinates are metres."""

    materials: list[Material] = field(default_factory=list)
    _boxes: list[tuple[float, ...]] = field(default_factory=list)
    _quads: list[tuple[float, ...]] = field(default_factory=list)
    _rounds: list[tuple[float, ...]] = field(default_factory=list)

    def material(self, material: Material) -> int:
        """Number of a material."""
        self.materials.append(material)
        return len(self.materials) - 1

    def box(self, middle, size, material: int, turn: float = 0.0, shift: float = 0.0) -> None:
        """A box around `middle` (x, y, z) of `size` (x, y, z), metres, turned about the vertical, radians."""
        self._boxes.append((*middle, *size, material, turn, shift))

    def quad(self, corner, along, up, material: int, u: float = 0.0, v: float = 0.0, fit: bool = False) -> None:
        """A parallelogram from `corner` along two edges; texture starts at (u, v), or is fitted once into it."""
        self._quads.append((*corner, *along, *up, material, u, v, float(fit)))

    def cylinder(self, bottom, radius: float, height: float, material: int, top: float = 1.0) -> None:
        """Upright, on `bottom` (x, y, z); the upper radius is `top` times the lower."""
        self._rounds.append((*bottom, radius, height, material, top))

    def mesh(self) -> Mesh:
        """Everything so far."""
        parts = [part for part in (self._box_mesh(), self._quad_mesh(), self._round_mesh()) if part is not None]
        return joined(parts)

    def item(self, shadow: bool = True) -> Item:
        """Everything so far, in the room's own frame."""
        return Item(self.mesh(), self.materials, turned(0, 0, 0, 0), shadow)

    @property
    def empty(self) -> bool:
        """Nothing is in it."""
        return not (self._boxes or self._quads or self._rounds)

    def _box_mesh(self) -> Mesh | None:
        if not self._boxes:
            return None
        data = np.array(self._boxes)
        count = len(data)
        size = data[:, 3:6]
        local = _CORNERS[None] * size[:, None] / 2  # [N, 8, 3]
        c, s = np.cos(data[:, 7])[:, None], np.sin(data[:, 7])[:, None]
        moved = local.copy()
        moved[..., 0], moved[..., 2] = c * local[..., 0] + s * local[..., 2], c * local[..., 2] - s * local[..., 0]
        moved += data[:, None, :3]
        quads = (np.arange(count) * 8)[:, None, None] + _QUADS[None]
        corner = local[:, _QUADS]  # [N, 6, 4, 3]
        uv = np.empty((count, 6, 4, 2))
        for side in range(6):
            uv[:, side] = corner[:, side][..., _AXES[side]]
        uv += data[:, 8][:, None, None, None]
        normal = np.broadcast_to(_SIDES, (count, 6, 3)).copy()
        nx = normal[..., 0].copy()
        normal[..., 0], normal[..., 2] = c * nx + s * normal[..., 2], c * normal[..., 2] - s * nx
        return _of_quads(
            moved.reshape(-1, 3), quads.reshape(-1, 4), uv.reshape(-1, 4, 2), normal.reshape(-1, 3),
            np.repeat(data[:, 6], 6),
        )  # fmt: skip

    def _quad_mesh(self) -> Mesh | None:
        if not self._quads:
            return None
        data = np.array(self._quads)
        p, a, b = data[:, :3], data[:, 3:6], data[:, 6:9]
        vertices = np.stack([p, p + a, p + a + b, p + b], 1)
        la, lb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
        fit = data[:, 12] > 0
        u1 = np.where(fit, 1.0, data[:, 10] + la)
        v1 = np.where(fit, 1.0, data[:, 11] + lb)
        u0, v0 = np.where(fit, 0, data[:, 10]), np.where(fit, 0, data[:, 11])
        uv = np.stack([np.stack([u0, v0], 1), np.stack([u1, v0], 1), np.stack([u1, v1], 1), np.stack([u0, v1], 1)], 1)
        normal = np.cross(a, b)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        quads = np.arange(len(data) * 4).reshape(-1, 4)
        return _of_quads(vertices.reshape(-1, 3), quads, uv, normal, data[:, 9])

    def _round_mesh(self) -> Mesh | None:
        if not self._rounds:
            return None
        parts = []
        angle = np.arange(_AROUND) * (2 * np.pi / _AROUND)
        ring = np.stack([np.cos(angle), np.sin(angle)], 1)
        after = (np.arange(_AROUND) + 1) % _AROUND
        here = np.arange(_AROUND)
        side = np.stack([here, after, after + _AROUND, here + _AROUND], 1)
        faces = np.concatenate([side[:, [0, 1, 2]], side[:, [0, 2, 3]]])
        for x, y, z, radius, height, material, top in self._rounds:
            low = np.stack([x + radius * ring[:, 0], np.full(_AROUND, y), z + radius * ring[:, 1]], 1)
            high = np.stack(
                [x + top * radius * ring[:, 0], np.full(_AROUND, y + height), z + top * radius * ring[:, 1]], 1
            )
            vertices = np.concatenate([low, high, [[x, y, z], [x, y + height, z]]])
            bottom = np.stack([np.full(_AROUND, 2 * _AROUND), here, after], 1)
            lid = np.stack([np.full(_AROUND, 2 * _AROUND + 1), here + _AROUND, after + _AROUND], 1)
            out = np.concatenate([ring, ring])
            flat = np.zeros(2 * _AROUND)
            round_normals = np.stack([out[:, 0], flat, out[:, 1]], 1)
            along = np.concatenate([here, here]) / _AROUND * 2 * np.pi * radius
            u = np.stack([along, np.concatenate([here + 1, here + 1]) / _AROUND * 2 * np.pi * radius], 1)
            uv_side = np.concatenate(
                [
                    np.stack([u[:_AROUND, [0, 1, 1]], np.tile([0, 0, height], (_AROUND, 1))], 2),
                    np.stack([u[:_AROUND, [0, 1, 0]], np.tile([0, height, height], (_AROUND, 1))], 2),
                ]
            )
            caps = np.concatenate([bottom, lid])
            parts.append(
                Mesh(
                    vertices.astype(np.float32),
                    np.concatenate([faces, caps]).astype(np.int32),
                    np.concatenate([uv_side, vertices[caps][..., [0, 2]]]).astype(np.float32),
                    np.concatenate(
                        [round_normals[faces], np.broadcast_to([0.0, -1, 0], (_AROUND, 3, 3)),
                         np.broadcast_to([0.0, 1, 0], (_AROUND, 3, 3))]
                    ).astype(np.float32),
                    np.full(len(faces) + len(caps), material, np.int32),
                )
            )  # fmt: skip
        return joined(parts)


def joined(parts: list[Mesh]) -> Mesh:
    """Several meshes with one list of materials as one."""
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]).astype(np.int32),
        np.concatenate([part.uvs for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.materials for part in parts]),
    )


def _of_quads(vertices, quads, uvs, normals, materials) -> Mesh:
    order = [0, 1, 2, 0, 2, 3]
    return Mesh(
        vertices.astype(np.float32),
        quads[:, order].reshape(-1, 3).astype(np.int32),
        uvs[:, order].reshape(-1, 3, 2).astype(np.float32),
        np.repeat(normals, 6, axis=0).reshape(-1, 3, 3).astype(np.float32),
        np.repeat(materials, 2).astype(np.int32),
    )
