"""What turning and walking do to depth, against points that are really moved."""

import numpy as np
import pytest

from onedepth.canonical import NYU_FOCAL, canonical_focal_px
from onedepth.ego_motion import depth_change

SIZE, FACTOR = (480, 640), 8


def moved(turn, step, *, bumps=True):
    """Flow `[2, 60, 80]`, depth `[60, 80]` and Δ ln Z of a room whose points turn and step before the camera."""
    rows, columns = np.mgrid[:60, :80]
    focal = canonical_focal_px(*SIZE, NYU_FOCAL) / FACTOR
    x, y = (columns - 39.5) / focal, (rows - 29.5) / focal
    z = 3 + 0.5 * np.sin(columns / 9) * np.cos(rows / 7) if bumps else np.full((60, 80), 3.0)
    points = np.stack((x * z, y * z, z), axis=-1)
    other = points + np.cross(np.broadcast_to(turn, points.shape), points) + step
    flow = np.stack((other[..., 0] / other[..., 2] - x, other[..., 1] / other[..., 2] - y)) * focal
    return flow.astype(np.float32), z, np.log(other[..., 2] / z)


@pytest.mark.parametrize(
    ("turn", "step"),
    [((0, 0, 0), (0, 0, 0.05)), ((0, 0.01, 0), (0, 0, 0)), ((0.01, -0.005, 0.01), (0.02, -0.01, 0.03))],
)
def test_still_scene(turn, step):
    flow, z, change = moved(turn, step)
    found = depth_change(flow, np.log(z).astype(np.float32), SIZE, FACTOR)
    np.testing.assert_allclose(found, change, atol=0.1 * np.abs(change).max())


def test_a_wrong_factor_changes_nothing():
    flow, z, _ = moved((0.004, -0.005, 0.01), (0.02, -0.01, 0.03))
    found = [depth_change(flow, np.log(z * s).astype(np.float32), SIZE, FACTOR) for s in (0.5, 1, 3)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    np.testing.assert_allclose(found[2], found[1], atol=1e-5)


def test_what_moves_by_itself_has_little_say():
    flow, z, change = moved((0, 0.01, 0), (0, 0, 0.04))
    flow[:, 10:45, 20:45] += 2
    found = depth_change(flow, np.log(z).astype(np.float32), SIZE, FACTOR)
    np.testing.assert_allclose(found, change, atol=0.15 * np.abs(change).max())


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (2, 2)])
def test_hardly_a_picture(shape):
    none = np.zeros(shape, np.float32)
    assert np.abs(depth_change(np.zeros((2, *shape), np.float32), none, shape, 1)).max() == 0
