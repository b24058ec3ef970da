"""In-painting of sparse depth along the edges of its image, by colourisation (Levin, Lischinski, Weiss 2004).

Every pixel without truth becomes a weighted mean of its (up to eight) neighbours, with the weights of NYU's toolbox:
for grey values g of a pixel r and its neighbour s

    w(r, s) ~ exp(-(g(r) - g(s))² / c(r))
    c(r) = max(0.6 · variance in the 3×3 window, smallest (g(r) - g(s))² / ln 100, 2e-6)

and the weights of a pixel sum to 1. True depths are *constraints*: they are kept to the last bit, and the system is one
in the pixels without truth alone. (NYU's toolbox and DenseDepth weigh them, 2 · d = d_true + mean of the neighbours,
and put the true ones back afterwards.)

The system is not symmetric. Where up to 30,000 pixels are without truth, it is solved by elimination; where there are
more, by BiCGSTAB, preconditioned by multigrid on 2×2 blocks (Galerkin's coarse stencils, over-corrected), and by
elimination if that does not converge. Needs SciPy (`pip install 'onedepth[data]'`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onedepth.errors import DataError, MissingExtraError

Stencil = dict[tuple[int, int], NDArray[Any]]
"""Coefficient of the neighbour (dy, dx) for each pixel, `[H, W]`."""

_WINDOW = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
_CENTRE = (0, 0)
_STIFFNESS = 1.8  # by how much coarse stencils on constant blocks are too stiff; found by trial, 1.5 to 2 do alike
_DAMPING = 0.8
_COARSEST = 200  # unknowns that are solved by an inverse
_ITERATIONS = 200
_SMALL = 30_000  # unknowns that are eliminated at once, in about 0.1 s


def inpaint(
    image: NDArray[np.uint8],
    depth_m: NDArray[np.float32],
    valid: NDArray[np.bool_],
    *,
    tolerance: float = 1e-6,
    direct: bool = False,
) -> NDArray[np.float32]:
    """Depth for every pixel.

    Args:
        image: uint8 `[H, W, 3]`, RGB.
        depth_m: float32 `[H, W]`, metres; read only where valid.
        valid: bool `[H, W]`, where there is truth.
        tolerance: residual at which to stop, relative to the right-hand side. Pixels that hang on a thread, islands
            in the image far from any truth, are farther from the solution than it says: `benchmarks/inpaint.py`.
        direct: solve by elimination, slow for large pictures. Exact to float32 unless a region hangs on its truth by
            weights of 1e-15 or less, which double precision does not resolve.

    Returns:
        float32 `[H, W]`, metres; `depth_m` itself where valid, elsewhere between its extremes.

    Raises:
        DataError: shapes that do not belong together, or no valid pixel at all.
        MissingExtraError: SciPy is not installed.
    """
    if image.shape != (*depth_m.shape, 3) or valid.shape != depth_m.shape:
        raise DataError(f"image {image.shape}, depth {depth_m.shape}, valid {valid.shape}: expected one size")
    if not valid.any():
        raise DataError("in-painting: no pixel has a depth, expected one at least")
    if valid.all():
        return depth_m.copy()
    try:
        import scipy.sparse  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("in-painting needs SciPy: pip install 'onedepth[data]'") from error
    grey = image @ np.array([0.2125, 0.7154, 0.0721], np.float32) / np.float32(255)
    stencil, right = _system(weights(grey), depth_m, valid)
    solution = None
    if not direct and np.count_nonzero(~valid) > _SMALL:
        solution = _iterate(stencil, right, ~valid, float(depth_m[valid].mean()), tolerance)
    if solution is None:
        solution = _eliminate(stencil, right, ~valid)
    low, high = depth_m[valid].min(), depth_m[valid].max()
    return np.where(valid, depth_m, np.clip(solution, low, high).astype(np.float32))


def weights(grey: NDArray[np.float32]) -> Stencil:
    """Weight of each neighbour for each pixel of a grey image `[H, W]` in 0…1; 0 where there is no neighbour."""
    square: Stencil = {}
    there = np.pad(np.ones_like(grey), 1)
    padded = np.pad(grey, 1)
    count, total, squares = np.ones_like(grey), np.zeros_like(grey), np.zeros_like(grey)
    least = np.full_like(grey, np.inf)
    for at in _WINDOW:
        if at == _CENTRE:
            continue
        here = _shifted(there, at, grey.shape)
        difference = (_shifted(padded, at, grey.shape) - grey) * here
        square[at] = difference * difference
        count += here
        total += difference
        squares += square[at]
        np.minimum(least, np.where(here > 0, square[at], np.inf), out=least)
    variance = squares / count - (total / count) ** 2
    spread = np.maximum(np.maximum(np.float32(0.6) * variance, least / np.float32(np.log(100))), np.float32(2e-6))
    weight = {at: np.exp(-value / spread) * _shifted(there, at, grey.shape) for at, value in square.items()}
    whole = np.maximum(sum(weight.values(), np.zeros_like(grey)), np.float32(1e-30))
    return {at: value / whole for at, value in weight.items()}


def _shifted(padded: NDArray[Any], at: tuple[int, int], shape: tuple[int, ...]) -> NDArray[Any]:
    """Neighbours `at` of all pixels, from an array that is one pixel larger on all sides."""
    return padded[1 + at[0] : 1 + at[0] + shape[0], 1 + at[1] : 1 + at[1] + shape[1]]


def _system(
    weight: Stencil, depth_m: NDArray[np.float32], valid: NDArray[np.bool_]
) -> tuple[Stencil, NDArray[np.float64]]:
    """Stencil and right-hand side in the pixels without truth; all is 0 in the others.

    The centre is the sum of the weights as they are, in double precision. They sum to 1 up to 6e-8 only, and a region
    may hang on its truth by less than that: with a centre of 1, rounding would decide its depth.
    """
    unknown = ~valid
    known = np.pad(valid, 1)
    truth = np.pad(np.where(valid, depth_m, np.float32(0)), 1)
    centre, right = np.zeros(valid.shape), np.zeros(valid.shape)
    stencil: Stencil = {_CENTRE: centre}
    for at, value in weight.items():
        own = value * unknown
        true = own * _shifted(known, at, valid.shape)
        centre += own
        right += true.astype(np.float64) * _shifted(truth, at, valid.shape)
        stencil[at] = true - own
    return stencil, right


def _matrix(stencil: Stencil) -> Any:
    """The stencil as a matrix by its nine diagonals."""
    from scipy.sparse import dia_array

    height, width = stencil[_CENTRE].shape
    count = height * width
    # On a map narrower than three pixels two neighbours lie on one diagonal; their coefficients never meet.
    diagonals: dict[int, NDArray[Any]] = {}
    for at, value in stencil.items():
        offset = at[0] * width + at[1]
        line = diagonals.setdefault(offset, np.zeros(count, value.dtype))
        if abs(offset) < count:  # SciPy aligns diagonals by column
            line[max(0, offset) : count + min(0, offset)] += value.ravel()[max(0, -offset) : count - max(0, offset)]
    return dia_array((np.stack(list(diagonals.values())), list(diagonals)), shape=(count, count))


@dataclass
class _Level:
    """One grid: its shape, matrix, and inverse diagonal (0 for pixels without an unknown)."""

    shape: tuple[int, int]
    matrix: Any
    inverse: NDArray[np.float32]


class _Multigrid:
    """An approximate inverse: W-cycles over grids of half the size, a block's unknowns moving together."""

    def __init__(self, stencil: Stencil) -> None:
        self.levels: list[_Level] = []
        while True:
            diagonal = stencil[_CENTRE]
            inverse = np.where(diagonal > 0, 1 / np.where(diagonal > 0, diagonal, 1), 0).astype(np.float32).ravel()
            height, width = diagonal.shape
            self.levels.append(_Level((height, width), _matrix(stencil), inverse))
            if diagonal.size <= _COARSEST:
                break
            stencil = _coarse(stencil)
        dense = self.levels[-1].matrix.toarray().astype(np.float64)
        self._last = np.linalg.pinv(dense).astype(np.float32)

    def __call__(self, right: NDArray[Any], number: int = 0) -> NDArray[Any]:
        level = self.levels[number]
        if number == len(self.levels) - 1:
            return self._last @ right
        step = level.inverse * np.float32(_DAMPING)
        x = step * right
        for _ in range(2 if number else 1):
            below = self(_block_sums(right - level.matrix @ x, level.shape), number + 1)
            x += _spread(below, level.shape) * (level.inverse > 0)
        x += step * (right - level.matrix @ x)
        return x


