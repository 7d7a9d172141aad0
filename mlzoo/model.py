"""The interfaces that architectures fill: a graph in, energies or properties out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from mlzoo.conditions import Condition
from mlzoo.errors import UnsupportedProperty
from mlzoo.graph import Graph
from mlzoo.properties import DERIVED_FROM_ENERGY, Property


class Model(nn.Module):
    """What every architecture says of itself. The attributes are set in the constructor or on the class."""

    cutoff: float  # Å
    elements: tuple[int, ...]  # atomic numbers that it knows
    long_range_cutoff: float | None = None  # Å; asks for the second edge list, `graph.long_range`
    conditions: tuple[Condition, ...] = ()  # charge, head, state, ... that it reads from `graph.conditions`
    edge_order: Literal["any", "matgl"] = "any"  # "matgl": the numbers depend on the order of that code's edge list
    needs_edges: bool = False  # whether it has no answer for a structure in which no atom has a neighbour
    shares_work: bool = False  # whether it divides its work among threads itself, by `mlzoo.nn.threads`
    kernels: str = "plain"  # the form of the network: plain, or the name of what makes it faster

    @property
    def molecular(self) -> bool:
        """Whether it answers for structures only that are nowhere periodic."""
        return False

    @property
    def reference_energies(self) -> Mapping[int, tuple[float, ...]]:
        """eV of each element by atomic number, one for each head: what the zero of the energy is made of."""
        return {}

    def descriptors(self, graph: Graph) -> Sequence[Mapping[str, Float[Tensor, "A K C"]]]:
        """Features of the atoms behind each layer, by irrep ("0e", "1o", ...), channels last."""
        raise UnsupportedProperty(f"{type(self).__name__} has no descriptors. Load a model of another architecture.")

    def inference_form(self) -> Model | None:
        """A faster form of this model as it stands, for constant parameters; None where there is none."""
        return None

    @property
    def predicts(self) -> tuple[Property, ...]:
        raise NotImplementedError


class EnergyModel(Model):
    """An energy for each atom; forces, virial, stress and Hessian follow by differentiation (`mlzoo.derivatives`).

    ``forward`` reads ``graph.edges.vectors`` for all geometry and returns at least ``energies`` (A,) in eV, pair terms
    half to each atom, and whatever else ``outputs`` names.
    """

    smoothness: Literal["none", "energy", "forces"] = "forces"  # what is continuous when an atom crosses the cutoff
    local: bool = True  # whether two fragments beyond all cutoffs are independent
    derivatives: Literal[0, 1, 2] = 2  # highest derivative of the energy: forces 1, Hessian 2
    uses: frozenset[str] = frozenset()  # of {"positions", "cell"}, where the energy needs more than edge vectors
    intensive_conditions: frozenset[str] = frozenset()  # of the whole structure, and yet seen by each atom as they are
    outputs: tuple[Property, ...] = ()  # what it predicts besides the energy: charges, dipole, ...

    @property
    def predicts(self) -> tuple[Property, ...]:
        return (*(DERIVED_FROM_ENERGY if self.derivatives else DERIVED_FROM_ENERGY[:2]), *self.outputs)

    def forward(self, graph: Graph) -> dict[str, Float[Tensor, "..."]]:
        raise NotImplementedError


class PropertyModel(Model):
    """Values of a structure that are not derived from an energy: a band gap, a formation energy, a dipole.

    ``forward`` returns a tensor for each of ``outputs``, (S, ...) or (A, ...). It may read ``graph.positions``.
    """

    outputs: tuple[Property, ...]

    @property
    def predicts(self) -> tuple[Property, ...]:
        return self.outputs

    @property
    def molecular(self) -> bool:
        return any(each.molecular for each in self.outputs)

    def forward(self, graph: Graph) -> dict[str, Float[Tensor, "..."]]:
        raise NotImplementedError
