"""F-scores and reprojections of small maps, worked by hand."""

import numpy as np
import pytest

from onedepth.depth import Intrinsics
from onedepth.point_cloud import f_scores, unproject, within
from onedepth.temporal import TemporalAlignment, reproject

ALL = np.ones((2, 2), bool)
WIDE = Intrinsics(1.0, 1.0, 0.0, 0.0)  # rays (x, y, 1) with x, y in 0, 1


def test_pixels_become_points():
    depth = np.array([[2.0, 4.0]])
    points = unproject(depth, Intrinsics(2.0, 4.0, 0.5, 1.0))
    # (0 − 0.5) / 2 · 2, (0 − 1) / 4 · 2; (1 − 0.5) / 2 · 4, (0 − 1) / 4 · 4
    np.testing.assert_allclose(points, [[-0.5, -0.5, 2.0], [1.0, -1.0, 4.0]])
    np.testing.assert_allclose(unproject(depth, WIDE, np.array([[False, True]])), [[4.0, 0.0, 4.0]])


def test_f_score_by_hand():
    true = np.ones((2, 2))
    # Along the rays (0,0,1), (1,0,1), (0,1,1), (1,1,1) the points move by 0.04, 0.04·√2, 0.08·√2, 0.2·√3:
    pred = np.array([[1.04, 1.04], [1.08, 1.2]])
    # 0.04, 0.057, 0.113, 0.346: one of four within 5 cm, two within 10 cm, for precision and recall alike.
    assert f_scores(pred, true, ALL, WIDE) == pytest.approx([0.25, 0.5])


def test_precision_and_recall_differ():
    # Two predicted points, both by the first true one; the second true point, a metre away, has none.
    camera = Intrinsics(1000.0, 1000.0, 0.0, 0.0)
    true = np.array([[1.0, 2.0]])
    pred = np.array([[1.0, 1.01]])
    assert f_scores(pred, true, np.ones((1, 2), bool), camera) == pytest.approx([2 / 3, 2 / 3])  # P = 1, R = 1/2


def test_an_invalid_prediction_counts_against_both():
    true = np.ones((2, 2))
    pred = np.array([[1.0, 1.0], [1.0, np.nan]])
    # P = 3/4, since the fourth is far from everything; R = 3/4, since its truth has no neighbour.
    assert f_scores(pred, true, ALL, WIDE) == pytest.approx([0.75, 0.75])
    assert f_scores(np.zeros((2, 2)), true, ALL, WIDE) == [0.0, 0.0]


def test_invalid_truth_takes_no_part():
    true = np.array([[1.0, 5.0], [1.0, 1.0]])
    pred = np.array([[1.0, 1.0], [1.0, 1.0]])
    valid = np.array([[True, False], [True, True]])
    assert f_scores(pred, true, valid, WIDE) == [1.0, 1.0]
    with pytest.raises(ValueError, match="no pixel"):
        f_scores(pred, true, ~ALL, WIDE)


@pytest.mark.parametrize("radius", [0.1, 0.2, 0.7])
def test_neighbours_against_every_pair(radius):
    rng = np.random.default_rng(4)
    queries, cloud = rng.normal(size=(150, 3)), rng.normal(size=(700, 3))
    apart = np.sqrt(((queries[:, None] - cloud) ** 2).sum(-1)).min(-1)
    expected = apart <= radius
    assert 0 < expected.sum() < 150
    np.testing.assert_array_equal(within(queries, cloud, radius), expected)


def test_few_points_asking_tell_nearly_the_same():
    rng = np.random.default_rng(5)
    true = rng.uniform(1, 3, (60, 80))
    pred = true + rng.normal(0, 0.05, true.shape)
    camera = Intrinsics(65.0, 65.0, 39.5, 29.5)
    valid = np.ones(true.shape, bool)
    whole = f_scores(pred, true, valid, camera, max_points=5000)
    some = f_scores(pred, true, valid, camera, max_points=1000)
    assert some != whole and some == pytest.approx(whole, abs=0.05)
    assert f_scores(pred, true, valid, camera, max_points=1000) == some


