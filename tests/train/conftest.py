"""The tests of the training wing; without it they are skipped, and say why."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = [name for name in ("torch", "timm", "lightning", "pydantic") if find_spec(name) is None]


class WithoutWing(pytest.Module):
    """A test module that is not even imported."""

    def collect(self):
        pytest.skip(f"the training wing is not installed ({', '.join(MISSING)}): pip install onedepth[train]")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return WithoutWing.from_parent(parent, path=module_path) if MISSING else None
