"""Several processes that train together, as torchrun or SLURM starts them."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from onedepth.errors import TrainingError


@dataclass(frozen=True)
class Launch:
    """How this run was started.

    Attributes:
        nodes: machines.
        per_node: processes on each of them.
    """

    nodes: int
    per_node: int

    @property
    def processes(self) -> int:
        """All of them."""
        return self.nodes * self.per_node


def launched() -> Launch:
    """What torchrun or SLURM says in the environment; one process where neither started this one.

    Raises:
        TrainingError: numbers of processes that do not fit together.
    """
    if TorchElasticEnvironment.detect():
        everywhere, here = int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    elif SLURMEnvironment.detect():
        everywhere = int(os.environ["SLURM_NTASKS"])
        here = everywhere // int(os.environ.get("SLURM_NNODES", "1"))
    else:
        return Launch(1, 1)
    if everywhere % max(here, 1):
        raise TrainingError(
            f"{everywhere} processes, {here} on this machine: expected the same number on every machine "
            "(torchrun --nproc-per-node, or srun --ntasks-per-node)"
        )
    return Launch(everywhere // here, here)


def rank_and_processes() -> tuple[int, int]:
    """This process's number among those that train together, and how many there are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def is_first() -> bool:
    """Whether this is the process that writes and speaks for all; known before they are joined, too."""
    return (getattr(rank_zero_only, "rank", None) or 0) == 0


def mean_over_processes(values: Tensor) -> Tensor:
    """The mean of a tensor over the processes that train together."""
    _, processes = rank_and_processes()
    if processes > 1:
        values = values.clone()
        torch.distributed.all_reduce(values)
        values = values / processes
    return values
