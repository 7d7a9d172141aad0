"""The edges of a frozen M3GNet block on a CPU in float32: the same arithmetic, in pieces that stay in cache.

Nine tenths of M3GNet's time goes into its two edge perceptrons. In plain PyTorch half of that is memory traffic: every
operation writes a row for each edge and the next one reads it back. Here a few hundred edges at a time go through both
perceptrons, matrix products by PyTorch and everything between them by the loops in :mod:`.edge_loops`, and only what the
gradient needs is kept. ``Block.exchange`` in ``model.py`` is the definition: training and second derivatives use it,
and tests hold this to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mlzoo.nn.mlp import EdgeGatedMLP
from mlzoo_m3gnet.kernels import edge_loops as loops
from mlzoo_m3gnet.kernels.plain import plain_backward

CHUNK = 512  # edges: the buffers of 512 × 128 float32 numbers fit into a typical L2 cache
POOLED = 2**30  # bytes that stay allocated between calls; asking the system anew each time costs a tenth of the whole

_pool: list[np.ndarray] = []


@dataclass(frozen=True)
class EdgePerceptron:
    """Parameters of one edge perceptron and of the weights on its output; [value, gate] first throughout."""

    to_edge: Tensor  # (2, W, H)
    biases: tuple[Tensor, ...]  # (2, H) each, the last (2, O); zeros for the first layer, whose bias is in the tables
    weights: tuple[Tensor, ...]  # (2, H, H) each, the last (2, H, O)
    basis: Tensor  # (K, O)

    @classmethod
    def of(cls, mlp: EdgeGatedMLP, basis_weights: nn.Linear) -> EdgePerceptron:
        biases = [bias.detach()[:, 0] for bias in mlp.biases or ()]
        return cls(
            to_edge=mlp.first_layer[2].detach(),
            biases=(torch.zeros_like(biases[0]), *biases[1:]),
            weights=tuple(weight.detach() for weight in list(mlp.weights)[1:]),
            basis=basis_weights.weight.detach().mT.contiguous(),
        )

    @property
    def kept(self) -> list[tuple[int, int]]:
        """What the gradient needs of each edge: the slopes of each hidden layer, three derivatives of the output."""
        return [(2, weight.shape[1]) for weight in self.weights] + [(1, self.basis.shape[1])] * 3

    def forward(self, x: Tensor, edges: Tensor, basis: Tensor, kept: Sequence[np.ndarray]) -> Tensor:
        """(n, O) of one chunk; ``x`` (2, n, H) comes in as the sum of both ends' table rows and is used up."""
        x.baddbmm_(edges.expand(2, -1, -1), self.to_edge)
        for bias, weight, slopes in zip(self.biases, self.weights, kept, strict=False):
            loops.silu(x.numpy(), bias.numpy(), slopes)
            x = torch.bmm(x, weight)
        out = torch.empty_like(x[0])
        derivatives = [each[0] for each in kept[-3:]]
        loops.gate(x.numpy(), self.biases[-1].numpy(), basis.numpy(), self.basis.numpy(), *derivatives, out.numpy())
        return out

    def backward(self, grad: Tensor, kept: Sequence[np.ndarray], grad_basis: Tensor) -> Tensor:
        """Gradient (2, n, H) by the first layer's output; that by the basis is added to ``grad_basis``."""
        x = grad.new_empty(2, *grad.shape)
        loops.ungate(grad.numpy(), self.basis.numpy(), *(each[0] for each in kept[-3:]), x.numpy(), grad_basis.numpy())
        for weight, slopes in zip(reversed(self.weights), reversed(kept[:-3]), strict=True):
            x = torch.bmm(x, weight.mT)
            loops.scale(x.numpy(), slopes)
        return x


