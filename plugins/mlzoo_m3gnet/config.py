"""What an M3GNet is: one frozen object that says it all, and refuses what no code serves."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlzoo.targets import Target

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
    layers: Annotated[int, Ge(3)] = 4  # of the perceptron; those before the last three keep the width of the atoms


class Set2SetReadout(BaseModel):
    """A property of the whole structure: Set2Set over the atoms, then a perceptron."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["set2set"] = "set2set"
    steps: Width = 3
    layers: Width = 3
    target: Target = Field(default_factory=Target)


class WeightedMeanReadout(BaseModel):
    """A property of the whole structure: a mean over the atoms by weights that are learned, then a perceptron."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["weighted_mean"] = "weighted_mean"
    target: Target = Field(default_factory=Target)


class MeanReadout(BaseModel):
    """A property of the whole structure: the mean over the atoms, then a perceptron."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mean"] = "mean"
    target: Target = Field(default_factory=Target)


PropertyReadout = Set2SetReadout | WeightedMeanReadout | MeanReadout


class M3GNetConfig(BaseModel):
    """An M3GNet as in Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), with the variations of its published weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[Annotated[int, Ge(1), Le(118)], ...]  # atomic numbers, in the order of the embedding's rows
    cutoff: Annotated[float, Gt(0)] = 5.0  # Å, of the graph
    threebody_cutoff: Annotated[float, Gt(0)] = 4.0  # Å, of both bonds of a triplet
    radial_basis: Literal["bessel", "smooth"] = "smooth"  # of the edges
    threebody_basis: Literal["bessel", "smooth"] | None = None  # radial part of the triplets'; None: as the edges
    max_n: Width = 3  # radial functions of each degree
    max_l: Width = 3  # angular degrees, l = 0 ... max_l − 1
    node_width: Width = 64
    edge_width: Width = 64
    hidden_width: Width = 64  # of the perceptrons inside the blocks
    edge_embedding_bias: bool = True  # of the layer that makes an edge's first features from its radial basis
    blocks: Width = 3
    update_layers: Width = 3  # of the gated perceptrons that update edges and atoms
    activate_node_weights: bool = False  # whether the weights of messages, linear in the radial basis, go through SiLU
    aggregate: Literal["centre", "neighbour"] = "centre"  # the end of an edge where node messages are summed
    triplets: Literal["correct", "pruned"] = "correct"  # "pruned": with MatGL's index defect, for parity only
    readout: EnergyReadout | PropertyReadout = Field(default_factory=EnergyReadout, discriminator="kind")

    @model_validator(mode="after")
    def _consistent(self) -> M3GNetConfig:
        if not self.elements or len(set(self.elements)) != len(self.elements):
            raise ValueError(f"elements={self.elements} must name at least one element, each once")
        if self.threebody_cutoff > self.cutoff:
            raise ValueError(f"threebody_cutoff={self.threebody_cutoff} Å exceeds cutoff={self.cutoff} Å")
        return self
