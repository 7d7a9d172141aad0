"""The two edge perceptrons of a block that learns, on a CPU: the plain arithmetic, in pieces that stay in cache.

A force in the loss asks for the gradient of a gradient. In plain PyTorch its many operations each write rows of all edges
that the next one reads back. Here some hundred edges at a time go through both perceptrons, matrix products by PyTorch and
everything between them in one sweep of a compiled loop; there are six products for each one of the forward pass, which is as
few as there can be. ``mlzoo_m3gnet.model.Block`` is the definition, and tests hold this to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mlzoo_m3gnet.kernels import edge_loops
from mlzoo_m3gnet.kernels.learning_perceptron import LearningPerceptron
from mlzoo_m3gnet.model import Block

CACHED = 2**16  # numbers: a chunk of edges times the hidden width; some such arrays fit into a typical L2 cache


@dataclass(frozen=True)
class EdgePart:
    """What both perceptrons are, and which edges they act on."""

    perceptrons: tuple[LearningPerceptron, LearningPerceptron]  # of edges and of atoms
    columns: tuple[tuple[int, int], tuple[int, int]]  # where centre's and neighbour's share begin in the table
    ends: tuple[np.ndarray, np.ndarray, np.ndarray]  # centres, neighbours, targets

    @classmethod
    def of(cls, block: Block, ends: Sequence[Tensor]) -> EdgePart:
        perceptrons = (
            LearningPerceptron.of(block.edge_update, block.edge_weights),
            LearningPerceptron.of(block.node_update, block.node_weights, block.activate_node_weights),
        )
        first, second = (2 * perceptron.widths[0] for perceptron in perceptrons)
        centres, neighbours, targets = (index.numpy() for index in ends)
        columns = ((0, first), (2 * first, 2 * first + second))
        return cls(perceptrons, columns, (centres, neighbours, targets))

    def __call__(self, table: Tensor, edges: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of messages (A, V) and updated edges (E, W); ``table`` (A, T) as :func:`table_of` makes it."""
        sums, edges, _ = Forward.apply(self, table, edges, basis, *self.tensors)
        return sums, edges

    @property
    def tensors(self) -> list[Tensor]:
        return [tensor for perceptron in self.perceptrons for tensor in perceptron.tensors]

    def with_tensors(self, tensors: Sequence[Tensor]) -> tuple[LearningPerceptron, LearningPerceptron]:
        of_edges, of_atoms = self.perceptrons
        n = len(of_edges.tensors)
        return of_edges.with_tensors(tensors[:n]), of_atoms.with_tensors(tensors[n:])

    @property
    def z_widths(self) -> list[list[int]]:
        return [perceptron.widths for perceptron in self.perceptrons]

    @property
    def hidden_widths(self) -> list[list[int]]:
        return [perceptron.widths[:-1] for perceptron in self.perceptrons]

    def chunks(self) -> Iterator[slice]:
        """Edges in as few chunks as there can be, all of about one length."""
        size, most = len(self.ends[0]), max(1, CACHED // max(width for widths in self.z_widths for width in widths))
        step = math.ceil(size / max(1, math.ceil(size / most)))
        for start in range(0, size, max(1, step)):
            yield slice(start, min(start + step, size))

    def share_of_ends(self, which: int, table: Tensor, part: slice, out: Tensor) -> None:
        centres, neighbours, _ = self.ends
        edge_loops.gather(table.numpy(), *self.columns[which], centres[part], neighbours[part], out.numpy())

    def add_to_ends(self, which: int, x: Tensor, part: slice, table: Tensor) -> None:
        centres, neighbours, _ = self.ends
        edge_loops.scatter(x.numpy(), centres[part], neighbours[part], *self.columns[which], table.numpy())

    def of_targets(self, rows: Tensor, part: slice) -> Tensor:
        return rows.index_select(0, torch.from_numpy(self.ends[2][part]))

    def add_to_targets(self, total: Tensor, part: slice, rows: Tensor) -> None:
        edge_loops.add_rows(total.numpy(), self.ends[2][part], rows.numpy())


def table_of(block: Block, nodes: Tensor) -> Tensor:
    """What each atom contributes to the first layers of its edges, as centre and as neighbour (A, T)."""
    parts, biases = [], []
    for mlp in (block.edge_update, block.node_update):
        centre, neighbour, _ = mlp.weights[0].split(mlp.blocks, dim=1)
        bias = mlp.biases[0].flatten()  # type: ignore[index]
        parts += [*centre, *neighbour]
        biases += [bias, torch.zeros_like(bias)]
    return torch.addmm(torch.cat(biases), nodes, torch.cat(parts, dim=1))


def places(buffer: Tensor, part: slice, widths: list[list[int]]) -> list[list[Tensor]]:
    """The rows of a chunk in a flat buffer of arrays of these widths, [value, gate] each, as (2, n, width)."""
    n, each = part.stop - part.start, 2 * sum(sum(some) for some in widths)
    position = part.start * each if len(buffer) > n * each else 0
    found: list[list[Tensor]] = []
    for some in widths:
        found.append([])
        for width in some:
            found[-1].append(buffer[position : position + 2 * n * width].view(2, n, width))
            position += 2 * n * width
    return found


def numbers(widths: list[list[int]], rows: int) -> int:
    return 2 * rows * sum(sum(some) for some in widths)


def rows_of(chunks: list[slice], edges: int, kept: bool) -> int:
    """Of a buffer that is kept for all edges, or that serves one chunk after the other."""
    return edges if kept else max((part.stop - part.start for part in chunks), default=0)


class Forward(torch.autograd.Function):
    """Sums of messages, updated edges, and all z in one buffer."""

    @staticmethod
    def forward(ctx, part_of, *inputs):
        table, edges, basis, *tensors = (each.detach() for each in inputs)
        perceptrons, chunks = part_of.with_tensors(tensors), list(part_of.chunks())
        edges = edges.clone()
        sums = edges.new_zeros(len(table), perceptrons[1].widths[-1])
        buffer = edges.new_empty(numbers(part_of.z_widths, rows_of(chunks, len(edges), any(ctx.needs_input_grad))))
        for part in chunks:
            for which, z in enumerate(places(buffer, part, part_of.z_widths)):
                part_of.share_of_ends(which, table, part, z[0])
                update = perceptrons[which].forward(z, edges[part], basis[part])
                if which == 0:
                    edges[part] += update
                else:
                    part_of.add_to_targets(sums, part, update)
        ctx.part_of = part_of
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, edges, buffer)
        return sums, edges, buffer

    @staticmethod
    def backward(ctx, by_sums, by_edges, by_buffer):
        table, edges, basis, *tensors, updated, buffer = ctx.saved_tensors
        by_edges = torch.zeros_like(edges) if by_edges is None else by_edges
        by_sums = edges.new_zeros(len(table), ctx.part_of.perceptrons[1].widths[-1]) if by_sums is None else by_sums
        learning = any(
            each.grad_fn is not None and torch._C._will_engine_execute_node(each.grad_fn) for each in tensors
        )
        if torch.is_grad_enabled() or not learning:
            if learning:
                raise NotImplementedError(
                    "the form of M3GNet that learns gives no gradients of gradients by its parameters; "
                    "differentiate the plain model."
                )
            by_table, by_edges, by_basis = Backward.apply(
                ctx.part_of, len(table), by_sums, by_edges, basis, buffer, *tensors
            )
            return None, by_table, by_edges, by_basis, *(None for _ in tensors)
        return None, *_learn(ctx.part_of, ctx.saved_tensors, by_sums, by_edges, by_buffer)


