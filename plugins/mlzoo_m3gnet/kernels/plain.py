"""The way back to the plain form, for derivatives that a kernel does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def plain_backward(
    plain: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor], grads: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Gradients by ``inputs`` through ``plain``, themselves differentiable where that is asked for."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # aliases, since one input may be made from another and only the partial derivatives are wanted here
        inputs = [tensor.view_as(tensor) if again else tensor.detach().requires_grad_() for tensor in inputs]
        pairs = [(out, grad) for out, grad in zip(plain(*inputs), grads, strict=True) if grad is not None]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        outs, slopes = zip(*pairs, strict=True)
        found = iter(torch.autograd.grad(outs, wanted, slopes, create_graph=again, materialize_grads=True))
    return [next(found) if tensor.requires_grad else None for tensor in inputs]
