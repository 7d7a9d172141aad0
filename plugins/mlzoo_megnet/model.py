"""MEGNet, as in figure 1 of Chen et al., Chem. Mater. 31, 3564 (2019)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.conditions import Condition
from mlzoo.graph import Graph
from mlzoo.model import Model, PropertyModel
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


class Network(nn.Module):
    """Lengths of edges, elements of atoms, states of structures in; one number for each structure out."""

    def __init__(self, config: MEGNetConfig):
        super().__init__()
        self.gaussians = Gaussians(config.gaussians)
        self.node_embedding = nn.Embedding(len(config.elements), config.node_width)
        self.state_embedding = nn.Embedding(max(1, len(config.states)), config.state_width)
        self.encoder = Encoder((config.gaussians.count, config.node_width, config.state_width), config.encoder)
        self.blocks = nn.ModuleList(Block(config, first=block == 0) for block in range(config.blocks))
        self.pool_nodes, self.pool_edges = Pool(config), Pool(config)
        widths = [self.pool_nodes.size + self.pool_edges.size + config.update[-1], *config.readout, 1]
        self.readout = MLP(widths, activation=SoftPlus2)

    def forward(
        self, lengths: Float[Tensor, "E"], elements: Int[Tensor, "A"], states: Int[Tensor, "S"], links: Links
    ) -> Float[Tensor, "S"]:
        *_, x = self.layers(lengths, elements, states, links)
        pooled = [
            self.pool_nodes(x.nodes, links.structure_of_atom, len(states)),
            self.pool_edges(x.edges, links.structure_of_edge, len(states)),
        ]
        return self.readout(torch.cat([*pooled, x.state], dim=1)).squeeze(1)

    def layers(self, lengths: Tensor, elements: Tensor, states: Tensor, links: Links) -> Iterator[Features]:
        """Features behind each block."""
        x = Features(self.gaussians(lengths), self.node_embedding(elements), self.state_embedding(states))
        x = self.encoder(x)
        for block in self.blocks:
            x = block(x, links)
            yield x


class MEGNet(PropertyModel):
    """One property of a structure."""

    index_of: Tensor
    needs_edges = True  # atoms without bonds were never trained, and the original codes have no answer for them

    def __init__(self, config: MEGNetConfig):
        super().__init__()
        self.config = config
        self.cutoff, self.elements = config.cutoff, config.elements
        self.conditions = (Condition("state", labels=config.states),) if config.states else ()
        self.outputs = (config.target.property,)
        index_of = torch.full((119,), -1)
        index_of[list(config.elements)] = torch.arange(len(config.elements))
        self.register_buffer("index_of", index_of, persistent=False)
        self.network = Network(config)

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        target = self.config.target
        return {target.name: target.of_output(self.network(*self._inputs(graph)))}

    def descriptors(self, graph: Graph) -> list[dict[str, Tensor]]:
        return [{"0e": x.nodes[:, None]} for x in self.network.layers(*self._inputs(graph))]

    def inference_form(self) -> Model | None:
        """The same model with its network in Numba kernels; for constant parameters on a CPU in float32."""
        first = next(self.parameters())
        served = len(self.config.update) > 1 and self.config.set2set.layers == 1
        if first.device.type != "cpu" or first.dtype != torch.float32 or not served:
            return None
        from mlzoo_megnet.kernels.network import FastNetwork  # imports Numba

        form = copy.copy(self)
        form._modules = {**self._modules, "network": FastNetwork(self.network, self.cutoff)}
        form.kernels = "numba"
        return form

    def _inputs(self, graph: Graph) -> tuple[Tensor, Tensor, Tensor, Links]:
        # all edges come in both directions, so the receiver can be the centre and the sender its neighbour
        centres, neighbours, structure = graph.edges.receivers, graph.edges.senders, graph.structure_index
        targets = centres if self.config.aggregate == "centre" else neighbours
        links = Links(centres, neighbours, targets, structure[centres], structure)
        states = graph.conditions["state"] if self.conditions else structure.new_zeros(graph.n_structures)
        return graph.edges.lengths, self.index_of[graph.atomic_numbers], states, links
