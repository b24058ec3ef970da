"""What glibc does with memory that is freed: kept for a training process's next step, given back by a loader's."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys

# malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -2, -3, -4


def keep_freed_memory() -> None:
    """Tell glibc not to hand freed blocks back to the system.

    A step on the CPU allocates and frees hundreds of large tensors; by default each is mapped, zeroed by the kernel and
    unmapped again, a seventh of the whole step (`benchmarks/train_step.py`). Does nothing without glibc.
    """
    _set({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: 2**31 - 1, _M_TOP_PAD: 256 << 20})


def return_freed_memory(worker: int = 0) -> None:
    """Tell glibc to hand large freed blocks back: for processes that decode pictures and keep none of them.

    A worker is born with the settings of the process that trains; with those, and with glibc's own, which learn from
    the sizes that are asked for, its heap grows to several times what it holds (`benchmarks/zip_loader.py`).
    """
    del worker
    # Whole batches are mapped and unmapped; smaller blocks stay in a heap, since new pages for each cost the time.
    _set({_M_MMAP_MAX: 65536, _M_MMAP_THRESHOLD: 4 << 20, _M_TRIM_THRESHOLD: 32 << 20, _M_TOP_PAD: 0})


def _set(options: dict[int, int]) -> None:
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.util.find_library("c")
    mallopt = getattr(ctypes.CDLL(library), "mallopt", None) if library else None
    if mallopt is not None:
        for option, value in options.items():
            mallopt(option, value)