class Exchange(torch.autograd.Function):
    """``Block.exchange`` for constant parameters: (updated edges, messages summed at their targets).

    ``ends`` are centres, neighbours and targets of the edges; ``inputs`` the four tables, edges and basis.
    """

    @staticmethod
    def forward(ctx, plain, perceptrons, ends, *inputs):
        *tables, edges, basis = (tensor.detach() for tensor in inputs)
        tables = [table.numpy() for table in tables]
        first, second = perceptrons
        updated = torch.empty_like(edges)
        sums = edges.new_zeros(tables[0].shape[1], second.basis.shape[1])
        buffer = _borrow(_size(perceptrons) * (len(edges) if any(ctx.needs_input_grad) else CHUNK))
        for part, kept, (centres, neighbours, targets) in _chunks(perceptrons, ends, buffer, len(edges)):
            x = edges.new_empty(2, len(centres), first.to_edge.shape[2])
            loops.gather(tables[0], tables[1], centres, neighbours, x.numpy())
            torch.add(edges[part], first.forward(x, edges[part], basis[part], kept[0]), out=updated[part])
            x = edges.new_empty(2, len(centres), second.to_edge.shape[2])
            loops.gather(tables[2], tables[3], centres, neighbours, x.numpy())
            loops.add_rows(sums.numpy(), targets, second.forward(x, updated[part], basis[part], kept[1]).numpy())
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        ctx.plain, ctx.perceptrons, ctx.ends, ctx.buffer = plain, perceptrons, ends, buffer
        return updated, sums

    @staticmethod
    def backward(ctx, grad_updated, grad_sums):
        if torch.is_grad_enabled() or ctx.buffer is None or grad_sums is None:
            return None, None, None, *plain_backward(ctx.plain, ctx.saved_tensors, (grad_updated, grad_sums))
        *tables, edges, basis = ctx.saved_tensors
        first, second = ctx.perceptrons
        grad_tables = [torch.zeros_like(table) for table in tables]
        edge_tables, node_tables = (
            [table.numpy() for table in grad_tables[:2]],
            [table.numpy() for table in grad_tables[2:]],
        )
        grad_edges, grad_basis = torch.empty_like(edges), torch.zeros_like(basis)
        for part, kept, (centres, neighbours, targets) in _chunks(ctx.perceptrons, ctx.ends, ctx.buffer, len(edges)):
            grad = grad_sums.index_select(0, torch.from_numpy(targets))
            x = second.backward(grad, kept[1], grad_basis[part])
            loops.scatter(x.numpy(), centres, neighbours, *node_tables)
            grad = torch.mm(x[0], second.to_edge[0].mT).addmm_(x[1], second.to_edge[1].mT)
            if grad_updated is not None:
                grad += grad_updated[part]
            x = first.backward(grad, kept[0], grad_basis[part])
            loops.scatter(x.numpy(), centres, neighbours, *edge_tables)
            torch.addmm(grad, x[0], first.to_edge[0].mT, out=grad_edges[part]).addmm_(x[1], first.to_edge[1].mT)
        _give_back(ctx.buffer)
        ctx.buffer = None  # a second pass through the same graph computes anew
        return None, None, None, *grad_tables, grad_edges, grad_basis


def _size(perceptrons: Sequence[EdgePerceptron]) -> int:
    """Numbers kept of each edge."""
    return sum(branches * width for perceptron in perceptrons for branches, width in perceptron.kept)


def _chunks(perceptrons, ends, buffer, n_edges) -> Iterator[tuple[slice, list[list[np.ndarray]], list[np.ndarray]]]:
    """Edges in chunks of one size: their slice, what is kept of them for each perceptron, their three ends."""
    size = _size(perceptrons)
    step = -(-n_edges // max(1, -(-n_edges // CHUNK)))
    for start in range(0, n_edges, max(step, 1)):
        n = min(step, n_edges - start)
        position = (
            start * size if len(buffer) >= n_edges * size else 0
        )  # without a gradient, one place serves all chunks
        kept: list[list[np.ndarray]] = []
        for perceptron in perceptrons:
            kept.append([])
            for branches, width in perceptron.kept:
                stop = position + branches * n * width
                kept[-1].append(buffer[position:stop].reshape(branches, n, width))
                position = stop
        yield slice(start, start + n), kept, [index[start : start + n] for index in ends]


def _borrow(size: int) -> np.ndarray:
    """A flat buffer, from the pool where one is large enough and not far too large."""
    for place, buffer in enumerate(_pool):
        if size <= len(buffer) <= 2 * size:
            return _pool.pop(place)
    return np.empty(size, dtype=np.float32)


def _give_back(buffer: np.ndarray) -> None:
    _pool.append(buffer)
    while sum(kept.nbytes for kept in _pool) > POOLED:
        _pool.pop(0)
