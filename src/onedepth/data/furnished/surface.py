"""What each pixel's surface is made of: colour, shine and the way it faces, compiled by Numba."""

from __future__ import annotations

import numpy as np
from numba import njit

from onedepth.data.furnished.raster import NOTHING
from onedepth.data.furnished.textures import sample


@njit(cache=True)
def sort_pixels(numbers, firsts):
    """Pixels by the mesh they see.

    Args:
        numbers: int32 `[H, W]`, faces seen.
        firsts: int32 `[N + 1]`, first face of each mesh, rising; the last is the number of all.

    Returns:
        Start of each mesh's pixels, int32 `[N + 1]`, and the pixels, int32, as y · W + x.
    """
    height, width = numbers.shape
    count = len(firsts) - 1
    owner = np.empty(height * width, np.int32)
    starts = np.zeros(count + 1, np.int32)
    last = 0
    for i in range(height * width):
        number = numbers[i // width, i % width]
        if number == NOTHING:
            owner[i] = NOTHING
            continue
        if not firsts[last] <= number < firsts[last + 1]:
            low, high = 0, count
            while high - low > 1:
                middle = (low + high) // 2
                if firsts[middle] <= number:
                    low = middle
                else:
                    high = middle
            last = low
        owner[i] = last
        starts[last + 1] += 1
    for k in range(count):
        starts[k + 1] += starts[k]
    order = np.empty(starts[count], np.int32)
    place = starts[:-1].copy()
    for i in range(height * width):
        if owner[i] != NOTHING:
            order[place[owner[i]]] = i
            place[owner[i]] += 1
    return starts, order


@njit(cache=True, error_model="numpy", fastmath=True)
def describe(
    pixels, numbers, inverse, camera, first, to_mesh, to_camera_normals,
    vertices, faces, uvs, normals, kinds, materials, textures, texels, table, linear,
    colour_out, normal_out, extra_out,
):  # fmt: skip
    """Fill the pixels of one mesh.

    Args:
        pixels: int32 `[P]`, as y · W + x.
        numbers: int32 `[H, W]`, faces seen.
        inverse: float32 `[H, W]`, 1 / depth, 1/m.
        camera: fx, fy, cx, cy in pixels.
        first: number of the mesh's first face.
        to_mesh: float64 `[3, 4]`, from the camera's frame to the mesh's.
        to_camera_normals: float64 `[3, 3]`, for normals, from the mesh's frame to the camera's.
        vertices: float32 `[V, 3]`, metres, mesh frame.
        faces: int32 `[F, 3]`.
        uvs: float32 `[F, 3, 2]`, texture coordinates of the corners.
        normals: float32 `[F, 3, 3]`, unit normals of the corners, mesh frame.
        kinds: int32 `[F]`, materials of the faces.
        materials: float32 `[M, 7]`, see `material_table`.
        textures: int32 `[M]`, textures of the materials; -1 = none.
        texels: uint8, all textures, see `Textures.pixels`.
        table: int64 `[T, 4]`, see `Textures.table`.
        linear: float32 `[256]`, linear light of a stored value.
        colour_out: float32 `[H, W, 3]`, linear light reflected.
        normal_out: float32 `[H, W, 3]`, camera frame, towards the camera.
        extra_out: float32 `[H, W, 3]`: shine, gloss, glow.
    """
    width = numbers.shape[1]
    for i in pixels:
        y, x = i // width, i % width
        face = numbers[y, x] - first
        depth = 1.0 / inverse[y, x]
        rx, ry = (x - camera[2]) / camera[0], (y - camera[3]) / camera[1]
        cx, cy, cz = rx * depth, ry * depth, depth
        px = to_mesh[0, 0] * cx + to_mesh[0, 1] * cy + to_mesh[0, 2] * cz + to_mesh[0, 3]
        py = to_mesh[1, 0] * cx + to_mesh[1, 1] * cy + to_mesh[1, 2] * cz + to_mesh[1, 3]
        pz = to_mesh[2, 0] * cx + to_mesh[2, 1] * cy + to_mesh[2, 2] * cz + to_mesh[2, 3]
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        ux, uy, uz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
        vx, vy, vz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
        wx, wy, wz = px - ax, py - ay, pz - az
        uu, uv, vv = ux * ux + uy * uy + uz * uz, ux * vx + uy * vy + uz * vz, vx * vx + vy * vy + vz * vz
        wu, wv = wx * ux + wy * uy + wz * uz, wx * vx + wy * vy + wz * vz
        det = uu * vv - uv * uv
        if det > 0:
            s, t = (vv * wu - uv * wv) / det, (uu * wv - uv * wu) / det
        else:
            s, t = 0.0, 0.0
        s, t = min(max(s, 0.0), 1.0), min(max(t, 0.0), 1.0)
        r = 1.0 - s - t
        # The face's own normal says which side is seen, the corners' say how light falls.
        gx, gy, gz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        nx = r * normals[face, 0, 0] + s * normals[face, 1, 0] + t * normals[face, 2, 0]
        ny = r * normals[face, 0, 1] + s * normals[face, 1, 1] + t * normals[face, 2, 1]
        nz = r * normals[face, 0, 2] + s * normals[face, 1, 2] + t * normals[face, 2, 2]
        if nx * gx + ny * gy + nz * gz < 0:
            gx, gy, gz = -gx, -gy, -gz
        m = to_camera_normals
        fx = m[0, 0] * gx + m[0, 1] * gy + m[0, 2] * gz
        fy = m[1, 0] * gx + m[1, 1] * gy + m[1, 2] * gz
        fz = m[2, 0] * gx + m[2, 1] * gy + m[2, 2] * gz
        flip = -1.0 if fx * rx + fy * ry + fz > 0 else 1.0
        mx = m[0, 0] * nx + m[0, 1] * ny + m[0, 2] * nz
        my = m[1, 0] * nx + m[1, 1] * ny + m[1, 2] * nz
        mz = m[2, 0] * nx + m[2, 1] * ny + m[2, 2] * nz
        long = np.sqrt(mx * mx + my * my + mz * mz)
        face_long = np.sqrt(fx * fx + fy * fy + fz * fz)
        if long < 1e-6 or mx * fx + my * fy + mz * fz < 0.2 * long * face_long:
            mx, my, mz, long = fx, fy, fz, face_long
        scale = flip / max(long, 1e-12)
        normal_out[y, x, 0], normal_out[y, x, 1], normal_out[y, x, 2] = mx * scale, my * scale, mz * scale
        kind = kinds[face]
        red, green, blue = materials[kind, 0], materials[kind, 1], materials[kind, 2]
        texture = textures[kind]
        if texture >= 0:
            repeats = materials[kind, 3]
            u0, v0 = uvs[face, 0, 0], uvs[face, 0, 1]
            du1, dv1 = uvs[face, 1, 0] - u0, uvs[face, 1, 1] - v0
            du2, dv2 = uvs[face, 2, 0] - u0, uvs[face, 2, 1] - v0
            spread = abs(du1 * dv2 - du2 * dv1) * repeats * repeats * table[texture, 1] * table[texture, 2]
            area = np.sqrt(max(det, 1e-20))
            slant = max(abs(fx * rx + fy * ry + fz) / max(face_long * np.sqrt(rx * rx + ry * ry + 1), 1e-12), 0.05)
            foot = depth * depth / (camera[0] * camera[1]) / slant
            # Texels per pixel, as an area; half its logarithm is the level.
            density = spread / area * foot
            level = 0
            while density > 2.0 and level < 8:
                density *= 0.25
                level += 1
            u, v = (u0 + s * du1 + t * du2) * repeats, (v0 + s * dv1 + t * dv2) * repeats
            tr, tg, tb = sample(texels, table, texture, u, v, level, linear)
            red, green, blue = red * tr, green * tg, blue * tb
        colour_out[y, x, 0], colour_out[y, x, 1], colour_out[y, x, 2] = red, green, blue
        extra_out[y, x, 0], extra_out[y, x, 1], extra_out[y, x, 2] = (
            materials[kind, 4],
            materials[kind, 5],
            materials[kind, 6],
        )
