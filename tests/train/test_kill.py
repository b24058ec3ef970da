"""A run that is killed at any moment goes on as if nothing had been."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_and_resume.py"
SMALL = [
    "data.train.count=24", "data.val.count=2", "schedule.batch_size=4", "schedule.epochs=4",
    "validation.every_epochs=2", "schedule.save_every_steps=4",
]  # fmt: skip


def test_killed_runs_end_with_the_same_weights_to_the_last_bit():
    command = [sys.executable, str(SCRIPT), "--kills", "3", *SMALL]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no difference" in done.stdout
