"""Receptive fields: worked by hand, published, and seen in gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from onedepth.train.decoder import Decoder
from onedepth.train.receptive_field import Axis, Field, UnknownOperationError, receptive_fields
from onedepth.train.recipe import DecoderConfig


class Lambda(nn.Module):
    """A function, with the modules whose weights it uses."""

    def __init__(self, function, *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, image: Tensor) -> Tensor:
        return self.function(image, *self.parts)


def field(network: nn.Module, size: tuple[int, int] = (64, 96), channels: int = 3) -> Field:
    image = torch.empty(1, channels, *size, device="meta")
    return receptive_fields(network.to("meta").eval(), image, lambda out: [out])[0]


def seen(function, *parts: nn.Module, **kwargs) -> tuple[int | None, int | None]:
    return field(Lambda(function, *parts), **kwargs).pixels


def conv(size=3, channels: int = 3, **kwargs) -> nn.Conv2d:
    return nn.Conv2d(3, channels, size, **kwargs)


# Worked by hand


def test_single_path():
    # 3; 3 + 2·1 = 5, stride 2; 5 + 1·2 = 7, stride 4; 7 + 2·2·4 = 23 (dilation 2).
    network = nn.Sequential(conv(), conv(stride=2), nn.ReLU(), nn.MaxPool2d(2), conv(dilation=2), nn.BatchNorm2d(3))
    result = field(network)
    assert result.pixels == (23, 23)
    assert result.height.stride == 4
    # Without padding, position 0 begins at pixel 0.
    assert result.height.at(0) == (0, 22) and result.height.at(5) == (20, 42)


def test_padding_moves_the_field():
    assert field(conv(5, padding=2)).width.at(0) == (-2, 2)
    assert field(nn.Sequential(nn.ReplicationPad2d((4, 0, 0, 0)), conv())).width.at(0) == (-4, -2)


def test_height_and_width_are_apart():
    assert seen(lambda x, c: c(x), conv((1, 7))) == (1, 7)
    assert seen(lambda x, c: c(x.transpose(2, 3)), conv((1, 7))) == (7, 1)


def test_branches_that_are_shifted_against_each_other():
    # Both branches see one pixel; together they see from one to the other.
    assert seen(lambda x: F.pad(x, (4, 0)) + F.pad(x, (0, 4))) == (1, 5)


def test_a_stride_without_a_kernel_sees_one_pixel():
    result = field(Lambda(lambda x: x[:, :, 1::4]))
    assert result.pixels == (1, 1) and result.height.at(2) == (9, 9) and result.width.at(2) == (2, 2)


def test_nearest_and_bilinear():
    pool = nn.AvgPool2d(4)
    assert seen(lambda x, p: F.interpolate(p(x), scale_factor=4), pool) == (4, 4)
    assert seen(lambda x, p: F.interpolate(p(x), scale_factor=4, mode="bilinear"), pool) == (8, 8)
    assert seen(lambda x, p: F.interpolate(p(x), (64, 96), mode="bilinear"), pool) == (8, 8)
    assert seen(lambda x, p: F.interpolate(p(x), (64, 96), mode="nearest-exact"), pool) == (4, 4)


def test_antialiased_reduction_sees_what_its_filter_covers():
    # A triangle of ± 4 pixels around the middle of four has eight pixels below it.
    result = field(Lambda(lambda x: F.interpolate(x, (16, 24), mode="bilinear", antialias=True)))
    assert result.pixels == (8, 8) and result.height.at(0) == (-2, 5)


# Published


def test_vgg16():
    """196 and 212: A. Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill 2019."""
    with torch.device("meta"):
        features = torchvision.models.vgg16().features
    conv5_3, pool5 = features[:29], features[:31]
    assert field(conv5_3, (224, 224)).pixels == (196, 196)
    assert field(pool5, (224, 224)).pixels == (212, 212)


@pytest.mark.parametrize(("stride_in", "pixels"), [("conv1", 483), ("conv2", 427)])
def test_resnet50(stride_in: str, pixels: int):
    """483 in the same article, for the network as first published: there the first 1×1 convolution of a stage has the
    stride, so that its 3×3 convolution already steps wider. torchvision's has it in the 3×3 convolution.

    7, with pool 7 + 2·2 = 11, stride 4; with 3, 4, 6, 3 convolutions 3×3 at strides 4, 8, 16, 32:
    11 + 2·(3·4 + 4·8 + 6·16 + 3·32) = 483; in the other, one of each of the last three is finer by half:
    483 − 2·(4 + 8 + 16) = 427.
    """
    with torch.device("meta"):
        whole = torchvision.models.resnet50()
    for stage in (whole.layer2, whole.layer3, whole.layer4):
        stage[0].conv1.stride = stage[0].conv2.stride = (1, 1)
        getattr(stage[0], stride_in).stride = (2, 2)
    assert field(nn.Sequential(*list(whole.children())[:-2]), (224, 224)).pixels == (pixels, pixels)


# Seen in gradients


def smooth_u(image: Tensor, down: nn.Module, deep: nn.Module, up: nn.Module) -> Tensor:
    fine = down(image)
    coarse = deep(F.avg_pool2d(fine, 2))
    return up(torch.cat([F.interpolate(coarse, scale_factor=2, mode="bilinear"), fine], 1))


def decoder() -> nn.Module:
    config = DecoderConfig(width=16, activations=1)
    return Decoder([3, 3, 3], [2, 4, 8], config)


NETWORKS = {
    "convolutions": lambda: nn.Sequential(conv(5, stride=2, padding=1), conv(3, dilation=3), conv((2, 4))),
    "pools": lambda: nn.Sequential(nn.AvgPool2d(3, 2, 1), conv(2), nn.AvgPool2d(2)),
    "transposed": lambda: nn.Sequential(conv(3, stride=3), nn.ConvTranspose2d(3, 3, 4, 2, 1), conv(2)),
    "bilinear": lambda: nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=2, mode="bilinear"), conv(2), conv(3)),
    "bicubic": lambda: nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=2, mode="bicubic"), conv(2)),
    "nearest": lambda: nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=3), conv(2), nn.AvgPool2d(5, 2)),
    "two thirds": lambda: Lambda(lambda x, c: F.interpolate(c(x), (64, 64), mode="bilinear"), conv(3, padding=1)),
    "antialiased": lambda: Lambda(lambda x, c: c(F.interpolate(x, (32, 32), mode="bilinear", antialias=True)), conv(2)),
    "slices": lambda: Lambda(lambda x, c: c(x[..., 3::2, 1:]) * 2, conv(3)),
    "skips": lambda: Lambda(smooth_u, conv(3, stride=2, padding=1), conv(3, padding=1), nn.Conv2d(6, 1, 3, padding=1)),
    "ours": lambda: Lambda(
        lambda x, a, b, c, d: d([y := a(x), z := b(y), c(z)]),
        conv(3, stride=2, padding=1), conv(3, stride=2, padding=1), conv(3, stride=2, padding=1), decoder(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_reaches_exactly_so_far(name: str):
    """With weights above 0 and no maxima, a value's gradient is not 0 exactly at the pixels that it sees."""
    side = 96
    network = NETWORKS[name]().double().eval()
    image = torch.ones(1, 3, side, side, dtype=torch.double)
    theory = receptive_fields(network, image, lambda out: [out])[0]
    for parameter in network.parameters():
        parameter.data = torch.rand_like(parameter) + 0.1
    image.requires_grad_()
    out = network(image)
    inside = 0
    for axis, dim in ((theory.height, 2), (theory.width, 3)):
        middle = out.shape[dim] // 2
        for position in range(middle, middle + max(2, len(axis.low))):
            low, high = axis.at(position)
            value = out.sum(1).select(dim - 1, position).sum()
            (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
            touched = gradient.abs().sum(dim=[d for d in range(4) if d != dim]).nonzero()
            assert (int(touched.min()), int(touched.max())) == (max(low, 0), min(high, side - 1)), position
            inside += low > 0 and high < side - 1
    assert inside


def test_with_align_corners_the_answer_is_a_bound():
    network = Lambda(lambda x, c: c(F.interpolate(F.avg_pool2d(x, 2), (64, 64), mode="bilinear", align_corners=True)),
                     conv(3)).double()  # fmt: skip
    image = torch.ones(1, 3, 64, 64, dtype=torch.double, requires_grad=True)
    theory = receptive_fields(network.eval(), image.detach(), lambda out: [out])[0].height
    out = network(image)
    widest = 0
    for position in range(out.shape[2]):
        (gradient,) = torch.autograd.grad(out[:, :, position].sum(), image, retain_graph=True)
        touched = gradient.abs().sum(dim=(0, 1, 3)).nonzero()
        low, high = theory.at(position)
        assert low <= int(touched.min()) and int(touched.max()) <= high
        widest = max(widest, int(touched.max() - touched.min()) + 1)
    assert widest <= theory.around <= widest + 2


# Everything, and what is around it


def squeeze_excite(image: Tensor, first: nn.Module, gate: nn.Module) -> Tensor:
    x = first(image)
    return x * gate(x.mean((2, 3), keepdim=True)).sigmoid()


def test_squeeze_and_excitation_sees_everything():
    result = field(Lambda(squeeze_excite, conv(7), conv(1)))
    assert result.pixels == (None, None) and result.around == (7, 7)


EVERYTHING = {
    "adaptive pool": lambda: Lambda(lambda x: F.adaptive_avg_pool2d(x, 1)),
    "pyramid": lambda: Lambda(lambda x: F.adaptive_avg_pool2d(x, 3)),
    "instance norm": lambda: nn.InstanceNorm2d(3),
    "group norm": lambda: nn.GroupNorm(3, 3),
    "layer norm over space": lambda: nn.LayerNorm((3, 64, 96)),
    "linear over positions": lambda: Lambda(lambda x, f: f(x.flatten(2)), nn.Linear(64 * 96, 5)),
    "softmax over positions": lambda: Lambda(lambda x: x.flatten(2).softmax(-1)),
    "rolled": lambda: Lambda(lambda x: x.roll((1, 1), (2, 3))),
    "attention": lambda: Lambda(lambda x: F.scaled_dot_product_attention(*[x.flatten(2).transpose(1, 2)[:, None]] * 3)),
    "in windows": lambda: Lambda(
        lambda x, f: f(x.view(1, 3, 8, 8, 12, 8).permute(0, 2, 4, 1, 3, 5).reshape(96, 3, 64)), nn.Linear(64, 64)
    ),
    "side by side": lambda: Lambda(lambda x: torch.cat([torch.cat([x, x], 2)] * 2, 3)),
    "largest": lambda: Lambda(lambda x: x.amax((2, 3))),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_mixes_positions_sees_everything(name: str):
    assert field(EVERYTHING[name]()).pixels == (None, None)


NOT_EVERYTHING = {
    "batch norm": lambda: nn.BatchNorm2d(3),
    "mean of channels": lambda: Lambda(lambda x: x * x.mean(1, keepdim=True)),
    "layer norm of channels": lambda: Lambda(
        lambda x, n: n(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), nn.LayerNorm(3)
    ),
    "linear on channels": lambda: Lambda(lambda x, f: f(x.permute(0, 2, 3, 1)), nn.Linear(3, 8)),
    "shuffled channels": lambda: Lambda(lambda x: x.view(1, 3, 1, 64, 96).transpose(1, 2).reshape(1, 3, 64, 96)),
    "halves": lambda: Lambda(lambda x: torch.cat(x.chunk(3, 1)[:2], 1)),
    "a constant made on the way": lambda: Lambda(lambda x: x * torch.tensor(2.0, device="meta")),
    "gate of two maps": lambda: Lambda(lambda x: torch.where(x > 0, x, x * 2)),
}


@pytest.mark.parametrize("name", NOT_EVERYTHING)
def test_what_stays_in_its_place_sees_no_more(name: str):
    network = nn.Sequential(conv(3, padding=1), NOT_EVERYTHING[name]())
    assert field(network).pixels == (3, 3)


def test_a_mean_along_one_axis():
    result = field(Lambda(lambda x, c: c(x) * x.mean(3, keepdim=True), conv(3, padding=1)))
    assert result.pixels == (3, None) and result.around == (3, 3)


def test_tokens_and_back():
    """Flattened, normalised and put back in place, a map is followed; a convolution after it counts."""

    def there_and_back(x: Tensor, norm: nn.Module, last: nn.Module) -> Tensor:
        tokens = norm(x.flatten(2).transpose(1, 2))
        return last(tokens.transpose(1, 2).reshape(x.shape))

    assert seen(there_and_back, nn.LayerNorm(3), conv(5)) == (5, 5)
    # Put back as another size, rows are no rows any more.
    assert seen(lambda x, c: c(x.flatten(2).reshape(1, 3, 96, 64)), conv(5)) == (None, None)


# What is not known is said


class Held(nn.Module):
    """A tensor that is neither parameter nor buffer: it could be anything."""

    def __init__(self) -> None:
        super().__init__()
        self.held = [torch.ones(1, device="meta")]

    def forward(self, image: Tensor) -> Tensor:
        return image * self.held[0]


def write_into_view(image: Tensor, wide: nn.Module) -> Tensor:
    x = image.clone()
    x[..., 1:-1, 1:-1] += wide(image)
    return x


UNKNOWN = {
    "grid_sample": lambda: Lambda(lambda x: F.grid_sample(x, x.permute(0, 2, 3, 1)[..., :2], align_corners=False)),
    "aten.index": lambda: Lambda(lambda x: x[:, :, torch.arange(3, device="meta")]),
    "writes into memory": lambda: Lambda(write_into_view, conv(3)),
    "no parameter, buffer": Held,
    "2 and 1 pixels apart": lambda: Lambda(lambda x: x[:, :, ::2] + x[:, :, :32]),
    "does not depend on the image": lambda: Lambda(lambda x, c: c.weight * 1, conv(3)),
    "leaves gaps": lambda: nn.ConvTranspose2d(3, 3, 1, stride=2),
}


@pytest.mark.parametrize("words", UNKNOWN)
def test_an_unknown_operation_is_refused(words: str):
    with pytest.raises(UnknownOperationError, match=words):
        field(UNKNOWN[words]())


def test_axes_of_different_periods_join():
    slow, fast = Axis((0, 1), (4, 6), 4), Axis((0,), (2,), 2)
    joined = slow.join(fast)
    assert joined == Axis((0, 1), (4, 6), 4)
    assert [joined.at(i) for i in (-1, 2, 3)] == [(-3, 2), (4, 8), (5, 10)]
    assert math.isclose(joined.stride, 2)
