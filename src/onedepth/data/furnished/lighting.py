"""How bright each pixel is: lamps, windows, sun, light from everywhere, shadows and corners; compiled by Numba."""

from __future__ import annotations

import numpy as np
from numba import njit

MAP_SIDE = 320  # of a shadow map, pixels
SAMPLES = 8  # of a pixel's surroundings


@njit(cache=True, error_model="numpy", fastmath=True)
def occlusion(inverse, normals, camera, radius_m, strength, phase):
    """How much of the surroundings each pixel sees, from the depth buffer alone.

    Args:
        inverse: float32 `[H, W]`, 1 / depth, 1/m; 0 = nothing.
        normals: float32 `[H, W, 3]`, camera frame.
        camera: fx, fy, cx, cy.
        radius_m: of what can shade a point.
        strength: 0…
        phase: turns the pattern of samples, radians.

    Returns:
        float32 `[H, W]`, 0…1; 1 = open.
    """
    height, width = inverse.shape
    raw = np.ones((height, width), np.float32)
    # Sixteen patterns, one for each pixel of a 4 × 4 block.
    across, down = np.empty((16, SAMPLES), np.float32), np.empty((16, SAMPLES), np.float32)
    for i in range(16):
        for k in range(SAMPLES):
            angle, far = phase + i * 0.3927 + k * 2.399963, np.sqrt((k + 0.5) / SAMPLES)
            across[i, k], down[i, k] = np.cos(angle) * far, np.sin(angle) * far
    inverse_square = np.float32(1 / (radius_m * radius_m))
    for y in range(height):
        for x in range(width):
            if inverse[y, x] <= 0:
                continue
            depth = 1 / inverse[y, x]
            px, py = (x - camera[2]) / camera[0] * depth, (y - camera[3]) / camera[1] * depth
            nx, ny, nz = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
            reach = min(max(radius_m * camera[0] / depth, 2.0), 70.0)
            pattern = (x & 3) * 4 + (y & 3)
            total = np.float32(0)
            for k in range(SAMPLES):
                sx, sy = int(x + across[pattern, k] * reach + 0.5), int(y + down[pattern, k] * reach + 0.5)
                if sx < 0 or sy < 0 or sx >= width or sy >= height or inverse[sy, sx] <= 0:
                    continue
                other = 1 / inverse[sy, sx]
                vx, vy = (sx - camera[2]) / camera[0] * other - px, (sy - camera[3]) / camera[1] * other - py
                vz = other - depth
                square = vx * vx + vy * vy + vz * vz + 1e-6
                rise = (vx * nx + vy * ny + vz * nz) / np.sqrt(square) - 0.12
                if rise > 0:
                    total += rise / (1 + square * inverse_square)
            raw[y, x] = max(0.0, 1 - strength * total / SAMPLES)
    out = np.empty_like(raw)
    for y in range(height):
        for x in range(width):
            total, weight = 0.0, 0.0
            here = inverse[y, x]
            for dy in range(-2, 2):
                for dx in range(-2, 2):
                    yy, xx = min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)
                    if abs(inverse[yy, xx] - here) <= 0.05 * here:
                        total += raw[yy, xx]
                        weight += 1
            out[y, x] = total / weight if weight > 0 else raw[y, x]
    return out


@njit(cache=True, error_model="numpy", fastmath=True)
def _lit(x, y, z, pose, focal, shadow_map, bias):
    """Share of a point that a shadow map's lamp reaches, 0…1."""
    side = shadow_map.shape[0]
    cz = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
    if cz < 0.05:
        return np.float32(1)
    cx = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]
    cy = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]
    u, v = focal * cx / cz + (side - 1) / 2, focal * cy / cz + (side - 1) / 2
    if u < 1.5 or v < 1.5 or u > side - 2.5 or v > side - 2.5:
        return np.float32(1)
    limit = 1 / max(cz - bias, 0.01)
    u0, v0 = int(u), int(v)
    a, b = np.float32(u - u0), np.float32(v - v0)
    total = np.float32(0)
    for dy in range(-1, 3):
        wy = (1 - b) if dy == -1 else (b if dy == 2 else np.float32(1))
        for dx in range(-1, 3):
            wx = (1 - a) if dx == -1 else (a if dx == 2 else np.float32(1))
            if shadow_map[v0 + dy, u0 + dx] <= limit:
                total += wx * wy
    return total / 9


