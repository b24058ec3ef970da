"""Views: image, depth, validity and camera move together, and metres follow the focal length."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from onedepth.data.synthetic import render_scene
from onedepth.train.augment import Augment, Batch, View, warp
from onedepth.train.draws import Draws
from onedepth.train.loader import Item, collate
from onedepth.train.recipe import AugmentConfig, NetworkConfig

STILL = AugmentConfig(mirror=0, channel_permutation=0)
STRONG = AugmentConfig(mirror=0.5, channel_permutation=0, zoom=3, aspect=1.5, rotation_deg=30)
WHOLE = torch.eye(3)[None]
EVERYTHING = AugmentConfig(
    mirror=0.5,
    channel_permutation=0.5,
    zoom=2,
    aspect=1.2,
    rotation_deg=10,
    colour=1,
    blur=0.5,
    noise=0.1,
    erase=1,
    turn=0.5,
    jpeg=0.5,
    cut_depth=0.5,
    inside=0.5,
)
HALF = torch.diag(torch.tensor([0.5, 0.5, 1.0]))[None]


def network(height: int = 48, width: int = 64) -> NetworkConfig:
    return NetworkConfig(size=(height, width), min_depth_m=0.01, max_depth_m=100)


def batch_of(image: Tensor, depth_m: Tensor, **camera: float) -> Batch:
    """One picture `[3, H, W]` with truth `[H, W]` and a centred camera of 100 px, unless told otherwise."""
    height, width = depth_m.shape
    k = {"fx": 100.0, "fy": 100.0, "cx": (width - 1) / 2, "cy": (height - 1) / 2} | camera
    size = torch.tensor([[float(height), float(width)]])
    return Batch(image[None].byte(), depth_m[None, None].float(), torch.tensor([list(k.values())]).float(), size)


def repeated(one: Batch, times: int) -> Batch:
    return Batch(*(torch.cat([value] * times) for value in (one.image, one.depth_m, one.intrinsics, one.size)))


def where_is_what(height: int = 150, width: int = 200, **camera: float) -> Batch:
    """Red is the column, green the row; depth is 1 m plus a tenth of a millimetre for each pixel's number."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return batch_of(torch.stack([columns, rows, torch.zeros_like(rows)]), 1 + (rows * width + columns) * 1e-4, **camera)


def random_view(batch: Batch, config: AugmentConfig, seed: int, size: NetworkConfig | None = None) -> View:
    return Augment(config, size or network())(batch, Draws(seed, len(batch.image)))


def matrix_of(batch: Batch, config: AugmentConfig, seed: int) -> Tensor:
    """The affine map that `random_view` draws first."""
    return Augment(config, network())._geometry(batch, Draws(seed, len(batch.image)))


def pixel_centres(height: int, width: int) -> tuple[Tensor, Tensor]:
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return u.double(), v.double()


