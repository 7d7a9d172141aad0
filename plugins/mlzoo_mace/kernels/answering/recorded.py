"""Steps that know their way back: a function gives what it comes to, and how slopes by that become slopes by what it took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.autograd.function import Function, once_differentiable

Back = Callable[..., tuple[Any, ...]]
"""From slopes by each result, None where nothing depends on it, to slopes by each argument."""

Step = Callable[..., tuple[Any, Back]]
"""From tensors to a tensor, or a tuple of them, and the way back."""


def recorded(step: Step, *arguments: Tensor) -> Any:
    """What a step comes to, as one operation in the graph of derivatives."""
    return _Recorded.apply(step, *arguments)


class _Recorded(Function):
    @staticmethod
    def forward(ctx: Any, step: Step, *arguments: Tensor) -> Any:
        ctx.set_materialize_grads(False)
        results, ctx.back = step(*arguments)
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor | None) -> Any:
        return None, *ctx.back(*slopes)
