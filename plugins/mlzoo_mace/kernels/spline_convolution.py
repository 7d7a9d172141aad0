"""The convolution of a frozen layer: radial functions from splines, gradients by the geometry and by what is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mlzoo.nn import buffers
from mlzoo.nn.compiled import arrays
from mlzoo_mace.config import degree
from mlzoo_mace.convolution import Directions
from mlzoo_mace.equivariant import Features
from mlzoo_mace.kernels import spline_convolution_loops as loops
from mlzoo_mace.kernels.convolution import CompiledConvolution

MOST_BLOCKS, FEWEST_ATOMS = 16, 16  # of atoms that threads share; sums do not depend on how many threads there are


@dataclass(frozen=True)
class Walk(Directions):
    """And what loops over the edges of each receiver read."""

    lengths: Float[Tensor, "E"]  # Å
    starts: UInt64[np.ndarray, "S"]  # where the edges of each receiver begin
    kinds: Int[Tensor, "E"]  # rows of the tables

    @cached_property
    def unsigned(self) -> tuple[UInt64[np.ndarray, "E"], UInt64[np.ndarray, "S"], UInt64[np.ndarray, "E"]]:
        """Senders, starts and kinds as the loops take them."""
        senders, kinds = (each.numpy().astype(np.uint64) for each in (self.senders, self.kinds))
        return senders, self.starts, kinds


def blocks_of(atoms: int) -> tuple[int, np.uint64]:
    """How many blocks, and how many atoms in each."""
    blocks = max(1, min(MOST_BLOCKS, atoms // FEWEST_ATOMS))
    return blocks, np.uint64(math.ceil(atoms / blocks))


class Frame(NamedTuple):
    """All that is no tensor of the graph of derivatives."""

    blocks: int
    per_block: np.uint64
    table: Float[np.ndarray, "Z K P 6 C"]
    walk: Walk
    paths: UInt64[np.ndarray, "P 7"]
    size: int  # of what is collected


class SplineConvolution(nn.Module):
    """In place of a compiled convolution and its radial perceptron."""

    def __init__(self, compiled: CompiledConvolution, dtype: torch.dtype):
        super().__init__()
        self.sent, self.received, self.sizes = compiled.sent, compiled.received, compiled.sizes
        self.turns = compiled.turns.T.to(dtype)  # (H, Q)
        columns = np.cumsum([0, *(row[1] * row[3] for row in compiled.table)])
        self.columns, self.table = columns, compiled.table

    def forward(
        self, sent: Features, walk: Walk, table: Float[np.ndarray, "Z K P 6 C"], places: Float[Tensor, "E"]
    ) -> Features:
        x = torch.cat([sent[irrep] for irrep in self.sent], dim=1)  # (A, D, C)
        atoms, channels = len(x), x.shape[2]
        frame = Frame(*blocks_of(atoms), table, walk, self._paths(atoms, channels), atoms * sum(self.sizes) * channels)
        collected = _Convolve.apply(x, walk.harmonics @ self.turns, places, frame)
        parts = collected.split([atoms * size * channels for size in self.sizes])
        return {
            irrep: part.view(atoms, 2 * degree(irrep) + 1, -1) for irrep, part in zip(self.received, parts, strict=True)
        }

    def _paths(self, atoms: int, channels: int) -> UInt64[np.ndarray, "P 7"]:
        """As the loops want them, irreps one after another."""
        rows = []
        begins = dict(zip(np.cumsum([0, *self.sizes]).tolist(), self.sizes, strict=False))
        for (first, sent, row, received, apart), column in zip(self.table.tolist(), self.columns, strict=False):
            begin = max(each for each in begins if each <= row)
            start = (begin * atoms + row - begin) * channels
            rows.append((first, sent, start, begins[begin] * channels, received, apart * channels, column))
        return np.array(rows, dtype=np.uint64)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, turned: Tensor, places: Tensor, frame: Frame) -> Tensor:
        ctx.save_for_backward(x, turned, places)
        ctx.frame = frame
        out = x.new_empty(frame.size)
        loops.convolve(*_read(frame, x, turned, places), out.numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, turned, places = ctx.saved_tensors
        frame: Frame = ctx.frame
        by_turned, by_places = torch.empty_like(turned), torch.empty_like(places)
        blocks = frame.blocks if ctx.needs_input_grad[0] else 0
        buffer = buffers.borrow(blocks * x.numel(), frame.table.dtype)
        by_blocks = buffer[: blocks * x.numel()].reshape(blocks, *x.shape)
        reach = np.zeros((blocks, 2), dtype=np.uint64)
        into = by_blocks, reach, *arrays(by_turned, by_places)
        loops.slopes(*_read(frame, x, turned, places), *arrays(gradient), *into)
        by_x = torch.empty_like(x) if blocks else None
        if by_x is not None:
            loops.add_blocks(by_blocks, reach, by_x.numpy())
        buffers.give_back(buffer)
        return by_x, by_turned, by_places, None


def _read(frame: Frame, x: Tensor, turned: Tensor, places: Tensor) -> tuple[Any, ...]:
    walk = frame.walk
    return (
        frame.blocks, frame.per_block, *arrays(x, turned, places), frame.table, *walk.unsigned, frame.paths,
    )  # fmt: skip
