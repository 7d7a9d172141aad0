"""The edges of a frozen M3GNet block on a CPU in float32: the same arithmetic, in pieces that stay in cache.

Nine tenths of M3GNet's time goes into its two edge perceptrons. In plain PyTorch half of that is memory traffic: every
operation writes a row for each edge and the next one reads it back. Here a few hundred edges at a time go through both
perceptrons, matrix products by PyTorch and everything between them by the loops in :mod:`.loops`, and only what the
gradient needs is kept. ``Block.exchange`` in ``model.py`` is the definition: training and second derivatives use it,
and tests hold this to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mlzoo.nn.mlp import EdgeGatedMLP
from mlzoo_m3gnet import loops

CHUNK = 512  # edges: the buffers of 512 × 128 float32 numbers fit into a typical L2 cache
POOLED = 2**30  # bytes that stay allocated between calls; asking the system anew each time costs a tenth of the whole

_pool: list[Tensor] = []


@dataclass(frozen=True)
class EdgePerceptron:
    """Parameters of one edge perceptron and of the weights on its output; in a row, value columns then gate columns."""

    to_edge: Tensor  # (W, 2H)
    biases: tuple[Tensor, ...]  # (2H,) each, the last (2O,); zeros for the first layer, whose bias is in the tables
    weights: tuple[Tensor, ...]  # (2, H, H) each, the last (2, H, O)
    basis: Tensor  # (K, O)

    @classmethod
    def of(cls, mlp: EdgeGatedMLP, basis_weights: nn.Linear) -> EdgePerceptron:
        biases = [bias.detach().flatten() for bias in mlp.biases or ()]
        return cls(
            to_edge=torch.cat(list(mlp.first_layer[2].detach()), dim=1),
            biases=(torch.zeros_like(biases[0]), *biases[1:]),
            weights=tuple(weight.detach() for weight in list(mlp.weights)[1:]),
            basis=basis_weights.weight.detach().mT.contiguous(),
        )

    @property
    def kept(self) -> list[int]:
        """Columns that the gradient needs: the slopes of each hidden layer, three derivatives of the gated output."""
        return [2 * weight.shape[1] for weight in self.weights] + [self.basis.shape[1]] * 3

    def forward(self, x: Tensor, edges: Tensor, basis: Tensor, kept: Sequence[Tensor]) -> Tensor:
        """(n, O) of one chunk; ``x`` (n, 2H) comes in as the sum of both ends' table rows and is used up."""
        x.addmm_(edges, self.to_edge)
        for bias, weight, slopes in zip(self.biases, self.weights, kept, strict=False):
            loops.silu(x.numpy(), bias.numpy(), slopes.numpy())
            x = _both_branches(x, weight)
        weights = basis @ self.basis
        out = torch.empty_like(weights)
        loops.gate(*(t.numpy() for t in (x, self.biases[-1], weights, *kept[-3:], out)))
        return out

    def backward(self, grad: Tensor, kept: Sequence[Tensor], grad_basis: Tensor) -> Tensor:
        """Gradient (n, 2H) by the first layer's output; that by the basis is added to ``grad_basis``."""
        x, weights = grad.new_empty(len(grad), 2 * grad.shape[1]), torch.empty_like(grad)
        loops.ungate(*(t.numpy() for t in (grad, *kept[-3:], x, weights)))
        grad_basis.addmm_(weights, self.basis.mT)
        for weight, slopes in zip(reversed(self.weights), reversed(kept[:-3]), strict=True):
            x = _both_branches(x, weight.mT).mul_(slopes)
        return x


