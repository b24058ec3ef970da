"""Export: the model file is the torch network, or there is none."""

import numpy as np
import onnx
import pytest
import torch

from onedepth import intervals
from onedepth.canonical import canonical_focal_px, working_size
from onedepth.data.synthetic import render_scene
from onedepth.errors import OnedepthError, OutputError
from onedepth.models import ModelCard
from onedepth.predictor import Predictor
from onedepth.protocols import PROTOCOLS
from onedepth.runtimes.onnxruntime import OnnxRuntime
from onedepth.train import export, recipe
from onedepth.train.module import DepthModule

SYNTHETIC = {"layout": "synthetic", "count": 2, "height": 48, "width": 64}
VALUES = {
    "name": "toy",
    "version": "7",
    "licence": "Apache-2.0",
    "data": {"train": SYNTHETIC, "val": SYNTHETIC | {"split": "val"}, "statement": "two rendered rooms"},
    "network": {
        "encoder": {"name": "test_resnet", "weights": "random"},
        "decoder": {"width": 16},
        "size": [64, 96],
        "canonical_focal": 0.9,
        "max_depth_m": 8.0,
    },
    "schedule": {"epochs": 1},
    "validation": {"protocol": "full"},
}


@pytest.fixture(scope="module")
def module() -> DepthModule:
    torch.manual_seed(0)
    made = DepthModule(recipe.parse(VALUES)).eval()
    # An untrained head answers one depth everywhere, which any graph would get right.
    torch.nn.init.normal_(made.network.head.weight, std=20.0)
    return made