def _coarse(stencil: Stencil) -> Stencil:
    """Galerkin's stencil on 2×2 blocks, less stiff than it comes out."""
    height, width = stencil[_CENTRE].shape
    even = {at: np.pad(value, ((0, height % 2), (0, width % 2))) for at, value in stencil.items()}
    shape = ((height + 1) // 2, (width + 1) // 2)
    coarse = {at: np.zeros(shape, np.float32) for at in _WINDOW}
    for (dy, dx), value in even.items():
        for y in (0, 1):
            for x in (0, 1):
                coarse[(y + dy) // 2, (x + dx) // 2] += value[y::2, x::2]
    return {at: value / np.float32(_STIFFNESS) for at, value in coarse.items()}


def _block_sums(values: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    even = np.pad(values.reshape(shape), ((0, shape[0] % 2), (0, shape[1] % 2)))
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]).ravel()


def _spread(values: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    blocks = values.reshape((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    return blocks.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]].ravel()


def _iterate(
    stencil: Stencil, right: NDArray[np.float64], unknown: NDArray[np.bool_], start: float, tolerance: float
) -> NDArray[Any] | None:
    """BiCGSTAB (van der Vorst 1992); None where it breaks down or takes too long."""
    multigrid = _Multigrid({at: value.astype(np.float32) for at, value in stencil.items()})
    matrix = _matrix({at: value.astype(np.float64) for at, value in stencil.items()})
    b = right.ravel()
    x: NDArray[Any] = unknown.ravel() * start
    residual = b - matrix @ x
    shadow, limit = residual.copy(), tolerance * float(np.linalg.norm(b))
    rho = alpha = omega = 1.0
    v = p = np.zeros_like(b)
    for _ in range(_ITERATIONS):
        if float(np.linalg.norm(residual)) <= limit:
            return x.reshape(unknown.shape)
        before, rho = rho, float(shadow @ residual)
        p = residual + rho / before * alpha / omega * (p - omega * v)
        towards = multigrid(p.astype(np.float32)).astype(np.float64)
        v = matrix @ towards
        alpha = rho / float(shadow @ v)
        half = residual - alpha * v
        other = multigrid(half.astype(np.float32)).astype(np.float64)
        t = matrix @ other
        omega = float(t @ half) / max(float(t @ t), 1e-300)
        x = x + alpha * towards + omega * other
        residual = half - omega * t
        if not (np.isfinite(alpha) and np.isfinite(omega) and omega and rho):
            break
    return x.reshape(unknown.shape) if float(np.linalg.norm(residual)) <= limit else None


def _eliminate(stencil: Stencil, right: NDArray[np.float64], unknown: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Gaussian elimination in the unknown pixels."""
    from scipy.sparse.linalg import spsolve

    rows = np.flatnonzero(unknown)
    matrix: Any = _matrix({at: value.astype(np.float64) for at, value in stencil.items()}).tocsr()[rows][:, rows]
    solution = np.zeros(unknown.size)
    solution[rows] = np.asarray(spsolve(matrix.tocsc(), right.ravel()[rows]))
    return solution.reshape(unknown.shape)
