"""Products of small matrices on one thread.

BLAS shares a product of some 100 × 100 out among all cores. Beside a network that keeps the cores busy, the parts wait
for each other longer than the whole would take: a video with stabilisation lost a quarter of its throughput to that.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """A context in which BLAS uses one thread; costs some microseconds.

    The setting is the process's: products of other threads keep to it for as long.
    """
    return _libraries().limit(limits=1)


@cache
def _libraries() -> ThreadpoolController:
    """NumPy's BLAS, where threadpoolctl knows it (not Apple's); looked for once, which takes a millisecond."""
    return ThreadpoolController().select(user_api="blas")
