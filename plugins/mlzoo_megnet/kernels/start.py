"""What a network knows of an edge before its atoms have learned anything: a function of its length and two elements.

That is the first block's update of the edge and, with a second block, the perceptron and the edge's part of the first layer
there: two fifths of all arithmetic. It is done once for each distinct combination, of which a crystal has few. Up to the
first update's first layer it depends on the length alone and is read from a table.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import jvp

from mlzoo_megnet.kernels import loops
from mlzoo_megnet.kernels.block import FrozenBlock, chunks
from mlzoo_megnet.kernels.joints import Joints
from mlzoo_megnet.model import Network

KNOTS_PER_ANGSTROM = 100


@dataclass(frozen=True)
class Start:
    """Of the distinct edges (U): their first update, their features behind it, their part of the second block's first layer."""

    which: np.ndarray  # (E,), the row of each edge
    updates: Tensor  # (U, W)
    edges: Tensor  # (U, W)
    hidden: Tensor | None  # (U, H)

    def sums(self, targets: np.ndarray, atoms: int) -> np.ndarray:
        """Sums of the updates at the targets of edges, (A, W)."""
        sums = np.zeros((atoms, self.updates.shape[1]), np.float32)
        loops.add_at(self.updates.numpy(), self.which, targets, sums)
        return sums

    def enter(self, part: slice, edges: Tensor) -> Tensor:
        """Writes the features of some edges, (n, W), and returns their part of the first layer, (n, H)."""
        assert self.hidden is not None
        hidden = edges.new_empty(len(edges), self.hidden.shape[1])
        which = self.which[part]
        loops.copy_rows(self.edges.numpy(), which, edges.numpy())
        loops.copy_rows(self.hidden.numpy(), which, hidden.numpy())
        return hidden


class FrozenStart:
    """The parameters that it takes."""

    def __init__(self, network: Network, cutoff: float, blocks: list[FrozenBlock], nodes: Tensor, states: Tensor):
        """``nodes`` are the encoded features of each element, ``states`` those of each state."""
        first, *others = blocks
        self.first, self.second = first, others[0] if others else None
        self.of_centre = torch.mm(nodes, first.to_centre).numpy()  # (elements, H)
        self.of_neighbour = torch.mm(nodes, first.to_neighbour).numpy()
        self.of_state = torch.addmm(first.bias, states, first.to_state).numpy()
        self.rows = _tabulated(network, cutoff, first.to_edge)
        self.widths = nodes.shape[1], first.to_edge.shape[1]

    def __call__(self, lengths: Tensor, elements: np.ndarray, states: np.ndarray, joints: Joints) -> Start:
        kinds = np.empty((len(lengths), 3), np.int64)
        loops.kinds(elements, states, joints.centres, joints.neighbours, joints.structure_of_edge, kinds)
        slots = np.full(1 << (2 * len(kinds)).bit_length(), -1, np.int64)
        which, chosen = np.empty(len(kinds), np.int64), np.empty(len(kinds), np.int64)
        distinct = loops.distinct(lengths.numpy().view(np.int32), kinds, slots, which, chosen)
        chosen = chosen[:distinct]
        lengths, kinds = lengths[torch.from_numpy(chosen)], kinds[chosen]

        edges, updates = lengths.new_empty(distinct, self.widths[0]), lengths.new_zeros(distinct, self.widths[0])
        hidden = None if self.second is None else lengths.new_empty(distinct, self.widths[1])
        for part in chunks(distinct):
            x = lengths.new_empty(part.stop - part.start, self.widths[1])
            loops.look_up(lengths[part].numpy(), KNOTS_PER_ANGSTROM, self.rows, edges[part].numpy(), x.numpy())
            loops.add_rows(x.numpy(), self.of_state, kinds[part, 2])
            loops.activate_with_ends(x.numpy(), self.of_centre, self.of_neighbour, kinds[part, 0], kinds[part, 1])
            rows = np.arange(len(x))
            self.first.finish_edges(x, edges[part], rows, updates[part].numpy())
            if hidden is not None and self.second is not None:
                torch.mm(self.second.dense[0](edges[part]), self.second.to_edge, out=hidden[part])
        return Start(which, updates, edges, hidden)


def _tabulated(network: Network, cutoff: float, to_hidden: Tensor) -> np.ndarray:
    """Encoded edges (W) and their part of the first layer (H), then their slopes, at equidistant knots."""
    gaussians, encoder = copy.deepcopy(network.gaussians).double(), copy.deepcopy(network.encoder.edge).double()

    def known(lengths: Tensor) -> Tensor:
        encoded = encoder(gaussians(lengths))
        return torch.cat([encoded, encoded @ to_hidden.double()], dim=1)

    knots = torch.arange(int(cutoff * KNOTS_PER_ANGSTROM) + 2, dtype=torch.float64) / KNOTS_PER_ANGSTROM
    values, slopes, *_ = jvp(known, (knots,), (torch.ones_like(knots),))
    return torch.cat([values, slopes / KNOTS_PER_ANGSTROM], dim=1).float().numpy()
