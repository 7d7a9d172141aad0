"""A MEGNet block: bonds learn from their atoms, atoms from their bonds, the state from both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.nn.mlp import MLP, SoftPlus2
from mlzoo.nn.segments import mean_per_segment
from mlzoo_megnet.config import MEGNetConfig


@dataclass(frozen=True)
class Links:
    """Who is joined to whom: of each edge its centre, its neighbour, and where its message goes."""

    centres: Int[Tensor, "E"]
    neighbours: Int[Tensor, "E"]
    targets: Int[Tensor, "E"]
    structure_of_edge: Int[Tensor, "E"]
    structure_of_atom: Int[Tensor, "A"]


@dataclass(frozen=True)
class Features:
    """What is known of edges, atoms and structures; behind the encoders all three have one width W."""

    edges: Float[Tensor, "E P"]
    nodes: Float[Tensor, "A Q"]
    state: Float[Tensor, "S R"]

    def __add__(self, other: Features) -> Features:
        return Features(self.edges + other.edges, self.nodes + other.nodes, self.state + other.state)


class Encoder(nn.Module):
    """A perceptron on each of the three kinds of features."""

    def __init__(self, widths_in: tuple[int, int, int], widths: tuple[int, ...]):
        super().__init__()
        edge, node, state = (MLP([w, *widths], activate_last=True, activation=SoftPlus2) for w in widths_in)
        self.edge, self.node, self.state = edge, node, state

    def forward(self, x: Features) -> Features:
        return Features(self.edge(x.edges), self.node(x.nodes), self.state(x.state))


class Update(nn.Module):
    """Eqs. 2 to 7 of Chen et al. (2019): edges, then nodes, then the state; means over what is not there are zero."""

    def __init__(self, config: MEGNetConfig):
        super().__init__()
        w, out, last = config.encoder[-1], config.update[-1], config.activate_update
        edge, node, state = (
            MLP([width, *config.update], activate_last=last, activation=SoftPlus2)
            for width in (4 * w, out + 2 * w, 2 * out + w)
        )
        self.edge, self.node, self.state = edge, node, state

    def forward(self, x: Features, links: Links) -> Features:
        structures, atoms = len(x.state), len(x.nodes)
        ends = [x.nodes[links.centres], x.nodes[links.neighbours]]
        edges = self.edge(torch.cat([*ends, x.edges, x.state[links.structure_of_edge]], dim=1))  # (E, W)
        received = mean_per_segment(edges, links.targets, atoms)  # (A, W)
        nodes = self.node(torch.cat([x.nodes, received, x.state[links.structure_of_atom]], dim=1))  # (A, W)
        means = [
            mean_per_segment(edges, links.structure_of_edge, structures),
            mean_per_segment(nodes, links.structure_of_atom, structures),
        ]
        return Features(edges, nodes, self.state(torch.cat([x.state, *means], dim=1)))


class Block(nn.Module):
    """Perceptrons (in all blocks but the first, whose input comes from some), then the update; the input is added."""

    def __init__(self, config: MEGNetConfig, first: bool):
        super().__init__()
        w = config.encoder[-1]
        self.dense = None if first else Encoder((w, w, w), config.encoder)
        self.update = Update(config)

    def forward(self, x: Features, links: Links) -> Features:
        return x + self.update(x if self.dense is None else self.dense(x), links)