@pytest.fixture(scope="module")
def exported(module, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "toy.onnx"
    return (path, *export.export_run(module, path))


def test_agrees_in_every_size(exported):
    _, _, agreements, _ = exported
    assert len(agreements) >= len(export.CHECK_SIZES)
    for item in agreements:
        assert item.relative_error < 1e-4, item


def test_the_card_says_how_many_parameters(module, exported):
    assert Predictor(exported[0]).card.parameters == sum(p.numel() for p in module.network.parameters())


def test_the_network_does_not_answer_one_depth(exported):
    depth_m = OnnxRuntime(exported[0]).answers(render_scene(0, 0, 48, 64).image[None])["depth_m"]
    assert depth_m.max() > 1.2 * depth_m.min()


@pytest.mark.parametrize(("height", "width"), [(48, 64), (1, 1), (7, 300), (333, 222)])
def test_any_size_and_any_number(module, exported, height, width):
    images = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    depth_m = OnnxRuntime(exported[0]).answers(images)["depth_m"]
    assert depth_m.shape == (3, height, width)
    with torch.no_grad():
        expected = module.canonical_m(torch.from_numpy(images).permute(0, 3, 1, 2).float())[:, 0].numpy()
    np.testing.assert_allclose(depth_m, expected, rtol=1e-4)


def test_graph_takes_the_working_size_of_canonical(exported):
    """The graph's own arithmetic on shapes against the Python function, over many sizes."""
    model = onnx.load(exported[0])
    model.graph.output.append(onnx.helper.make_tensor_value_info("before/working_sides", onnx.TensorProto.INT64, [2]))
    session = __import__("onnxruntime").InferenceSession(model.SerializeToString())
    for height, width in [(48, 64), (480, 640), (640, 480), (1080, 1920), (31, 17), (1, 500), (500, 1), (97, 131)]:
        image = np.zeros((1, height, width, 3), np.uint8)
        (sides,) = session.run(["before/working_sides"], {"image": image})
        assert tuple(sides) == working_size(height, width, 64 * 96, exported[1].working_multiple)


def test_a_network_for_long_pictures_keeps_their_aspect(tmp_path):
    """KITTI's size is wider than the bound of smaller networks."""
    values = VALUES | {"network": VALUES["network"] | {"size": [384, 1280]}}
    long = DepthModule(recipe.parse(values)).eval()
    torch.nn.init.normal_(long.network.head.weight, std=20.0)
    card = export.export(long, tmp_path / "long.onnx")
    assert working_size(375, 1242, 384 * 1280, card.working_multiple)[1] > 1024
    picture = ("375×1242", render_scene(0, 0, 375, 1242).image)
    assert export.compare(long, tmp_path / "long.onnx", [picture])[0].relative_error < 1e-4


def test_whole_pictures_at_another_size_than_training(tmp_path):
    """Metres follow: twice as large a picture shows things twice as near, and the file says so."""
    made = DepthModule(recipe.parse(VALUES | {"network": VALUES["network"] | {"enlarge": 4.0}})).eval()
    torch.nn.init.normal_(made.network.head.weight, std=20.0)
    card = export.export(made, tmp_path / "larger.onnx")
    assert card.working_area == 128 * 192
    for item in export.compare(made, tmp_path / "larger.onnx", export.check_images()):
        assert item.relative_error < 1e-4, item
    image = render_scene(0, 0, 128, 192).image
    with torch.no_grad():
        small = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        expected_m = 2 * made.network.depth_m(made.network(small))
        expected_m = torch.nn.functional.interpolate(expected_m, (128, 192), mode="bilinear")[0, 0].numpy()
    depth_m = OnnxRuntime(tmp_path / "larger.onnx").answers(image[None])["depth_m"][0]
    np.testing.assert_allclose(depth_m, expected_m, rtol=1e-4)


def test_card_tells_everything(exported):
    path, card, _, report = exported
    assert Predictor(path).card == card
    assert (card.name, card.version, card.licence) == ("toy", "7", "Apache-2.0")
    assert card.training_data == "two rendered rooms" and card.recipe["network"]["encoder"]["name"] == "test_resnet"
    assert (card.canonical_focal, card.max_depth_m, card.working_area) == (0.9, 8.0, 64 * 96)
    assert card.metrics["mean"]["delta1"] == pytest.approx(report.metrics["delta1"], abs=1e-5)
    assert recipe.parse(card.recipe) == recipe.parse(VALUES)


def test_metadata_is_onnx_metadata(exported):
    model = onnx.load(exported[0])
    metadata = {item.key: item.value for item in model.metadata_props}
    assert ModelCard.from_metadata(metadata, exported[0]) == exported[1]
    assert [output.name for output in model.graph.output] == ["depth_m"]
    assert model.opset_import[0].version == export.OPSET


def test_module_and_predictor_agree_in_metres(module, exported):
    scene = render_scene(0, 3, 60, 80)
    file = Predictor(exported[0]).depth_m(scene.image, scene.intrinsics)
    np.testing.assert_allclose(file, module.predict_m(scene.image, scene.intrinsics), rtol=1e-4)
    canonical = OnnxRuntime(exported[0]).answers(scene.image[None])["depth_m"][0]
    scale = scene.intrinsics.focal_px / canonical_focal_px(60, 80, 0.9)
    np.testing.assert_allclose(file, canonical * scale, rtol=1e-6)


def test_depth_stays_in_range_up_to_the_change_of_area(exported):
    images = np.random.default_rng(1).integers(0, 256, (4, 64, 96, 3), dtype=np.uint8)
    depth_m = OnnxRuntime(exported[0]).answers(images)["depth_m"]
    assert depth_m.min() >= 0.1 and depth_m.max() <= 8.0 * 1.001


def test_disagreement_leaves_no_file(module, tmp_path, monkeypatch):
    monkeypatch.setattr(
        export, "AFTER", export.AFTER.replace("factor = Cast <to = 1> (enlargement)", "factor = Identity (scale)")
    )
    with pytest.raises(OnedepthError, match="away from the torch network") as error:
        export.export_run(module, tmp_path / "wrong.onnx", measure=False)
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []


def test_unwritable_place(module, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        export.export_run(module, tmp_path / "file" / "m.onnx", measure=False)


# Expected errors


def test_a_file_with_expected_errors(tmp_path):
    torch.manual_seed(0)
    values = VALUES | {"network": VALUES["network"] | {"uncertainty": True}}
    values["data"] = VALUES["data"] | {"val": SYNTHETIC | {"split": "val", "count": 8}}
    made = DepthModule(recipe.parse(values)).eval()
    torch.nn.init.normal_(made.network.head.weight, std=20.0)
    assert made.network.scale_head is not None
    torch.nn.init.normal_(made.network.scale_head.weight, std=5.0)
    path = tmp_path / "doubting.onnx"
    card, agreements, report = export.export_run(made, path)
    assert report is not None
    assert sum(item.name.endswith("uncertainty") for item in agreements) * 2 == len(agreements)
    assert max(item.relative_error for item in agreements) < 1e-4
    assert card.interval["level"] == 0.9
    assert card.interval["count"] == 8
    assert card.interval["factor"] != 1
    predictor = Predictor(path)
    assert predictor.card.interval == card.interval
    pairs = export.open_source(made.recipe.data.val)
    errors = intervals.errors_of(predictor, pairs, PROTOCOLS["full"])
    assert intervals.coverage(errors) == pytest.approx(0.9, abs=0.005)  # on the pairs that chose the factor
    scene = render_scene(0, 1, 50, 70)
    depth = predictor.predict(scene.image)
    assert depth.uncertainty is not None
    assert depth.uncertainty.shape == (50, 70)
    assert depth.uncertainty.dtype == np.float32
    with torch.no_grad():
        scale = made.full_size(torch.from_numpy(scene.image).permute(2, 0, 1)[None].float())[1]
    assert scale is not None
    np.testing.assert_allclose(depth.uncertainty, scale[0, 0].numpy() * card.interval["factor"], rtol=1e-4)


def test_a_file_without_expected_errors_has_one_output(exported):
    assert [output.name for output in onnx.load(exported[0]).graph.output] == ["depth_m"]
    assert Predictor(exported[0]).predict(render_scene(0, 1, 50, 70).image).uncertainty is None
