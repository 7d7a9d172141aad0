"""What an M3GNet is: one frozen object that says it all, and refuses what no code serves."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ConfigDict, Field, model_validator

Width = Annotated[int, Gt(0)]

CONVENTIONS: dict[str, dict[str, str]] = {
    "legacy": {"aggregate": "neighbour", "triplets": "pruned"},
    "dstfix": {"aggregate": "neighbour", "triplets": "correct"},
    "v3": {"aggregate": "centre", "triplets": "pruned"},
    "v4": {"aggregate": "centre", "triplets": "correct"},
}
"""Named combinations of the two switches in which MatGL's versions differ; docs/m3gnet.md tells their story."""


class EnergyReadout(BaseModel):
    """Total energy: a gated perceptron on each atom, scaled, plus the element's reference energy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["energy"] = "energy"
    scale: Annotated[float, Gt(0)] = 1.0  # eV


class Set2SetReadout(BaseModel):
    """A property of the whole structure: Set2Set over the atoms, a perceptron, and the inverse of the target's scaling."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["set2set"] = "set2set"
    steps: Width = 3
    layers: Width = 3
    name: str = "formation_energy_per_atom"
    unit: str = "eV/atom"
    mean: float = 0.0
    std: Annotated[float, Gt(0)] = 1.0


class M3GNetConfig(BaseModel):
    """An M3GNet as in Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), with the variations of its published weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[Annotated[int, Ge(1), Le(118)], ...]  # atomic numbers, in the order of the embedding's rows
    cutoff: Annotated[float, Gt(0)] = 5.0  # Å, of the graph
    threebody_cutoff: Annotated[float, Gt(0)] = 4.0  # Å, of both bonds of a triplet
    radial_basis: Literal["bessel", "smooth"] = "smooth"
    max_n: Width = 3  # radial functions of each degree
    max_l: Width = 3  # angular degrees, l = 0 ... max_l − 1
    node_width: Width = 64
    edge_width: Width = 64
    hidden_width: Width = 64  # of the perceptrons inside the blocks
    blocks: Width = 3
    aggregate: Literal["centre", "neighbour"] = "centre"  # the end of an edge where node messages are summed
    triplets: Literal["correct", "pruned"] = "correct"  # "pruned": with MatGL's index defect, for parity only
    readout: EnergyReadout | Set2SetReadout = Field(default_factory=EnergyReadout, discriminator="kind")

    @model_validator(mode="after")
    def _consistent(self) -> M3GNetConfig:
        if not self.elements or len(set(self.elements)) != len(self.elements):
            raise ValueError(f"elements={self.elements} must name at least one element, each once")
        if self.threebody_cutoff > self.cutoff:
            raise ValueError(f"threebody_cutoff={self.threebody_cutoff} Å exceeds cutoff={self.cutoff} Å")
        return self
