"""The training step and the measuring of a run, for Lightning."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from onedepth.canonical import canonical_focal_px, working_size
from onedepth.data.pair import Pair, PairData
from onedepth.depth import Intrinsics
from onedepth.errors import DataError, TrainingError
from onedepth.evaluate import Report, evaluate
from onedepth.protocols import PROTOCOLS
from onedepth.train.augment import Augment, Batch
from onedepth.train.draws import Draws
from onedepth.train.loader import Items, Share, train_loader, worker_count
from onedepth.train.losses import UNCERTAINTY_WEIGHT, total_loss, uncertainty
from onedepth.train.network import DepthNetwork, depth_to_reciprocal
from onedepth.train.processes import launched, mean_over_processes, rank_and_processes
from onedepth.train.recipe import Recipe, Schedule
from onedepth.train.sources import RealSource, open_source


class DepthModule(pl.LightningModule):
    """One recipe's network in training."""

    def __init__(self, recipe: Recipe, encoder_weights: str | None = None) -> None:
        """Args: `encoder_weights` replaces the recipe's ("random" where a checkpoint follows anyway)."""
        super().__init__()
        self.recipe = recipe
        self.network = DepthNetwork(recipe.network, encoder_weights)
        if recipe.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)  # pyright: ignore
        # Of the method, not of the module: a compiled module would stand in every checkpoint a second time.
        self._compiled = torch.compile(self.network.answers) if recipe.compile else None
        self.augment = Augment(recipe.augment, recipe.network)
        self.share = Share(recipe.schedule.batch_size, recipe.schedule.accumulate)
        self.steps_done = 0
        self.train_pairs: PairData | None = None
        self.beside_pairs: PairData | None = None
        self.val_pairs: Sequence[Pair] | None = None
        self.report: Report | None = None
        self.samples: list[tuple[Pair, NDArray[np.float32]]] = []
        self.curve: list[Tensor] = []
        self.left_out: dict[str, None] = {}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the recipe's training pairs, from where a checkpoint left off."""
        recipe, data = self.recipe, self.recipe.data
        rank, processes = rank_and_processes()
        self.share = replace(self.share, rank=rank, processes=processes)
        items = Items(
            self._train_pairs(),
            recipe.network.size,
            data.cache,
            data.border_px,
            area=data.area,
            beside=self._beside_pairs(),
        )
        workers = worker_count(data.workers, data.cache, launched().per_node)
        return train_loader(items, self.share, workers, recipe.seed, self.steps_done, beside_share=data.beside_share)

    def on_fit_start(self) -> None:
        """Lightning leaves each part in the mode in which it was built: the network must be told what is frozen."""
        self.train()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember how far the run had come."""
        self.steps_done = int(checkpoint["global_step"])

    def val_dataloader(self) -> list[int]:
        """One index; the pairs are measured through `onedepth.evaluate`, as a model file's are."""
        return [0]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch's tensors."""
        del dataloader_idx
        return batch.to(device) if isinstance(batch, Batch) else batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch of random views."""
        self._leave_out(batch)
        # Seeded by the step, not by a running state: a resumed run draws what the undisturbed one would have.
        seed = self.recipe.seed * 1_000_003 + self.global_step
        places = self.share.places(batch_idx % self.share.accumulate)[: len(batch.image)]
        torch.manual_seed(seed + (places[0] << 40))  # dropout's
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            view = self.augment(batch, Draws(seed, self.share.batch_size, places))
        image = view.image.to(self.network.mean.dtype)  # float64 where the recipe says so
        if self.recipe.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        answers = self._forward(image)
        prediction = answers[:, :1]
        truth = depth_to_reciprocal(view.depth_m.to(image.dtype), view.valid, self.recipe.network.max_depth_m)
        losses = self._losses(prediction, truth, view.valid)
        if self.recipe.network.uncertainty:
            doubt = uncertainty(answers[:, 1:].float(), prediction, truth, view.valid)
            losses |= {"loss": losses["loss"] + UNCERTAINTY_WEIGHT * doubt, "uncertainty": doubt}
        if not bool(torch.isfinite(losses["loss"])):
            raise TrainingError(self._not_finite(losses["loss"].item(), batch, prediction, truth, view.valid))
        self.curve.append(losses["loss"].detach())
        self.log("loss", losses["loss"].detach(), prog_bar=True, batch_size=len(image))
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, batch_size=len(image))
        return losses["loss"]

    def take_curve(self) -> list[float]:
        """Loss of each step since this was last asked, over all processes."""
        if not self.curve:
            return []
        losses = mean_over_processes(torch.stack(self.curve).view(-1, self.share.accumulate).mean(dim=1))
        self.curve = []
        return losses.tolist()

    def _forward(self, image: Tensor) -> Tensor:
        return self.network.answers(image) if self._compiled is None else self._compiled(image)

    def _losses(self, prediction: Tensor, truth: Tensor, valid: Tensor) -> dict[str, Tensor]:
        with torch.autocast(self.device.type, enabled=False):
            return total_loss(self.recipe.loss, prediction, truth, valid, self.recipe.network.reciprocal_range)

    def _train_pairs(self) -> PairData:
        return open_source(self.recipe.data.train) if self.train_pairs is None else self.train_pairs

    def _beside_pairs(self) -> Sequence[Pair]:
        if self.beside_pairs is None and self.recipe.data.beside is not None:
            self.beside_pairs = open_source(self.recipe.data.beside)
        return self.beside_pairs or ()

    def _leave_out(self, batch: Batch) -> None:
        """Damage that only decoding shows: the end of the run, or a pair less, as the recipe says."""
        data = self.recipe.data
        for messages, source in ((batch.damaged, data.train), (batch.damaged_beside, data.beside)):
            if messages and not (isinstance(source, RealSource) and source.damaged == "skip"):
                raise DataError(
                    f"{messages[0]}; training stopped at step {self.global_step}, the run's last checkpoint is from "
                    "before (`damaged: skip` in the recipe's source leaves such pairs out)"
                )
        left_out = batch.damaged + batch.damaged_beside
        if left_out and not len(batch.image):
            raise DataError(f"{left_out[0]}; so are all pairs of step {self.global_step}: none to train on is left")
        for message in left_out:
            if message not in self.left_out:
                self.left_out[message] = None
                print(f"onedepth: left out, {len(self.left_out)} so far: {message}", file=sys.stderr)

    @torch.no_grad()
    def _not_finite(self, loss: float, batch: Batch, prediction: Tensor, truth: Tensor, valid: Tensor) -> str:
        """What to say of a loss that is not a number: at which pairs, and what to do."""
        ids = self._train_pairs().ids + (self.beside_pairs.ids if self.beside_pairs is not None else ())
        single = [tuple(values[i : i + 1] for values in (prediction, truth, valid)) for i in range(len(prediction))]
        guilty = [i for i, one in enumerate(single) if not bool(torch.isfinite(self._losses(*one)["loss"]))]
        names = ", ".join(repr(ids[int(batch.number[i])]) for i in guilty or range(len(single)))
        return (
            f"loss is {loss} at step {self.global_step}, at pair {names}, so training stopped; the run's last "
            "checkpoint is from before; try a lower schedule.learning_rate, or schedule.gradient_clip"
        )

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
        tensor = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].to(self.network.mean.dtype)
        with torch.autocast(self.device.type, enabled=False):  # a model file computes in float32
            depth = self.canonical_m(tensor)[0, 0].cpu().numpy()
        scale = intrinsics.focal_px / canonical_focal_px(height, width, self.recipe.network.canonical_focal)
        return (depth * scale).astype(np.float32)

    def canonical_m(self, image: Tensor) -> Tensor:
        """Metres for the canonical focal `[N, 1, H, W]` of images `[N, 3, H, W]` on the 0…255 scale."""
        return self.full_size(image)[0]

    def full_size(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """`canonical_m`, and the scale of the error in ln depth of the same shape where the network knows it."""
        config = self.recipe.network
        height, width = image.shape[-2:]
        area = config.size[0] * config.size[1]
        size = working_size(height, width, config.predict_area, self.network.stride)
        small = F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False) / 255
        answers = self.network.answers(small).to(image.dtype)
        depth = self.network.depth_m(answers[:, :1])

        def enlarged(small: Tensor) -> Tensor:
            return F.interpolate(small, (height, width), mode="bilinear", antialias=True, align_corners=False)

        scale = enlarged(answers[:, 1:]) if config.uncertainty else None
        return enlarged(depth) * math.sqrt(size[0] * size[1] / area), scale

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure every val pair by the recipe's protocol."""
        del batch, batch_idx
        self.samples = []
        if self.val_pairs is None:
            self.val_pairs = open_source(self.recipe.data.val)
        self.report = evaluate(self.predict_m, self.val_pairs, PROTOCOLS[self.recipe.validation.protocol])
        step = max(1, len(self.val_pairs) // 4)
        for index in list(range(0, len(self.val_pairs), step))[:4]:
            pair = self.val_pairs[index]
            self.samples.append((pair, self.predict_m(pair.image, pair.intrinsics)))
        self.log_dict(
            {f"val/{name}": value for name, value in self.report.metrics.items()}, batch_size=1, sync_dist=True
        )
        self.log("val_delta1", self.report.metrics["delta1"], prog_bar=True, logger=False, batch_size=1, sync_dist=True)

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
            # ε of Keras, with which the authors trained; torch's own is 1e-8.
            optimizer = torch.optim.Adam(groups, weight_decay=schedule.weight_decay, amsgrad=True, eps=1e-7)
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
