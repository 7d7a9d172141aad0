"""Features that turn with the structure, and what maps them channel by channel: linear maps and gates.

Features are a tensor (atoms, 2l+1, channels) for each irrep, channels innermost.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor, nn

from mlzoo_mace.config import Gate, IrrepName
from mlzoo_mace.radial import activate

Features = dict[IrrepName, Tensor]


class ChannelMix(nn.Module):
    """A linear map of the channels for each irrep; a map for each element where ``elements`` says how many."""

    def __init__(self, sizes: dict[IrrepName, tuple[int, int]], elements: int | None = None):
        super().__init__()
        kinds = () if elements is None else (elements,)
        self.weights = nn.ParameterDict(  # pairs keep their order, a dict would be sorted
            [(irrep, torch.randn(*kinds, *size) / size[0] ** 0.5) for irrep, size in sizes.items()]
        )
        self.by_element = elements is not None

    def forward(self, features: Features, elements: Int[Tensor, "A"] | None = None) -> Features:
        if not self.by_element:
            return {irrep: features[irrep] @ weight for irrep, weight in self.weights.items()}
        assert elements is not None
        present = present_in(elements)
        return {irrep: self._each(features[irrep], weight, elements, present) for irrep, weight in self.weights.items()}

    @staticmethod
    def _each(x: Tensor, weight: Tensor, elements: Tensor, present: Sequence[int]) -> Tensor:
        """One element after another: a gather of the weights would take (A, C, C)."""
        if len(present) == 1:
            return x @ weight[present[0]]
        mixed = x.new_zeros(*x.shape[:-1], weight.shape[-1])
        for element in present:
            (atoms,) = torch.nonzero(elements == element, as_tuple=True)
            mixed = mixed.index_add(0, atoms, x[atoms] @ weight[element])
        return mixed


def present_in(elements: Int[Tensor, "A"]) -> list[int]:
    """Places of the elements that there are, ascending."""
    return torch.bincount(elements).nonzero()[:, 0].tolist()


def gated(features: Features, by: Gate, channels: int) -> Features:
    """Scalars through their activation; all else times a gate, which stand behind the scalars in order of irreps."""
    scalars, *gates = features["0e"].split(channels, dim=-1)
    rest = [irrep for irrep in features if irrep != "0e"]
    return {"0e": activate(scalars, by.scalars)} | {
        irrep: features[irrep] * activate(gate, by.gates) for irrep, gate in zip(rest, gates, strict=True)
    }
