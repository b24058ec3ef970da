"""Whatever is in STABILISERS gives back one depth map for each frame, in order, of its size, soon."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onedepth.stabilise import AHEAD, CHUNK, STABILISERS

DELAY = {"off": 0, "fast": 1, "best": AHEAD + CHUNK - 1}  # frames, at most


def frames(count, size=(24, 32), seed=0):
    """A picture that stands still, and depths that jitter a little around what tells frames apart."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    return [(image, (2 + 0.02 * rng.random(size)).astype(np.float32)) for _ in range(count)]


def run(stabiliser, video):
    out = [depth for image, depth_m in video for depth in stabiliser.push(image, depth_m)]
    return out + stabiliser.finish()


@pytest.mark.parametrize("name", STABILISERS)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 16, 17, 40])
def test_one_depth_map_for_each_frame(name, count):
    out = run(STABILISERS[name](), frames(count))
    assert len(out) == count
    assert all(depth.shape == (24, 32) and depth.dtype == np.float32 for depth in out)


@pytest.mark.parametrize("name", STABILISERS)
def test_order_is_kept(name):
    # Every frame is another picture, a cut, so that its depth stays what it was.
    video = [frames(1, seed=seed)[0] for seed in range(25)]
    video = [(image, depth_m * np.float32(1 + k)) for k, (image, depth_m) in enumerate(video)]
    for (_, given_m), got_m in zip(video, run(STABILISERS[name](), video), strict=True):
        np.testing.assert_allclose(got_m, given_m, rtol=1e-5)


@pytest.mark.parametrize("name", STABILISERS)
def test_delay(name):
    stabiliser = STABILISERS[name]()
    returned = 0
    for number, (image, depth_m) in enumerate(frames(60), start=1):
        returned += len(stabiliser.push(image, depth_m))
        assert number - DELAY[name] <= returned <= number


@pytest.mark.parametrize("name", STABILISERS)
def test_as_new_after_finish(name):
    stabiliser = STABILISERS[name]()
    first = run(stabiliser, frames(20))
    for a, b in zip(first, run(stabiliser, frames(20)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", STABILISERS)
def test_a_change_of_size_begins_anew(name):
    small, large = frames(10, (24, 32)), frames(20, (60, 45), seed=1)
    stabiliser = STABILISERS[name]()
    both = run(stabiliser, small + large)
    apart = run(stabiliser, small) + run(stabiliser, large)
    for a, b in zip(both, apart, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", STABILISERS)
def test_what_it_was_given_is_left_alone(name):
    video = frames(20)
    copies = [(image.copy(), depth_m.copy()) for image, depth_m in video]
    run(STABILISERS[name](), video)
    for (image, depth_m), (image_copy, depth_copy) in zip(video, copies, strict=True):
        np.testing.assert_array_equal(image, image_copy)
        np.testing.assert_array_equal(depth_m, depth_copy)


@pytest.mark.parametrize("name", STABILISERS)
def test_sizes_that_do_not_match(name):
    image, depth_m = frames(1)[0]
    with pytest.raises(ValueError, match=r"image is of shape \(24, 32, 3\), depth_m of \(24, 31\)"):
        STABILISERS[name]().push(image, depth_m[:, :-1])


@pytest.mark.parametrize("name", STABILISERS)
@given(
    height=st.sampled_from([1, 2, 3, 17, 161, 323]),
    width=st.sampled_from([1, 2, 5, 16, 160, 479]),
    holes=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_any_size_and_holes(name, height, width, holes, seed):
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    video = []
    for number in range(4):
        depth_m = rng.uniform(0.1, 10, (height, width)).astype(np.float32)
        depth_m[rng.random((height, width)) < holes] = rng.choice([np.nan, 0, np.inf, -1])
        video.append((np.roll(grey, number, axis=1), depth_m))
    with np.errstate(all="raise", under="ignore"):
        out = run(STABILISERS[name](), video)
    for (_, given_m), got_m in zip(video, out, strict=True):
        known = (given_m > 0) & (given_m < np.inf)
        assert (np.isfinite(got_m[known]) & (got_m[known] > 0)).all()
        np.testing.assert_array_equal(got_m[~known], given_m[~known])
