"""Random changes to a batch of pairs, on whatever device the batch lies.

Geometry is one affine map per sample that takes image, depth, validity and intrinsics along. Cropping and
zooming change the focal length that a picture seems to have, so depth is divided by the same factor: what
comes out are metres *for the canonical focal*, which is what the network learns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
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


@dataclass(frozen=True)
class Batch:
    """Pairs as a loader stacks them.

    Attributes:
        image: uint8 `[N, 3, H, W]`, RGB; smaller pictures lie at the top left.
        depth_m: float32 `[N, 1, H, W]`, 0 where there is no truth.
        intrinsics: float32 `[N, 4]`: fx, fy, cx, cy in pixels of `image`.
        size: float32 `[N, 2]`: height and width of each picture in `image`.
        number: int64 `[N]`: which pair of the data set each one is.
        damaged: one message for each pair that was left out because it could not be read.
    """

    image: Tensor
    depth_m: Tensor
    intrinsics: Tensor
    size: Tensor
    number: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    damaged: tuple[str, ...] = ()

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        moved = {key: value.to(device, non_blocking=True) for key, value in vars(self).items() if key != "damaged"}
        return Batch(**moved, damaged=self.damaged)

    def pin_memory(self) -> Batch:
        """The same in memory that a GPU reads from directly; a loader asks for it."""
        pinned = {key: value.pin_memory() for key, value in vars(self).items() if key != "damaged"}
        return Batch(**pinned, damaged=self.damaged)


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
        return replace(view, image=self._colours(view.image, draws))

    def _geometry(self, batch: Batch, draws: Draws) -> Tensor:
        """Affine maps `[N, 2, 3]` from the view's [-1, 1] square to the picture's."""
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
        # Half extents of the rotated view on both axes must stay inside the picture.
        cos, sin = angle.cos(), angle.sin()
        extent_x = scale_x * cos.abs() + scale_y * sin.abs() / aspect
        extent_y = scale_y * cos.abs() + scale_x * sin.abs() * aspect
        shrink = 1 / torch.maximum(torch.maximum(extent_x, extent_y), torch.ones(count))
        scale_x, scale_y, extent_x, extent_y = (v * shrink for v in (scale_x, scale_y, extent_x, extent_y))
        shift_x, shift_y = uniform(-1, 1) * (1 - extent_x), uniform(-1, 1) * (1 - extent_y)
        flip = torch.where(mirrored, -1.0, 1.0)
        rows = [
            flip * scale_x * cos,
            -scale_y * sin / aspect,
            shift_x,
            flip * scale_x * sin * aspect,
            scale_y * cos,
            shift_y,
        ]
        return torch.stack(rows, dim=1).view(count, 2, 3).to(batch.size.device)

    def _colours(self, image: Tensor, draws: Draws) -> Tensor:
        config = self.config

        def rand(*shape: int) -> Tensor:
            return draws.uniform(*shape).to(image.device)

        setting = config.channel_permutation
        probability, orders = PERMUTATIONS[setting] if isinstance(setting, str) else (setting, ORDERS)
        order = torch.tensor(orders)[draws.below(len(orders))]
        order = torch.where((draws.uniform() < probability)[:, None], order, torch.arange(3)).to(image.device)
        image = image.gather(1, order[:, :, None, None].expand_as(image))
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
            kernel = torch.tensor([0.25, 0.5, 0.25], device=image.device)
            soft = F.conv2d(
                F.pad(image, (1, 1, 1, 1), mode="replicate").flatten(0, 1)[:, None],
                torch.outer(kernel, kernel)[None, None],
            )
            image = torch.where(rand(1, 1, 1) < config.blur, soft.view_as(image), image)
        if config.noise:
            image = image + draws.normal_like(image) * rand(1, 1, 1) * config.noise
        if config.erase:
            image = self._erase(image, rand)
        return image.clamp(0, 1)

    def _erase(self, image: Tensor, rand: Callable[..., Tensor]) -> Tensor:
        """Paint over a rectangle of up to a third of each side: depth from context, not texture alone."""
        height, width = image.shape[-2:]
        rows = torch.arange(height, device=image.device).view(1, 1, -1, 1) / height
        columns = torch.arange(width, device=image.device).view(1, 1, 1, -1) / width
        size_y, size_x = 0.05 + rand(1, 1, 1) * 0.28, 0.05 + rand(1, 1, 1) * 0.28
        top, left = rand(1, 1, 1) * (1 - size_y), rand(1, 1, 1) * (1 - size_x)
        inside = (rows >= top) & (rows < top + size_y) & (columns >= left) & (columns < left + size_x)
        painted = inside & (rand(1, 1, 1) < self.config.erase)
        return torch.where(painted, rand(3, 1, 1).expand_as(image), image)


def warp(batch: Batch, matrix: Tensor, network: NetworkConfig) -> View:
    """The view of each picture that an affine map `[N, 2, 3]` selects, at the network's working size.

    The map takes (x, y) in the view's [-1, 1] square to the picture's. The image is averaged over 2×2 samples
    per pixel, which keeps a reduction by two free of aliasing; depth takes the nearest pixel, never a mean
    across an edge. Beyond the picture its edge goes on, without a truth.
    """
    height, width = network.size
    picture_h, picture_w = batch.size[:, 0], batch.size[:, 1]
    image = F.grid_sample(
        batch.image.float() / 255,
        _inside(batch, _grid(batch, matrix, 2 * height, 2 * width)),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    image = F.avg_pool2d(image, 2)
    reduction = network.decoder.reduction
    answer = _grid(batch, matrix, height // reduction, width // reduction)
    depth = F.grid_sample(batch.depth_m, answer, mode="nearest", align_corners=False)
    # Pixels of the view per pixel of the picture, along the view's axes.
    side_x = torch.hypot(matrix[:, 0, 0] * picture_w, matrix[:, 1, 0] * picture_h)
    side_y = torch.hypot(matrix[:, 0, 1] * picture_w, matrix[:, 1, 1] * picture_h)
    fx, fy = batch.intrinsics[:, 0] * width / side_x, batch.intrinsics[:, 1] * height / side_y
    cx, cy = _principal_point(batch, matrix, height, width)
    # canonical depth = depth · f_canonical / f, both as seen at the working size
    canonical_px = network.canonical_focal * math.sqrt(height * width * 4 / 3)
    depth = depth * (canonical_px / (fx * fy).sqrt()).view(-1, 1, 1, 1)
    valid = (depth >= network.min_depth_m) & (depth <= network.max_depth_m)
    return View(image, torch.where(valid, depth, 0.0), valid, torch.stack([fx, fy, cx, cy], dim=1))


def _grid(batch: Batch, matrix: Tensor, height: int, width: int) -> Tensor:
    grid = F.affine_grid(matrix, [len(matrix), 1, height, width], align_corners=False)
    # Pictures smaller than the batch's canvas lie at its top left.
    share = batch.size.flip(1) / torch.tensor(batch.image.shape[-2:][::-1], device=batch.size.device)
    return (grid + 1) * share[:, None, None, :] - 1


def _inside(batch: Batch, grid: Tensor) -> Tensor:
    """The grid, held inside the centres of each picture's outermost pixels: beyond them the canvas begins."""
    canvas = torch.tensor(batch.image.shape[-2:][::-1], device=grid.device)
    low = (1 / canvas - 1).expand(len(grid), 2)
    high = (2 * batch.size.flip(1) - 1) / canvas - 1
    return torch.maximum(torch.minimum(grid, high[:, None, None, :]), low[:, None, None, :])


def _principal_point(batch: Batch, matrix: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where the picture's principal point lies in the view, in its pixels."""
    centre = (
        torch.stack(
            [
                (batch.intrinsics[:, 2] + 0.5) / batch.size[:, 1],
                (batch.intrinsics[:, 3] + 0.5) / batch.size[:, 0],
            ],
            1,
        )
        * 2
        - 1
    )
    there = torch.linalg.solve(matrix[:, :, :2], centre - matrix[:, :, 2])
    return (there[:, 0] + 1) / 2 * width - 0.5, (there[:, 1] + 1) / 2 * height - 0.5
