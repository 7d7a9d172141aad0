"""The convolution over edges: each atom collects what its neighbours send, turned by the direction of the edge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mlzoo.nn import o3
from mlzoo.nn.constants import KeepsFloat64
from mlzoo.nn.sorted_segments import sum_per_sorted_segment
from mlzoo_mace.config import IrrepName, Irreps, RadialMLP, degree
from mlzoo_mace.equivariant import Features


@dataclass(frozen=True)
class Directions:
    """Which atoms edges join, and where they point: what layers of all forms read."""

    senders: Int[Tensor, "E"]
    receivers: Int[Tensor, "E"]
    harmonics: Float[Tensor, "E H"]


@dataclass(frozen=True)
class Geometry(Directions):
    """And what radial perceptrons read of the edges.

    Radial functions, and the elements at their ends, are of each edge; or of each pair of atoms, where ``rows`` says which
    of them an edge reads.
    """

    sender_elements: Int[Tensor, "U"]
    receiver_elements: Int[Tensor, "U"]
    basis: Float[Tensor, "U K"]
    envelope: Float[Tensor, "U"] | None  # where weights, not radial functions, are taken to zero
    rows: Int[Tensor, "E"] | None = None
    scalars: Float[Tensor, "A C"] | None = None  # of the atoms, where perceptrons read them

    def ends(self, by: RadialMLP) -> tuple[Int[Tensor, "U"], Int[Tensor, "U"]]:
        """Sender and receiver as a perceptron takes them: as atoms, or as places of their elements."""
        return (self.senders, self.receivers) if by.features else (self.sender_elements, self.receiver_elements)


class Path(NamedTuple):
    """A sender's irrep times a spherical harmonic, giving an irrep of the receiver."""

    sent: IrrepName
    harmonic: int
    received: IrrepName


def paths(sent: Irreps, max_l: int, received: Irreps, inversion: bool = True) -> list[Path]:
    """All that parity and the triangle rule allow: by what is received, then by what is sent, then by harmonic.

    Without ``inversion`` harmonics of odd degree count as even.

    >>> paths(("0e", "1o"), 1, ("0e",))
    [Path(sent='0e', harmonic=0, received='0e'), Path(sent='1o', harmonic=1, received='0e')]
    """
    return [
        Path(one, harmonic, other)
        for other in received
        for one in sent
        for harmonic in range(max_l + 1)
        if abs(degree(one) - harmonic) <= degree(other) <= degree(one) + harmonic
        and (one[-1] == other[-1]) == (harmonic % 2 == 0 or not inversion)
    ]


@cache
def coupling(path: Path, rounded: bool = False) -> Float[Tensor, "I J K"]:
    """sqrt(2l+1) times the Wigner 3j symbol, in float64; ``rounded`` to float32 where none of the degrees is zero."""
    l1, l2, l3 = degree(path.sent), path.harmonic, degree(path.received)
    symbol = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
    return (2 * l3 + 1) ** 0.5 * (symbol.float().double() if rounded and l1 * l2 * l3 else symbol)


class Convolution(KeepsFloat64):
    """Sum over the edges of an atom: sender's features times harmonics of the edge times a weight (MACE eq. 8)."""

    def __init__(self, sent: Irreps, max_l: int, received: Irreps, *, rounded: bool = False, inversion: bool = True):
        super().__init__()
        self.paths = paths(sent, max_l, received, inversion)
        self.received, self.max_l = received, max_l
        apart = set(received) - {path.received for path in self.paths}
        if apart:
            raise ValueError(
                f"messages={received} have {', '.join(sorted(apart))}, which up={sent} and harmonics up to max_l={max_l} "
                "do not give. Leave it out."
            )
        for index, path in enumerate(self.paths):
            self.register_buffer(f"coupling_{index}", coupling(path, rounded), persistent=False)

    def forward(
        self,
        sent: Features,
        weights: Float[Tensor, "E P C"],
        edges: Geometry,
    ) -> Features:
        """For each irrep the sums of all its paths side by side, (A, 2l+1, paths · C)."""
        atoms = len(next(iter(sent.values())))
        at_edge = {irrep: sent[irrep].index_select(0, edges.senders) for irrep in {path.sent for path in self.paths}}
        sums: dict[IrrepName, list[Tensor]] = {irrep: [] for irrep in self.received}
        for index, path in enumerate(self.paths):
            l = path.harmonic
            y = edges.harmonics[:, l * l : (l + 1) * (l + 1)]  # (E, 2l+1)
            x = at_edge[path.sent] * weights[:, index, None]  # (E, 2l'+1, C)
            turned = self._turned(index, y)  # (E, 2l''+1, 2l'+1)
            message = turned * x if path.sent == "0e" else torch.bmm(turned, x)  # (E, 2l''+1, C)
            sums[path.received].append(sum_per_sorted_segment(message, edges.receivers, atoms))
        return {irrep: torch.cat(each, dim=-1) for irrep, each in sums.items()}

    def _turned(self, index: int, y: Float[Tensor, "E J"]) -> Float[Tensor, "E K I"]:
        """The linear map from what a sender sends to what a receiver receives, for the direction of each edge."""
        if self.paths[index].sent == "0e":
            return y[:, :, None]
        return torch.einsum("ijk,ej->eki", getattr(self, f"coupling_{index}").to(y.dtype), y)
