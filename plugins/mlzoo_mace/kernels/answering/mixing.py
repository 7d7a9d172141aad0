"""Linear maps for constant weights, of all atoms or of one element after another: their way back records nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.nn.threads import product
from mlzoo_mace.config import IrrepName
from mlzoo_mace.equivariant import ChannelMix, Features
from mlzoo_mace.kernels.answering.recorded import Back, recorded

Groups = list[tuple[int, int, int]]
"""Where atoms stand element by element: each element, its first atom, and the first that is not of it any more."""


class Order(NamedTuple):
    """Atoms element by element."""

    atoms: Int[Tensor, "A"]
    places: Int[Tensor, "A"]  # of each atom in that order
    elements: Int[Tensor, "A"]  # in that order
    groups: Groups

    @classmethod
    def of(cls, elements: Int[Tensor, "A"]) -> Order:
        """Elements as their places in the model's list; atoms of one keep their order."""
        atoms = torch.argsort(elements, stable=True)
        places = torch.empty_like(atoms)
        places[atoms] = torch.arange(len(atoms))
        present, counts = np.unique(elements.numpy(), return_counts=True)
        ends = counts.cumsum()
        groups = list(zip(present.tolist(), (ends - counts).tolist(), ends.tolist(), strict=True))
        return cls(atoms, places, elements[atoms], groups)


class FrozenMix(nn.Module):
    """In place of a map for each element, with its weights; ``before`` is a map for all that it follows directly."""

    def __init__(self, plain: ChannelMix, before: ChannelMix | None = None):
        super().__init__()
        self.weights = {irrep: weight.detach() for irrep, weight in plain.weights.items()}  # (Z, C, C)
        if before is not None:
            self.weights = {irrep: before.weights[irrep].detach() @ each for irrep, each in self.weights.items()}

    def forward(self, features: Features, elements: Int[Tensor, "A"]) -> Features:
        order = Order.of(elements)
        step = partial(self._step, order.groups)
        mixed = recorded(step, *(features[irrep].index_select(0, order.atoms) for irrep in self.weights))
        return {irrep: x.index_select(0, order.places) for irrep, x in zip(self.weights, mixed, strict=True)}

    def _step(self, groups: Groups, *features: Tensor) -> tuple[tuple[Tensor, ...], Back]:
        def back(*slopes: Tensor | None) -> tuple[Tensor | None, ...]:
            known = {irrep: each for irrep, each in zip(self.weights, slopes, strict=True) if each is not None}
            by_features = mapped_back(self.weights, known, groups)
            return tuple(by_features.get(irrep) for irrep in self.weights)

        mixed = mapped(self.weights, dict(zip(self.weights, features, strict=True)), groups)
        return tuple(mixed.values()), back


def mapped(weights: Mapping[IrrepName, Tensor], features: Features, groups: Groups) -> Features:
    """What there is of the features by (I, O), or by (Z, I, O) for each element."""
    return {irrep: _mapped(features[irrep], each, groups) for irrep, each in weights.items() if irrep in features}


def mapped_back(weights: Mapping[IrrepName, Tensor], slopes: Features, groups: Groups) -> Features:
    """From slopes by what was mapped to slopes by what it was mapped from."""
    return {irrep: _mapped(slopes[irrep], each.mT, groups) for irrep, each in weights.items() if irrep in slopes}


def _mapped(x: Float[Tensor, "A K I"], weight: Float[Tensor, "*Z I O"], groups: Groups) -> Float[Tensor, "A K O"]:
    atoms, size, inputs = x.shape
    rows, out = x.reshape(-1, inputs), x.new_empty(atoms, size, weight.shape[-1])
    into = out.view(atoms * size, -1)
    if weight.dim() == 2:
        product(rows, weight, into)
    else:
        for element, lo, hi in groups:
            product(rows[lo * size : hi * size], weight[element], into[lo * size : hi * size])
    return out
