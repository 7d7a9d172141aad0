"""Linear maps of an atom's element, for constant weights: products for one element after another, no derivatives recorded."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mlzoo_mace.equivariant import ChannelMix, Features, present_in

Groups = list[tuple[int, Tensor]]
"""Each element there is, and its atoms."""


class FrozenMix(nn.Module):
    """In place of a map for each element, with its weights; ``before`` is a map for all that it follows directly."""

    def __init__(self, plain: ChannelMix, before: ChannelMix | None = None):
        super().__init__()
        self.irreps = tuple(plain.weights)
        every = [plain.weights[irrep].detach() for irrep in self.irreps]  # (Z, C, C)
        if before is not None:
            every = [before.weights[irrep].detach() @ each for irrep, each in zip(self.irreps, every, strict=True)]
        self.weights = [each.contiguous() for each in every]

    def forward(self, features: Features, elements: Int[Tensor, "A"]) -> Features:
        present = present_in(elements)
        if len(present) == 1:
            return {
                irrep: features[irrep] @ each[present[0]] for irrep, each in zip(self.irreps, self.weights, strict=True)
            }
        groups = [(element, (elements == element).nonzero()[:, 0]) for element in present]
        mixed = _Mix.apply(groups, self.weights, *(features[irrep] for irrep in self.irreps))
        return dict(zip(self.irreps, mixed, strict=True))


class _Mix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, groups: Groups, weights: list[Tensor], *features: Tensor) -> tuple[Tensor, ...]:
        ctx.groups, ctx.weights = groups, weights
        return tuple(_mixed(x, each, groups) for x, each in zip(features, weights, strict=True))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        slopes = [_mixed(x, each.mT, ctx.groups) for x, each in zip(gradients, ctx.weights, strict=True)]
        return None, None, *slopes


def _mixed(x: Float[Tensor, "A K I"], weights: Float[Tensor, "Z I O"], groups: Groups) -> Float[Tensor, "A K O"]:
    out = x.new_empty(*x.shape[:-1], weights.shape[-1])
    for element, atoms in groups:
        out.index_copy_(0, atoms, x.index_select(0, atoms) @ weights[element])
    return out
