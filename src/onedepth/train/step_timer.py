"""How long a training step takes, measured while a run trains."""

from __future__ import annotations

import statistics
import time
from collections import deque
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

WARM_UP = 3
"""Steps at the start of each sitting that are not counted: kernels are chosen, memory is asked for."""

KEPT = 512  # the latest steps, so that a long run's checkpoint does not carry them all


class StepTimer(Callback):
    """Times optimiser steps (augmentation, forward, backward, update; not loading, not validation) and the whole run.

    Both go on over resumed sittings, as far as the checkpoint that was resumed from knows of them.
    """

    def __init__(self) -> None:
        self.steps_ms: deque[float] = deque(maxlen=KEPT)
        self._before = 0.0
        self._began = time.monotonic()
        self._step_began = 0.0
        self._steps = 0

    @property
    def seconds(self) -> float:
        """Wall time in all sittings."""
        return self._before + time.monotonic() - self._began

    @property
    def median_ms(self) -> float | None:
        """Milliseconds of a step; None where there were no more than the first ones."""
        return statistics.median(self.steps_ms) if self.steps_ms else None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """A step begins with the first of its batches."""
        del pl_module, batch
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._step_began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """It ends with the last of them."""
        del outputs, batch
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)  # kernels are only queued
        self._steps += 1
        if self._steps > WARM_UP:
            self.steps_ms.append(1000 * (time.perf_counter() - self._step_began))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"steps_ms": list(self.steps_ms), "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.steps_ms.extend(state_dict["steps_ms"])
        self._before = float(state_dict["seconds"])
