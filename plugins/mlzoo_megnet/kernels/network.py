"""The network of a MEGNet with constant parameters: takes the place of the plain one where a model answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlzoo_megnet.kernels.block import FrozenBlock
from mlzoo_megnet.kernels.joints import Joints
from mlzoo_megnet.kernels.perceptron import FrozenPerceptron
from mlzoo_megnet.kernels.pooling import FrozenPool
from mlzoo_megnet.kernels.start import FrozenStart
from mlzoo_megnet.layers import Features, Links
from mlzoo_megnet.model import Network


class FastNetwork(nn.Module):
    """``Network``, forward only; what it knows of elements, states and lengths by themselves is worked out beforehand."""

    @torch.no_grad()
    def __init__(self, plain: Network, cutoff: float):
        super().__init__()
        self.layers = plain.layers
        self.nodes = plain.encoder.node(plain.node_embedding.weight)  # (elements, W)
        self.state = plain.encoder.state(plain.state_embedding.weight)  # (states, W)
        self.blocks = [FrozenBlock(block) for block in plain.blocks]  # type: ignore[arg-type]
        self.start = FrozenStart(plain, cutoff, self.blocks, self.nodes, self.state)
        self.pool_nodes, self.pool_edges = FrozenPool(plain.pool_nodes), FrozenPool(plain.pool_edges)
        self.readout = FrozenPerceptron(plain.readout)

    @torch.no_grad()
    def forward(self, lengths: Tensor, elements: Tensor, states: Tensor, links: Links) -> Tensor:
        structures, joints = len(states), Joints.of(links, len(states))
        start = self.start(lengths, elements.numpy(), states.numpy(), joints)
        edges = lengths.new_empty(len(lengths), self.nodes.shape[1])
        x = Features(edges, self.nodes[elements], self.state[states])
        first, *others = self.blocks
        x = first.update(x, x.nodes, x.state, start.sums(joints.targets, len(elements)), joints)
        for number, block in enumerate(others):
            x = block(x, joints, None if number else start.enter)
        if not others:
            x = Features(start.edges[torch.from_numpy(start.which)], x.nodes, x.state)
        pooled = [
            self.pool_nodes(x.nodes, joints.structure_of_atom, structures),
            self.pool_edges(x.edges, joints.structure_of_edge, structures),
        ]
        return self.readout(torch.cat([*pooled, x.state], dim=1)).squeeze(1)
