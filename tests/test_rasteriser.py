"""The rasteriser of furnished rooms: depth equal to what geometry says, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="the extra `train` brings it")

from onedepth.data.furnished.camera import View, looking, scaled_camera
from onedepth.data.furnished.mesh import Builder, Material
from onedepth.data.furnished.raster import NEAR_M, draw, empty_view
from onedepth.data.furnished.render import exact_depth
from onedepth.depth import Intrinsics

HEIGHT, WIDTH = 48, 64
CAMERA = Intrinsics(52.0, 50.0, 30.7, 24.2)
GREY = Material((0.5, 0.5, 0.5))


def rays(height: int, width: int, k: Intrinsics = CAMERA) -> np.ndarray:
    """Directions through the middles of the pixels, `[H, W, 3]`, camera frame, z = 1."""
    rows, columns = np.indices((height, width), np.float64)
    return np.stack([(columns - k.cx) / k.fx, (rows - k.cy) / k.fy, np.ones((height, width))], axis=-1)


def view(eye: tuple[float, float, float], yaw: float, pitch: float, roll: float) -> View:
    return View(np.array(eye), looking(yaw, pitch, roll), CAMERA)


def rendered(builder: Builder, seen: View) -> np.ndarray:
    return exact_depth([builder.item()], seen, HEIGHT, WIDTH).astype(np.float64)


def box_depth(seen: View, middle: np.ndarray, size: np.ndarray, turn: float) -> np.ndarray:
    """Depth of a box seen from outside or inside, by slabs; inf where the ray misses it."""
    c, s = np.cos(turn), np.sin(turn)
    to_box = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    start = to_box @ (seen.eye - middle)
    along = rays(HEIGHT, WIDTH) @ seen.turn @ to_box.T
    near, far = np.sort(np.stack([(-size / 2 - start) / along, (size / 2 - start) / along]), axis=0)
    enters, leaves = near.max(axis=-1), far.min(axis=-1)
    return np.where((enters <= leaves) & (leaves > 0), np.where(enters > 0, enters, leaves), np.inf)


@pytest.mark.parametrize("pitch", [-0.2, -0.7, -1.4])
def test_floor_under_a_tilted_camera(pitch: float):
    builder = Builder()
    builder.quad((-40, 0, -40), (80, 0, 0), (0, 0, 80), builder.material(GREY))  # also behind the camera
    seen = view((0.3, 1.4, -0.2), 0.7, pitch, 0.05)
    with np.errstate(divide="ignore"):
        expected = -1.4 / (rays(HEIGHT, WIDTH) @ seen.turn)[..., 1]
    below = (expected > 0) & (expected < 35)
    depth = rendered(builder, seen)
    assert below.mean() > 0.5
    np.testing.assert_allclose(depth[below], expected[below], atol=1e-4, rtol=0)
    assert (depth[expected < 0] == 0).all()  # the sky


def test_box_from_outside():
    builder = Builder()
    middle, size, turn = np.array([0.2, 0.5, 3.0]), np.array([1.1, 0.9, 0.7]), 0.4
    builder.box(middle, size, builder.material(GREY), turn)
    seen = view((0.0, 1.5, 0.2), 0.05, -0.3, -0.06)
    depth = rendered(builder, seen)
    surely = np.isfinite(box_depth(seen, middle, size - 1e-5, turn))
    maybe = np.isfinite(box_depth(seen, middle, size + 1e-5, turn))
    assert surely.sum() > 300 and (~maybe).sum() > 300
    np.testing.assert_allclose(depth[surely], box_depth(seen, middle, size, turn)[surely], atol=1e-4, rtol=0)
    assert (depth[~maybe] == 0).all()


def test_box_from_inside_leaves_no_gap():
    builder = Builder()
    middle, size = np.array([2.0, 1.3, 2.5]), np.array([4.0, 2.6, 5.0])
    builder.box(middle, size, builder.material(GREY), 0.3)
    seen = view((1.5, 1.2, 1.6), 2.1, -0.25, 0.08)
    np.testing.assert_allclose(rendered(builder, seen), box_depth(seen, middle, size, 0.3), atol=1e-4, rtol=0)


def test_a_finer_picture_looks_through_the_same_window():
    fine = scaled_camera(CAMERA, 2)
    for axis, (focal, centre) in enumerate(((CAMERA.fx, CAMERA.cx), (CAMERA.fy, CAMERA.cy))):
        columns = np.arange(5.0)
        pairs = (np.stack([2 * columns, 2 * columns + 1]) - fine[2 + axis]) / fine[axis]
        np.testing.assert_allclose(pairs.mean(axis=0), (columns - centre) / focal)


def cast(corners: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles by ray casting, the slow way.

    Args:
        corners: `[N, 3, 3]`, metres, camera frame.
        directions: `[H, W, 3]`, see `rays`.

    Returns:
        Depth `[H, W, N]`, inf where a triangle is missed; whether rounding decides about a pixel `[H, W]`.
    """
    a, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(u, v)
    direction = directions[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        towards = (direction * normal).sum(-1)
        depth = (a * normal).sum(-1) / towards
        w = direction * depth[..., None] - a
        square = (normal * normal).sum(-1)
        s = (np.cross(w, v) * normal).sum(-1) / square
        t = (np.cross(u, w) * normal).sum(-1) / square
        margin = np.minimum(np.minimum(s, t), np.minimum(1 - s - t, depth - NEAR_M))
    flat = ~np.isfinite(margin) | (np.abs(towards) < 1e-6 * np.sqrt(square))
    return np.where(margin > 0, depth, np.inf), (flat | (np.abs(margin) < 1e-6)).any(axis=-1)


sideways, ahead, about = st.floats(-3, 3, width=32), st.floats(0.5, 6, width=32), st.floats(-1, 1, width=32)
corner = st.tuples(sideways, sideways, st.one_of(ahead, about))  # some before the camera, some behind it


@settings(max_examples=40)
@given(triangles=st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=6))
def test_random_triangles_as_ray_casting_finds_them(triangles):
    height, width = 15, 20
    k = Intrinsics(14.0, 15.0, 9.3, 7.1)
    corners = np.array(triangles, np.float32)
    inverse, numbers = empty_view(height, width)
    faces = np.arange(3 * len(corners), dtype=np.int32).reshape(-1, 3)
    draw(corners.reshape(-1, 3), faces, np.eye(3, 4), scaled_camera(k, 1), 100, inverse, numbers)
    depth, unsure = cast(corners.astype(np.float64), rays(height, width, k))
    nearest = depth.min(axis=-1)
    hit = np.isfinite(nearest)
    assert ((inverse > 0) == hit)[~unsure].all()
    sure = hit & ~unsure
    np.testing.assert_allclose(1 / inverse[sure].astype(np.float64), nearest[sure], rtol=1e-5)
    seen = np.take_along_axis(depth, np.maximum(numbers - 100, 0)[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(seen[sure], nearest[sure], rtol=1e-5)  # the face named is the one that is nearest
    assert (numbers[~hit & ~unsure] == -1).all()
