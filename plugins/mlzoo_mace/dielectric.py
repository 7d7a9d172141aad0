"""Dipole and polarizability of a molecule, from what is read at its atoms."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from mlzoo.graph import Graph
from mlzoo.nn.constants import KeepsFloat64
from mlzoo.nn.segments import mean_per_segment, sum_per_segment
from mlzoo_mace.convolution import Path, coupling


def sum_to_total(raw: Float[Tensor, "A"], graph: Graph) -> Float[Tensor, "A"]:
    """Charges in e, shifted by the same amount each, so that they sum to the charge of the structure."""
    total = graph.conditions["charge"]
    sizes = torch.bincount(graph.structure_index, minlength=graph.n_structures)
    excess = mean_per_segment(raw, graph.structure_index, graph.n_structures) - total / sizes
    return raw - excess[graph.structure_index]


def dipole(
    vectors: Float[Tensor, "A 3"], graph: Graph, charges: Float[Tensor, "A"] | None = None
) -> Float[Tensor, "S 3"]:
    """Σ μ + Σ q r in e·Å, about the origin of the coordinates."""
    moments = vectors if charges is None else vectors + charges[:, None] * graph.positions
    return sum_per_segment(moments, graph.structure_index, graph.n_structures)


class Polarizability(KeepsFloat64):
    """Σ over atoms of traces and traceless tensors, as symmetric matrices.

    ``basis`` has Frobenius norm one: the unit matrix over √3, then a matrix for each component of ``2e``.
    """

    basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", symmetric_basis())

    def forward(
        self, traces: Float[Tensor, "A"], tensors: Float[Tensor, "A 5"], graph: Graph
    ) -> Float[Tensor, "S 3 3"]:
        """e·Å²/V."""
        each = torch.cat([traces[:, None], tensors], dim=1)  # (A, 6)
        total = sum_per_segment(each, graph.structure_index, graph.n_structures)
        return torch.einsum("sk,kij->sij", total, self.basis.to(total.dtype))


def symmetric_basis() -> Float[Tensor, "6 3 3"]:
    """Orthonormal, in float64; components of a vector are x, y, z, those of ``2e`` as in the harmonics."""
    traceless = coupling(Path("1o", 1, "2e"))  # (3, 3, 5)
    return torch.cat([torch.eye(3, dtype=torch.float64)[None] / 3**0.5, traceless.permute(2, 0, 1)])