@njit(cache=True, error_model="numpy", fastmath=True)
def shade(
    inverse, colours, normals, extras, open_share, camera, to_room,
    lamps, lamp_maps, maps, map_poses, map_focals, windows, sun, ambient, sky, out,
):  # fmt: skip
    """Light of each pixel, linear.

    Args:
        inverse: float32 `[H, W]`, 1 / depth, 1/m; 0 = nothing.
        colours: float32 `[H, W, 3]`, linear light reflected.
        normals: float32 `[H, W, 3]`, camera frame.
        extras: float32 `[H, W, 3]`: shine, gloss, glow.
        open_share: float32 `[H / 2, W / 2]`, see `occlusion`.
        camera: fx, fy, cx, cy.
        to_room: float64 `[3, 4]`, from the camera's frame to the room's.
        lamps: float32 `[L, 10]`: x, y, z, RGB, x0, x1, z0, z1 of the room it shines in.
        lamp_maps: int32 `[L]`, its shadow map, or -1.
        maps: float32 `[S, N, N]`, 1 / distance along the map's axis, 1/m.
        map_poses: float64 `[S, 3, 4]`, from the room's frame to the map's.
        map_focals: float64 `[S]`, pixels.
        windows: float32 `[W, 15]`: middle, half across, half up, normal, RGB.
        sun: float64 `[8]`: direction to it, RGB, its window, its map; no sun where RGB is 0.
        ambient: float32 `[6]`: light from above, RGB, and from below.
        sky: what is seen where there is nothing.
        out: float32 `[H, W, 3]`.
    """
    height, width = inverse.shape
    for y in range(height):
        for x in range(width):
            if inverse[y, x] <= 0:
                out[y, x, 0], out[y, x, 1], out[y, x, 2] = sky, sky, sky
                continue
            depth = 1 / inverse[y, x]
            cx, cy = (x - camera[2]) / camera[0] * depth, (y - camera[3]) / camera[1] * depth
            m = to_room
            px = m[0, 0] * cx + m[0, 1] * cy + m[0, 2] * depth + m[0, 3]
            py = m[1, 0] * cx + m[1, 1] * cy + m[1, 2] * depth + m[1, 3]
            pz = m[2, 0] * cx + m[2, 1] * cy + m[2, 2] * depth + m[2, 3]
            a, b, c = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
            nx = m[0, 0] * a + m[0, 1] * b + m[0, 2] * c
            ny = m[1, 0] * a + m[1, 1] * b + m[1, 2] * c
            nz = m[2, 0] * a + m[2, 1] * b + m[2, 2] * c
            vx, vy, vz = m[0, 3] - px, m[1, 3] - py, m[2, 3] - pz
            long = 1 / np.sqrt(vx * vx + vy * vy + vz * vz + 1e-9)
            vx, vy, vz = vx * long, vy * long, vz * long
            shine, gloss, glow = extras[y, x, 0], extras[y, x, 1], extras[y, x, 2]
            seen = open_share[y // 2, x // 2]
            up = 0.5 + 0.5 * ny
            red = seen * (ambient[0] * up + ambient[3] * (1 - up))
            green = seen * (ambient[1] * up + ambient[4] * (1 - up))
            blue = seen * (ambient[2] * up + ambient[5] * (1 - up))
            mirror_r, mirror_g, mirror_b = np.float32(0), np.float32(0), np.float32(0)
            for i in range(lamps.shape[0]):
                lx, ly, lz = lamps[i, 0] - px, lamps[i, 1] - py, lamps[i, 2] - pz
                square = lx * lx + ly * ly + lz * lz + 0.05
                near = 1 / np.sqrt(square)
                lx, ly, lz = lx * near, ly * near, lz * near
                cosine = lx * nx + ly * ny + lz * nz
                if cosine <= 0:
                    continue
                power = np.float32(cosine / square)
                if not (lamps[i, 6] - 0.1 <= px <= lamps[i, 7] + 0.1 and lamps[i, 8] - 0.1 <= pz <= lamps[i, 9] + 0.1):
                    power *= np.float32(0.15)
                number = lamp_maps[i]
                if number >= 0:
                    power *= _lit(
                        px + nx * 0.02, py + ny * 0.02, pz + nz * 0.02,
                        map_poses[number], map_focals[number], maps[number], 0.03,
                    )  # fmt: skip
                    if power <= 0:
                        continue
                power *= 0.5 + 0.5 * seen
                red += power * lamps[i, 3]
                green += power * lamps[i, 4]
                blue += power * lamps[i, 5]
                if shine > 0:
                    hx, hy, hz = lx + vx, ly + vy, lz + vz
                    half = (hx * nx + hy * ny + hz * nz) / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-9)
                    if half > 0.7:
                        flash = power * shine * half**gloss * (gloss + 8) * 0.04
                        mirror_r += flash * lamps[i, 3]
                        mirror_g += flash * lamps[i, 4]
                        mirror_b += flash * lamps[i, 5]
            facing = nx * vx + ny * vy + nz * vz
            rx, ry, rz = 2 * facing * nx - vx, 2 * facing * ny - vy, 2 * facing * nz - vz
            for i in range(windows.shape[0]):
                w = windows[i]
                lx, ly, lz = w[0] - px, w[1] - py, w[2] - pz
                square = lx * lx + ly * ly + lz * lz
                near = 1 / np.sqrt(square + 1e-6)
                across = w[3] * w[3] + w[4] * w[4] + w[5] * w[5]
                tall = w[6] * w[6] + w[7] * w[7] + w[8] * w[8]
                size = 4 * np.sqrt(across * tall)
                leaving = -(lx * w[9] + ly * w[10] + lz * w[11]) * near
                arriving = (lx * nx + ly * ny + lz * nz) * near
                if leaving <= 0:
                    continue
                if arriving > -0.2:
                    power = size * leaving * (arriving + 0.2) / 1.2 / (3.14 * square + size) * seen
                    red += power * w[12]
                    green += power * w[13]
                    blue += power * w[14]
                if shine > 0:
                    towards = -(rx * w[9] + ry * w[10] + rz * w[11])
                    if towards > 0.02:
                        far = -(lx * w[9] + ly * w[10] + lz * w[11]) / -towards
                        far = abs(far)
                        qx, qy, qz = rx * far - lx, ry * far - ly, rz * far - lz
                        s = abs(qx * w[3] + qy * w[4] + qz * w[5]) / across
                        t = abs(qx * w[6] + qy * w[7] + qz * w[8]) / tall
                        blur = 2.0 / np.sqrt(gloss)
                        inside = min(max((1 + blur - s) / (2 * blur), 0), 1) * min(
                            max((1 + blur - t) / (2 * blur), 0), 1
                        )
                        flash = shine * 0.25 * inside * (0.2 + 0.8 * (1 - min(facing, 1.0)))
                        mirror_r += flash * w[12]
                        mirror_g += flash * w[13]
                        mirror_b += flash * w[14]
            if sun[3] + sun[4] + sun[5] > 0:
                cosine = sun[0] * nx + sun[1] * ny + sun[2] * nz
                if cosine > 0:
                    w = windows[int(sun[6])]
                    towards = -(sun[0] * w[9] + sun[1] * w[10] + sun[2] * w[11])
                    if towards > 0.01:
                        lx, ly, lz = w[0] - px, w[1] - py, w[2] - pz
                        far = -(lx * w[9] + ly * w[10] + lz * w[11]) / towards
                        qx, qy, qz = sun[0] * far - lx, sun[1] * far - ly, sun[2] * far - lz
                        across = w[3] * w[3] + w[4] * w[4] + w[5] * w[5]
                        tall = w[6] * w[6] + w[7] * w[7] + w[8] * w[8]
                        s = abs(qx * w[3] + qy * w[4] + qz * w[5]) / across
                        t = abs(qx * w[6] + qy * w[7] + qz * w[8]) / tall
                        if far > 0 and s < 1 and t < 1:
                            number = int(sun[7])
                            power = cosine * _lit(
                                px + nx * 0.02, py + ny * 0.02, pz + nz * 0.02,
                                map_poses[number], map_focals[number], maps[number], 0.04,
                            )  # fmt: skip
                            red += power * sun[3]
                            green += power * sun[4]
                            blue += power * sun[5]
            out[y, x, 0] = colours[y, x, 0] * (red + glow) + mirror_r
            out[y, x, 1] = colours[y, x, 1] * (green + glow) + mirror_g
            out[y, x, 2] = colours[y, x, 2] * (blue + glow) + mirror_b
