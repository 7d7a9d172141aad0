"""The products of an atom's features for constant weights: polynomials whose coefficients are worked out once."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mlzoo.nn.compiled import arrays
from mlzoo_mace.equivariant import Features
from mlzoo_mace.kernels import polynomial_loops
from mlzoo_mace.kernels.contraction import CompiledContraction

BLOCKS = 16  # of atoms, for threads to share


class Polynomials(nn.Module):
    """In place of a compiled contraction whose weights stay as they are."""

    def __init__(self, compiled: CompiledContraction, elements: int):
        super().__init__()
        self.inputs, self.outputs, self.sizes = compiled.inputs, compiled.outputs, compiled.sizes
        self.by_element = compiled.by_element
        factors = np.sort(compiled.entries[:, 1:], axis=1)
        order = np.lexsort((compiled.entries[:, 0], *factors.T[::-1]))
        factors = factors[order]
        firsts = np.flatnonzero(np.any(np.diff(factors[:, :2], axis=0, prepend=-1), axis=1))
        ranges = np.array(list(pairwise([*firsts, len(factors)])))
        pairs = np.concatenate([factors[firsts, :2], ranges], axis=1).astype(np.uint64)  # (Q, 4)
        terms = np.stack([factors[:, 2], compiled.entries[order, 0]], axis=1).astype(np.uint64)  # (N, 2)
        kinds = torch.arange(elements if self.by_element else 1)
        self.coefficients = compiled.coefficients(kinds)[:, torch.from_numpy(order)].detach().numpy()  # (Z, N, C)
        self.walk = pairs, terms

    def forward(self, features: Features, elements: Int[Tensor, "A"]) -> Features:
        first = features[self.inputs[0]]
        one = first.new_ones(len(first), 1, first.shape[2])
        x = torch.cat([*(features[irrep] for irrep in self.inputs), one], dim=1)  # (A, D + 1, C)
        kinds = (elements if self.by_element else torch.zeros_like(elements)).numpy().astype(np.uint64)
        atoms, channels = len(x), x.shape[2]
        before = accumulate((atoms * size for size in self.sizes), initial=0)
        rows = [
            ((start + row) * channels, size * channels)
            for start, size in zip(before, self.sizes, strict=False)
            for row in range(size)
        ]
        product = _Evaluate.apply(x, (self.coefficients, kinds, *self.walk, np.array(rows, dtype=np.uint64)))
        parts = product.split([atoms * size * channels for size in self.sizes])
        return {
            irrep: part.view(atoms, size, channels)
            for irrep, part, size in zip(self.outputs, parts, self.sizes, strict=True)
        }


class _Evaluate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, polynomials: tuple[np.ndarray, ...]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.polynomials = polynomials
        out = x.new_empty(len(polynomials[-1]) * len(x) * x.shape[2])
        polynomial_loops.evaluate(BLOCKS, *arrays(x), *polynomials, out.numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        by_x = torch.empty_like(x)
        polynomial_loops.slope(BLOCKS, *arrays(x), *ctx.polynomials, *arrays(gradient), by_x.numpy())
        return by_x, None
