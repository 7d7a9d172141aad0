"""What a MEGNet is: one frozen object that says it all, and refuses what no code serves."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlzoo.targets import Target

Width = Annotated[int, Gt(0)]
Widths = Annotated[tuple[Width, ...], MinLen(1)]


class GaussianExpansion(BaseModel):
    """A distance r as exp(−exponent (r − centre)²) for equidistant centres from 0 on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    last: Annotated[float, Gt(0)] = 5.0  # Å, the last centre
    count: Annotated[int, Ge(2)] = 100
    exponent: Annotated[float, Gt(0)] = 4.0  # 1/Å²


class Set2SetReadout(BaseModel):
    """Atoms and bonds, each as one row (:class:`mlzoo.nn.set2set.Set2Set`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Width = 3
    layers: Width = 1  # of the LSTM
    width: Width | None = 16  # features are projected to it first; None: taken as they are
    memory: bool = True  # whether the LSTM's cell lives on from step to step
    gates: Literal["sigmoid", "hard_sigmoid"] = "sigmoid"  # hard: 0.2 x + 0.5, cut off at 0 and 1

    @model_validator(mode="after")
    def _served(self) -> Set2SetReadout:
        if self.memory and self.gates != "sigmoid":
            raise ValueError(f"gates={self.gates!r} is served with memory=False only")
        if not self.memory and self.layers != 1:
            raise ValueError(f"layers={self.layers} is served with memory=True only")
        return self


class MEGNetConfig(BaseModel):
    """A MEGNet as in Chen et al., Chem. Mater. 31, 3564 (2019), with the variations of its published weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[Annotated[int, Ge(1), Le(118)], ...]  # atomic numbers, in the order of the embedding's rows
    cutoff: Annotated[float, Gt(0)] = 4.0  # Å
    gaussians: GaussianExpansion = GaussianExpansion()
    node_width: Width = 16  # of the elements' embedding
    state_width: Width = 2  # of the global state before it is encoded
    states: tuple[str, ...] = ()  # labels of states that a user chooses from; none: there is one for all
    encoder: Widths = (64, 32)  # layers of the perceptrons on atoms, bonds and state, before and between the updates
    update: Widths = (64, 64, 32)  # layers of the three updates of a block
    activate_update: bool = False  # whether the last layer of an update has an activation
    blocks: Width = 3
    aggregate: Literal["centre", "neighbour"] = "centre"  # the end of an edge where its message is averaged
    set2set: Set2SetReadout = Set2SetReadout()
    readout: Widths = (32, 16)  # hidden layers
    target: Target = Field(default_factory=Target)

    @model_validator(mode="after")
    def _consistent(self) -> MEGNetConfig:
        if not self.elements or len(set(self.elements)) != len(self.elements):
            raise ValueError(f"elements={self.elements} must name at least one element, each once")
        if len(set(self.states)) != len(self.states):
            raise ValueError(f"states={self.states} names a state twice")
        if self.encoder[-1] != self.update[-1]:
            raise ValueError(
                f"encoder={self.encoder} and update={self.update} must end with the same width: a block adds its input"
            )
        return self
