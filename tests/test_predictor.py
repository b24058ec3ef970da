"""The predictor: pictures of all kinds in, metres of their own size out, with an honest scale."""

import io
import math

import numpy as np
import pytest
from PIL import Image

import onedepth
from onedepth.canonical import NYU_FOCAL
from onedepth.data.synthetic import render_scene
from onedepth.errors import ImageError, OnedepthError


@pytest.fixture(scope="module")
def predictor():
    return onedepth.load()


@pytest.fixture(scope="module")
def room():
    return render_scene(0, 5, 120, 160).image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(image: Image.Image) -> bytes:
    """A portrait picture as a phone stores it: landscape, with orientation 6."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, "JPEG", exif=exif)


PICTURES = {
    # what: (make it from an RGB picture of 120 × 160, expected height and width)
    "rgb png": (lambda im: encoded(im, "PNG"), (120, 160)),
    "orientation 6": (turned, (160, 120)),
    "greyscale": (lambda im: encoded(im.convert("L"), "PNG"), (120, 160)),
    "16 bit": (
        lambda im: encoded(Image.fromarray(np.asarray(im.convert("L")).astype(np.uint16) * 257), "PNG"),
        (120, 160),
    ),
    "cmyk jpeg": (lambda im: encoded(im.convert("CMYK"), "JPEG"), (120, 160)),
    "rgba png": (lambda im: encoded(im.convert("RGBA"), "PNG"), (120, 160)),
    "31×17": (lambda im: encoded(im.resize((31, 17)), "PNG"), (17, 31)),
    "4000×3000": (lambda im: encoded(im.resize((4000, 3000)), "JPEG"), (3000, 4000)),
    "one pixel": (lambda im: encoded(im.resize((1, 1)), "PNG"), (1, 1)),
}


@pytest.mark.parametrize("what", PICTURES)
def test_every_picture_comes_out_with_its_own_size(predictor, room, what):
    make, size = PICTURES[what]
    depth = predictor.predict(make(Image.fromarray(room)))
    assert depth.depth_m.shape == size and depth.image.shape == (*size, 3)
    assert depth.depth_m.dtype == np.float32 and np.isfinite(depth.depth_m).all() and (depth.depth_m > 0).all()


def test_path_array_pil_and_bytes_agree(predictor, room, tmp_path):
    Image.fromarray(room).save(tmp_path / "room.png")
    expected = predictor.predict(room).depth_m
    for source in (
        tmp_path / "room.png",
        str(tmp_path / "room.png"),
        Image.fromarray(room),
        encoded(Image.fromarray(room), "PNG"),
    ):
        np.testing.assert_array_equal(predictor.predict(source).depth_m, expected)


def test_metres_scale_with_the_focal_length(predictor, room):
    once = predictor.predict(room, focal_px=100.0)
    twice = predictor.predict(room, focal_px=200.0)
    np.testing.assert_allclose(twice.depth_m, 2 * once.depth_m, rtol=1e-6)
    assert once.focal_source == "given" and once.intrinsics.fx == 100.0


def test_assumed_focal_is_the_canonical_one(predictor, room):
    assumed = predictor.predict(room)
    given = predictor.predict(room, focal_px=NYU_FOCAL * 160)
    assert assumed.focal_source == "assumed"
    np.testing.assert_allclose(assumed.depth_m, given.depth_m, rtol=1e-6)


def test_focal_from_exif_and_what_was_given_wins(predictor, room):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26  # mm, 35 mm equivalent: 26 · 200 / √(36² + 24²) px for 160 × 120
    data = encoded(Image.fromarray(room), "JPEG", exif=exif)
    depth = predictor.predict(data)
    assert depth.focal_source == "exif"
    assert depth.intrinsics.fx == pytest.approx(26 * 200 / math.hypot(36, 24))
    assert predictor.predict(data, focal_px=50.0).focal_source == "given"


def test_field_of_view(predictor, room):
    # 90° across 160 pixels: f = 80
    assert predictor.predict(room, fov_deg=90.0).intrinsics.fx == pytest.approx(80.0)


@pytest.mark.parametrize(
    "camera",
    [
        {"focal_px": 0.0},
        {"focal_px": -5.0},
        {"focal_px": math.nan},
        {"fov_deg": 0.0},
        {"fov_deg": 180.0},
        {"focal_px": 100.0, "fov_deg": 60.0},
    ],
)
def test_impossible_cameras(predictor, room, camera):
    with pytest.raises(OnedepthError):
        predictor.predict(room, **camera)


def test_principal_point_is_the_middle(predictor, room):
    k = predictor.predict(room).intrinsics
    assert (k.cx, k.cy) == (79.5, 59.5)


def test_the_model_sees_depth(predictor):
    """On rendered rooms, which it was not trained on, far is farther than near."""
    correlations = []
    for number in range(6):
        scene = render_scene(3, number, 240, 320)
        depth_m = predictor.predict(scene.image).depth_m
        correlations.append(np.corrcoef(np.log(depth_m).ravel(), np.log(scene.depth_m).ravel())[0, 1])
    assert np.mean(correlations) > 0.5


def test_mirrored_picture_gives_about_the_mirrored_depth(predictor, room):
    straight = predictor.predict(room).depth_m
    mirrored = predictor.predict(np.ascontiguousarray(room[:, ::-1])).depth_m[:, ::-1]
    assert np.mean(np.abs(straight - mirrored) / straight) < 0.15


def test_too_large(room):
    with pytest.raises(ImageError, match="max_pixels"):
        onedepth.load(max_pixels=1000).predict(room)


def test_threads_out_of_range():
    with pytest.raises(OnedepthError, match="threads"):
        onedepth.load(threads=0)
