"""One training run: a folder with its recipe, log and checkpoints.

RUN/recipe.yaml        the recipe as it was run, overrides applied
RUN/last.ckpt          everything needed to go on; replaced whole after each epoch, and within it if the recipe says so
RUN/best.ckpt          the same at the best epoch by val δ1
RUN/kept/              weights alone of every so many-th epoch, where the recipe asks for it
RUN/history.csv        val metrics of every epoch
RUN/loss.csv           training loss of every step up to the last checkpoint
RUN/events.out.*       TensorBoard
RUN/pretraining/       a run like this one, made first, where the recipe asks for it
"""

from __future__ import annotations

import contextlib
import csv
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import yaml
from lightning.pytorch.callbacks import Callback, RichProgressBar, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.plugins.precision import Precision
from torch import Tensor, nn

from onedepth.data.pair import PairData
from onedepth.errors import OutputError, RecipeError, TrainingError
from onedepth.evaluate import Report
from onedepth.metrics import METRICS
from onedepth.protocols import PROTOCOLS, check_size
from onedepth.render import auto_range, colorize
from onedepth.train import recipe as recipes
from onedepth.train.allocator import keep_freed_memory
from onedepth.train.batch_norm import normalise_together
from onedepth.train.loader import Share, enough
from onedepth.train.module import DepthModule
from onedepth.train.processes import is_first, launched
from onedepth.train.recipe import Recipe
from onedepth.train.sources import check_apart, checked, open_source
from onedepth.train.start import start_from

