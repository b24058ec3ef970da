"""Memory that a training process frees is kept for its next step."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h


def keep_freed_memory() -> None:
    """Tell glibc not to hand freed blocks back to the system.

    A step on the CPU allocates and frees hundreds of large tensors; by default each is mapped, zeroed by the kernel and
    unmapped again, a seventh of the whole step (`benchmarks/train_step.py`). Does nothing without glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.util.find_library("c")
    mallopt = getattr(ctypes.CDLL(library), "mallopt", None) if library else None
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_M_TOP_PAD, 256 << 20)
