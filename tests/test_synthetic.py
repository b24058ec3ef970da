"""Synthetic rooms: their depth is exact, their bits are the same everywhere, and they look like something."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onedepth.data.pair import Pair
from onedepth.data.rooms import Camera, Hits, Light, Material, Room, Solid, build_room, cast, geometry
from onedepth.data.rooms.dice import Dice
from onedepth.data.rooms.furniture import KINDS, PIECES
from onedepth.data.synthetic import SPLITS, SyntheticData, SyntheticScene, render_scene, stand
from onedepth.depth import Intrinsics
from onedepth.errors import DataError

GREY = Material((0.5, 0.5, 0.5))
EYE = (2.0, -1.5, 1.0)


def room(*solids: Solid, size=(4.0, 2.5, 6.0)) -> Room:
    return Room(size, (GREY,) * 6, solids, (Light((2.0, -2.3, 3.0), (1.0, 1.0, 1.0)),))


def straight(eye=EYE, focal_px: float = 40.0, height: int = 41, width: int = 61) -> Camera:
    """Looks along +z; the ray of pixel (row, column) is ((column - 30) / 40, (row - 20) / 40, 1)."""
    intrinsics = Intrinsics.centred(focal_px, height, width)
    return Camera.looking(eye, (eye[0], eye[1], eye[2] + 1), intrinsics, height, width)


def rng(number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(number))


def scene_parts(seed: int, index: int, height: int, width: int) -> tuple[Camera, Hits]:
    """What `render_scene` photographs."""
    dice = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
    furnished = build_room(dice)
    intrinsics = Intrinsics.centred(518.86 / 640 * width, height, width)
    camera = stand(furnished, dice, intrinsics, height, width)
    return camera, cast(furnished, camera)


def back_project(depth_m: np.ndarray, k: Intrinsics) -> np.ndarray:
    """Points in the camera frame, [H, W, 3], by the textbook."""
    rows, columns = np.indices(depth_m.shape)
    z = depth_m.astype(np.float64)
    return np.stack([(columns - k.cx) / k.fx * z, (rows - k.cy) / k.fy * z, z], axis=-1)


def fingerprint(scene: SyntheticScene) -> str:
    digest = hashlib.sha256()
    for array in (scene.image, scene.depth_m, scene.normals):
        digest.update(array.tobytes())
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------ exactness


def test_a_wall_straight_ahead_has_one_depth() -> None:
    hits = cast(room(), straight(eye=(2.0, -1.5, 3.0)))
    wall = hits.surface == 5  # z = length = 6, three metres away
    assert wall.sum() > 300
    assert (hits.depth_m[wall] == 3.0).all()  # z: the corners are as far as the middle
    assert (hits.depth_m <= 3.0).all()


def test_floor_and_ceiling_depth_follow_from_their_distance() -> None:
    hits = cast(room(), straight())
    assert hits.depth_m[40, 30] == pytest.approx(1.5 / (20 / 40))  # floor 1.5 m below, 0.5 down per metre
    assert hits.depth_m[0, 30] == pytest.approx(1.0 / (20 / 40))
    assert (hits.surface[40, 30], hits.surface[0, 30]) == (3, 2)
    assert hits.depth_m[20, 60] == pytest.approx(2.0 / (30 / 40))  # wall 2 m to the right
    assert (hits.surface[20, 60], hits.surface[20, 0]) == (1, 0)


def test_a_ball_by_hand() -> None:
    hits = cast(room(Solid("ball", (2.0, -1.5, 4.0), (0.5, 0.5, 0.5), GREY)), straight())
    assert hits.depth_m[20, 30] == 2.5  # centre 3 m ahead
    # Ray (0.1, 0, 1): |t r - (0, 0, 3)|² = 0.25, so 1.01 t² - 6 t + 8.75 = 0.
    t = (6 - math.sqrt(36 - 4 * 1.01 * 8.75)) / (2 * 1.01)
    assert hits.depth_m[20, 34] == pytest.approx(t, abs=1e-12)
    np.testing.assert_allclose(hits.normal[:, 20, 34], [0.2 * t, 0, 2 * (t - 3)], atol=1e-12)
    assert hits.depth_m[20, 38] == 5.0  # past its edge: the wall


def test_a_cylinder_by_hand() -> None:
    drum = Solid("cylinder", (2.0, -0.5, 3.5), (0.5, 0.5, 0.5), GREY)  # 1 m high, 2…3 m ahead
    hits = cast(room(drum), straight())
    assert hits.depth_m[28, 30] == pytest.approx(0.5 / 0.2)  # ray (0, 0.2, 1) meets the lid 0.5 m below
    np.testing.assert_array_equal(hits.normal[:, 28, 30], [0, -1, 0])
    assert hits.depth_m[36, 30] == pytest.approx(2.0)  # ray (0, 0.4, 1) meets the side
    np.testing.assert_allclose(hits.normal[:, 36, 30], [0, 0, -1], atol=1e-12)


def test_a_box_turned_by_an_eighth() -> None:
    half = math.sqrt(0.5)
    box = Solid("box", (2.0, -1.5, 4.0), (0.5, 0.5, 0.5), GREY, turn=(half, half))
    hits = cast(room(box), straight())
    assert hits.depth_m[20, 30] == pytest.approx(3 - half)  # an edge points at the camera
    # Ray (0.05, 0, 1) meets the face through that edge that runs back at 45°: z = 3 - half + x.
    assert hits.depth_m[20, 32] == pytest.approx((3 - half) / (1 - 0.05))
    np.testing.assert_allclose(hits.normal[:, 20, 32], [half, 0, -half], atol=1e-12)
    np.testing.assert_allclose(hits.normal[:, 20, 28], [-half, 0, -half], atol=1e-12)


@pytest.mark.parametrize("turn", [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)])
def test_quarter_turns_swap_width_and_depth(turn: tuple[float, float]) -> None:
    box = Solid("box", (0.0, -1.5, 0.0), (0.6, 0.5, 0.2), GREY).moved(2.0, 4.0, turn)
    depth = cast(room(box), straight()).depth_m[20, 30]
    assert depth == pytest.approx(3 - (0.2 if turn[1] == 0 else 0.6))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@settings(max_examples=12, deadline=None)
def test_normals_are_those_of_the_back_projected_depth(seed: int, index: int) -> None:
    scene, (camera, hits) = render_scene(seed, index, 48, 64), scene_parts(seed, index, 48, 64)
    np.testing.assert_array_equal(scene.depth_m, hits.depth_m.astype(np.float32))
    point, normal = back_project(scene.depth_m, scene.intrinsics), scene.normals.astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=-1), 1, atol=1e-6)
    assert ((normal * point).sum(axis=-1) < 0).all()  # facing the camera

    def same(values: np.ndarray) -> np.ndarray:
        """Where a pixel agrees with its right and its lower neighbour."""
        return (values[:-1, :-1] == values[:-1, 1:]) & (values[:-1, :-1] == values[1:, :-1])

    flat = same(hits.surface) & same(normal).all(axis=-1)  # one face of one solid
    assert flat.mean() > 0.3
    right, down = (point[:-1, 1:] - point[:-1, :-1])[flat], (point[1:, :-1] - point[:-1, :-1])[flat]
    found = np.cross(down, right)
    found /= np.linalg.norm(found, axis=-1, keepdims=True)
    np.testing.assert_allclose(found, normal[:-1, :-1][flat], atol=1e-3)
    assert camera.intrinsics == scene.intrinsics


def test_the_floor_is_one_plane_at_human_height() -> None:
    seen = 0
    for index in range(8):
        scene, (camera, hits) = render_scene(3, index, 60, 80), scene_parts(3, index, 60, 80)
        floor = hits.surface == 3
        down = -scene.normals[floor].astype(np.float64)
        below = (back_project(scene.depth_m, scene.intrinsics)[floor] * down).sum(axis=-1)
        np.testing.assert_allclose(below, -camera.eye[1], atol=1e-5)
        assert 1.2 <= -camera.eye[1] <= 1.75
        seen += floor.sum()
    assert seen > 0.1 * 8 * 60 * 80


@given(st.integers(0, 10**6), st.integers(4, 40), st.integers(4, 40), st.floats(0.3, 2.0))
@settings(max_examples=12, deadline=None)
def test_size_and_focal_do_not_move_the_camera(index: int, h: int, w: int, focal: float) -> None:
    height, width = 2 * h + 1, 2 * w + 1  # odd: the middle pixel looks along the axis
    scene = render_scene(5, index, height, width, focal)
    assert scene.image.shape == scene.normals.shape == (height, width, 3)
    assert scene.intrinsics == Intrinsics(focal * width, focal * width, w, h)
    assert scene.depth_m[h, w] == render_scene(5, index, 9, 9).depth_m[4, 4]


@pytest.mark.parametrize("number", range(6))
def test_looking_only_where_a_solid_can_be_changes_nothing(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice, furnished = Dice(rng(number)), build_room(rng(number))
    width, height, length = furnished.size
    eye = (dice.between(0.1, width - 0.1), -dice.between(0.1, height - 0.1), dice.between(0.1, length - 0.1))
    target = (dice.between(0, width), -dice.between(0, height), dice.between(0, length))
    camera = Camera.looking(eye, target, Intrinsics.centred(30.0, 45, 60), 45, 60, roll=0.2)
    quick = cast(furnished, camera)
    everywhere = [(slice(None), slice(None))] * len(furnished.solids)
    monkeypatch.setattr(geometry, "_windows", lambda solids, camera: everywhere)
    thorough = cast(furnished, camera)
    np.testing.assert_array_equal(quick.surface, thorough.surface)
    np.testing.assert_array_equal(quick.depth_m, thorough.depth_m)


def test_a_camera_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the room"):
        cast(room(), straight(eye=(2.0, 1.5, 1.0)))


@pytest.mark.parametrize("number", range(5))
def test_the_path_can_be_walked(number: int) -> None:
    furnished = build_room(rng(number))
    (ax, az), (bx, bz) = furnished.path
    for share in (0.0, 0.4, 1.0):
        x, z = ax + (bx - ax) * share, az + (bz - az) * share
        for dx, dz in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            target = (x + dx, -1.4, z + dz)
            camera = Camera.looking((x, -1.5, z), target, Intrinsics.centred(20.0, 30, 40), 30, 40)
            seen = cast(furnished, camera).point
            clear = np.hypot(seen[0] - x, seen[2] - z)[(seen[1] > -1.9) & (seen[1] < -0.05)]
            assert clear.min() > 0.4


# ------------------------------------------------------------------------------------------ the same bits

# Scene 12 of seed 0 at 48 × 64. It changes only when the rooms are meant to change.
GOLDEN = "01a508144793846253e808978c6def04955938eac7a46f0a588c508a0605b192"


def test_the_same_everywhere_and_every_time() -> None:
    assert fingerprint(render_scene(0, 12, 48, 64)) == GOLDEN
    assert fingerprint(render_scene(0, 12, 48, 64)) == GOLDEN


def test_the_same_on_a_lesser_processor() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_synthetic import *;"
        "print(fingerprint(render_scene(0, 12, 48, 64)))"
    )
    simd = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    env = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(simd), "PYTHONPATH": os.pathsep.join(sys.path)}
    here = str(Path(__file__).parent)
    run = subprocess.run([sys.executable, "-c", code, here], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == GOLDEN


@given(st.permutations(range(6)))
@settings(max_examples=4, deadline=None)
def test_order_does_not_matter(order: list[int]) -> None:
    data = SyntheticData(6, seed=1, height=24, width=32)
    by_number = {i: data[i] for i in order}
    for i, pair in enumerate(data):
        assert pair.id == by_number[i].id
        np.testing.assert_array_equal(pair.image, by_number[i].image)
        np.testing.assert_array_equal(pair.depth_m, by_number[i].depth_m)


# ------------------------------------------------------------------------------------------ the data set


def test_a_pair_names_its_scene() -> None:
    data = SyntheticData(5, seed=7, height=24, width=32, split="val")
    assert len(data) == 5
    pair, scene = data[4], render_scene(7, 13, 24, 32)
    assert isinstance(pair, Pair)
    assert pair.id == "synthetic-7-00013"
    np.testing.assert_array_equal(pair.image, scene.image)
    np.testing.assert_array_equal(pair.depth_m, scene.depth_m)
    assert pair.intrinsics == scene.intrinsics
    assert (pair.image.dtype, pair.depth_m.dtype, pair.valid.dtype) == (np.uint8, np.float32, np.bool_)
    assert data[-1].id == pair.id
    assert [p.id for p in data[3:]] == ["synthetic-7-00010", "synthetic-7-00013"]
    with pytest.raises(IndexError):
        data[5]


def test_splits_share_no_scene() -> None:
    ids, images = set(), set()
    for split in SPLITS:
        for pair in SyntheticData(4, height=24, width=32, split=split):
            ids.add(pair.id)
            images.add(pair.image.tobytes())
    assert len(ids) == len(images) == 4 * len(SPLITS)


def test_seeds_share_no_scene() -> None:
    assert len({fingerprint(render_scene(seed, 0, 24, 32)) for seed in range(4)}) == 4


def test_every_pixel_is_valid_and_in_range() -> None:
    depths, bright, contrast = [], [], []
    for pair in SyntheticData(40, height=24, width=32):
        assert pair.valid.all()
        assert np.isfinite(pair.depth_m).all()
        assert pair.depth_m.min() > 0.1
        assert pair.depth_m.max() < 10.0
        assert pair.image.std() > 8
        depths.append(pair.depth_m.mean())
        bright.append(pair.image.mean())
        contrast.append(pair.image.std())
        assert np.ptp(pair.depth_m) > 0.1
    assert 2 < np.mean(depths) < 4.5
    assert np.std(depths) > 0.5
    assert 80 < np.mean(bright) < 170
    assert 25 < np.mean(contrast) < 80


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"count": 0}, "count is 0"),
        ({"count": 3, "seed": -1}, "seed is -1"),
        ({"count": 3, "seed": 2**32}, "seed is 4294967296"),
        ({"count": 3, "height": 4}, "height is 4"),
        ({"count": 3, "width": 10**5}, "width is 100000"),
        ({"count": 3, "width": 64.0}, "width is 64.0"),
        ({"count": 3, "focal": 0.0}, "focal is 0.0"),
        ({"count": 3, "focal": math.nan}, "focal is nan"),
        ({"count": 3, "split": "dev"}, "train, val, test"),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(options: dict, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        SyntheticData(**options)
    assert "\n" not in str(caught.value)


def test_a_wrong_scene_number_is_named() -> None:
    with pytest.raises(DataError, match="scene index is -1"):
        render_scene(0, -1)


# ------------------------------------------------------------------------------------------ furniture


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("number", range(3))
def test_a_piece_keeps_to_the_floor_it_takes(name: str, number: int) -> None:
    piece = PIECES[name](Dice(rng(number)))
    for solid in piece.solids:
        (x, y, z), (hx, hy, hz), (cos, sin) = solid.centre, solid.half, solid.turn
        reach_x, reach_z = abs(cos) * hx + abs(sin) * hz, abs(sin) * hx + abs(cos) * hz
        assert abs(x) + reach_x <= piece.width / 2 + 0.1
        assert z - reach_z >= -0.1
        assert z + reach_z <= piece.depth + 0.1
        assert y + hy <= 1e-9  # nothing sinks into the floor


def test_every_kind_of_room_names_known_pieces() -> None:
    for along_walls, in_the_middle in KINDS.values():
        assert set(along_walls) | set(in_the_middle) <= set(PIECES)
