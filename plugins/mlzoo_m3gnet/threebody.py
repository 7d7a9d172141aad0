"""The three-body interaction of M3GNet, in time linear in the number of edges.

For a bond i→j the paper sums over all other bonds i→k

    T_ij,ln = f_c(r_ij) Σ_{k≠j} g_ik,ln Y_l0(cos θ_jik),    g_ik,ln = f_c(r_ik) χ_ln(r_ik) σ(W v_k + b)_ln.

Every factor but the angle belongs to one bond, and the addition theorem splits that one too:
Y_l0(cos θ_jik) = √(4π/(2l+1)) Σ_m Y_lm(r̂_ij) Y_lm(r̂_ik). So each atom collects its neighbourhood once,
A_i,lnm = Σ_k g_ik,ln Y_lm(r̂_ik), and each bond reads its sum off that, less its own term:

    T_ij,ln = f_c(r_ij) [ √(4π/(2l+1)) Σ_m Y_lm(r̂_ij) A_i,lnm − √((2l+1)/4π) g_ij,ln ].

There is no list of triplets, and no arccos whose derivative would fail where atoms are in line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.nn import o3
from mlzoo.nn.constants import KeepsFloat64
from mlzoo.nn.cutoffs import quintic_cutoff
from mlzoo.nn.mlp import GatedMLP
from mlzoo.nn.radial import BesselBasis, SmoothBesselBasis
from mlzoo.nn.segments import sum_per_segment
from mlzoo_m3gnet.config import M3GNetConfig


@dataclass(frozen=True)
class ShortBonds:
    """The P bonds within the three-body cutoff, and what of them does not depend on features."""

    centres: Int[Tensor, "P"]
    neighbours: Int[Tensor, "P"]  # the atom that each bond is taken to supply
    targets: Int[Tensor, "P"]  # the edge of the graph that receives each bond's sum
    radial: Float[Tensor, "P LN"]  # f_c(r) χ_ln(r)
    cutoffs: Float[Tensor, "P 1"]  # f_c(r)
    harmonics: Float[Tensor, "P LM"]  # Y_lm, column l² + m


class ThreeBodyGeometry(nn.Module):
    """From edge vectors to :class:`ShortBonds`, once for all blocks."""

    def __init__(self, config: M3GNetConfig):
        super().__init__()
        self.cutoff, self.pruned = config.threebody_cutoff, config.triplets == "pruned"
        kind = config.threebody_basis or config.radial_basis
        self.basis: nn.Module | None
        if kind == "smooth":
            self.basis = SmoothBesselBasis(config.max_l * config.max_n, config.cutoff)  # more of them than edges have
        elif config.radial_basis == "smooth":
            self.basis = BesselBasis(config.max_l, config.max_n, config.cutoff)
        else:
            self.basis = None  # the edges have the same
        self.irreps = o3.Irreps.spherical_harmonics(config.max_l - 1)

    def forward(
        self,
        vectors: Float[Tensor, "E 3"],
        lengths: Float[Tensor, "E"],
        basis: Float[Tensor, "E K"],
        ends: tuple[Int[Tensor, "E"], Int[Tensor, "E"]],
        first_edges: Int[Tensor, "E"],
    ) -> ShortBonds:
        """``ends`` are the centre and the neighbour of each edge, ``first_edges`` the first edge of its structure."""
        centres, neighbours = ends
        short = (lengths.detach() <= self.cutoff).nonzero().squeeze(1)
        targets = self._pruned_targets(short, first_edges) if self.pruned else short
        r = lengths.index_select(0, short)  # (P,)
        cutoffs = quintic_cutoff(r if targets is short else lengths[targets], self.cutoff)[:, None]
        radial = basis.index_select(0, short) if self.basis is None else self.basis(r)  # (P, LN)
        directions = vectors.index_select(0, short) / r[:, None]
        return ShortBonds(
            centres=centres[short],
            neighbours=neighbours[targets],
            targets=targets,
            radial=radial * cutoffs,
            cutoffs=cutoffs,
            harmonics=o3.spherical_harmonics(self.irreps, directions, normalize=False, normalization="integral"),
        )

    @staticmethod
    def _pruned_targets(short: Int[Tensor, "P"], first_edges: Int[Tensor, "E"]) -> Int[Tensor, "P"]:
        """MatGL's defect up to 4.0.3: the p-th short bond of a structure is taken for the p-th of all its bonds."""
        first = first_edges[short]
        _, structure, count = torch.unique_consecutive(first, return_inverse=True, return_counts=True)
        rank = torch.arange(len(short), device=short.device) - (count.cumsum(0) - count)[structure]
        return first + rank


class ThreeBodyInteraction(KeepsFloat64):
    """Adds to each edge what the other bonds of its centre say of it (eqs. 2 and 3 of the paper)."""

    columns: Tensor
    scale: Tensor

    def __init__(self, config: M3GNetConfig):
        super().__init__()
        self.degrees, self.count = config.max_l, config.max_n
        size = config.max_l * config.max_n
        self.gate = nn.Linear(config.node_width, size)
        self.update = GatedMLP([size, config.edge_width], bias=False)
        # of each (l, n, m): its (l, n) and the column l² + m of its harmonic; of each (l, n): √(4π/(2l+1))
        pairs = [
            (l * self.count + n, l * l + m)
            for l in range(self.degrees)
            for n in range(self.count)
            for m in range(2 * l + 1)
        ]
        scale = [math.sqrt(4 * math.pi / (2 * l + 1)) for l in range(self.degrees) for _ in range(self.count)]
        self.register_buffer("columns", torch.tensor(pairs).T.contiguous(), persistent=False)
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64), persistent=False)

    def forward(
        self, nodes: Float[Tensor, "A V"], edges: Float[Tensor, "E W"], bonds: ShortBonds
    ) -> Float[Tensor, "E W"]:
        (radial_of, harmonic_of), scale = self.columns, self.scale.to(nodes.dtype)
        harmonics = bonds.harmonics.index_select(1, harmonic_of)  # (P, LNM)
        gates = torch.sigmoid(self.gate(nodes))  # (A, LN)
        supplied = bonds.radial * gates.index_select(0, bonds.neighbours)  # (P, LN)
        each_m = supplied.index_select(1, radial_of) * harmonics  # (P, LNM)
        collected = sum_per_segment(each_m, bonds.centres, len(nodes)).index_select(0, bonds.centres)  # (P, LNM)
        angular = torch.zeros_like(supplied).index_add(1, radial_of, collected * harmonics)  # Σ_m, (P, LN)
        sums = (angular * scale - supplied / scale) * bonds.cutoffs  # (P, LN)
        # a gated perceptron without bias gives zero for zero, so only edges that are targets change
        return edges.index_add(0, bonds.targets, self.update(sums))
