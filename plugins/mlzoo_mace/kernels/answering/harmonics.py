"""Lengths and spherical harmonics of edges by compiled loops."""

from __future__ import annotations

from collections.abc import Sized
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt64
from torch import Tensor
from torch.autograd.function import once_differentiable

from mlzoo.nn import o3
from mlzoo.nn.compiled import arrays
from mlzoo.nn.threads import share
from mlzoo_mace.kernels.answering import harmonics_loops as loops


def lengths_and_harmonics(vectors: Float[Tensor, "E 3"], max_l: int) -> tuple[Float[Tensor, "E"], Float[Tensor, "E H"]]:
    """Lengths in Å and e3nn's harmonics (``component`` normalisation) up to a degree; once differentiable."""
    return _Harmonics.apply(vectors, max_l)


@cache
def recursion(max_l: int) -> tuple[UInt64[np.ndarray, "N 3"], Float[np.ndarray, "N"]]:
    """Y_(l+1) as a sum of factors times Y_l times u: Clebsch–Gordan coefficients, scaled to e3nn's harmonics."""
    u = torch.nn.functional.normalize(torch.tensor([0.3, -0.5, 0.8], dtype=torch.float64), dim=0)
    entries, factors = [], []
    for l in range(max_l):
        below, above = (o3.spherical_harmonics(each, u, True, "component") for each in (l, l + 1))
        symbol = o3.wigner_3j(l, 1, l + 1, dtype=torch.float64)
        product = torch.einsum("ijk,i,j->k", symbol, below, u)
        symbol = symbol * (product @ above) / (product @ product)
        for i, j, k in symbol.nonzero().tolist():
            if abs(symbol[i, j, k]) > 1e-9:
                entries.append(((l + 1) ** 2 + k, l**2 + i, j))
                factors.append(float(symbol[i, j, k]))
    return np.array(entries, dtype=np.uint64).reshape(-1, 3), np.array(factors)


class _Harmonics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, max_l: int) -> tuple[Tensor, Tensor]:
        entries, factors = recursion(max_l)
        ctx.save_for_backward(vectors)
        (x,) = arrays(vectors)
        ctx.recursion = entries, factors.astype(x.dtype)
        lengths, harmonics = vectors.new_empty(len(vectors)), vectors.new_empty(len(vectors), (max_l + 1) ** 2)
        along = (x, *ctx.recursion, *arrays(lengths, harmonics))
        share(*_work(x, entries), lambda first, stop: loops.evaluate(first, stop, *along))
        return lengths, harmonics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_lengths: Tensor, by_harmonics: Tensor) -> Any:
        (vectors,) = ctx.saved_tensors
        by_vectors = torch.empty_like(vectors)
        read = arrays(vectors, by_lengths, by_harmonics)
        along = (read[0], *ctx.recursion, *read[1:], by_vectors.numpy())
        share(*_work(vectors, along[1]), lambda first, stop: loops.slope(first, stop, *along))
        return by_vectors, None


def _work(vectors: Sized, entries: Sized) -> tuple[int, int]:
    """How many parts, and about how many operations."""
    return -(-len(vectors) // loops.AT_ONCE), len(vectors) * len(entries)
