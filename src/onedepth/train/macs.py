"""Multiply-accumulates of a network, counted from the shapes of what it does.

Counted are convolutions (transposed ones too), matrix products (linear layers, einsum) and fused attention; one
multiplication with its addition is one MAC, zeros of the padding included. Not counted is what does one or a few
operations for each value: biases, normalisation, activations, pooling, interpolation, softmax, sums. Attention that is
masked counts in full. The formulas are those of `torch.utils.flop_counter`, halved; it counts a MAC as two operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

T = TypeVar("T")


def count_macs(function: Callable[..., T], *inputs: Tensor) -> tuple[int, T]:
    """How many multiply-accumulates `function(*inputs)` costs, and its result.

    On the meta device nothing is computed and no memory is needed.

    Args:
        function: a module or any function of tensors.
        inputs: what it is called with; the count is of this batch size.
    """
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        result = function(*inputs)
    return counter.get_total_flops() // 2, result
