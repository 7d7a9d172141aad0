"""A block with constant parameters.

Nearly all of MEGNet's time goes into its perceptrons on edges. Here some thousand edges at a time go through all of them;
what acts on the ends of an edge is done once for each atom. ``mlzoo_megnet.layers.Block`` is the definition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mlzoo.nn.segments import sum_per_segment
from mlzoo_megnet.kernels import loops
from mlzoo_megnet.kernels.perceptron import FrozenPerceptron
from mlzoo_megnet.layers import Block, Features, Links

CHUNK = 1024  # edges; what is known of them, 64 numbers each, fits into a typical L2 cache


@dataclass(frozen=True)
class Counts:
    """How many edges end at each atom, and how many edges and atoms each structure has; at least one."""

    at_atom: Tensor  # (A, 1)
    edges: Tensor  # (S, 1)
    atoms: Tensor  # (S, 1)

    @classmethod
    def of(cls, links: Links, structures: int) -> Counts:
        def count(index: Tensor, segments: int) -> Tensor:
            return torch.bincount(index, minlength=segments).clamp_(min=1)[:, None].float()

        atoms = len(links.structure_of_atom)
        return cls(
            count(links.targets, atoms),
            count(links.structure_of_edge, structures),
            count(links.structure_of_atom, structures),
        )


class FrozenBlock:
    """The parameters of a block, laid out for the loops."""

    def __init__(self, block: Block):
        first, *rest = block.update.edge
        dense = [] if block.dense is None else [block.dense.edge, block.dense.node, block.dense.state]
        self.dense = [FrozenPerceptron(mlp) for mlp in dense]
        centre, neighbour, edge, state = first.weight.detach().T.chunk(4)  # [v_centre, v_neighbour, e, u]
        self.to_centre, self.to_neighbour = centre.contiguous(), neighbour.contiguous()
        self.to_edge, self.to_state, self.bias = edge.contiguous(), state.contiguous(), first.bias.detach()
        self.edge = FrozenPerceptron(rest[1:])  # behind the first activation
        self.node, self.state = FrozenPerceptron(block.update.node), FrozenPerceptron(block.update.state)

    def __call__(
        self, x: Features, links: Links, counts: Counts, look_up: Callable[[slice, Tensor], Tensor] | None
    ) -> Features:
        """Features behind the block; those of the edges are written in place, in the first block from a table."""
        nodes, state = x.nodes, x.state
        if self.dense:
            nodes, state = self.dense[1](nodes), self.dense[2](state)
        whole = torch.addmm(self.bias, state, self.to_state)[links.structure_of_atom]  # the centre is in the structure
        of_centre = torch.addmm(whole, nodes, self.to_centre).numpy()  # (A, H)
        of_neighbour = torch.mm(nodes, self.to_neighbour).numpy()
        sums = torch.zeros_like(x.nodes)
        for part in chunks(len(x.edges)):
            edges = x.edges[part]
            hidden = look_up(part, edges) if look_up else torch.mm(self.dense[0](edges), self.to_edge)  # (n, H)
            ends = links.centres[part].numpy(), links.neighbours[part].numpy()
            loops.activate_with_ends(hidden.numpy(), of_centre, of_neighbour, *ends)
            self._update(hidden, edges, links.targets[part], sums)
        received = sums / counts.at_atom
        of_nodes = self.node(torch.cat([nodes, received, state[links.structure_of_atom]], dim=1))
        structures = len(state)
        means = [
            sum_per_segment(sums, links.structure_of_atom, structures) / counts.edges,
            sum_per_segment(of_nodes, links.structure_of_atom, structures) / counts.atoms,
        ]
        of_state = self.state(torch.cat([state, *means], dim=1))
        return Features(x.edges, x.nodes + of_nodes, x.state + of_state)

    def _update(self, hidden: Tensor, edges: Tensor, targets: Tensor, sums: Tensor) -> None:
        """The layers of the edge update behind the first, added to the edges and to the sums at their targets."""
        *inner, last = zip(self.edge.weights, self.edge.biases, self.edge.activated, strict=True)
        for weight, bias, _ in inner:
            hidden = torch.mm(hidden, weight)
            loops.activate(hidden.numpy(), bias.numpy())
        weight, bias, activated = last
        out = torch.mm(hidden, weight)
        loops.finish(out.numpy(), bias.numpy(), activated, edges.numpy(), targets.numpy(), sums.numpy())


def chunks(edges: int) -> Iterator[slice]:
    """So many rows in as few parts of about equal length as there can be."""
    step = math.ceil(edges / max(1, math.ceil(edges / CHUNK)))
    for start in range(0, edges, max(1, step)):
        yield slice(start, min(start + step, edges))
