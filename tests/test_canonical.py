"""The canonical camera's arithmetic, worked by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onedepth.canonical import MAX_SIDE, MIN_SIDE, NYU_FOCAL, canonical_focal_px, longest_side, working_size


def test_canonical_focal_of_nyu_is_its_camera():
    assert canonical_focal_px(480, 640, NYU_FOCAL) == pytest.approx(518.86)


def test_turning_the_camera_changes_nothing():
    assert canonical_focal_px(640, 480, NYU_FOCAL) == canonical_focal_px(480, 640, NYU_FOCAL)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 8))
def test_scales_with_the_picture(height, width, factor):
    once, larger = canonical_focal_px(height, width, 0.8), canonical_focal_px(height * factor, width * factor, 0.8)
    assert math.isclose(larger, factor * once)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        # √(81920 / 307200) = 0.5164; 480 · 0.5164 / 32 = 7.75 → 8, 640 · 0.5164 / 32 = 10.33 → 10
        ((480, 640), (256, 320)),
        ((3000, 4000), (256, 320)),
        ((640, 480), (320, 256)),
        # √(81920 / 2073600) = 0.19876; 1080 · 0.19876 / 32 = 6.71 → 7, 1920 · 0.19876 / 32 = 11.93 → 12
        ((1080, 1920), (224, 384)),
        # √81920 = 286.2; 286.2 / 32 = 8.94 → 9
        ((1, 1), (288, 288)),
        ((1, 100_000), (MIN_SIDE, MAX_SIDE)),
    ],
)
def test_working_size(picture, expected):
    assert working_size(*picture, 256 * 320, 32) == expected


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        # √(491520 / 465750) = 1.0273; 375 · 1.0273 / 32 = 12.04 → 12, 1242 · 1.0273 / 32 = 39.87 → 40
        ((375, 1242), (384, 1280)),
        # 2 · √491520 = 1402.2; 1402.2 / 32 = 43.8 → 44
        ((1, 100_000), (MIN_SIDE, 44 * 32)),
    ],
)
def test_a_network_that_works_on_long_pictures_keeps_their_aspect(picture, expected):
    assert working_size(*picture, 384 * 1280, 32) == expected


def test_the_bound_of_small_networks_is_fixed():
    assert longest_side(256 * 320, 32) == longest_side(512 * 512, 32) == MAX_SIDE
