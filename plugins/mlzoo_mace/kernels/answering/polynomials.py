"""The products of an atom's features for constant weights: polynomials whose coefficients are worked out once."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int, UInt64
from torch import Tensor, nn

from mlzoo.nn.compiled import arrays
from mlzoo.nn.threads import share
from mlzoo_mace.equivariant import Features
from mlzoo_mace.kernels.answering import polynomial_loops as loops
from mlzoo_mace.kernels.answering.recorded import Back, recorded
from mlzoo_mace.kernels.learning.contraction import CompiledContraction


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
        sizes = np.array(self.sizes)
        begins = np.cumsum(sizes) - sizes
        self.begins, self.strides = np.repeat(begins, sizes), np.repeat(sizes, sizes)
        self.within = np.arange(sizes.sum()) - self.begins  # the irrep

    def forward(self, features: Features, elements: Int[Tensor, "A"]) -> Features:
        return self.parted(recorded(partial(self.step, self.kinds(elements)), self.joined(features)), len(elements))

    def joined(self, features: Features) -> Float[Tensor, "A D C"]:
        """What the polynomials are of: all components, and one."""
        first = features[self.inputs[0]]
        one = first.new_ones(len(first), 1, first.shape[2])
        return torch.cat([*(features[irrep] for irrep in self.inputs), one], dim=1)

    def parted(self, products: Float[Tensor, "N"], atoms: int) -> Features:
        """Each irrep by itself, (A, 2l+1, C)."""
        channels = len(products) // (atoms * sum(self.sizes))
        parts = products.split([atoms * size * channels for size in self.sizes])
        return {
            irrep: part.view(atoms, size, channels)
            for irrep, part, size in zip(self.outputs, parts, self.sizes, strict=True)
        }

    def kinds(self, elements: Int[Tensor, "A"]) -> UInt64[np.ndarray, "A"]:
        """Which coefficients each atom has."""
        return (elements if self.by_element else torch.zeros_like(elements)).numpy().view(np.uint64)

    def step(self, kinds: UInt64[np.ndarray, "A"], x: Float[Tensor, "A D C"]) -> tuple[Float[Tensor, "N"], Back]:
        """The products, all irreps one after another, and the way back."""
        atoms, _, channels = x.shape
        rows = ((self.begins * atoms + self.within) * channels, self.strides * channels)
        polynomials = self.coefficients, kinds, *self.walk, np.stack(rows, axis=1).astype(np.uint64)
        out = x.new_empty(len(self.begins) * atoms * channels)
        read, into, operations = (*arrays(x), *polynomials), out.numpy(), atoms * len(self.walk[1]) * channels
        share(atoms, operations, lambda first, stop: loops.evaluate(first, stop, *read, into))

        def back(gradient: Tensor) -> tuple[Tensor]:
            by_x = torch.empty_like(x)
            along = (*read, *arrays(gradient), by_x.numpy())
            share(atoms, 2 * operations, lambda first, stop: loops.slope(first, stop, *along))
            return (by_x,)

        return out, back