LAST, BEST, RECIPE, HISTORY, LOSS = "last.ckpt", "best.ckpt", "recipe.yaml", "history.csv", "loss.csv"
PRETRAINING, KEPT = "pretraining", "kept"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints written beside their target and moved into place; loaded without running code from them."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write `checkpoint`, whole or not at all."""
        del storage_options
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Read a checkpoint; never unpickles arbitrary objects."""
        del weights_only
        return torch.load(path, map_location=map_location or "cpu", weights_only=True)


class Float64(Precision):
    """Weights and arithmetic in float64, for comparing runs; batches stay as they are (Lightning's would cast them)."""

    precision = "64-true"

    def convert_module(self, module: nn.Module) -> nn.Module:
        """All parameters and buffers."""
        return module.double()


def moving_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """How the average of weights follows them: all but `decay` of it is new at each step.

    At first more is new, (1 + n) / (10 + n) after n steps, so that an average never dwells on random weights.
    """

    def update(average: list[Tensor], current: list[Tensor], steps: Tensor) -> None:
        kept = min(decay, (1 + int(steps)) / (10 + int(steps)))
        for one, new in zip(average, current, strict=True):
            if one.is_floating_point():
                one.lerp_(new.to(one.dtype), 1 - kept)
            else:
                one.copy_(new)

    return update


class Journal(Callback):
    """Checkpoints with the loss up to them; after each validation a line in history.csv and pictures in TensorBoard."""

    def __init__(
        self,
        folder: Path,
        save_every_steps: int = 0,
        say: Callable[[str], None] = print,
        best: float = -1.0,
        keep_every_epochs: int = 0,
    ) -> None:
        self.folder, self.save_every_steps, self.say, self.best = folder, save_every_steps, say, best
        self.keep_every_epochs = keep_every_epochs
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save within an epoch, after whole steps."""
        del outputs, batch
        done = batch_idx + 1
        stepped = done % trainer.accumulate_grad_batches == 0
        ends_epoch = done >= trainer.num_training_batches  # another hook saves there, after validation
        if self.save_every_steps and stepped and not ends_epoch and trainer.global_step % self.save_every_steps == 0:
            self._save(trainer, pl_module, LAST)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write down what the epoch brought."""
        if trainer.sanity_checking or not trainer.is_global_zero or not isinstance(pl_module, DepthModule):
            return
        report = pl_module.report
        if report is None:
            return
        self._history(trainer.current_epoch, report.metrics)
        self._pictures(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save; the best epoch by val δ1 a second time."""
        report = pl_module.report if isinstance(pl_module, DepthModule) else None
        self._say(trainer, report)
        better = report is not None and report.metrics["delta1"] > self.best
        # Processes that train together measure with slightly different normalisations; the first one decides.
        if trainer.strategy.broadcast(better):
            self.best = report.metrics["delta1"] if report is not None else self.best
            self._save(trainer, pl_module, BEST)
        self._save(trainer, pl_module, LAST)
        done = trainer.current_epoch + 1
        if self.keep_every_epochs and done % self.keep_every_epochs == 0 and trainer.is_global_zero:
            # From the checkpoint, which has the averaged weights where the recipe keeps an average.
            weights = torch.load(self.folder / LAST, map_location="cpu", weights_only=True)["state_dict"]
            AtomicCheckpointIO().save_checkpoint({"state_dict": weights}, self.folder / KEPT / f"{done:04d}.ckpt")

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.best = float(state_dict["best"])

    def _say(self, trainer: pl.Trainer, report: Report | None) -> None:
        """One line an epoch, where there is no progress bar."""
        measured = ""
        if report is not None and (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0:
            values = (f"{METRICS[key]} {report.metrics[key]:.4f}" for key in ("delta1", "abs_rel"))
            measured = ", val " + ", ".join(values)
        self.say(
            f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: step {trainer.global_step}, "
            f"loss {float(trainer.callback_metrics['loss']):.4f}{measured}, {time.monotonic() - self._started:.0f} s"
        )

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule, name: str) -> None:
        # A step can spoil the weights and only the next one's loss tell: such weights must not replace good ones.
        spoilt = [key for key, value in module.named_parameters() if not bool(torch.isfinite(value).all())]
        if spoilt:
            raise TrainingError(
                f"{spoilt[0]} and {len(spoilt) - 1} more tensors are not finite after step {trainer.global_step}, so "
                f"training stopped; {self.folder / LAST} is from before; try a lower schedule.learning_rate, or "
                "schedule.gradient_clip"
            )
        assert isinstance(module, DepthModule)
        curve = module.take_curve()
        if trainer.is_global_zero:
            _append(self.folder / LOSS, trainer.global_step - len(curve), curve)
        trainer.save_checkpoint(self.folder / name)

    def _history(self, epoch: int, metrics: Mapping[str, float]) -> None:
        path = self.folder / HISTORY
        rows = list(csv.reader(path.read_text("utf-8").splitlines()))[1:] if path.exists() else []
        rows = [row for row in rows if int(row[0]) < epoch]
        rows.append(
            [
                str(epoch),
                f"{time.monotonic() - self._started:.0f}",
                *(f"{metrics[key]:.5f}" for key in METRICS),
            ]
        )
        lines = [["epoch", "seconds", *METRICS], *rows]
        _write(path, "\n".join(",".join(line) for line in lines) + "\n")

    def _pictures(self, trainer: pl.Trainer, module: DepthModule) -> None:
        if not isinstance(trainer.logger, TensorBoardLogger):
            return
        for number, (pair, depth_m) in enumerate(module.samples):
            near, far = auto_range(np.where(pair.valid, pair.depth_m, np.nan))
            row = [
                pair.image,
                colorize(np.where(pair.valid, pair.depth_m, 0), near, far),
                colorize(depth_m, near, far),
            ]
            trainer.logger.experiment.add_image(
                f"val/{number} image, truth, prediction",
                np.concatenate(row, axis=1),
                trainer.current_epoch,
                dataformats="HWC",
            )


def _append(path: Path, step: int, losses: list[float]) -> None:
    """Put the losses of the steps from `step` on into loss.csv, instead of those that a broken-off run left there."""
    lines = path.read_text("utf-8").splitlines()[1:] if path.exists() else []
    kept = [line for line in lines if int(line.split(",")[0]) < step]
    new = [f"{step + i},{loss!r}" for i, loss in enumerate(losses)]
    _write(path, "\n".join(["step,loss", *kept, *new]) + "\n")


def train(
    recipe: Recipe, folder: Path, resume: bool = False, progress: bool = True, also: Sequence[Callback] = ()
) -> DepthModule:
    """Train by a recipe in `folder`, from the start or from its last checkpoint; gives back what it learned.

    Callbacks in `also` watch the training; their state goes into the checkpoints.

    Raises:
        RecipeError: to resume, the folder must hold a run of the same recipe; to start, it must hold none.
        DataError: the data is not as its layout says, or not of the size that the protocol needs.
        OutputError: the folder cannot be written.
    """
    checkpoint = folder / LAST
    first = is_first()
    if resume:
        _check_same(recipe, folder)
    elif first and (folder / RECIPE).exists():
        raise RecipeError(f"{folder}: holds a run already; go on with --resume, or choose another folder with --run")
    keep_freed_memory()
    pl.seed_everything(recipe.seed, workers=True, verbose=False)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    going_on = resume and checkpoint.exists()
    # What can be wrong with data and weights shows before anything is written.
    launch = launched()
    Share(recipe.schedule.batch_size, recipe.schedule.accumulate, processes=launch.processes)
    say = _say if first else _nothing
    train_pairs, beside_pairs, val_pairs = _open(recipe, say)
    check_size(PROTOCOLS[recipe.validation.protocol], val_pairs[0])
    earlier = recipes.pretraining_recipe(recipe)
    replaced = going_on or earlier is not None or recipe.start is not None
    module = DepthModule(recipe, encoder_weights="random" if replaced else None)
    if recipe.start is not None and not going_on:
        start_from(module.network, recipe.start)
    module.train_pairs, module.beside_pairs, module.val_pairs = train_pairs, beside_pairs, val_pairs
    if first:
        _clear(folder)
        _write(folder / RECIPE, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    if earlier is not None and not going_on:
        before = folder / PRETRAINING
        train(earlier, before, resume=resume and (before / RECIPE).exists(), progress=progress)
        _restore(module, before / LAST)
    callbacks: list[Callback] = []
    if recipe.schedule.ema:
        callbacks.append(WeightAveraging(multi_avg_fn=moving_average(recipe.schedule.ema)))
    callbacks.extend(also)
    bar = progress and os.isatty(2)
    schedule, tell = recipe.schedule, say if progress and not bar else _nothing
    callbacks.append(Journal(folder, schedule.save_every_steps, tell, keep_every_epochs=schedule.keep_every_epochs))
    if bar:
        callbacks.append(RichProgressBar(leave=False, console_kwargs={"stderr": True}))
    if launch.processes > 1:
        normalise_together(module.network, torch.cuda.is_available())
    trainer = pl.Trainer(
        default_root_dir=folder,
        devices=launch.per_node,
        num_nodes=launch.nodes,
        strategy="ddp" if launch.processes > 1 else "auto",
        accumulate_grad_batches=recipe.schedule.accumulate,
        max_epochs=recipe.schedule.epochs,
        precision=None if recipe.precision == "64-true" else recipe.precision,
        check_val_every_n_epoch=min(recipe.validation.every_epochs, recipe.schedule.epochs),
        gradient_clip_val=recipe.schedule.gradient_clip or None,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), *([Float64()] if recipe.precision == "64-true" else [])],
        logger=TensorBoardLogger(folder, name=None, version=""),
        enable_checkpointing=False,
        enable_progress_bar=bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        use_distributed_sampler=False,
    )
    with _expected_warnings():
        try:
            trainer.fit(module, ckpt_path=str(checkpoint) if going_on else None)
        except SystemExit as end:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from end
    _restore(module, checkpoint)  # the averaged weights, also where there was nothing left to train
    return module


def _open(recipe: Recipe, say: Callable[[str], None]) -> tuple[PairData, PairData | None, PairData]:
    """Pairs to train on, pairs beside them, and val pairs, as they may be used."""
    data = recipe.data
    train_pairs, val_pairs = (checked(source, open_source(source), say) for source in (data.train, data.val))
    beside_pairs = None if data.beside is None else checked(data.beside, open_source(data.beside), say)
    enough(recipe.schedule.batch_size, len(train_pairs))
    for pairs in (train_pairs, beside_pairs):
        if pairs is not None:
            check_apart(pairs, val_pairs)
    return train_pairs, beside_pairs, val_pairs


@contextlib.contextmanager
def _expected_warnings() -> Iterator[None]:
    """Without what Lightning says of things that are meant to be as they are."""
    with warnings.catch_warnings():
        # Lightning 2.6 with torch 2.10 and above; nothing that we or a user could mend.
        warnings.filterwarnings("ignore", r".*LeafSpec.* is deprecated", FutureWarning)
        # It is: its order begins where the run was broken off.
        warnings.filterwarnings("ignore", ".*ended before the epoch ended and your dataloader is not resumable.*")
        # So they are, where the recipe freezes normalisation.
        warnings.filterwarnings("ignore", r".*module\(s\) in eval mode at the start of training.*")
        # Advice on worker processes: the cache makes them needless.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*number of training batches.*smaller than the logging interval.*")
        yield


def load(folder: Path, checkpoint: str = BEST) -> DepthModule:
    """The network of a run, with the averaged weights if the recipe keeps an average; in eval mode.

    Raises:
        RecipeError: no run there, or its checkpoint does not fit its recipe.
    """
    recipe = recipe_of(folder)
    path = folder / checkpoint
    if not path.is_file():
        raise RecipeError(f"{path}: no such checkpoint; has the run finished an epoch?")
    module = DepthModule(recipe, encoder_weights="random")
    _restore(module, path)
    return module.eval()


def load_mean(folder: Path, epochs: Sequence[int] = ()) -> DepthModule:
    """The mean of the weights of a run's kept epochs, or of the best and the last where none is kept; in eval mode.

    Args:
        folder: of the run.
        epochs: which of the kept ones, counted from 1; all where none is named.

    Where a run wanders on a flat floor, the middle of two places lies lower than either (Izmailov et al. 2018, arXiv
    1803.05407; Wortsman et al. 2022, arXiv 2203.05482).

    Raises:
        RecipeError: no run there, an epoch that was not kept, or a checkpoint that does not fit its recipe.
    """
    recipe = recipe_of(folder)
    kept = {int(path.stem): f"{KEPT}/{path.name}" for path in sorted((folder / KEPT).glob("*.ckpt"))}
    for epoch in epochs:
        if epoch not in kept:
            there = f"it has {', '.join(map(str, kept))}" if kept else "it has none"
            raise RecipeError(f"{folder}: epoch {epoch} was not kept (schedule.keep_every_epochs); {there}")
    names = [kept[epoch] for epoch in epochs or kept]
    module = DepthModule(recipe, encoder_weights="random")
    mean: dict[str, Tensor] = {}
    for number, name in enumerate(names or (BEST, LAST)):
        for key, value in load(folder, name).state_dict().items():
            moves = number and value.is_floating_point()
            mean[key] = mean[key].lerp(value, 1 / (number + 1)) if moves else value
    module.load_state_dict(mean)
    return module.eval()


def recipe_of(folder: Path) -> Recipe:
    """The recipe that a run was made by.

    Raises:
        RecipeError: no run there.
    """
    if not (folder / RECIPE).is_file():
        raise RecipeError(f"{folder}: not a training run: there is no {RECIPE} in it")
    return recipes.load(folder / RECIPE)


def _clear(folder: Path) -> None:
    """Remove what a killed run was writing beside its checkpoints."""
    for name in (LAST, BEST):
        for half_written in folder.glob(f".{name}.*"):
            half_written.unlink()
    for half_written in (folder / KEPT).glob(".*.ckpt.*"):
        half_written.unlink()


def _say(text: str) -> None:
    """On standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def _nothing(text: str) -> None:
    """What the other processes say of what the first one says already."""
    del text


def _write(path: Path, text: str) -> None:
    """Write `text` beside `path` and move it into place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _restore(module: DepthModule, path: Path) -> None:
    """Give `module` a checkpoint's weights."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except Exception as error:  # on damaged bytes the reader raises nearly anything
        raise RecipeError(f"{path}: not a checkpoint of a run ({type(error).__name__})") from error
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise RecipeError(f"{path}: does not fit {path.with_name(RECIPE)}: {reason}") from error


def _check_same(recipe: Recipe, folder: Path) -> None:
    before = recipe_of(folder).model_dump(mode="json")
    now = recipe.model_dump(mode="json")
    changed = [key for key in now if now[key] != before.get(key)]
    if changed:
        raise RecipeError(
            f"{folder}: was run by another recipe ({', '.join(changed)} differ); it cannot go on by this one"
        )
