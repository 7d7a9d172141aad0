"""MEGNet, as in figure 1 of Chen et al., Chem. Mater. 31, 3564 (2019)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlzoo.conditions import Condition
from mlzoo.graph import Graph
from mlzoo.model import PropertyModel
from mlzoo.nn.mlp import MLP, SoftPlus2
from mlzoo_megnet.config import GaussianExpansion, MEGNetConfig
from mlzoo_megnet.layers import Block, Encoder, Features, Links
from mlzoo_megnet.pooling import Pool


class Gaussians(nn.Module):
    """Distances in Å as rows of Gaussians; the centres belong to the weights, as they were rounded in training."""

    centres: Tensor

    def __init__(self, expansion: GaussianExpansion):
        super().__init__()
        self.exponent = expansion.exponent
        self.register_buffer("centres", torch.linspace(0, expansion.last, expansion.count))

    def forward(self, lengths: Float[Tensor, "E"]) -> Float[Tensor, "E K"]:
        return torch.exp(-self.exponent * (lengths[:, None] - self.centres) ** 2)


class MEGNet(PropertyModel):
    """One property of a structure."""

    index_of: Tensor
    needs_edges = True  # atoms without bonds were never trained, and the original codes have no answer for them

    def __init__(self, config: MEGNetConfig):
        super().__init__()
        self.cutoff, self.elements = config.cutoff, config.elements
        self.aggregate, self.state_width = config.aggregate, config.state_width
        self.conditions = (Condition("state", labels=config.states),) if config.states else ()
        self.target = config.target
        self.outputs = (config.target.property,)
        index_of = torch.full((119,), -1)
        index_of[list(config.elements)] = torch.arange(len(config.elements))
        self.register_buffer("index_of", index_of, persistent=False)

        self.gaussians = Gaussians(config.gaussians)
        self.node_embedding = nn.Embedding(len(config.elements), config.node_width)
        self.state_embedding = nn.Embedding(len(config.states), config.state_width) if config.states else None
        self.encoder = Encoder((config.gaussians.count, config.node_width, config.state_width), config.encoder)
        self.blocks = nn.ModuleList(Block(config, first=block == 0) for block in range(config.blocks))
        self.pool_nodes, self.pool_edges = Pool(config), Pool(config)
        widths = [self.pool_nodes.size + self.pool_edges.size + config.update[-1], *config.readout, 1]
        self.readout = MLP(widths, activation=SoftPlus2)

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        links = self.links(graph)
        *_, last = self.layers(graph, links)
        return {self.target.name: self.value(last, links)}

    def descriptors(self, graph: Graph) -> list[dict[str, Tensor]]:
        return [{"0e": x.nodes[:, None]} for x in self.layers(graph, self.links(graph))]

    def links(self, graph: Graph) -> Links:
        # all edges come in both directions, so the receiver can be the centre and the sender its neighbour
        centres, neighbours = graph.edges.receivers, graph.edges.senders
        targets = centres if self.aggregate == "centre" else neighbours
        return Links(centres, neighbours, targets, graph.structure_index[centres], graph.structure_index)

    def layers(self, graph: Graph, links: Links) -> Iterator[Features]:
        """Features behind each block."""
        x = self.encoder(self.inputs(graph))
        for block in self.blocks:
            x = block(x, links)
            yield x

    def inputs(self, graph: Graph) -> Features:
        edges = self.gaussians(graph.edges.lengths)  # (E, K)
        nodes = self.node_embedding(self.index_of[graph.atomic_numbers])  # (A, V)
        if self.state_embedding is None:
            state = edges.new_zeros(graph.n_structures, self.state_width)  # (S, U)
        else:
            state = self.state_embedding(graph.conditions["state"])
        return Features(edges, nodes, state)

    def value(self, x: Features, links: Links) -> Float[Tensor, "S"]:
        """The property, in its unit."""
        structures = len(x.state)
        pooled = [
            self.pool_nodes(x.nodes, links.structure_of_atom, structures),
            self.pool_edges(x.edges, links.structure_of_edge, structures),
        ]
        return self.target.of_output(self.readout(torch.cat([*pooled, x.state], dim=1)).squeeze(1))
