"""What every runtime of the written-out dict must do."""

import numpy as np
import pytest

from onedepth import models
from onedepth.data.synthetic import render_scene
from onedepth.errors import MissingExtraError, ModelFileError
from onedepth.models import ModelCard
from onedepth.runtimes import RUNTIMES, open_runtime

SIZES = ((480, 640), (97, 131), (64, 36), (31, 17), (1, 1), (3, 200))


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request):
    try:
        return open_runtime(request.param, models.find(), threads=2)
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def reference():
    return open_runtime("onnxruntime", models.find(), threads=1)


def picture(height: int, width: int) -> np.ndarray:
    return render_scene(0, 1, max(height, 8), max(width, 8)).image[:height, :width]


def test_knows_the_card(runtime):
    assert ModelCard.from_metadata(runtime.metadata, models.find()).name == models.DEFAULT_MODEL


@pytest.mark.parametrize("size", SIZES)
def test_any_size_in_same_size_out_same_metres(runtime, reference, size):
    image = np.ascontiguousarray(picture(*size))[None]
    depth_m = runtime.answers(image)["depth_m"]
    assert depth_m.shape == (1, *size) and depth_m.dtype == np.float32
    assert np.isfinite(depth_m).all() and (depth_m > 0).all()
    np.testing.assert_allclose(depth_m, reference.answers(image)["depth_m"], rtol=1e-4)


def test_a_batch_is_its_images(runtime):
    images = np.stack([render_scene(0, number, 60, 80).image for number in range(3)])
    together = runtime.answers(images)["depth_m"]
    for image, depth_m in zip(images, together, strict=True):
        np.testing.assert_allclose(runtime.answers(image[None])["depth_m"][0], depth_m, rtol=1e-4)


def test_depth_alone_is_the_same_depth(runtime):
    image = picture(48, 64)[None]
    everything, alone = runtime.answers(image), runtime.answers(image, depth_only=True)
    assert list(alone) == ["depth_m"]
    np.testing.assert_array_equal(alone["depth_m"], everything["depth_m"])
    for answer in everything.values():
        assert answer.shape == (1, 48, 64) and answer.dtype == np.float32 and (answer > 0).all()


def test_results_are_kept(runtime):
    first = runtime.answers(np.zeros((1, 60, 80, 3), np.uint8))["depth_m"]
    before = first.copy()
    runtime.answers(np.full((1, 60, 80, 3), 255, np.uint8))
    np.testing.assert_array_equal(first, before)


def test_unknown_runtime():
    with pytest.raises(ModelFileError, match="tensorrt"):
        open_runtime("tensorrt", models.find())