def _learn(part_of: EdgePart, saved: Sequence[Tensor], by_sums: Tensor, by_edges: Tensor, by_buffer: Tensor | None):
    """Gradients by all inputs, those that come by z among them."""
    table, edges, basis, *tensors, updated, buffer = saved
    perceptrons = part_of.with_tensors(tensors)
    by_edges, by_sums = by_edges.clone(memory_format=torch.contiguous_format), by_sums.contiguous()
    by_table, by_basis = torch.zeros_like(table), torch.zeros_like(basis)
    by_tensors = [torch.zeros(each.shape, dtype=each.dtype) for each in tensors]
    totals = part_of.with_tensors(by_tensors)
    by_buffer = torch.zeros_like(buffer) if by_buffer is None else by_buffer
    for part in part_of.chunks():
        z, more = (places(each, part, part_of.z_widths) for each in (buffer, by_buffer))
        for which in (1, 0):
            grad = by_edges[part] if which == 0 else part_of.of_targets(by_sums, part)
            seen = edges[part] if which == 0 else updated[part]
            x, by_these = perceptrons[which].learn(grad, z[which], more[which], seen, basis[part], totals[which])
            by_basis[part] += by_these
            part_of.add_to_ends(which, x, part, by_table)
            perceptrons[which].to_edges(x, by_edges[part])
    return by_table, by_edges, by_basis, *by_tensors


