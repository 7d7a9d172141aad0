"""A block with constant parameters.

Nearly all of MEGNet's time goes into its perceptrons on edges. Here some thousand edges at a time go through all of them;
what acts on the ends of an edge is done once for each atom. ``mlzoo_megnet.layers.Block`` is the definition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from mlzoo_megnet.kernels import loops
from mlzoo_megnet.kernels.joints import Joints
from mlzoo_megnet.kernels.perceptron import FrozenPerceptron
from mlzoo_megnet.layers import Block, Features

CHUNK = 2048  # edges; what is known of them, 64 numbers each, fits into a typical L2 cache

Enter = Callable[[slice, Tensor], Tensor]
"""Of some edges, whose features (n, W) it may write: their part of a block's first layer, (n, H)."""


class FrozenBlock:
    """The parameters of a block, laid out for the loops."""

    def __init__(self, block: Block):
        first, *rest = block.update.edge
        assert isinstance(first, nn.Linear)
        dense = [] if block.dense is None else [block.dense.edge, block.dense.node, block.dense.state]
        self.dense = [FrozenPerceptron(mlp) for mlp in dense]
        centre, neighbour, edge, state = first.weight.detach().T.chunk(4)  # [v_centre, v_neighbour, e, u]
        self.to_centre, self.to_neighbour = centre.contiguous(), neighbour.contiguous()
        self.to_edge, self.to_state, self.bias = edge.contiguous(), state.contiguous(), first.bias.detach()
        self.edge = FrozenPerceptron(rest[1:])  # behind the first activation
        self.node, self.state = FrozenPerceptron(block.update.node), FrozenPerceptron(block.update.state)

    def __call__(self, x: Features, joints: Joints, enter: Enter | None = None) -> Features:
        """Features behind the block; those of the edges are written in place."""
        nodes, state = self.dense[1](x.nodes), self.dense[2](x.state)
        sums = self._edges(x.edges, nodes, state, joints, enter or self._enter)
        return self.update(x, nodes, state, sums, joints)

    def update(self, x: Features, nodes: Tensor, state: Tensor, sums: np.ndarray, joints: Joints) -> Features:
        """Atoms and state learn from the sums of the updates at each atom, (A, W)."""
        inputs = nodes.new_empty(len(nodes), 3 * nodes.shape[1])
        of_structures = state.numpy(), joints.structure_of_atom
        loops.of_atoms(nodes.numpy(), sums, joints.edges_at_atom, *of_structures, inputs.numpy())
        new_nodes = self.node(inputs)
        inputs = state.new_empty(len(state), 3 * state.shape[1])
        counts = joints.edges_of_structure, joints.atoms_of_structure
        loops.of_structures(sums, new_nodes.numpy(), *of_structures, *counts, inputs.numpy())
        return Features(x.edges, x.nodes + new_nodes, x.state + self.state(inputs))

    def finish_edges(self, hidden: Tensor, edges: Tensor, targets: np.ndarray, sums: np.ndarray) -> None:
        """The layers behind the first activation; their output is added to the edges and to the sums at their targets."""
        *inner, (weight, bias, activated) = zip(self.edge.weights, self.edge.biases, self.edge.activated, strict=True)
        for inner_weight, inner_bias, _ in inner:
            hidden = torch.mm(hidden, inner_weight)
            loops.activate(hidden.numpy(), inner_bias)
        out = torch.mm(hidden, weight).numpy()
        loops.finish(out, bias, activated, edges.numpy(), targets, sums)

    def _edges(self, features: Tensor, nodes: Tensor, state: Tensor, joints: Joints, enter: Enter) -> np.ndarray:
        """Updates the features of edges, and returns the sums of the updates at their targets, (A, W)."""
        of_centre, of_neighbour = torch.mm(nodes, self.to_centre).numpy(), torch.mm(nodes, self.to_neighbour).numpy()
        of_state = torch.addmm(self.bias, state, self.to_state).numpy()
        loops.add_rows(of_centre, of_state, joints.structure_of_atom)  # a centre is in the structure of its edges
        sums = np.zeros((len(nodes), nodes.shape[1]), np.float32)
        for part in chunks(len(features)):
            edges = features[part]
            hidden = enter(part, edges)
            ends = joints.centres[part], joints.neighbours[part]
            loops.activate_with_ends(hidden.numpy(), of_centre, of_neighbour, *ends)
            self.finish_edges(hidden, edges, joints.targets[part], sums)
        return sums

    def _enter(self, part: slice, edges: Tensor) -> Tensor:
        return torch.mm(self.dense[0](edges), self.to_edge)


def chunks(edges: int) -> Iterator[slice]:
    """So many rows in as few parts of about equal length as there can be."""
    step = math.ceil(edges / max(1, math.ceil(edges / CHUNK)))
    for start in range(0, edges, max(1, step)):
        yield slice(start, min(start + step, edges))
