"""The products of an atom's features by compiled loops, twice differentiable."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mlzoo.nn.compiled import arrays
from mlzoo.nn.constants import KeepsFloat64
from mlzoo_mace.config import degree
from mlzoo_mace.contraction import SymmetricContraction, Term
from mlzoo_mace.equivariant import Features
from mlzoo_mace.kernels.learning import contraction_loops

LARGEST_ORDER = 3


class CompiledContraction(KeepsFloat64):
    """In place of the plain one, with its weights: the same numbers, for products of up to three features."""

    def __init__(self, plain: SymmetricContraction):
        super().__init__()
        self.inputs, self.by_element = plain.inputs, plain.by.by_element
        self.terms = plain.terms
        self.outputs = tuple(dict.fromkeys(each.irrep for each in plain.by.couplings))
        self.sizes = [2 * degree(irrep) + 1 for irrep in self.outputs]
        starts = dict(zip(self.outputs, accumulate([0, *self.sizes]), strict=False))
        one = sum(2 * degree(irrep) + 1 for irrep in self.inputs)  # the component behind all others
        entries = []
        for index, (by, term) in enumerate(zip(plain.by.couplings, plain.terms, strict=True)):
            assert isinstance(term, Term)
            places = (term.couplings != 0).any(dim=2).nonzero()  # (N, 2): monomial, component
            monomials = nn.functional.pad(term.monomials, (0, LARGEST_ORDER - by.order), value=one)
            entries.append(torch.cat([starts[by.irrep] + places[:, 1:], monomials[places[:, 0]]], dim=1))
            self.register_buffer(f"coupling_{index}", term.couplings[tuple(places.T)], persistent=False)  # (N, P)
        self.entries = torch.cat(entries).numpy().astype(np.uint64)  # (N, 4)

    def forward(self, features: Features, elements: Int[Tensor, "A"]) -> Features:
        x = torch.cat([features[irrep] for irrep in self.inputs], dim=1)
        x = nn.functional.pad(x, (0, 0, 0, 1), value=1.0)  # (A, D + 1, C)
        if self.by_element:
            present, kinds = elements.unique(return_inverse=True)
        else:
            present, kinds = elements.new_zeros(1), torch.zeros_like(elements)
        product = _Contract.apply(
            x, self.coefficients(present), kinds.numpy().astype(np.uint64), self.entries, sum(self.sizes)
        )
        return dict(zip(self.outputs, product.split(self.sizes, dim=1), strict=True))  # (A, 2l+1, C)

    def coefficients(self, present: Int[Tensor, "Z"]) -> Float[Tensor, "Z N C"]:
        parts = []
        for index, term in enumerate(self.terms):
            assert isinstance(term, Term)
            weights = term.weights[present]  # (Z, P, C)
            parts.append(getattr(self, f"coupling_{index}").to(weights.dtype) @ weights)
        return torch.cat(parts, dim=1)


class _Contract(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, coefficients: Tensor, kinds: np.ndarray, entries: np.ndarray, components: int
    ) -> Tensor:
        ctx.save_for_backward(x, coefficients)
        ctx.walk = kinds, entries
        out = x.new_zeros(len(x), components, x.shape[2])
        contraction_loops.contract(x.numpy(), coefficients.numpy(), *ctx.walk, out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return *_Slopes.apply(*ctx.saved_tensors, gradient.contiguous(), *ctx.walk), None, None, None


class _Slopes(torch.autograd.Function):
    """Gradients of the products by the features and by the coefficients."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, coefficients: Tensor, gradient: Tensor, kinds: np.ndarray, entries: np.ndarray
    ) -> Any:
        ctx.save_for_backward(x, coefficients, gradient)
        ctx.walk = kinds, entries
        slopes = torch.zeros_like(x), torch.zeros_like(coefficients)
        contraction_loops.slopes(*arrays(x, coefficients, gradient), *ctx.walk, *arrays(*slopes))
        return slopes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *along: Tensor) -> Any:
        factors = ctx.saved_tensors
        curvatures = tuple(torch.zeros_like(each) for each in factors)
        contraction_loops.curvatures(*arrays(*factors), *arrays(*along), *ctx.walk, *arrays(*curvatures))
        return *curvatures, None, None
