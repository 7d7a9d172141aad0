"""A block of a frozen M3GNet on a CPU in float32: the same arithmetic, in pieces that stay in cache.

Nine tenths of M3GNet's time goes into its two edge perceptrons. In plain PyTorch half of that is memory traffic: every
operation writes a row for each edge and the next one reads it back. Here about a thousand edges at a time go through
both perceptrons, matrix products by PyTorch and everything between them in one sweep of a compiled loop, and only what
the gradient needs is kept. ``mlzoo_m3gnet.model.Block`` is the definition: second derivatives go through it, and tests
hold this to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mlzoo.nn import buffers
from mlzoo_m3gnet.kernels import edge_loops, threebody_loops
from mlzoo_m3gnet.kernels.perceptron import FrozenPerceptron
from mlzoo_m3gnet.model import Block, Ends
from mlzoo_m3gnet.threebody import ShortBonds

CACHED = 2**16  # numbers: a chunk of edges times the hidden width; a few such arrays fit into a typical L2 cache


class FrozenBlock:
    """The parameters of a block, laid out for the loops.

    What acts on atoms (both ends of both edge perceptrons, the gates of the three-body part) is one table with a row for
    each atom, made by one matrix product.
    """

    def __init__(self, block: Block):
        self.plain = block
        self.perceptrons = [
            FrozenPerceptron.of(block.edge_update, block.edge_weights),
            FrozenPerceptron.of(block.node_update, block.node_weights, block.activate_node_weights),
        ]
        parts, biases = [], []
        for mlp in (block.edge_update, block.node_update):
            centre, neighbour, _ = mlp.weights[0].detach().split(mlp.blocks, dim=1)
            bias = mlp.biases[0].detach().flatten()  # type: ignore[index]
            parts += [*centre, *neighbour]
            biases += [bias, torch.zeros_like(bias)]
        gate = block.threebody.gate
        self.to_table = torch.cat([*parts, gate.weight.detach().mT], dim=1)  # (V, T)
        self.table_bias = torch.cat([*biases, gate.bias.detach()])
        hidden = [perceptron.to_edge.shape[2] for perceptron in self.perceptrons]
        self.columns = [(0, 2 * hidden[0]), (4 * hidden[0], 4 * hidden[0] + 2 * hidden[1])]  # centre's, neighbour's
        self.gates = slice(4 * sum(hidden), None)
        update = block.threebody.update.weights[0].detach()
        self.to_update = torch.cat(list(update), dim=1)  # (LN, 2W)
        degrees = range(block.threebody.degrees)
        self.scale = np.array([math.sqrt(4 * math.pi / (2 * l + 1)) for l in degrees], dtype=np.float32)
        self.chunk = max(1, CACHED // max(hidden))  # edges
        self.kept = sum(branches * width for perceptron in self.perceptrons for branches, width in perceptron.kept)

    def __call__(
        self, nodes: Tensor, edges: Tensor, basis: Tensor, bonds: ShortBonds, ends: Ends
    ) -> tuple[Tensor, Tensor]:
        return FastBlock.apply(self, bonds, ends, nodes, edges, basis, bonds.radial, bonds.cutoffs, bonds.harmonics)

    def chunks(self, ends: list[np.ndarray], buffer: np.ndarray) -> Iterator[tuple[slice, list, list[np.ndarray]]]:
        """Edges in chunks of one size: their slice, what is kept of them for each perceptron, their three ends."""
        n_edges = len(ends[0])
        for part in _parts(n_edges, self.chunk):
            start, n = part.start, part.stop - part.start
            # without a gradient, one chunk's place in the buffer serves all
            position = start * self.kept if len(buffer) >= n_edges * self.kept else 0
            kept: list[list[np.ndarray]] = [[], []]
            for places, perceptron in zip(kept, self.perceptrons, strict=True):
                for branches, width in perceptron.kept:
                    stop = position + branches * n * width
                    places.append(buffer[position:stop].reshape(branches, n, width))
                    position = stop
            yield part, kept, [index[part] for index in ends]


def _parts(size: int, most: int) -> Iterator[slice]:
    """``size`` rows in as few parts of at most ``most`` as there can be, all of about one length."""
    step = math.ceil(size / max(1, math.ceil(size / most)))
    for start in range(0, size, max(1, step)):
        yield slice(start, min(start + step, size))


class FastBlock(torch.autograd.Function):
    """``Block.forward``: (nodes, edges) from nodes, edges, basis and the three geometric parts of the short bonds."""

    @staticmethod
    def forward(ctx, block, bonds, ends, *inputs):
        nodes, edges, basis, radial, cutoffs, harmonics = (tensor.detach() for tensor in inputs)
        table = torch.addmm(block.table_bias, nodes, block.to_table)  # (A, T)
        gates = table[:, block.gates].sigmoid()
        edges, nodes = edges.clone(), nodes.clone()

        sums = torch.empty_like(radial)
        centres, neighbours, targets = (index.numpy() for index in (bonds.centres, bonds.neighbours, bonds.targets))
        threebody = (centres, neighbours, gates.numpy(), radial.numpy(), harmonics.numpy(), block.scale)
        threebody_loops.forward(*threebody, sums.numpy())
        for part in _parts(len(sums), block.chunk):
            x = (sums[part] * cutoffs[part]) @ block.to_update
            threebody_loops.update(x.numpy(), targets[part], edges.numpy())

        indices = [index.numpy() for index in ends]
        needs_gradient = any(ctx.needs_input_grad)
        buffer = buffers.borrow(block.kept * (len(edges) if needs_gradient else block.chunk))
        for part, kept, (centres, neighbours, targets) in block.chunks(indices, buffer):
            for which, perceptron in enumerate(block.perceptrons):
                x = edges.new_empty(2, len(centres), perceptron.to_edge.shape[2])
                edge_loops.gather(table.numpy(), *block.columns[which], centres, neighbours, x.numpy())
                update = perceptron.forward(x, edges[part], basis[part], kept[which])
                if which == 0:
                    edges[part] += update
                else:
                    edge_loops.add_rows(nodes.numpy(), targets, update.numpy())
        if not needs_gradient:
            buffers.give_back(buffer)
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        ctx.block, ctx.bonds, ctx.ends, ctx.indices = block, bonds, ends, indices
        ctx.gates, ctx.sums, ctx.threebody, ctx.buffer = gates, sums, threebody, buffer
        return nodes, edges

    @staticmethod
    def backward(ctx, grad_nodes, grad_edges):
        if torch.is_grad_enabled() or ctx.buffer is None or grad_nodes is None:
            return None, None, None, *_plain_backward(ctx, grad_nodes, grad_edges)
        block: FrozenBlock = ctx.block
        nodes, edges, basis, radial, cutoffs, harmonics = ctx.saved_tensors
        grad_table = nodes.new_zeros(len(nodes), block.to_table.shape[1])
        grad_edges = torch.zeros_like(edges) if grad_edges is None else grad_edges.clone()
        grad_basis = torch.zeros_like(basis)
        grad_nodes = grad_nodes.contiguous()
        for part, kept, (centres, neighbours, targets) in block.chunks(ctx.indices, ctx.buffer):
            for which, perceptron in reversed(list(enumerate(block.perceptrons))):
                grad = grad_edges[part] if which == 0 else grad_nodes.index_select(0, torch.from_numpy(targets))
                x = perceptron.backward(grad, kept[which], grad_basis[part])
                edge_loops.scatter(x.numpy(), centres, neighbours, *block.columns[which], grad_table.numpy())
                perceptron.to_edges(x, grad_edges[part])
        buffers.give_back(ctx.buffer)
        ctx.buffer = None  # a second pass through the same graph goes through the plain form

        grad = torch.empty_like(radial)  # (P, LN), by the sums after their cutoff
        for part in _parts(len(grad), block.chunk):
            x = (ctx.sums[part] * cutoffs[part]) @ block.to_update
            threebody_loops.downdate(x.numpy(), ctx.bonds.targets[part].numpy(), grad_edges.numpy())
            torch.mm(x, block.to_update.mT, out=grad[part])
        grad_cutoffs = (grad * ctx.sums).sum(dim=1, keepdim=True)
        grad_gates, grad_radial, grad_harmonics = (torch.zeros_like(each) for each in (ctx.gates, radial, harmonics))
        into = (grad_gates.numpy(), grad_radial.numpy(), grad_harmonics.numpy())
        threebody_loops.backward((grad * cutoffs).numpy(), *ctx.threebody, *into)
        grad_table[:, block.gates] = grad_gates * ctx.gates * (1 - ctx.gates)
        grad_nodes = torch.addmm(grad_nodes, grad_table, block.to_table.mT)
        return None, None, None, grad_nodes, grad_edges, grad_basis, grad_radial, grad_cutoffs, grad_harmonics


def _plain_backward(ctx, *grads: Tensor | None) -> list[Tensor]:
    """Gradients through the plain block, themselves differentiable where that is asked for."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # aliases, since one input may be made from another and only the partial derivatives are wanted here
        inputs = [each.view_as(each) if again else each.detach() for each in ctx.saved_tensors]
        inputs = [each if each.requires_grad else each.requires_grad_() for each in inputs]
        nodes, edges, basis, radial, cutoffs, harmonics = inputs
        bonds = replace(ctx.bonds, radial=radial, cutoffs=cutoffs, harmonics=harmonics)
        outputs = ctx.block.plain(nodes, edges, basis, bonds, ctx.ends)
        pairs = [(out, grad) for out, grad in zip(outputs, grads, strict=True) if grad is not None]
        outs, slopes = zip(*pairs, strict=True)
        return list(torch.autograd.grad(outs, inputs, slopes, create_graph=again, materialize_grads=True))
