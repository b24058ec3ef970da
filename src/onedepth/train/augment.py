"""Random changes to a batch of pairs, on whatever device the batch lies.

Geometry is one projective map per sample that takes image, depth, validity and intrinsics along. Cropping and
zooming change the focal length that a picture seems to have, so depth is divided by the same factor: what
comes out are metres *for the canonical focal*, which is what the network learns. A view from the picture's side is
either a crop, whose principal point then lies elsewhere, or (`turn`) what the camera would have seen, had it been
turned there: depth is then along the turned axis.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from onedepth.train.draws import Draws
from onedepth.train.recipe import AugmentConfig, NetworkConfig

ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
PERMUTATIONS = {
    # Setting: probability, and the orders drawn from, all alike. arXiv 1812.11941, and its authors' code.
    "paper": (0.25, ORDERS),
    "code": (0.5, ((0, 1, 2), *ORDERS)),
}


JPEG_QUALITY = (25, 95)
MOST_FOR_ONE_SAMPLE = 1.35
"""Pixels of a picture for each of the view, up to which one bilinear sample for each is enough."""


@dataclass(frozen=True)
class Batch:
    """Pairs as a loader stacks them.

    Attributes:
        image: uint8 `[N, 3, H, W]`, RGB; smaller pictures lie at the top left.
        depth_m: float32 `[N, 1, H, W]`, 0 where there is no truth.
        intrinsics: float32 `[N, 4]`: fx, fy, cx, cy in pixels of `image`.
        size: float32 `[N, 2]`: height and width of each picture in `image`.
        number: int64 `[N]`: which pair of the data set each one is.
        border: float32 `[N, 2]`: share of height and width at each side that is no picture (NYU's white frame).
        damaged: one message for each pair that was left out because it could not be read.
        damaged_beside: likewise, of those beside the data set.
    """

    image: Tensor
    depth_m: Tensor
    intrinsics: Tensor
    size: Tensor
    number: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    damaged: tuple[str, ...] = ()
    damaged_beside: tuple[str, ...] = ()
    border: Tensor = field(default_factory=lambda: torch.zeros(1, 2))

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same in memory that a GPU reads from directly; a loader asks for it."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        tensors = {key: value for key, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **{key: change(value) for key, value in tensors.items()})


@dataclass(frozen=True)
class View:
    """What the network sees of a batch, and what it should answer.

    Attributes:
        image: float `[N, 3, h, w]` in [0, 1].
        depth_m: float `[N, 1, h/r, w/r]`, r being the decoder's reduction (2): metres for the canonical focal; 0 where
            invalid.
        valid: bool `[N, 1, h/r, w/r]`.
        intrinsics: float `[N, 4]` in pixels of `image`; skew and rotation are not in it.
    """

    image: Tensor
    depth_m: Tensor
    valid: Tensor
    intrinsics: Tensor


class Augment:
    """Batch → View. All randomness comes from `draws`, so a step can be repeated exactly."""

    def __init__(self, config: AugmentConfig, network: NetworkConfig) -> None:
        self.config = config
        self.network = network

    def __call__(self, batch: Batch, draws: Draws) -> View:
        """One random view of each pair."""
        view = warp(batch, self._geometry(batch, draws), self.network)
        image = view.image
        if self.config.cut_depth:
            image = self._cut_depth(view, draws)
        return replace(view, image=self._colours(image, draws))

    def _geometry(self, batch: Batch, draws: Draws) -> Tensor:
        """Projective maps `[N, 3, 3]` from the view's [-1, 1] square to the picture's."""
        config, count = self.config, len(batch.image)

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * draws.uniform()

        # Half of the zoomed views are close to the whole picture, which is what the network will be given.
        zoom = 1 + (config.zoom - 1) * draws.uniform() ** 2
        stretch = torch.exp(uniform(-1, 1) * math.log(config.aspect))
        angle = uniform(-1, 1) * math.radians(config.rotation_deg)
        mirrored = draws.uniform() < config.mirror
        scale_x, scale_y = stretch.sqrt() / zoom, 1 / stretch.sqrt() / zoom
        height, width = batch.size[:, 0].cpu(), batch.size[:, 1].cpu()
        aspect = width / height
        # Half extents of the rotated view on both axes must stay inside the picture, or inside its frame.
        cos, sin = angle.cos(), angle.sin()
        extent_x = scale_x * cos.abs() + scale_y * sin.abs() / aspect
        extent_y = scale_y * cos.abs() + scale_x * sin.abs() * aspect
        room_x, room_y = torch.ones(count), torch.ones(count)
        if config.inside:
            within = (draws.uniform() < config.inside).float()
            border = batch.border.cpu().expand(count, 2)
            room_y, room_x = 1 - 2 * border[:, 0] * within, 1 - 2 * border[:, 1] * within
        shrink = 1 / torch.maximum(torch.maximum(extent_x / room_x, extent_y / room_y), torch.ones(count))
        scale_x, scale_y, extent_x, extent_y = (v * shrink for v in (scale_x, scale_y, extent_x, extent_y))
        shift_x, shift_y = uniform(-1, 1) * (room_x - extent_x), uniform(-1, 1) * (room_y - extent_y)
        flip = torch.where(mirrored, -1.0, 1.0)
        nothing, one = torch.zeros(count), torch.ones(count)
        rows = [flip * scale_x * cos, -scale_y * sin / aspect, shift_x]
        rows += [flip * scale_x * sin * aspect, scale_y * cos, shift_y, nothing, nothing, one]
        crop = torch.stack(rows, dim=1).view(count, 3, 3)
        if config.turn:
            turned = turned_views(crop, _to_rays(batch).cpu(), torch.stack([room_x, room_y], dim=1))
            crop = torch.where((draws.uniform() < config.turn)[:, None, None], turned, crop)
        return crop.to(batch.size.device)

    def _colours(self, image: Tensor, draws: Draws) -> Tensor:
        config = self.config

        def rand(*shape: int) -> Tensor:
            return draws.uniform(*shape).to(image.device)

        setting = config.channel_permutation
        probability, orders = PERMUTATIONS[setting] if isinstance(setting, str) else (setting, ORDERS)
        order = torch.tensor(orders)[draws.below(len(orders))]
        changed = (draws.uniform() < probability) & (order != torch.arange(3)).any(dim=1)
        for index in changed.nonzero().flatten().tolist():
            image[index] = image[index, order[index]]
        if config.colour:
            strength = config.colour
            gain = torch.exp((rand(1, 1, 1) * 2 - 1) * 0.4 * strength + (rand(3, 1, 1) * 2 - 1) * 0.15 * strength)
            gamma = torch.exp((rand(1, 1, 1) * 2 - 1) * 0.3 * strength)
            image = (image * gain).clamp(1e-4, 1) ** gamma
            grey = image.mean(dim=1, keepdim=True)
            image = grey + (image - grey) * (1 + (rand(1, 1, 1) * 2 - 1) * 0.5 * strength)
            middle = image.mean(dim=(1, 2, 3), keepdim=True)
            image = middle + (image - middle) * torch.exp((rand(1, 1, 1) * 2 - 1) * 0.3 * strength)
        if config.blur:
            chosen = (draws.uniform() < config.blur).nonzero().flatten().to(image.device)
            image[chosen] = _soft(image[chosen])
        if config.noise:
            image = image + draws.normal_like(image) * rand(1, 1, 1) * config.noise
        if config.erase:
            image = self._erase(image, rand)
        image = image.clamp(0, 1)
        if config.jpeg:
            low, high = JPEG_QUALITY
            quality = (low + (high - low) * draws.uniform()).int()
            for index in (draws.uniform() < config.jpeg).nonzero().flatten().tolist():
                image[index] = _through_jpeg(image[index], int(quality[index]))
        return image

    def _cut_depth(self, view: View, draws: Draws) -> Tensor:
        """Paint a rectangle of the truth over the image, near dark and far bright (Ishii & Yamashita 2021, CutDepth).

        Where there is no truth the picture stays.
        """
        inside = _rectangle(view.image, lambda *shape: draws.uniform(*shape).to(view.image.device), 0.15, 0.75)
        inside = inside & (draws.uniform(1, 1, 1).to(inside.device) < self.config.cut_depth)
        size = view.image.shape[-2:]
        grey = F.interpolate(view.depth_m / self.network.max_depth_m, size, mode="nearest")
        valid = F.interpolate(view.valid.float(), size, mode="nearest") > 0
        return torch.where(inside & valid, grey, view.image)

    def _erase(self, image: Tensor, rand: Callable[..., Tensor]) -> Tensor:
        """Paint over a rectangle of up to a third of each side: depth from context, not texture alone."""
        painted = _rectangle(image, rand, 0.05, 0.33) & (rand(1, 1, 1) < self.config.erase)
        return torch.where(painted, rand(3, 1, 1).expand_as(image), image)


def _rectangle(image: Tensor, rand: Callable[..., Tensor], least: float, most: float) -> Tensor:
    """A random rectangle in each image, as bool `[N, 1, H, W]`; its sides are shares of the image's."""
    height, width = image.shape[-2:]
    rows = torch.arange(height, device=image.device).view(1, 1, -1, 1) / height
    columns = torch.arange(width, device=image.device).view(1, 1, 1, -1) / width
    size_y, size_x = least + rand(1, 1, 1) * (most - least), least + rand(1, 1, 1) * (most - least)
    top, left = rand(1, 1, 1) * (1 - size_y), rand(1, 1, 1) * (1 - size_x)
    return (rows >= top) & (rows < top + size_y) & (columns >= left) & (columns < left + size_x)


def _soft(image: Tensor) -> Tensor:
    """Blurred by [1 2 1] / 4 along both axes. By sums: a convolution of one channel is many times slower on a CPU."""
    across = F.pad(image, (1, 1, 0, 0), mode="replicate")
    image = (across[..., :-2] + across[..., 2:]) / 4 + image / 2
    down = F.pad(image, (0, 0, 1, 1), mode="replicate")
    return (down[..., :-2, :] + down[..., 2:, :]) / 4 + image / 2


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    """One image `[3, H, W]` in [0, 1], compressed and read again."""
    stored = io.BytesIO()
    Image.fromarray((image * 255).round().byte().permute(1, 2, 0).cpu().numpy()).save(stored, "JPEG", quality=quality)
    with Image.open(stored) as read:
        return torch.from_numpy(np.array(read)).permute(2, 0, 1).to(image.device) / 255


def warp(batch: Batch, matrix: Tensor, network: NetworkConfig) -> View:
    """The view of each picture that a projective map `[N, 3, 3]` selects, at the network's working size.

    The map takes (x, y, 1) in the view's [-1, 1] square to the picture's, up to a factor: the depth along the
    picture's axis of a point at depth 1 along the view's. The image is averaged over 2×2 samples per pixel, which keeps
    a reduction by two free of aliasing; depth takes the nearest pixel, never a mean across an edge. Beyond the picture
    its edge goes on, without a truth.
    """
    height, width = network.size
    rays = _to_rays(batch) @ matrix  # of the view's square; the turn of the camera is still in them
    side_x, side_y = rays[:, :, 0].norm(dim=1), rays[:, :, 1].norm(dim=1)
    fx, fy = width / 2 / side_x, height / 2 / side_y
    # Pictures that were stored about as small as the view need no more than a sample each.
    samples = 1 if bool((batch.intrinsics[:, 0] < MOST_FOR_ONE_SAMPLE * fx).all()) else 2
    image = F.grid_sample(
        batch.image.float() / 255,
        _inside(batch, _grid(batch, matrix, samples * height, samples * width)[0]),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    if samples > 1:
        image = F.avg_pool2d(image, samples)
    reduction = network.decoder.reduction
    answer, along_axis = _grid(batch, matrix, height // reduction, width // reduction)
    depth = F.grid_sample(batch.depth_m, answer, mode="nearest", align_corners=False)[:, 0] / along_axis
    cx, cy = _principal_point(rays, height, width)
    # canonical depth = depth · f_canonical / f, both as seen at the working size
    canonical_px = network.canonical_focal * math.sqrt(height * width * 4 / 3)
    depth = (depth * (canonical_px / (fx * fy).sqrt()).view(-1, 1, 1))[:, None]
    valid = (depth >= network.min_depth_m) & (depth <= network.max_depth_m)
    return View(image, torch.where(valid, depth, 0.0), valid, torch.stack([fx, fy, cx, cy], dim=1))


def turned_views(crop: Tensor, to_rays: Tensor, room: Tensor) -> Tensor:
    """What the camera sees when it is turned to where a crop lies, instead of shifting the crop there.

    Args:
        crop: `[N, 3, 3]`, affine maps from the view's square to the picture's.
        to_rays: `[N, 3, 3]`, from the picture's square to rays (x, y, 1) of its camera.
        room: `[N, 2]`: views stay within ± this much of the picture's square; those that would not are turned less.

    Returns:
        Projective maps `[N, 3, 3]`, as `warp` takes them.
    """
    corners = torch.tensor([[-1.0, 1.0, -1.0, 1.0], [-1.0, -1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    # The same view from the middle: what is turned. Its principal point is where the picture's is.
    middle = crop.clone()
    middle[:, :2, 2] = 0
    # As a shift moves the centre to a place, so the turn does: from the central ray to that place's.
    rays = to_rays @ middle
    rays[:, :2, 2] = to_rays[:, :2, 2] * middle[:, :2, :2].det().abs().sqrt()[:, None]
    result = crop
    found = torch.zeros(len(crop), dtype=torch.bool)
    for share in (1.0, 0.8, 0.6, 0.4, 0.2, 0.0):
        target = (to_rays @ torch.cat([share * crop[:, :2, 2], torch.ones(len(crop), 1)], dim=1)[..., None])[..., 0]
        turned = torch.linalg.solve(to_rays, _turn(rays[:, :, 2], target) @ rays)
        there = turned @ corners
        inside = ((there[:, :2] / there[:, 2:]).abs() <= room[..., None] + 1e-6).all(dim=2).all(dim=1)
        result = torch.where((inside & ~found)[:, None, None], turned, result)
        found = found | inside
    return result


def _turn(start: Tensor, end: Tensor) -> Tensor:
    """The least rotation `[N, 3, 3]` that takes one ray's direction to another's (Rodrigues' formula)."""
    start, end = F.normalize(start, dim=1), F.normalize(end, dim=1)
    x, y, z = torch.linalg.cross(start, end, dim=1).unbind(dim=1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    cos = (start * end).sum(dim=1).view(-1, 1, 1)
    return torch.eye(3, device=start.device) + cross + cross @ cross / (1 + cos)


def _to_rays(batch: Batch) -> Tensor:
    """From each picture's [-1, 1] square to rays (x, y, 1) of its camera `[N, 3, 3]`."""
    half = batch.size.flip(1) / 2
    focal, centre = batch.intrinsics[:, :2], batch.intrinsics[:, 2:]
    result = torch.zeros(len(half), 3, 3, device=half.device)
    result[:, 0, 0], result[:, 1, 1], result[:, 2, 2] = half[:, 0] / focal[:, 0], half[:, 1] / focal[:, 1], 1
    result[:, :2, 2] = (half - 0.5 - centre) / focal
    return result


def _grid(batch: Batch, matrix: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where a view's pixels lie on the batch's canvas `[N, h, w, 2]`, and the map's factor there `[N, h, w]`."""
    x = (torch.arange(width, device=matrix.device) * 2 + 1) / width - 1
    y = (torch.arange(height, device=matrix.device) * 2 + 1) / height - 1
    column, row, middle = (matrix[:, None, None, :, i] for i in range(3))
    place = x.view(1, 1, -1, 1) * column + (y.view(1, -1, 1, 1) * row + middle)
    grid = place[..., :2] / place[..., 2:]
    # Pictures smaller than the batch's canvas lie at its top left.
    share = batch.size.flip(1) / torch.tensor(batch.image.shape[-2:][::-1], device=batch.size.device)
    return (grid + 1) * share[:, None, None, :] - 1, place[..., 2]


def _inside(batch: Batch, grid: Tensor) -> Tensor:
    """The grid, held inside the centres of each picture's outermost pixels: beyond them the canvas begins."""
    canvas = torch.tensor(batch.image.shape[-2:][::-1], device=grid.device)
    low = (1 / canvas - 1).expand(len(grid), 2)
    high = (2 * batch.size.flip(1) - 1) / canvas - 1
    return torch.maximum(torch.minimum(grid, high[:, None, None, :]), low[:, None, None, :])


def _principal_point(rays: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where the view's optical axis, upright on what its two sides span, lies in the view, in its pixels."""
    axis = torch.linalg.cross(rays[:, :, 0], rays[:, :, 1], dim=1)
    there = torch.linalg.solve(rays, axis)
    return (there[:, 0] / there[:, 2] + 1) / 2 * width - 0.5, (there[:, 1] / there[:, 2] + 1) / 2 * height - 0.5
