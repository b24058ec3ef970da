"""The training step and the measuring of a run, for Lightning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from onedepth.canonical import canonical_focal_px, working_size
from onedepth.data.pair import Pair
from onedepth.depth import Intrinsics
from onedepth.errors import TrainingError
from onedepth.evaluate import Report, evaluate
from onedepth.protocols import PROTOCOLS
from onedepth.train.augment import Augment, Batch
from onedepth.train.draws import Draws
from onedepth.train.loader import Items, rank_and_processes, train_loader
from onedepth.train.losses import total_loss
from onedepth.train.network import DepthNetwork, depth_to_reciprocal
from onedepth.train.recipe import Recipe, Schedule
from onedepth.train.sources import open_source


class DepthModule(pl.LightningModule):
    """One recipe's network in training."""

    def __init__(self, recipe: Recipe, encoder_weights: str | None = None) -> None:
        """Args: `encoder_weights` replaces the recipe's ("random" where a checkpoint follows anyway)."""
        super().__init__()
        self.recipe = recipe
        self.network = DepthNetwork(recipe.network, encoder_weights)
        if recipe.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)  # pyright: ignore
        self.augment = Augment(recipe.augment, recipe.network)
        self.report: Report | None = None
        self.val_pairs: Sequence[Pair] = []
        self.samples: list[tuple[Pair, NDArray[np.float32]]] = []

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the recipe's training pairs."""
        recipe = self.recipe
        data = recipe.data
        items = Items(open_source(data.train), recipe.network.size, data.cache, data.border_px)
        return train_loader(items, recipe.schedule.batch_size, data.workers, recipe.seed)

    def val_dataloader(self) -> list[int]:
        """One index; the pairs are measured through `onedepth.evaluate`, as a model file's are."""
        self.val_pairs = open_source(self.recipe.data.val)
        return [0]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch's tensors."""
        del dataloader_idx
        return Batch(*(tensor.to(device) for tensor in vars(batch).values())) if isinstance(batch, Batch) else batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch of random views."""
        del batch_idx
        # Seeded by the step, not by a running state: a resumed run draws what the undisturbed one would have.
        rank, _ = rank_and_processes()
        seed = self.recipe.seed * 1_000_003 + self.global_step + (rank << 40)
        draws = Draws(seed, len(batch.image))
        torch.manual_seed(seed)  # dropout's
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            view = self.augment(batch, draws)
        image = view.image.contiguous(memory_format=torch.channels_last) if self.recipe.channels_last else view.image
        prediction = self.network(image)
        truth = depth_to_reciprocal(view.depth_m, view.valid, self.recipe.network.max_depth_m)
        with torch.autocast(self.device.type, enabled=False):
            losses = total_loss(self.recipe.loss, prediction, truth, view.valid)
        if not bool(torch.isfinite(losses["loss"])):
            raise TrainingError(
                f"loss is {losses['loss'].item()} at step {self.global_step}, so training stopped; the run's last.ckpt "
                "is from before, if an epoch was finished; try a lower schedule.learning_rate, or gradient_clip"
            )
        self.log("loss", losses["loss"].detach(), prog_bar=True, batch_size=len(image))
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, batch_size=len(image))
        return losses["loss"]

    @torch.no_grad()
    def predict_m(self, image: NDArray[np.uint8], intrinsics: Intrinsics) -> NDArray[np.float32]:
        """Depth of one image by the torch network, step for step as the model file does it.

        Args:
            image: uint8 `[H, W, 3]`.
            intrinsics: camera in pixels of `image`.

        Returns:
            float32 `[H, W]`, metres.
        """
        height, width = image.shape[:2]
        tensor = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float()
        with torch.autocast(self.device.type, enabled=False):  # a model file computes in float32
            depth = self.canonical_m(tensor)[0, 0].cpu().numpy()
        scale = intrinsics.focal_px / canonical_focal_px(height, width, self.recipe.network.canonical_focal)
        return (depth * scale).astype(np.float32)

    def canonical_m(self, image: Tensor) -> Tensor:
        """Metres for the canonical focal `[N, 1, H, W]` of images `[N, 3, H, W]` on the 0…255 scale."""
        config = self.recipe.network
        height, width = image.shape[-2:]
        area = config.size[0] * config.size[1]
        size = working_size(height, width, area, self.network.stride)
        small = F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False) / 255
        depth = self.network.depth_m(self.network(small).float())
        full = F.interpolate(depth, (height, width), mode="bilinear", antialias=True, align_corners=False)
        return full * math.sqrt(size[0] * size[1] / area)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure every val pair by the recipe's protocol."""
        del batch, batch_idx
        self.samples = []
        self.report = evaluate(self.predict_m, self.val_pairs, PROTOCOLS[self.recipe.validation.protocol])
        step = max(1, len(self.val_pairs) // 4)
        for index in list(range(0, len(self.val_pairs), step))[:4]:
            pair = self.val_pairs[index]
            self.samples.append((pair, self.predict_m(pair.image, pair.intrinsics)))
        self.log_dict({f"val/{name}": value for name, value in self.report.metrics.items()}, batch_size=1)
        self.log("val_delta1", self.report.metrics["delta1"], prog_bar=True, logger=False, batch_size=1)

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser and learning-rate curve."""
        schedule = self.recipe.schedule
        encoder = [p for p in self.network.encoder.parameters() if p.requires_grad]
        known = {id(p) for p in encoder}
        rest = [p for p in self.network.parameters() if p.requires_grad and id(p) not in known]
        rate = schedule.learning_rate
        groups = [{"params": encoder, "lr": rate * schedule.encoder_rate}, {"params": rest, "lr": rate}]
        if schedule.optimizer == "adamw":
            optimizer: torch.optim.Optimizer = torch.optim.AdamW(groups, weight_decay=schedule.weight_decay)
        else:
            optimizer = torch.optim.Adam(groups, weight_decay=schedule.weight_decay, amsgrad=True)
        steps = int(self.trainer.estimated_stepping_batches)
        curve = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, steps, schedule))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": curve, "interval": "step"}}


def rate_at(step: int, steps: int, schedule: Schedule) -> float:
    """Learning rate at a step, as a share of its peak."""
    warmup = max(1, round(schedule.warmup * steps))
    if step < warmup and schedule.warmup:
        return (step + 1) / warmup
    if schedule.curve == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
