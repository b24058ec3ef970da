"""Textures in one long array, as the kernels read them: painted from a number, or from the pictures of furniture.

To add a painter: a function from a generator to an uint8 `[N, N, 3]`, grey where the colour shall come from the
material, and a line in `PAINTERS`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

SIDE = 256
LEVELS = 9
Painter = Callable[[np.random.Generator], NDArray]


class Textures:
    """All textures of a process, each with its smaller versions; a painted one is the same whenever it is painted."""

    def __init__(self) -> None:
        self.pixels = np.zeros(1 << 24, np.uint8)
        self.table = np.zeros((0, 4), np.int64)  # start, height, width, levels
        self._used = 0
        self._painted: dict[tuple[str, int], int] = {}

    def add(self, picture: NDArray[np.uint8]) -> int:
        """Number of a new texture, uint8 `[H, W, 3]`."""
        levels: list[NDArray[np.floating]] = [picture.astype(np.float32)]
        while min(levels[-1].shape[:2]) > 1 and len(levels) < LEVELS:
            p = levels[-1]
            h, w = p.shape[0] // 2 * 2, p.shape[1] // 2 * 2
            p = p[:h, :w]
            levels.append((p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2]) / 4)
        flat = np.concatenate([np.clip(p + 0.5, 0, 255).astype(np.uint8).ravel() for p in levels])
        while self._used + len(flat) > len(self.pixels):
            self.pixels = np.concatenate([self.pixels, np.zeros_like(self.pixels)])
        self.pixels[self._used : self._used + len(flat)] = flat
        row = np.array([[self._used, *picture.shape[:2], len(levels)]], np.int64)
        self.table = np.concatenate([self.table, row])
        self._used += len(flat)
        return len(self.table) - 1

    def painted(self, kind: str, number: int) -> int:
        """Number of the texture that painter `kind` makes of `number`."""
        key = (kind, number)
        if key not in self._painted:
            rng = np.random.default_rng([zlib.crc32(kind.encode()), number])
            self._painted[key] = self.add(np.clip(PAINTERS[kind](rng), 0, 255).astype(np.uint8))
        return self._painted[key]


@njit(cache=True, error_model="numpy", fastmath=True)
def sample(pixels, table, texture, u, v, level, linear):
    """Colour of a texture at (u, v), which repeat from 0 to 1, linear light; v runs up."""
    start, height, width, levels = table[texture, 0], table[texture, 1], table[texture, 2], table[texture, 3]
    step = 0
    while step < level and step < levels - 1:
        start += height * width * 3
        height, width = height // 2, width // 2
        step += 1
    x = (u - np.floor(u)) * width - 0.5
    y = (1.0 - (v - np.floor(v))) * height - 0.5
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    a, b = np.float32(x - x0), np.float32(y - y0)
    x1, y1 = (x0 + 1) % width, (y0 + 1) % height
    x0, y0 = x0 % width, y0 % height
    p00, p01 = start + (y0 * width + x0) * 3, start + (y0 * width + x1) * 3
    p10, p11 = start + (y1 * width + x0) * 3, start + (y1 * width + x1) * 3
    w00, w01, w10, w11 = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
    return (
        w00 * linear[pixels[p00]] + w01 * linear[pixels[p01]] + w10 * linear[pixels[p10]] + w11 * linear[pixels[p11]],
        w00 * linear[pixels[p00 + 1]] + w01 * linear[pixels[p01 + 1]]
        + w10 * linear[pixels[p10 + 1]] + w11 * linear[pixels[p11 + 1]],
        w00 * linear[pixels[p00 + 2]] + w01 * linear[pixels[p01 + 2]]
        + w10 * linear[pixels[p10 + 2]] + w11 * linear[pixels[p11 + 2]],
    )  # fmt: skip


LINEAR = (((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4).astype(np.float32)
LINEAR[:11] = np.arange(11, dtype=np.float32) / 255 / 12.92


def noise(rng: np.random.Generator, across: float, down: float, octaves: int = 4, side: int = SIDE) -> NDArray:
    """Clouds that repeat, about -1…1, float `[side, side]`; so many per side across and down."""
    total = np.zeros((side, side))
    weight = 1.0
    for _ in range(octaves):
        nx, ny = max(1, min(side, round(across))), max(1, min(side, round(down)))
        grid = rng.standard_normal((ny, nx))
        x, y = np.arange(side) * nx / side, np.arange(side) * ny / side
        x0, y0 = x.astype(int), y.astype(int)
        fx, fy = x - x0, y - y0
        fx, fy = fx * fx * (3 - 2 * fx), (fy * fy * (3 - 2 * fy))[:, None]
        x1, y1 = (x0 + 1) % nx, (y0 + 1) % ny
        upper = grid[y0][:, x0] * (1 - fx) + grid[y0][:, x1] * fx
        lower = grid[y1][:, x0] * (1 - fx) + grid[y1][:, x1] * fx
        total += weight * (upper * (1 - fy) + lower * fy)
        weight *= 0.55
        across, down = across * 2, down * 2
    return total / 1.6


def _grey(values: NDArray) -> NDArray:
    return np.repeat(values[..., None], 3, axis=2)


def _any_colour(rng: np.random.Generator, low: float = 20, high: float = 250) -> NDArray:
    colour = rng.uniform(low, high, 3)
    return colour.mean() + (colour - colour.mean()) * rng.uniform(0, 1)


def plaster(rng: np.random.Generator) -> NDArray:
    """Painted wall."""
    fine, patches = rng.uniform(0, 9), rng.uniform(0, 14)
    n = rng.uniform(30, 100)
    return _grey(225 + fine * noise(rng, n, n, 2) + patches * noise(rng, 2, 2, 3))


def wood_grain(rng: np.random.Generator) -> NDArray:
    """Grain along the width."""
    strength = rng.uniform(8, 32)
    lines = noise(rng, rng.uniform(1, 4), rng.uniform(14, 50), 4)
    rings = np.sin(2 * np.pi * (noise(rng, 1, 2, 2) * rng.uniform(1, 4) + np.linspace(0, 6, SIDE)[:, None]))
    return _grey(195 + strength * lines + rng.uniform(0, 14) * rings)


def planks(rng: np.random.Generator) -> NDArray:
    """Floor boards, four to twelve of them across."""
    rows, grain = int(rng.integers(3, 11)), wood_grain(rng)[..., 0]
    out = np.zeros((SIDE, SIDE))
    edges = np.linspace(0, SIDE, rows + 1).astype(int)
    contrast = rng.uniform(4, 34)
    for i in range(rows):
        cut, height = int(rng.integers(SIDE)), edges[i + 1] - edges[i]
        strip = np.roll(grain, int(rng.integers(SIDE)), axis=0)[:height]
        strip = np.roll(strip, int(rng.integers(SIDE)), axis=1)
        tone = np.where((np.arange(SIDE) - cut) % SIDE < SIDE // 2, *(rng.standard_normal(2) * contrast))
        out[edges[i] : edges[i + 1]] = strip + tone
        joint = rng.uniform(0.35, 0.9)
        out[edges[i], :] *= joint
        out[edges[i] : edges[i + 1], [cut, (cut + SIDE // 2) % SIDE]] *= joint
    return _grey(out)


def parquet(rng: np.random.Generator) -> NDArray:
    """Blocks of strips in turning directions."""
    grain = wood_grain(rng)[..., 0]
    blocks, strips = int(rng.choice([2, 4])), int(rng.integers(3, 6))
    size = SIDE // blocks
    out = np.zeros((SIDE, SIDE))
    for i in range(blocks):
        for j in range(blocks):
            tile = np.roll(grain, rng.integers(0, SIDE, 2), axis=(0, 1))[:size, :size].copy()
            for k in range(strips):
                rows = slice(k * size // strips, (k + 1) * size // strips)
                tile[rows] += rng.standard_normal() * 14
                tile[rows.start] *= 0.6
            out[i * size : (i + 1) * size, j * size : (j + 1) * size] = tile if (i + j) % 2 else tile.T
    return _grey(out)


def tiles(rng: np.random.Generator) -> NDArray:
    """Tiles with joints, plain, chequered or patterned."""
    count = int(rng.choice([1, 2, 4, 4, 8]))
    size = SIDE // count
    body = 215 + rng.uniform(0, 12) * noise(rng, 8, 8, 4) + rng.uniform(0, 16) * noise(rng, 3, 3, 3)
    tone = np.kron(rng.standard_normal((count, count)) * rng.uniform(0, 12), np.ones((size, size)))
    out = _grey(body + tone)
    kind = rng.integers(4)
    if kind == 0 and count > 1:
        check = np.kron(np.indices((count, count)).sum(0) % 2, np.ones((size, size)))
        out = np.where(check[..., None] > 0, out * (_any_colour(rng) / 255), out)
    elif kind == 1:
        x, y = np.meshgrid(np.arange(SIDE) % size / size - 0.5, np.arange(SIDE) % size / size - 0.5)
        star = np.cos(rng.integers(2, 7) * np.arctan2(y, x)) * 0.15 + 0.3 > np.hypot(x, y)
        out = np.where(star[..., None], out * (_any_colour(rng) / 255), out)
    width = int(rng.choice([1, 2, 3, 4]))
    joint = (np.arange(SIDE) % size) < width
    out[joint[:, None] | joint[None, :]] = rng.uniform(60, 250)
    return out


def brick(rng: np.random.Generator) -> NDArray:
    """Bricks, or tiles laid like them."""
    rows, across = int(rng.choice([4, 8, 16])), int(rng.choice([2, 4]))
    y, x = np.indices((SIDE, SIDE))
    row = y * rows // SIDE
    shifted = (x + (row % 2) * SIDE // across // 2) % SIDE
    column = shifted * across // SIDE
    tone = rng.standard_normal((rows, across)) * rng.uniform(2, 32)
    out = 190 + tone[row, column] + rng.uniform(4, 18) * noise(rng, 20, 20, 4)
    joint = ((y * rows) % SIDE < rows * 3) | ((shifted * across) % SIDE < across * 3)
    return _grey(np.where(joint, rng.uniform(120, 250), out))


def carpet(rng: np.random.Generator) -> NDArray:
    """Pile: fine noise."""
    return _grey(190 + rng.uniform(8, 40) * noise(rng, 128, 128, 2) + rng.uniform(0, 22) * noise(rng, 5, 5, 3))


def stone(rng: np.random.Generator) -> NDArray:
    """Marble, granite or concrete."""
    veins = 1 - np.abs(noise(rng, rng.uniform(2, 5), rng.uniform(2, 5), 5)) * rng.uniform(1, 3)
    return _grey(
        200
        + rng.uniform(0, 22) * noise(rng, 6, 6, 5)
        - rng.uniform(0, 40) * np.clip(veins, 0, 1) ** 4
        + rng.uniform(0, 22) * noise(rng, 120, 120, 1)
    )


def cloth(rng: np.random.Generator) -> NDArray:
    """Woven stuff: plain, striped, checked, flowered."""
    weave = rng.uniform(2, 16) * noise(rng, 128, 128, 1) + rng.uniform(0, 14) * noise(rng, 4, 4, 3)
    out = _grey(205 + weave)
    kind, many = int(rng.integers(6)), int(rng.choice([2, 4, 8, 16]))
    other = _any_colour(rng) / 255
    band = (np.arange(SIDE) * many // SIDE) % 2
    if kind == 0:
        out = np.where(band[None, :, None] > 0, out * other, out)
    elif kind == 1:
        out = out * np.where(band[None, :, None] > 0, other, 1) * np.where(band[:, None, None] > 0, other, 1)
    elif kind == 2:
        blobs = noise(rng, many, many, 2) > rng.uniform(0.2, 0.7)
        out = np.where(blobs[..., None], out * other, out)
    elif kind == 3:
        x, y = np.meshgrid(np.arange(SIDE) * many % SIDE / SIDE - 0.5, np.arange(SIDE) * many % SIDE / SIDE - 0.5)
        out = np.where((np.hypot(x, y) < rng.uniform(0.15, 0.4))[..., None], out * other, out)
    return out


def rug(rng: np.random.Generator) -> NDArray:
    """A rug with a border, mirrored both ways."""
    half = SIDE // 2
    levels = noise(rng, rng.uniform(3, 10), rng.uniform(3, 10), 3)[:half, :half]
    y, x = np.indices((half, half))
    edge = np.minimum(x, y)
    colours = np.array([_any_colour(rng, 20, 235) for _ in range(5)])
    out = colours[np.clip(np.digitize(levels, [-0.5, 0.0, 0.5]), 0, 3)]
    out[edge < half * rng.uniform(0.12, 0.3)] = colours[4]
    out[edge < half * rng.uniform(0.03, 0.1)] = colours[0]
    whole = np.concatenate([out, out[:, ::-1]], 1)
    whole = np.concatenate([whole, whole[::-1]], 0)
    return whole + rng.uniform(3, 14) * noise(rng, 128, 128, 1)[..., None]


def wallpaper(rng: np.random.Generator) -> NDArray:
    """Stripes, ornaments, panels; coloured by the material."""
    kind, many = int(rng.integers(4)), int(rng.choice([2, 4, 8]))
    base = _grey(222 + rng.uniform(0, 6) * noise(rng, 90, 90, 1))
    other = 1 - rng.uniform(0.05, 0.5) * rng.uniform(0.6, 1, 3)
    period = np.arange(SIDE) * many % SIDE / SIDE
    if kind == 0:
        return np.where((period < rng.uniform(0.1, 0.6))[None, :, None], base * other, base)
    if kind == 1:
        x, y = np.meshgrid(period - 0.5, period - 0.5)
        angle = np.arctan2(y, x)
        shape = 0.3 + 0.12 * np.cos(rng.integers(3, 8) * angle) + 0.05 * np.cos(rng.integers(5, 14) * angle)
        return np.where((np.hypot(x, y) < shape)[..., None], base * other, base)
    if kind == 2:
        period = (np.arange(SIDE) * many % SIDE) < many * 3
        return np.where(period[None, :, None], base * rng.uniform(0.5, 0.9), base)
    spots = noise(rng, many * 3, many * 3, 3) > rng.uniform(0.2, 0.8)
    return np.where(spots[..., None], base * other, base)


def painting(rng: np.random.Generator) -> NDArray:
    """Something to hang on a wall: a landscape, a portrait's blobs, a print, a page of text."""
    kind = int(rng.integers(5))
    if kind == 0:
        out = np.zeros((SIDE, SIDE, 3))
        sky, land = _any_colour(rng, 90), _any_colour(rng, 10, 180)
        ridge = SIDE * (0.45 + 0.15 * noise(rng, 3, 3, 4)[0])
        below = np.arange(SIDE)[:, None] > ridge[None]
        out[:] = sky + (np.linspace(-30, 40, SIDE))[:, None, None]
        out[below] = land
        return out + 18 * noise(rng, 20, 20, 4)[..., None]
    if kind == 1:
        page = np.full((SIDE, SIDE, 3), rng.uniform(200, 250))
        for row in range(20, SIDE - 20, int(rng.integers(7, 16))):
            end = int(rng.integers(SIDE // 2, SIDE - 16))
            letters = np.repeat(rng.random(SIDE // 2) < 0.75, 2)[:end]
            page[row : row + 3, 16:end][:, letters[16:end]] = rng.uniform(10, 90)
        return page
    colours = np.array([_any_colour(rng, 10) for _ in range(int(rng.integers(3, 8)))])
    if kind == 2:
        field = noise(rng, rng.uniform(2, 5), rng.uniform(2, 5), 4)
        return colours[np.digitize(field, np.linspace(-1, 1, len(colours) - 1))]
    out = np.broadcast_to(colours[0], (SIDE, SIDE, 3)).copy()
    for i in range(int(rng.integers(4, 26))):
        y, x = rng.integers(0, SIDE, 2)
        h, w = rng.integers(12, SIDE // 2, 2)
        if kind == 3:
            out[y : y + h, x : x + w] = colours[i % len(colours)]
        else:
            yy, xx = np.indices((SIDE, SIDE))
            out[((yy - y) / h) ** 2 + ((xx - x) / w) ** 2 < 0.5] = colours[i % len(colours)]
    return out + 10 * noise(rng, 30, 30, 3)[..., None]


def label(rng: np.random.Generator) -> NDArray:
    """A packet: ground, bands, a picture, lines."""
    out = np.broadcast_to(_any_colour(rng), (SIDE, SIDE, 3)).copy()
    for _ in range(int(rng.integers(1, 6))):
        y, x = rng.integers(0, SIDE, 2)
        h, w = rng.integers(10, 140, 2)
        out[y : y + h, x : x + w] = _any_colour(rng)
    for row in range(int(rng.integers(20, 150)), 230, 14):
        out[row : row + 5, 30 : int(rng.integers(60, 230))] = _any_colour(rng)
    return out


def books(rng: np.random.Generator) -> NDArray:
    """Spines side by side, filling the width."""
    out = np.zeros((SIDE, SIDE, 3))
    x, palette = 0, rng.uniform(15, 240, (int(rng.integers(3, 12)), 3))
    while x < SIDE:
        width = int(rng.integers(8, 26))
        top = int(rng.integers(0, 70)) if rng.random() < 0.7 else 0
        colour = palette[rng.integers(len(palette))] + rng.standard_normal(3) * 12
        out[:, x : x + width] = rng.uniform(8, 40)
        out[top:, x : x + width - 1] = colour
        for _ in range(int(rng.integers(0, 4))):
            y = int(rng.integers(top, SIDE - 8))
            out[y : y + int(rng.integers(3, 40)), x + 2 : x + width - 3] = colour * 0.4 + _any_colour(rng) * 0.6
        x += width
    return out


def outside(rng: np.random.Generator) -> NDArray:
    """What a window shows: sky, trees, houses, out of focus."""
    sky = np.array([200.0, 220, 250]) + rng.standard_normal(3) * 20
    out = np.broadcast_to(sky, (SIDE, SIDE, 3)).copy() + 15 * noise(rng, 3, 3, 3)[..., None]
    ridge = SIDE * (rng.uniform(0.3, 0.9) + 0.15 * noise(rng, 4, 4, 4)[0])
    land = np.arange(SIDE)[:, None] > ridge[None]
    colour = np.array([[90.0, 120, 60], [150, 140, 130], [170, 110, 80], [60, 80, 50]])[rng.integers(4)]
    texture = colour + 40 * noise(rng, 12, 12, 4)[..., None]
    out[land] = texture[land]
    for _ in range(int(rng.integers(0, 4))):
        x, w, y = rng.integers(0, SIDE), rng.integers(20, 90), rng.integers(40, 200)
        out[y:, x : x + w] = rng.uniform(60, 230) + rng.standard_normal(3) * 15
    return out


def screen(rng: np.random.Generator) -> NDArray:
    """A display: off, a desktop or a film."""
    if rng.random() < 0.5:
        return np.full((SIDE, SIDE, 3), rng.uniform(5, 30))
    return painting(rng)


PAINTERS: dict[str, Painter] = {
    "plaster": plaster,
    "wood": wood_grain,
    "planks": planks,
    "parquet": parquet,
    "tiles": tiles,
    "brick": brick,
    "carpet": carpet,
    "stone": stone,
    "cloth": cloth,
    "rug": rug,
    "wallpaper": wallpaper,
    "painting": painting,
    "label": label,
    "books": books,
    "outside": outside,
    "screen": screen,
}
VARIETY = 48  # of each kind