def rays(u: Tensor, v: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """X / Z and Y / Z of the points seen at pixels (u, v)."""
    fx, fy, cx, cy = intrinsics.double()
    return (u - cx) / fx, (v - cy) / fy


# Metres


def test_metres_of_a_zoomed_plane_by_hand():
    # A wall at 4 m, seen by a camera of 100 px. The middle half of the picture, blown up to the same 128×96 pixels,
    # is what a camera of 200 px sees. NYU's canonical focal at 128 pixels of width is 128 · 518.86 / 640 = 103.772 px,
    # so the network, which takes every camera for that one, is to answer 4 m · 103.772 / 200 = 2.07544 m.
    wall = batch_of(torch.zeros(3, 96, 128), torch.full((96, 128), 4.0))
    view = warp(wall, HALF, network(96, 128))
    assert view.intrinsics[0].tolist() == pytest.approx([200, 200, 63.5, 47.5])
    assert view.valid.all()
    torch.testing.assert_close(view.depth_m, torch.full((1, 1, 48, 64), 2.07544))


def test_the_canonical_camera_keeps_its_metres_at_any_working_size():
    focal = 518.86 / 640 * 128
    wall = batch_of(torch.zeros(3, 96, 128), torch.full((96, 128), 4.0), fx=focal, fy=focal)
    for size in ((96, 128), (48, 64), (64, 64), (32, 96)):  # squeezed ones too: see `onedepth.canonical`
        view = warp(wall, WHOLE, network(*size))
        torch.testing.assert_close(view.depth_m, torch.full_like(view.depth_m, 4.0))


@pytest.mark.parametrize("seed", range(6))
def test_metres_follow_the_views_own_camera(seed: int):
    batch = where_is_what(fx=180, fy=170)
    view = random_view(batch, STRONG, seed)
    focal = math.sqrt(view.intrinsics[0, 0].item() * view.intrinsics[0, 1].item())
    canonical = 518.86 / 640 * math.sqrt(48 * 64 * 4 / 3)
    # Undone, every depth is one of the picture's own, not a mean of several.
    picture = batch.depth_m.double().flatten()
    undone = view.depth_m[view.valid].double() * focal / canonical
    numbers = (undone - 1) / 1e-4
    assert (numbers - numbers.round()).abs().max() < 0.05
    assert undone.min() >= picture.min() - 1e-6
    assert undone.max() <= picture.max() + 1e-6


def test_depth_is_never_interpolated():
    generator = torch.Generator().manual_seed(3)
    depth_m = torch.where(torch.rand(60, 80, generator=generator) < 0.5, 1.0, 9.0)
    batch = batch_of(torch.zeros(3, 60, 80), depth_m)
    for seed in range(5):
        view = random_view(batch, STRONG, seed)
        values = view.depth_m[view.valid].unique()
        assert len(values) == 2
        assert (values[1] / values[0]).item() == pytest.approx(9)


# Places: the picture's colours tell from where each pixel of the view comes


@pytest.mark.parametrize("seed", range(8))
def test_the_image_comes_from_where_the_map_says(seed: int):
    batch = where_is_what()
    view = random_view(batch, STRONG, seed)
    u, v = pixel_centres(48, 64)
    square = torch.stack([(u + 0.5) / 64 * 2 - 1, (v + 0.5) / 48 * 2 - 1, torch.ones_like(u)], dim=-1)
    there = square @ matrix_of(batch, STRONG, seed)[0].double().T
    x, y = (there[..., 0] + 1) / 2 * 200 - 0.5, (there[..., 1] + 1) / 2 * 150 - 0.5
    inside = (x > 2) & (x < 197) & (y > 2) & (y < 147)  # at the edge the four samples are not a mean of places
    assert inside.float().mean() > 0.9
    torch.testing.assert_close(view.image[0, 0].double()[inside] * 255, x[inside], atol=2e-3, rtol=0)
    torch.testing.assert_close(view.image[0, 1].double()[inside] * 255, y[inside], atol=2e-3, rtol=0)


@pytest.mark.parametrize("seed", range(8))
def test_depth_comes_from_where_the_image_does(seed: int):
    batch = where_is_what(fx=180, fy=170)
    view = random_view(batch, STRONG, seed)
    colours = F.avg_pool2d(view.image, 2)[0].double() * 255
    focal = math.sqrt(view.intrinsics[0, 0].item() * view.intrinsics[0, 1].item())
    canonical = 518.86 / 640 * math.sqrt(48 * 64 * 4 / 3)
    number = ((view.depth_m[0, 0].double() * focal / canonical - 1) / 1e-4).round()
    x, y = number % 200, (number / 200).floor()
    assert view.valid.all()
    inside = (colours[0] > 2) & (colours[0] < 197) & (colours[1] > 2) & (colours[1] < 147)
    assert (colours[0] - x)[inside].abs().max() < 0.52  # the nearest pixel is at most half a pixel away
    assert (colours[1] - y)[inside].abs().max() < 0.52


@pytest.mark.parametrize("seed", range(8))
def test_the_views_camera_sees_the_same_points(seed: int):
    camera = {"fx": 180.0, "fy": 180.0, "cx": 90.0, "cy": 80.0}
    batch = where_is_what(**camera)
    view = random_view(batch, STRONG, seed)
    u, v = pixel_centres(48, 64)
    colours = view.image[0].double() * 255
    inside = (colours[0] > 2) & (colours[0] < 197) & (colours[1] > 2) & (colours[1] < 147)
    before = torch.complex(*rays(colours[0], colours[1], batch.intrinsics[0]))[inside]
    after = torch.complex(*rays(u, v, view.intrinsics[0]))[inside]
    # A turn about the optical axis and a mirror leave a ray's angle to it as it is …
    torch.testing.assert_close(after.abs(), before.abs(), atol=2e-4, rtol=0)
    # … and turn all rays alike.
    mirrored = matrix_of(batch, STRONG, seed)[0, 0, 0] < 0
    turn = after / (-before.conj() if mirrored else before)
    turn = turn[before.abs() > 0.1]
    assert (turn - turn.mean()).abs().max() < 5e-3
    assert turn.mean().abs().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("seed", range(8))
def test_a_turned_camera_sees_the_same_points_as_far_away(seed: int):
    camera = {"fx": 180.0, "fy": 180.0, "cx": 90.0, "cy": 80.0}
    batch = where_is_what(**camera)
    config = AugmentConfig(mirror=0.5, channel_permutation=0, zoom=3, aspect=1.3, rotation_deg=20, turn=1)
    view = random_view(batch, config, seed, network(96, 128))
    colours = F.avg_pool2d(view.image, 2)[0].double() * 255
    focal = math.sqrt(view.intrinsics[0, 0].item() * view.intrinsics[0, 1].item())
    depth_m = view.depth_m[0, 0].double() * focal / (518.86 / 640 * math.sqrt(96 * 128 * 4 / 3))
    u, v = pixel_centres(48, 64)
    x, y = rays(u * 2 + 0.5, v * 2 + 0.5, view.intrinsics[0])
    before_x, before_y = rays(colours[0], colours[1], batch.intrinsics[0])
    inside = (colours[0] > 2) & (colours[0] < 197) & (colours[1] > 2) & (colours[1] < 147)
    number = (colours[1].round() * 200 + colours[0].round()).clamp(0, 150 * 200 - 1)
    picture_m = 1 + number * 1e-4  # but for the nearest pixel's choice of row, what is seen there
    far, near = depth_m * (1 + x**2 + y**2).sqrt(), picture_m * (1 + before_x**2 + before_y**2).sqrt()
    assert inside.float().mean() > 0.9
    row = 200 * 1e-4
    assert ((far / near - 1).abs()[inside] < 1.1 * row).all()
    assert ((far / near - 1)[inside].mean()).abs() < 0.2 * row
    # The optical axis is where the view's camera says, and angles between rays are as they were.
    a, b = torch.stack([x, y, torch.ones_like(x)], -1)[inside], torch.stack([before_x, before_y, x * 0 + 1], -1)[inside]
    a, b = F.normalize(a, dim=1)[::97], F.normalize(b, dim=1)[::97]
    torch.testing.assert_close(a @ a.T, b @ b.T, atol=2e-4, rtol=0)


def test_a_turned_view_keeps_the_principal_point_that_a_crop_shifts():
    many = repeated(where_is_what(), 32)
    plain = {"mirror": 0, "channel_permutation": 0, "zoom": 3}
    turned = random_view(many, AugmentConfig(**plain, turn=1), 0)
    torch.testing.assert_close(turned.intrinsics[:, 2:], torch.tensor([[31.5, 23.5]]).expand(32, 2), atol=1e-3, rtol=0)
    cropped = random_view(many, AugmentConfig(**plain), 0)
    assert (cropped.intrinsics[:, 2] - 31.5).abs().max() > 5


def test_views_inside_the_frame_do_not_show_it():
    # A frame of 10 pixels in white around black; the mean of four samples may touch its first pixel.
    item = Item(
        0,
        torch.full((3, 120, 160), 255, dtype=torch.uint8),
        torch.zeros(1, 120, 160),
        torch.tensor([120.0, 120, 79.5, 59.5]),
        torch.tensor([10 / 120, 10 / 160]),
    )
    item.image[:, 10:-10, 10:-10] = 0
    item.depth_m[:, 10:-10, 10:-10] = 2
    many = collate([item] * 32)
    config = AugmentConfig(channel_permutation=0, zoom=2, rotation_deg=10, aspect=1.2, turn=0.5)
    assert (random_view(many, config, 0).image == 1).any()
    within = random_view(many, config.model_copy(update={"inside": 1.0}), 0)
    assert within.image[..., 1:-1, 1:-1].max() == 0
    assert within.valid.all()


def test_jpeg_and_cut_depth_change_the_image_alone():
    scene = render_scene(0, 0, 120, 160)
    batch = batch_of(torch.from_numpy(scene.image).permute(2, 0, 1), torch.from_numpy(scene.depth_m))
    plain = random_view(batch, STILL, 0, network(96, 128))
    jpeg = random_view(batch, STILL.model_copy(update={"jpeg": 1.0}), 0, network(96, 128))
    assert 1e-3 < (jpeg.image - plain.image).abs().mean() < 0.1
    cut = random_view(batch, STILL.model_copy(update={"cut_depth": 1.0}), 0, network(96, 128))
    torch.testing.assert_close(cut.depth_m, plain.depth_m)
    changed = (cut.image != plain.image).any(dim=1)[0]
    assert 0.15**2 / 2 < changed.float().mean() < 0.75**2
    shown = F.interpolate(plain.depth_m / 100, (96, 128), mode="nearest")[0, 0]
    torch.testing.assert_close(cut.image[0, :, changed], shown[changed].expand(3, -1))


def test_without_rotation_the_camera_moves_point_by_point():
    config = AugmentConfig(mirror=0, channel_permutation=0, zoom=2.5, aspect=1.4)
    for seed in range(4):
        batch = where_is_what(fx=150, fy=190, cx=90, cy=80)
        view = random_view(batch, config, seed)
        u, v = pixel_centres(48, 64)
        colours = view.image[0].double() * 255
        inside = (colours[0] > 2) & (colours[0] < 197) & (colours[1] > 2) & (colours[1] < 147)
        before, after = rays(colours[0], colours[1], batch.intrinsics[0]), rays(u, v, view.intrinsics[0])
        for axis in (0, 1):
            torch.testing.assert_close(after[axis][inside], before[axis][inside], atol=2e-4, rtol=0)


def test_mirror_flips_image_depth_and_camera_together():
    batch = where_is_what(cx=90)
    plain = random_view(batch, STILL, 0)
    mirrored = random_view(batch, AugmentConfig(mirror=1, channel_permutation=0), 0)
    torch.testing.assert_close(mirrored.image, plain.image.flip(-1))
    # Flipped, the places lie half way between two pixels' centres; the nearest may be the other one.
    torch.testing.assert_close(mirrored.depth_m, plain.depth_m.flip(-1), atol=1e-4, rtol=0)
    assert torch.equal(mirrored.valid, plain.valid.flip(-1))
    fx, fy, cx, cy = plain.intrinsics[0].tolist()
    assert mirrored.intrinsics[0].tolist() == pytest.approx([fx, fy, 63 - cx, cy], rel=1e-5)


def test_mirror_is_drawn_for_each_picture():
    one = where_is_what()
    many = repeated(one, 64)
    view = random_view(many, AugmentConfig(mirror=0.5, channel_permutation=0), 0)
    mirrored = view.image[:, 0, 0, 0] > 0.5
    assert 16 < int(mirrored.sum()) < 48


def test_without_changes_the_view_is_the_resized_picture():
    scene = render_scene(0, 0, 120, 160)
    image, depth_m = torch.from_numpy(scene.image).permute(2, 0, 1), torch.from_numpy(scene.depth_m)
    view = random_view(batch_of(image, depth_m), STILL, 0, network(60, 80))
    resized = F.interpolate(image[None].float() / 255, (60, 80), mode="area")
    assert (view.image - resized).abs().mean() < 1e-3
    # At twice the working size the four samples are the four pixels.
    torch.testing.assert_close(view.image, resized, atol=1e-5, rtol=0)
    smaller = random_view(batch_of(image, depth_m), STILL, 0, network(48, 64))
    resized = F.interpolate(image[None].float() / 255, (48, 64), mode="bilinear", antialias=True)
    assert (smaller.image - resized).abs().mean() < 0.01


def test_every_view_lies_inside_its_picture():
    one = where_is_what(60, 80)
    many = repeated(one, 64)
    config = AugmentConfig(zoom=4, aspect=2, rotation_deg=45)
    for seed in range(4):
        assert random_view(many, config, seed).valid.all()  # outside there is no truth


# Validity


@pytest.mark.parametrize("nothing", [0.0, math.nan, math.inf])
@pytest.mark.parametrize("seed", range(4))
def test_invalid_stays_invalid(seed: int, nothing: float):
    batch = where_is_what()
    batch.depth_m[..., :, 100:] = nothing
    view = random_view(batch, STRONG, seed)
    column = F.avg_pool2d(view.image, 2)[:, :1] * 255
    assert not view.valid[column > 100.1].any()
    assert view.valid[column < 98.9].all()
    assert torch.isfinite(view.depth_m).all()
    assert (view.depth_m[~view.valid] == 0).all()


def test_truth_out_of_the_networks_range_is_invalid():
    batch = batch_of(torch.zeros(3, 64, 64), torch.tensor([0.05, 0.2, 5.0, 20.0]).repeat_interleave(16).repeat(64, 1))
    focal = 518.86 / 640 * math.sqrt(64 * 64 * 4 / 3)
    batch.intrinsics[:, :2] = focal
    view = warp(batch, WHOLE, NetworkConfig(size=(64, 64), min_depth_m=0.1, max_depth_m=10))
    assert view.valid[0, 0, 0].tolist() == [False] * 8 + [True] * 16 + [False] * 8


# Pictures of different sizes in one batch


def white_beside_a_larger_one() -> Batch:
    def item(height: int, width: int, depth_m: float) -> Item:
        image = torch.full((3, height, width), 255, dtype=torch.uint8)
        camera = torch.tensor([100.0, 100.0, (width - 1) / 2, (height - 1) / 2])
        return Item(0, image, torch.full((1, height, width), depth_m), camera)

    return collate([item(40, 50, 3.0), item(90, 70, 4.0), item(30, 120, 5.0)])


def test_pictures_of_other_sizes_keep_their_own():
    batch = white_beside_a_larger_one()
    assert batch.image.shape == (3, 3, 90, 120)
    assert batch.depth_m.shape == (3, 1, 90, 120)
    assert batch.size.tolist() == [[40, 50], [90, 70], [30, 120]]
    assert (batch.depth_m[0, 0, 40:] == 0).all()
    assert (batch.depth_m[0, 0, :, 50:] == 0).all()


@pytest.mark.parametrize("config", [STILL, STRONG], ids=["still", "strong"])
def test_the_canvas_of_smaller_pictures_is_never_seen(config: AugmentConfig):
    for seed in range(5):
        view = random_view(white_beside_a_larger_one(), config, seed)
        torch.testing.assert_close(view.image, torch.ones_like(view.image))
        assert view.valid.all()


@pytest.mark.parametrize("config", [STILL, STRONG], ids=["still", "strong"])
def test_a_picture_looks_the_same_in_any_company(config: AugmentConfig):
    items = []
    for index, (height, width) in enumerate(((60, 80), (96, 72))):
        scene = render_scene(1, index, height, width)
        k = scene.intrinsics
        image, depth_m = torch.from_numpy(scene.image).permute(2, 0, 1), torch.from_numpy(scene.depth_m)[None]
        items.append(Item(index, image, depth_m, torch.tensor([k.fx, k.fy, k.cx, k.cy])))
    together = collate(items)
    matrix = Augment(config, network())._geometry(together, Draws(2, 2))
    both = warp(together, matrix, network())
    for index, item in enumerate(items):
        alone = warp(collate([item]), matrix[index : index + 1], network())
        torch.testing.assert_close(alone.image[0], both.image[index], atol=1e-4, rtol=0)
        torch.testing.assert_close(alone.intrinsics[0], both.intrinsics[index])
        # Rounding may tip the nearest pixel of a place between two.
        assert (alone.depth_m[0] != both.depth_m[index]).float().mean() < 0.01


# Chance


def test_the_same_seed_gives_the_same_view():
    batch = where_is_what()
    first, again, other = (random_view(batch, EVERYTHING, seed) for seed in (7, 7, 8))
    for name in vars(first):
        assert torch.equal(getattr(first, name), getattr(again, name)), name
    assert not torch.equal(first.image, other.image)
    assert not torch.equal(first.intrinsics, other.intrinsics)


def test_channel_permutation_only_permutes():
    shades = torch.tensor([10, 120, 250], dtype=torch.uint8).view(3, 1, 1).expand(3, 48, 64)
    one = batch_of(shades, torch.ones(48, 64))
    many = repeated(one, 100)
    view = random_view(many, AugmentConfig(mirror=0, channel_permutation=1), 0)
    orders = {tuple(round(shade) for shade in row) for row in (view.image[:, :, 0, 0] * 255).tolist()}
    assert orders == set(itertools.permutations((10, 120, 250)))
    assert (view.image - view.image[:, :, :1, :1]).abs().max() < 1e-6
    unchanged = random_view(many, STILL, 0)
    torch.testing.assert_close(unchanged.image[:, :, 0, 0] * 255, torch.tensor([[10.0, 120.0, 250.0]]).expand(100, 3))


@pytest.mark.parametrize(("setting", "share"), [("paper", 0.25 * 5 / 6), ("code", 0.5 * 5 / 7), (0.6, 0.6 * 5 / 6)])
def test_the_share_of_pictures_whose_colours_change(setting, share: float):
    shades = torch.tensor([10, 120, 250], dtype=torch.uint8).view(3, 1, 1).expand(3, 2, 2)
    many = repeated(batch_of(shades, torch.ones(2, 2)), 20_000)
    augment = Augment(AugmentConfig(mirror=0, channel_permutation=setting), network())
    image = augment._colours(many.image / 255, Draws(0, 20_000))
    changed = (image[:, :, 0, 0] != many.image[0, :, 0, 0] / 255).any(dim=1).float().mean().item()
    assert changed == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 20_000))


