"""Sums over rows that stand segment by segment: no atomics on a GPU, so that each run has the same digits.

On a CPU ``index_add`` goes through rows in their order already, and is faster.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import Function

from mlzoo.nn.segments import backend, sum_per_segment


def sum_per_sorted_segment(
    values: Float[Tensor, "N *C"], index: Int[Tensor, "N"], segments: int
) -> Float[Tensor, "S *C"]:
    """As :func:`mlzoo.nn.segments.sum_per_segment`, of an ``index`` that never falls.

    >>> sum_per_sorted_segment(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 2]), 3)
    tensor([3., 0., 3.])
    """
    if values.is_cuda and backend() == "native":
        return Sums.apply(values, index, segments)
    return sum_per_segment(values, index, segments)


class Sums(Function):
    """One thread for each number of the result; differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, segments: int) -> Tensor:
        ctx.save_for_backward(index)
        begins = torch.searchsorted(index, torch.arange(segments + 1, device=index.device))
        return torch.segment_reduce(values, "sum", lengths=begins.diff(), axis=0, unsafe=True)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return Rows.apply(grad, *ctx.saved_tensors), None, None


class Rows(Function):
    """The row of each member's segment, which is what the derivative of ``Sums`` is."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.segments = len(sums)
        return sums.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return Sums.apply(grad.contiguous(), *ctx.saved_tensors, ctx.segments), None
