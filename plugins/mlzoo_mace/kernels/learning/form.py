"""The form in which a MACE learns on a CPU: what is done for each edge and each atom in compiled loops."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor

from mlzoo.graph import Graph
from mlzoo.model import EnergyModel
from mlzoo_mace.contraction import SymmetricContraction
from mlzoo_mace.convolution import Directions, Geometry
from mlzoo_mace.kernels.learning.contraction import LARGEST_ORDER, CompiledContraction
from mlzoo_mace.kernels.learning.convolution import CompiledConvolution
from mlzoo_mace.kernels.learning.pairs import pairs
from mlzoo_mace.layer import MaceLayer
from mlzoo_mace.model import Mace


class CompiledMace(Mace):
    """Shares its parameters with the plain form, which is its judge.

    Radial functions are worked out once for both edges of a pair of atoms, where they do not tell its ends apart.
    """

    kernels = "numba"

    def __init__(self, plain: Mace):
        EnergyModel.__init__(self)
        self._become(plain)
        self.by_pair = not tells_elements(plain) and not any(
            layer.by.density or layer.by.reads_features for layer in _layers(plain)
        )
        for layer in _layers(self):
            layer.add_module("convolution", CompiledConvolution(layer.convolution))
            if isinstance(layer.contraction, SymmetricContraction) and _covered(layer.contraction):
                layer.add_module("contraction", CompiledContraction(layer.contraction))

    def _described(
        self, graph: Graph, elements: Int[Tensor, "A"], lengths: Float[Tensor, "E"], harmonics: Float[Tensor, "E H"]
    ) -> Directions:
        geometry = super()._described(graph, elements, lengths, harmonics)
        if not self.by_pair:
            return geometry
        assert isinstance(geometry, Geometry)
        first, rows = pairs(graph.edges, graph.n_atoms)
        return replace(
            geometry,
            sender_elements=geometry.sender_elements[first],
            receiver_elements=geometry.receiver_elements[first],
            basis=geometry.basis[first],
            envelope=None if geometry.envelope is None else geometry.envelope[first],
            rows=rows,
        )


def tells_elements(model: Mace) -> bool:
    """Whether radial functions depend on which elements an edge joins."""
    return model.config.radial.transform is not None or any(
        by.radial_mlp.elements or by.pair_factors or (by.density is not None and by.density.elements)
        for by in model.config.layers
    )


def _layers(model: Mace) -> list[MaceLayer]:
    return list(model.layers)  # type: ignore[arg-type]


def _covered(contraction: SymmetricContraction) -> bool:
    return all(each.order <= LARGEST_ORDER for each in contraction.by.couplings)