class Backward(torch.autograd.Function):
    """Gradients of ``Forward`` by table, edges and basis, to be differentiated once more."""

    @staticmethod
    def forward(ctx, part_of, atoms, *inputs):
        by_sums, by_edges, basis, buffer, *tensors = (each.detach() for each in inputs)
        perceptrons = part_of.with_tensors(tensors)
        by_table = basis.new_zeros(atoms, sum(4 * widths[0] for widths in part_of.z_widths))
        by_edges, by_sums, by_basis = (
            by_edges.clone(memory_format=torch.contiguous_format),
            by_sums.contiguous(),
            torch.zeros_like(basis),
        )
        between = torch.empty_like(by_edges)  # gradients by the edges after their update
        needed, chunks = any(ctx.needs_input_grad), list(part_of.chunks())
        kept_buffer = basis.new_empty(numbers(part_of.hidden_widths, rows_of(chunks, len(basis), needed)))
        for part in chunks:
            z, kept = places(buffer, part, part_of.z_widths), places(kept_buffer, part, part_of.hidden_widths)
            for which in (1, 0):
                grad = by_edges[part] if which == 0 else part_of.of_targets(by_sums, part)
                x, by_these = perceptrons[which].backward(grad, z[which], basis[part], kept[which])
                by_basis[part] += by_these
                part_of.add_to_ends(which, x, part, by_table)
                perceptrons[which].to_edges(x, by_edges[part])
                if which == 1:
                    between[part] = by_edges[part]
        ctx.part_of = part_of
        if needed:
            ctx.save_for_backward(*inputs, between, kept_buffer)
        return by_table, by_edges, by_basis

    @staticmethod
    @once_differentiable
    def backward(ctx, from_table, from_edges, from_basis):
        part_of: EdgePart = ctx.part_of
        by_sums, _, basis, buffer, *tensors, between, kept_buffer = ctx.saved_tensors
        perceptrons = part_of.with_tensors(tensors)
        totals = part_of.with_tensors(by_tensors := [torch.zeros(each.shape, dtype=each.dtype) for each in tensors])
        from_table, from_basis, by_sums = (each.contiguous() for each in (from_table, from_basis, by_sums))
        by_by_sums, by_by_edges = torch.zeros_like(by_sums), from_edges.clone(memory_format=torch.contiguous_format)
        by_basis, by_buffer = torch.empty_like(basis), torch.empty_like(buffer)
        for part in part_of.chunks():
            z, by_z = (places(each, part, part_of.z_widths) for each in (buffer, by_buffer))
            kept = places(kept_buffer, part, part_of.hidden_widths)
            for which, perceptron in enumerate(perceptrons):
                grad = between[part] if which == 0 else part_of.of_targets(by_sums, part)
                x = torch.empty_like(z[which][0])
                part_of.share_of_ends(which, from_table, part, x)
                by_grad, by_these = perceptron.backward_twice(
                    x, by_by_edges[part], from_basis[part], grad, z[which], basis[part], kept[which], by_z[which],
                    totals[which],
                )  # fmt: skip
                if which == 0:
                    by_basis[part] = by_these
                    by_by_edges[part] += by_grad
                else:
                    by_basis[part] += by_these
                    part_of.add_to_targets(by_by_sums, part, by_grad)
        return None, None, by_by_sums, by_by_edges, by_basis, by_buffer, *by_tensors
