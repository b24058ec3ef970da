"""`predictor.stream`: the objects of images, in order, in bounded memory."""

import threading
from fractions import Fraction

import numpy as np
import pytest

import onedepth
from onedepth.depth import Depth
from onedepth.errors import OnedepthError
from onedepth.stabilise import STABILISERS
from onedepth.video.depths import AHEAD, AT_ONCE, Ahead
from onedepth.video.source import AudioTracks, Facts, Frame
from stub_runtime import StubRuntime, use
from videos import write_video


class Counted:
    """A source of many frames that knows how many were asked for."""

    def __init__(self, count: int) -> None:
        self.facts = Facts("counted", "counted", Fraction(1, 30), Fraction(30), frames=count)
        self.problems: list[str] = []
        self.audio = AudioTracks()
        self.count, self.asked = count, 0

    def frames(self):
        for number in range(self.count):
            self.asked += 1
            yield Frame(np.full((6, 8, 3), number % 256, np.uint8), number, number, 1, Fraction(1, 30))

    def sample(self, count):
        return [np.full((6, 8, 3), 255 * n // count, np.uint8) for n in range(count)]

    def close(self) -> None: ...


def test_a_frame_gives_what_its_image_gives():
    """With the shipped model: the same numbers as for pictures."""
    predictor = onedepth.load()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)

    class Two(Counted):
        def frames(self):
            for number, image in enumerate(images):
                yield Frame(image, number, number, 1, Fraction(1, 30))

    for (frame, depth), image in zip(predictor.stream(Two(2), focal_px=60), images, strict=True):
        alone = predictor.predict(image, focal_px=60)
        np.testing.assert_allclose(depth.depth_m, alone.depth_m, rtol=1e-5)
        assert isinstance(depth, Depth) and depth.image is frame.image
        assert (depth.intrinsics, depth.focal_source, depth.model) == (alone.intrinsics, "given", alone.model)
        assert depth.name == f"counted_{frame.index:06d}"


def test_frames_have_times_and_indices(predictor, tmp_path):
    path = write_video(tmp_path / "clip.mp4", pts=[0, 100, 150, 400], time_base=Fraction(1, 1000), duration=50)
    seen = [(frame.index, frame.time_s) for frame, _ in predictor.stream(str(path))]
    assert seen == [(0, 0.0), (1, 0.1), (2, 0.15), (3, 0.4)]
    assert [frame.index for frame, _ in predictor.stream(path, every=2, start_s=0.1)] == [0, 2]


def test_order_is_kept_whoever_is_first(monkeypatch):
    class Uneven(StubRuntime):
        def answers(self, images, **options):
            threading.Event().wait(0.02 * (images[0, 0, 0, 0] % 3 == 0))
            return super().answers(images, **options)

    use(monkeypatch, Uneven())
    frames = [(frame.index, depth.image[0, 0, 0]) for frame, depth in onedepth.load().stream(Counted(30))]
    assert frames == [(number, number) for number in range(30)]


def test_little_is_read_ahead_and_the_end_is_clean(predictor):
    source = Counted(1000)
    threads = threading.active_count()
    stream = predictor.stream(source)
    next(stream)
    threading.Event().wait(0.1)
    assert source.asked <= 1 + AHEAD + AT_ONCE + 2
    stream.close()
    assert threading.active_count() == threads


@pytest.mark.parametrize("name", STABILISERS)
def test_every_stabiliser_gives_every_frame(name, predictor):
    frames = list(predictor.stream(Counted(12), stabilize=name))
    assert [frame.index for frame, _ in frames] == list(range(12))
    assert all(depth.depth_m.shape == (6, 8) and depth.depth_m.dtype == np.float32 for _, depth in frames)


def test_a_stabiliser_may_hold_frames_back(predictor, monkeypatch):
    class Late:
        def __init__(self):
            self.held = []

        def push(self, image, depth_m):
            assert not self.held or self.held[-1].shape == depth_m.shape
            self.held.append(depth_m + image[0, 0, 0])
            return [self.held.pop(0)] if len(self.held) > 3 else []

        def finish(self):
            return self.held

    class Sizes(Counted):
        def frames(self):
            for frame in super().frames():
                shape = (6, 8, 3) if frame.index < 5 else (8, 6, 3)
                yield Frame(np.full(shape, frame.index, np.uint8), frame.index, frame.pts, 1, frame.time_base)

    monkeypatch.setitem(STABILISERS, "late", Late)
    frames = list(predictor.stream(Sizes(10), stabilize="late"))
    assert [frame.index for frame, _ in frames] == list(range(10))
    for frame, depth in frames:
        assert depth.depth_m.shape == frame.image.shape[:2]
        assert round(float(depth.depth_m[0, 0])) == 5 + frame.index or frame.index == 0


def test_pixels_that_are_not_square(predictor, tmp_path):
    """The metres are those of the same picture with square pixels."""
    wide = write_video(tmp_path / "wide.mp4", pts=[0], size=(32, 48), sample_aspect=Fraction(2))
    ((frame, depth),) = predictor.stream(wide, fov_deg=60)
    assert frame.image.shape == (48, 32, 3) and depth.depth_m.shape == (48, 32)
    fx, fy = depth.intrinsics.fx, depth.intrinsics.fy
    assert fy == pytest.approx(2 * fx) and fx == pytest.approx(16 / np.tan(np.radians(30)))
    square = predictor.predict(frame.image.repeat(2, 1), fov_deg=60)
    away = np.r_[:14, 18:32]  # from the edge, where the image was interpolated
    np.testing.assert_allclose(depth.depth_m[:, away], square.depth_m[:, ::2][:, away], atol=0.01)
    ((_, assumed),) = predictor.stream(wide)
    assert assumed.focal_source == "assumed"
    square = predictor.predict(frame.image.repeat(2, 1))
    assert assumed.intrinsics.fy == pytest.approx(square.intrinsics.fy)


def test_mistakes(predictor, tmp_path):
    with pytest.raises(OnedepthError, match="no such file"):
        next(predictor.stream(tmp_path / "none.mp4"))
    with pytest.raises(OnedepthError, match="no such way 'better', there are off"):
        next(predictor.stream(Counted(1), stabilize="better"))
    path = write_video(tmp_path / "clip.mp4")
    with pytest.raises(OnedepthError, match="is not after"):
        next(predictor.stream(path, start_s=2, end_s=1))


def test_what_a_source_raises_comes_through():
    def broken():
        yield 1
        raise OSError("the disk is gone")

    ahead = Ahead(broken(), 2)
    with pytest.raises(OSError, match="the disk is gone"):
        list(ahead)
    ahead.close()
