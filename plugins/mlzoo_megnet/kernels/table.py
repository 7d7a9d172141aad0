"""What the first block knows of an edge before it looks at its ends: functions of its length, tabulated.

The Gaussians, the layers of the encoder and the edge's part of the first update come down to reading two rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp

from mlzoo_megnet.kernels import loops
from mlzoo_megnet.model import Network

KNOTS_PER_ANGSTROM = 100


class EdgeTable:
    """Encoded edges (W) and their part of the first layer of the first update (H), with slopes, at equidistant knots."""

    def __init__(self, network: Network, cutoff: float):
        gaussians, encoder = copy.deepcopy(network.gaussians).double(), copy.deepcopy(network.encoder.edge).double()
        weight: Tensor = network.blocks[0].update.edge[0].weight  # type: ignore[union-attr,index]
        to_hidden = weight.double().T.chunk(4)[2]  # of [v_centre, v_neighbour, e, u]
        self.hidden = to_hidden.shape[1]

        def known(lengths: Tensor) -> Tensor:
            encoded = encoder(gaussians(lengths))
            return torch.cat([encoded, encoded @ to_hidden], dim=1)

        knots = torch.arange(int(cutoff * KNOTS_PER_ANGSTROM) + 2, dtype=torch.float64) / KNOTS_PER_ANGSTROM
        values, slopes, *_ = jvp(known, (knots,), (torch.ones_like(knots),))
        self.rows = torch.cat([values, slopes / KNOTS_PER_ANGSTROM], dim=1).float()

    def at(self, lengths: Tensor) -> Callable[[slice, Tensor], Tensor]:
        """For edges of these lengths: a function that writes some of them, encoded (n, W), and returns the other (n, H)."""

        def look_up(part: slice, edges: Tensor) -> Tensor:
            hidden = edges.new_empty(len(edges), self.hidden)
            loops.look_up(lengths[part].numpy(), KNOTS_PER_ANGSTROM, self.rows.numpy(), edges.numpy(), hidden.numpy())
            return hidden

        return look_up