def test_a_picture_draws_the_same_however_its_batch_is_dealt_out():
    whole = repeated(where_is_what(), 6)
    view = Augment(EVERYTHING, network())(whole, Draws(3, 6))
    for places in ([0, 2, 4], [1, 3, 5], [4]):
        share = Augment(EVERYTHING, network())(repeated(where_is_what(), len(places)), Draws(3, 6, places))
        for name in vars(view):
            torch.testing.assert_close(getattr(share, name), getattr(view, name)[places])


@pytest.mark.parametrize(
    "colours",
    [
        {"channel_permutation": 1.0},
        {"colour": 1.0},
        {"blur": 1.0},
        {"noise": 0.2},
        {"erase": 1.0},
        {"colour": 2.0, "blur": 1.0, "noise": 0.2, "erase": 1.0},
    ],
    ids="-".join,
)
def test_colours_change_and_geometry_does_not(colours: dict[str, float]):
    batch = where_is_what()
    plain = random_view(batch, STRONG, 4)
    view = random_view(batch, STRONG.model_copy(update=colours), 4)
    assert torch.equal(view.depth_m, plain.depth_m)
    assert torch.equal(view.valid, plain.valid)
    assert torch.equal(view.intrinsics, plain.intrinsics)
    assert not torch.equal(view.image, plain.image)
    assert view.image.min() >= 0
    assert view.image.max() <= 1
    assert torch.isfinite(view.image).all()


def test_erasing_paints_one_rectangle_of_one_colour():
    batch = batch_of(torch.zeros(3, 48, 64), torch.ones(48, 64))
    view = random_view(batch, STILL.model_copy(update={"erase": 1.0}), 1)
    painted = (view.image[0] != 0).any(0)
    rows, columns = painted.any(1).nonzero().flatten(), painted.any(0).nonzero().flatten()
    assert painted[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
    assert int(painted.sum()) == len(rows) * len(columns)
    assert len(view.image[0][:, painted].unique(dim=1)[0]) == 1
    assert 1 <= len(rows) <= 48 / 3 + 1
    assert 1 <= len(columns) <= 64 / 3 + 1
