"""Several processes train as one would: the same pairs, draws, statistics and losses."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from onedepth.errors import RecipeError, TrainingError
from onedepth.train import recipe as recipes
from onedepth.train import run
from onedepth.train.batch_norm import GlobalBatchNorm2d, GlobalBatchNormAct2d, normalise_together
from onedepth.train.loader import SeededOrder, Share
from onedepth.train.processes import Launch, launched

# float64: in float32 two orders of summation drift apart by 1e-4 within some 15 steps of Adam, as 1 and 2 threads do.
SMALL = [
    "data.train.count=16", "data.val.count=2", "schedule.batch_size=4", "schedule.epochs=3",
    "validation.every_epochs=3", "precision=64-true", "augment.noise=0.05", "augment.colour=1",
]  # fmt: skip


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in csv.DictReader((folder / run.LOSS).read_text("utf-8").splitlines())]


def test_two_processes_train_as_one(tmp_path):
    run.train(recipes.load("tiny", SMALL), tmp_path / "one", progress=False)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command = [*torchrun, "--", "onedepth", "train", "tiny", *SMALL, "--run", str(tmp_path / "two")]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("makes a model file of it") == 1  # one speaks for all
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == 12
    assert len(set(one)) == 12
    assert two == pytest.approx(one, rel=1e-9)
    ours, theirs = (run.load(tmp_path / name, run.LAST).state_dict() for name in ("one", "two"))
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-5, atol=1e-7)


# Sharing a step's pairs


@pytest.mark.parametrize(("processes", "accumulate"), [(1, 1), (2, 1), (1, 2), (2, 3), (4, 1)])
def test_a_step_takes_the_same_pairs_and_draws_however_it_is_shared(processes: int, accumulate: int):
    batch = 12
    alone = SeededOrder(50, 3, Share(batch))
    shares = [Share(batch, accumulate, rank, processes) for rank in range(processes)]
    orders = [list(SeededOrder(50, 3, share)) for share in shares]
    whole = list(alone)
    assert len(whole) == len(alone) == 48
    for step in range(4):
        for share, order in zip(shares, orders, strict=True):
            for go in range(accumulate):
                first = (step * accumulate + go) * share.at_once
                mine = order[first : first + share.at_once]
                # A place in the step means one pair of the step, whoever has it.
                assert mine == [whole[step * batch + place] for place in share.places(go)]
    places = sorted(place for share in shares for go in range(accumulate) for place in share.places(go))
    assert places == list(range(batch))


@pytest.mark.parametrize("steps_done", [0, 1, 3, 4, 9])
def test_an_order_goes_on_where_it_was_broken_off(steps_done: int):
    share = Share(4)
    undisturbed = SeededOrder(18, 0, share)
    expected = []
    for epoch in range(4):
        undisturbed.set_epoch(epoch)
        expected += list(undisturbed)
    resumed = SeededOrder(18, 0, share, steps_done)
    found = list(resumed)  # a loader with workers asks before anybody has said which epoch it is
    for epoch in range(steps_done // 4 + 1, 4):
        resumed.set_epoch(epoch)
        found += list(resumed)
    assert len(resumed) == 16
    assert found == expected[steps_done * 4 :]


@pytest.mark.parametrize(("processes", "accumulate"), [(3, 1), (1, 3), (4, 4)])
def test_a_batch_that_cannot_be_shared_out_is_refused(processes: int, accumulate: int):
    with pytest.raises(RecipeError, match="cannot be shared out evenly") as error:
        Share(8, accumulate, 0, processes)
    assert f"give a multiple of {processes * accumulate}" in str(error.value)
    assert "\n" not in str(error.value)


# Who started this process


TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "GROUP_RANK": "0", "RANK": "1"}
ENVIRONMENTS = {
    "nobody": ({}, Launch(1, 1)),
    "torchrun, one machine": (TORCHRUN | {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4"}, Launch(1, 4)),
    "torchrun, two machines": (TORCHRUN | {"WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, Launch(2, 4)),
    "slurm": ({"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "train"}, Launch(2, 4)),
    "slurm, one task": ({"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "train"}, Launch(1, 1)),
    "slurm, a shell in it": ({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "bash"}, Launch(1, 1)),
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in os.environ:
        if name.startswith(("SLURM_", "TORCHELASTIC")) or name in {"WORLD_SIZE", "LOCAL_WORLD_SIZE"}:
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize("who", ENVIRONMENTS)
def test_who_started_this_process(environment, who: str):
    values, expected = ENVIRONMENTS[who]
    for name, value in values.items():
        environment.setenv(name, value)
    assert launched() == expected


def test_machines_with_different_numbers_of_processes_are_refused(environment):
    for name, value in (TORCHRUN | {"WORLD_SIZE": "5", "LOCAL_WORLD_SIZE": "3"}).items():
        environment.setenv(name, value)
    with pytest.raises(TrainingError, match="5 processes, 3 on this machine"):
        launched()


# Batch normalisation


@pytest.mark.parametrize("make", [lambda: nn.BatchNorm2d(3), lambda: BatchNormAct2d(3)], ids=["torch", "timm"])
def test_normalising_together_is_the_same_alone(monkeypatch, make):
    monkeypatch.setattr("onedepth.train.batch_norm.all_reduce", lambda values: values)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1)
    torch.manual_seed(0)
    theirs, ours = nn.Sequential(make()).double(), nn.Sequential(make()).double()
    nn.init.uniform_(theirs[0].weight, 0.5, 2)
    nn.init.uniform_(theirs[0].bias, -1, 1)
    ours.load_state_dict(theirs.state_dict())
    normalise_together(ours, cuda=False)
    assert type(ours[0]) in {GlobalBatchNorm2d, GlobalBatchNormAct2d}
    for _ in range(3):
        image = torch.randn(4, 3, 5, 6).double() * 3 + 2
        a, b = image.clone().requires_grad_(), image.clone().requires_grad_()
        one, other = theirs(a), ours(b)
        torch.testing.assert_close(other, one)
        (one**3).sum().backward()
        (other**3).sum().backward()
        torch.testing.assert_close(b.grad, a.grad)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    image = torch.randn(2, 3, 4, 4).double()
    torch.testing.assert_close(ours.eval()(image), theirs.eval()(image))


def test_on_cuda_the_librarys_layers_are_taken():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), BatchNormAct2d(4))
    names = list(network.state_dict())
    together = normalise_together(network, cuda=True)
    assert all(isinstance(together.get_submodule(name), nn.SyncBatchNorm) for name in ("1", "2"))
    assert list(together.state_dict()) == names
