"""The convolution of a frozen layer: radial functions from splines, gradients by the geometry and by what is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt64
from torch import Tensor, nn

from mlzoo.nn import buffers
from mlzoo.nn.compiled import arrays
from mlzoo.nn.threads import product, share
from mlzoo_mace.config import degree
from mlzoo_mace.convolution import Directions
from mlzoo_mace.equivariant import Features
from mlzoo_mace.kernels.answering import convolution_loops as loops
from mlzoo_mace.kernels.answering.recorded import Back, recorded
from mlzoo_mace.kernels.learning.convolution import CompiledConvolution

MOST_BLOCKS, FEWEST_ATOMS = 16, 16  # of atoms that threads share; sums do not depend on how many threads there are


@dataclass(frozen=True)
class Walk(Directions):
    """And what loops over the edges of each receiver read."""

    lengths: Float[Tensor, "E"]  # Å
    spans: UInt64[np.ndarray, "A 2"]  # the first edge of each receiver, and the first that is not its own any more
    kinds: Int[Tensor, "E"]  # rows of the tables

    @cached_property
    def unsigned(self) -> tuple[UInt64[np.ndarray, "E"], UInt64[np.ndarray, "A 2"], UInt64[np.ndarray, "E"]]:
        """Senders, spans and kinds as the loops take them."""
        return self.senders.numpy().view(np.uint64), self.spans, self.kinds.numpy().view(np.uint64)

    def ordered(self, order: Int[Tensor, "A"], places: Int[Tensor, "A"]) -> Walk:
        """With the atoms in another order, in which each has its place; edges stay where they are."""
        return replace(self, senders=places[self.senders], spans=self.spans[order.numpy()])


def blocks_of(atoms: int) -> tuple[int, np.uint64]:
    """How many blocks, and how many atoms in each."""
    blocks = max(1, min(MOST_BLOCKS, atoms // FEWEST_ATOMS))
    return blocks, np.uint64(math.ceil(atoms / blocks))


class SplineConvolution(nn.Module):
    """In place of a compiled convolution and its radial perceptron."""

    def __init__(self, compiled: CompiledConvolution, dtype: torch.dtype):
        super().__init__()
        self.sent, self.received, self.sizes = compiled.sent, compiled.received, compiled.sizes
        self.turns = compiled.turns.T.to(dtype)  # (H, Q)
        first, sent, row, received, apart = compiled.table.astype(np.int64).T
        begins = np.cumsum([0, *self.sizes])[:-1]
        irrep = np.searchsorted(begins, row, side="right") - 1
        columns = np.cumsum([0, *(sent * received)])[:-1]
        # as the loops want them, irreps one after another; two columns are times channels, one depends on the atoms
        self.paths = np.stack([first, sent, row, np.array(self.sizes)[irrep], received, apart, columns], axis=1)
        self.begins = begins[irrep]

    def forward(
        self, sent: Features, walk: Walk, table: Float[np.ndarray, "Z K P 6 C"], places: Float[Tensor, "E"]
    ) -> Features:
        x = torch.cat([sent[irrep] for irrep in self.sent], dim=1)  # (A, D, C)
        step = partial(self.step, walk, table, by_sent=x.requires_grad)
        return self.parted(recorded(step, x, walk.harmonics, places), len(x))

    def parted(self, collected: Float[Tensor, "N"], atoms: int) -> Features:
        """For each irrep its paths side by side, (A, 2l+1, paths · C)."""
        size = sum(self.sizes) * atoms
        parts = collected.split([each * atoms * (len(collected) // size) for each in self.sizes])
        return {
            irrep: part.view(atoms, 2 * degree(irrep) + 1, -1) for irrep, part in zip(self.received, parts, strict=True)
        }

    def step(
        self,
        walk: Walk,
        table: Float[np.ndarray, "Z K P 6 C"],
        x: Float[Tensor, "A D C"],
        harmonics: Float[Tensor, "E H"],
        places: Float[Tensor, "E"],
        *,
        by_sent: bool,
    ) -> tuple[Float[Tensor, "N"], Back]:
        """All irreps one after another, and the way back to the three; to ``x`` if ``by_sent``."""
        atoms, _, channels = x.shape
        turned = harmonics.new_empty(len(harmonics), self.turns.shape[1])
        product(harmonics, self.turns, turned)
        out = x.new_empty(sum(self.sizes) * atoms * channels)
        blocks, per_block = blocks_of(atoms)
        read = (per_block, *arrays(x, turned, places), table, *walk.unsigned, self._paths(atoms, channels))
        operations = turned.numel() * channels
        share(blocks, operations, lambda first, stop: loops.convolve(first, stop, *read, out.numpy()))

        def back(gradient: Tensor) -> tuple[Tensor | None, ...]:
            by_turned, by_places, by_harmonics = map(torch.empty_like, (turned, places, harmonics))
            by_x = torch.empty_like(x) if by_sent else None
            into = by_turned.numpy(), by_places.numpy(), None if by_x is None else by_x.numpy()
            _slopes(blocks, 2 * operations, read, gradient.contiguous().numpy(), *into)
            product(by_turned, self.turns.T, by_harmonics)
            return by_x, by_harmonics, by_places

        return out, back

    def _paths(self, atoms: int, channels: int) -> UInt64[np.ndarray, "P 7"]:
        paths = self.paths.copy()
        paths[:, 2] += self.begins * (atoms - 1)
        paths[:, [2, 3, 5]] *= channels
        return paths.astype(np.uint64)


def _slopes(
    blocks: int,
    operations: int,
    read: tuple[Any, ...],
    gradient: np.ndarray,
    by_turned: np.ndarray,
    by_places: np.ndarray,
    by_x: np.ndarray | None,
) -> None:
    x, kept = read[1], blocks if by_x is not None else 0
    buffer = buffers.borrow(kept * x.size, x.dtype)
    by_blocks, reach = buffer[: kept * x.size].reshape(kept, *x.shape), np.zeros((kept, 2), dtype=np.uint64)
    share(
        blocks, operations, lambda lo, hi: loops.slopes(lo, hi, *read, gradient, by_blocks, reach, by_turned, by_places)
    )
    if by_x is not None:
        share(len(x), by_blocks.size, lambda lo, hi: loops.add_blocks(lo, hi, by_blocks, reach, by_x))
    buffers.give_back(buffer)