class Exchange(torch.autograd.Function):
    """``Block.exchange`` for constant parameters: (updated edges, messages summed at their targets).

    ``ends`` are centres, neighbours and targets of the edges; ``inputs`` the four tables, edges and basis.
    """

    @staticmethod
    def forward(ctx, plain, perceptrons, ends, *inputs):
        *tables, edges, basis = (tensor.detach() for tensor in inputs)
        first, second = perceptrons
        updated = torch.empty_like(edges)
        sums = edges.new_zeros(len(tables[0]), second.basis.shape[1])
        buffer = _borrow(sum(first.kept + second.kept) * (len(edges) if any(ctx.needs_input_grad) else CHUNK))
        for part, kept, (centres, neighbours, targets) in _chunks(perceptrons, ends, buffer, len(edges)):
            x = edges.new_empty(len(centres), first.to_edge.shape[1])
            loops.gather(x.numpy(), tables[0].numpy(), tables[1].numpy(), centres, neighbours)
            torch.add(edges[part], first.forward(x, edges[part], basis[part], kept[0]), out=updated[part])
            x = edges.new_empty(len(centres), second.to_edge.shape[1])
            loops.gather(x.numpy(), tables[2].numpy(), tables[3].numpy(), centres, neighbours)
            loops.add_to(sums.numpy(), targets, second.forward(x, updated[part], basis[part], kept[1]).numpy())
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        ctx.plain, ctx.perceptrons, ctx.ends, ctx.buffer = plain, perceptrons, ends, buffer
        return updated, sums

    @staticmethod
    def backward(ctx, grad_updated, grad_sums):
        inputs = ctx.saved_tensors
        if torch.is_grad_enabled() or ctx.buffer is None or grad_sums is None:
            return None, None, None, *_plain_backward(ctx.plain, inputs, (grad_updated, grad_sums))
        *tables, edges, basis = inputs
        first, second = ctx.perceptrons
        grad_tables = [torch.zeros_like(table) for table in tables]
        grad_edges, grad_basis = torch.empty_like(edges), torch.zeros_like(basis)
        grad_sums = grad_sums.contiguous()
        for part, kept, (centres, neighbours, targets) in _chunks(ctx.perceptrons, ctx.ends, ctx.buffer, len(edges)):
            grad = grad_sums.index_select(0, torch.from_numpy(targets))
            x = second.backward(grad, kept[1], grad_basis[part])
            loops.add_to_both(grad_tables[2].numpy(), grad_tables[3].numpy(), centres, neighbours, x.numpy())
            grad = x @ second.to_edge.mT
            if grad_updated is not None:
                grad += grad_updated[part]
            x = first.backward(grad, kept[0], grad_basis[part])
            loops.add_to_both(grad_tables[0].numpy(), grad_tables[1].numpy(), centres, neighbours, x.numpy())
            torch.addmm(grad, x, first.to_edge.mT, out=grad_edges[part])
        _give_back(ctx.buffer)
        ctx.buffer = None  # a second pass through the same graph computes anew
        return None, None, None, *grad_tables, grad_edges, grad_basis


def _plain_backward(plain, inputs, grads):
    """Gradients through the plain form, themselves differentiable where they are asked to be."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        if not again:
            inputs = [tensor.detach().requires_grad_() for tensor in inputs]
        pairs = [(out, grad) for out, grad in zip(plain(*inputs), grads, strict=True) if grad is not None]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        found = torch.autograd.grad(*zip(*pairs, strict=True), create_graph=again, materialize_grads=True, inputs=wanted)
    found = iter(found)
    return [next(found) if tensor.requires_grad else None for tensor in inputs]


def _chunks(perceptrons, ends, buffer, n_edges) -> Iterator[tuple[slice, list[list[Tensor]], list]]:
    """Edges in chunks: their slice, what is kept of them for each perceptron, their three ends."""
    widths = [perceptron.kept for perceptron in perceptrons]
    total = sum(map(sum, widths))
    for start in range(0, n_edges, CHUNK):
        n = min(CHUNK, n_edges - start)
        position = start * total if len(buffer) >= n_edges * total else 0  # without a gradient one chunk's place serves all
        kept: list[list[Tensor]] = [[], []]
        for rows, columns in zip(kept, widths, strict=True):
            for width in columns:
                rows.append(buffer[position : position + n * width].view(n, width))
                position += n * width
        yield slice(start, start + n), kept, [index[start : start + n] for index in ends]


def _both_branches(x: Tensor, weight: Tensor) -> Tensor:
    """(n, 2I) to (n, 2O): value columns by the first map, gate columns by the second."""
    size_in, size_out = weight.shape[1:]
    y = x.new_empty(len(x), 2 * size_out)
    for branch in range(2):
        torch.mm(x[:, branch * size_in :][:, :size_in], weight[branch], out=y[:, branch * size_out :][:, :size_out])
    return y


def _borrow(size: int) -> Tensor:
    """A flat buffer, from the pool where one is large enough and not far too large."""
    for place, buffer in enumerate(_pool):
        if size <= len(buffer) <= 2 * size:
            return _pool.pop(place)
    return torch.empty(size)


def _give_back(buffer: Tensor) -> None:
    _pool.append(buffer)
    while sum(kept.nbytes for kept in _pool) > POOLED:
        _pool.pop(0)
