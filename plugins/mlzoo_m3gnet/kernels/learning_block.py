"""The two edge perceptrons of a block that learns, on a CPU: the plain arithmetic, in pieces that stay in cache.

A force in the loss asks for the gradient of a gradient. In plain PyTorch its many operations each write rows of all edges
that the next one reads back. Here some dozen edges at a time go through both perceptrons in compiled loops; there are six
matrix products for each one of the forward pass, which is as few as there can be. ``mlzoo_m3gnet.model.Block`` is the
definition, and tests hold this to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mlzoo.nn.compiled import arrays
from mlzoo.nn.mlp import EdgeGatedMLP
from mlzoo_m3gnet.kernels import learning_sweeps as sweeps
from mlzoo_m3gnet.model import Block

# numbers: a chunk of edges times the hidden width. Dozens of such arrays fit into an L2 cache that others use as well; and
# OpenBLAS's products that sum over edges are two to three times slower where these are several hundred
CACHED = 2**12


@dataclass(frozen=True)
class EdgePart:
    """What both perceptrons are, and which edges they act on."""

    tensors: Sequence[Tensor]  # of the perceptron of edges, then of that of atoms; see `_tensors_of`
    layers: tuple[int, int]
    activate_node_weights: bool
    ends: tuple[np.ndarray, np.ndarray, np.ndarray]  # centres, neighbours, targets

    @classmethod
    def of(cls, block: Block, ends: Sequence[Tensor]) -> EdgePart:
        updates = (block.edge_update, block.node_update)
        tensors = _tensors_of(updates[0], block.edge_weights) + _tensors_of(updates[1], block.node_weights)
        centres, neighbours, targets = (index.numpy() for index in ends)
        counts = (len(updates[0].weights), len(updates[1].weights))
        return cls(tensors, counts, block.activate_node_weights, (centres, neighbours, targets))

    def __call__(self, table: Tensor, edges: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of messages (A, V) and updated edges (E, W); ``table`` (A, T) as :func:`table_of` makes it."""
        sums, edges, _ = Forward.apply(self, table, edges, basis, *self.tensors)
        return sums, edges

    def perceptrons(self, tensors: Sequence[Tensor]) -> tuple[tuple, tuple]:
        """These parameters, or gradients by them, as ``learning_perceptron`` reads them."""
        first = 2 * self.layers[0]
        groups = (tensors[:first], tensors[first:])
        return tuple(
            _perceptron(group, count, activate)
            for group, count, activate in zip(groups, self.layers, (False, self.activate_node_weights), strict=True)
        )  # type: ignore[return-value]

    def common(self, tensors: Sequence[Tensor]) -> tuple:
        """The first arguments of each sweep: perceptrons, columns of the table, ends, edges in a chunk."""
        perceptrons = self.perceptrons(tensors)
        first, second = (2 * perceptron[0][0].shape[2] for perceptron in perceptrons)
        widest = max(layer.shape[2] for perceptron in perceptrons for layer in perceptron[0])
        columns = ((0, first), (2 * first, 2 * first + second))
        return perceptrons, columns, self.ends, max(1, CACHED // widest)

    def numbers_of_z(self, edges: int) -> int:
        return 2 * edges * sum(each.shape[2] for each in self.tensors if each.dim() == 3)


def _tensors_of(mlp: EdgeGatedMLP, basis_weights: nn.Linear) -> list[Tensor]:
    """Views of the parameters: to the weights on the output (K, O), layers (2, I, O), biases (2, O) of all but the first."""
    assert mlp.biases is not None
    first, *others = mlp.weights
    layers = [first[:, -mlp.blocks[2] :], *(each.view_as(each) for each in others)]
    return [basis_weights.weight.mT, *layers, *(bias[:, 0] for bias in list(mlp.biases)[1:])]


def _perceptron(tensors: Sequence[Tensor], count: int, activate: bool) -> tuple:
    to_weights, *others = (each.detach().contiguous().numpy() for each in tensors)
    layers, biases = others[:count], others[count:]
    return tuple(layers), (np.zeros_like(layers[0][:, 0]), *biases), to_weights, activate


def table_of(block: Block, nodes: Tensor) -> Tensor:
    """What each atom contributes to the first layers of its edges, as centre and as neighbour (A, T)."""
    parts, biases = [], []
    for mlp in (block.edge_update, block.node_update):
        centre, neighbour, _ = mlp.weights[0].split(mlp.blocks, dim=1)
        bias = mlp.biases[0].flatten()  # type: ignore[index]
        parts += [*centre, *neighbour]
        biases += [bias, torch.zeros_like(bias)]
    return torch.addmm(torch.cat(biases), nodes, torch.cat(parts, dim=1))


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


class Forward(torch.autograd.Function):
    """Sums of messages, updated edges, and what each layer gives, in one buffer."""

    @staticmethod
    def forward(ctx, edge_part, table, edges, basis, *tensors):
        kept, common = any(ctx.needs_input_grad), edge_part.common(tensors)
        updated = _copy(edges)
        sums = edges.new_zeros(len(table), common[0][1][2].shape[1])
        z = edges.new_empty(edge_part.numbers_of_z(len(edges) if kept else min(common[3], len(edges))))
        sweeps.forward(*common, *arrays(table), updated.numpy(), *arrays(basis, z), kept, sums.numpy())
        ctx.edge_part = edge_part
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(table, edges, basis, *tensors, updated, z)
        return sums, updated, z

    @staticmethod
    def backward(ctx, by_sums, by_edges, by_z):
        table, edges, basis, *tensors, _, z = ctx.saved_tensors
        by_edges = torch.zeros_like(edges) if by_edges is None else by_edges
        by_sums = edges.new_zeros(len(table), tensors[-1].shape[-1]) if by_sums is None else by_sums
        learning = any(
            each.grad_fn is not None and torch._C._will_engine_execute_node(each.grad_fn) for each in tensors
        )
        if not learning:
            grads = Backward.apply(ctx.edge_part, len(table), by_sums, by_edges, basis, z, *tensors)
            return None, *grads, *(None for _ in tensors)
        if torch.is_grad_enabled():
            raise NotImplementedError(
                "the form of M3GNet that learns gives no gradients of gradients by its parameters. Differentiate the plain model."
            )
        return None, *_learn(ctx.edge_part, ctx.saved_tensors, by_sums, by_edges, by_z)


def _learn(
    edge_part: EdgePart, saved: Sequence[Tensor], by_sums: Tensor, by_edges: Tensor, by_z: Tensor | None
) -> list[Tensor]:
    """Gradients by all inputs of ``Forward``."""
    table, edges, basis, *tensors, updated, z = saved
    by_table, by_edges, by_basis = torch.zeros_like(table), _copy(by_edges), torch.zeros_like(basis)
    by_tensors = [torch.zeros(each.shape, dtype=each.dtype) for each in tensors]
    by_z = torch.zeros_like(z) if by_z is None else by_z
    sweeps.learn(
        *edge_part.common(tensors), *arrays(by_sums, edges, updated, basis, z, by_z, by_table, by_edges, by_basis),
        edge_part.perceptrons(by_tensors),
    )  # fmt: skip
    return [by_table, by_edges, by_basis, *by_tensors]


class Backward(torch.autograd.Function):
    """Gradients of ``Forward`` by table, edges and basis, to be differentiated once more."""

    @staticmethod
    def forward(ctx, edge_part, atoms, by_sums, by_edges, basis, z, *tensors):
        kept, common = any(ctx.needs_input_grad), edge_part.common(tensors)
        by_table = basis.new_zeros(atoms, sum(4 * perceptron[0][0].shape[2] for perceptron in common[0]))
        by_edges, by_basis = _copy(by_edges), torch.zeros_like(basis)
        between = torch.empty_like(by_edges)  # gradients by the edges after their update
        hidden = torch.empty_like(z) if kept else z.new_empty(edge_part.numbers_of_z(min(common[3], len(basis))))
        sweeps.backward(
            *common, *arrays(by_sums, basis, z, hidden), kept, *arrays(by_table, by_edges, between, by_basis)
        )
        ctx.edge_part = edge_part
        if kept:
            ctx.save_for_backward(by_sums, basis, z, *tensors, between, hidden)
        return by_table, by_edges, by_basis

    @staticmethod
    @once_differentiable
    def backward(ctx, x_table, x_edges, x_basis):
        by_sums, basis, z, *tensors, between, hidden = ctx.saved_tensors
        by_tensors = [torch.zeros(each.shape, dtype=each.dtype) for each in tensors]
        by_by_sums, by_by_edges = by_sums.new_zeros(by_sums.shape), _copy(x_edges)
        by_basis, by_z = basis.new_zeros(basis.shape), torch.empty_like(z)
        sweeps.backward_twice(
            *ctx.edge_part.common(tensors),
            *arrays(x_table, by_by_edges, x_basis, by_sums, basis, z, hidden, between, by_by_sums, by_basis, by_z),
            ctx.edge_part.perceptrons(by_tensors),
        )
        return None, None, by_by_sums, by_by_edges, by_basis, by_z, *by_tensors