def pose(x=0.0, z=0.0):
    matrix = np.eye(4)
    matrix[:3, 3] = (x, 0.0, z)
    return matrix


def test_reprojection_by_hand():
    # The second camera stands one metre to the right: at 2 m, one pixel (fx 2) to the left.
    depth = np.array([[2.0, 2.0, 2.0]])
    camera = Intrinsics(2.0, 2.0, 1.0, 0.0)
    seen = reproject(depth, camera, np.linalg.inv(pose(x=1.0)), camera, (1, 3))
    np.testing.assert_allclose(seen, [[2.0, 2.0, np.nan]])


def test_of_points_on_one_pixel_the_nearest_is_seen():
    # From 0.9 m further forward the points at 1 m and 2 m both lie in the middle pixel.
    camera = Intrinsics(1.0, 1.0, 0.0, 0.0)
    depth = np.array([[5.0, 2.0]])
    turned = reproject(depth, camera, np.linalg.inv(pose(x=2.0)), camera, (1, 1))
    np.testing.assert_allclose(turned, [[2.0]])  # x = 0 → −2, at 5 m: −0.4 → 0; x = 2 → 0, at 2 m: 0
    behind = reproject(depth, camera, np.linalg.inv(pose(z=3.0)), camera, (1, 1))
    np.testing.assert_allclose(behind, [[2.0]])  # the one at 2 m is behind the camera now


def test_temporal_alignment_by_hand():
    camera = Intrinsics(1.0, 1.0, 0.5, 0.5)
    video = TemporalAlignment()
    for metres in (1.0, 2.0, 3.0):  # a camera that stands still, and depths that grow
        video.add(np.full((2, 2), metres), camera, pose())
    # Directed errors: 1/2 and 1, then 1/3 and 1/2; their mean.
    assert video.result() == pytest.approx((1 / 2 + 1 + 1 / 3 + 1 / 2) / 4)
    assert (video.frames, video.apart) == (3, 0)


def test_a_still_scene_seen_from_a_moving_camera_is_in_agreement():
    camera = Intrinsics(40.0, 40.0, 9.5, 7.5)
    video = TemporalAlignment()
    for step in range(4):  # towards a wall at 5 m
        video.add(np.full((16, 20), 5.0 - 0.5 * step), camera, pose(z=0.5 * step))
    assert video.result() == pytest.approx(0.0, abs=1e-12)
    wrong = TemporalAlignment()
    for step in range(4):
        wrong.add(np.full((16, 20), 5.0), camera, pose(z=0.5 * step))
    assert wrong.result() == pytest.approx((0.5 / 5 + 0.5 / 5) / 2)


def test_temporal_alignment_leaves_out_what_is_unknown():
    camera = Intrinsics(1.0, 1.0, 0.5, 0.5)
    video = TemporalAlignment()
    video.add(np.array([[1.0, 9.0], [1.0, np.nan]]), camera, pose(), np.array([[True, False], [True, True]]))
    video.add(np.array([[1.1, 1.1], [0.0, 1.1]]), camera, pose())
    assert video.result() == pytest.approx((0.1 / 1.1 + 0.1 / 1.0) / 2)


def test_frames_that_share_nothing_are_counted_apart():
    camera = Intrinsics(1.0, 1.0, 0.5, 0.5)
    video = TemporalAlignment()
    video.add(np.ones((2, 2)), camera, pose())
    video.add(np.ones((2, 2)), camera, pose(x=100.0))
    assert video.apart == 2
    with pytest.raises(ValueError, match="no two neighbours"):
        video.result()


@pytest.mark.parametrize("wrong", [np.eye(3), 2 * np.eye(4), np.diag([-1.0, 1.0, 1.0, 1.0]), np.full((4, 4), np.nan)])
def test_a_pose_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="camera_to_world"):
        TemporalAlignment().add(np.ones((2, 2)), WIDE, wrong)
