"""Both edge perceptrons of a block over all edges, a chunk that stays in cache after the other; compiled by Numba.

Arrays that are kept for later (z, and the gradients by activated hidden layers) are flat: chunk after chunk, and in each the
perceptron of edges before that of atoms.
"""

import numpy as np

from mlzoo.nn.compiled import compiled
from mlzoo_m3gnet.kernels import edge_loops
from mlzoo_m3gnet.kernels import learning_perceptron as one

scatter, add_rows = edge_loops.scatter, edge_loops.add_rows
_forward, _backward, _learn, _twice = one.forward, one.backward, one.learn, one.backward_twice
add, to_edges = one.add, one.to_edges


@compiled
def width_of(perceptron):
    """Numbers of z for each edge."""
    total = 0
    for layer in perceptron[0]:
        total += 2 * layer.shape[2]
    return total


@compiled
def room_for(perceptrons, chunk, like):
    widest = 0
    for layer in perceptrons[0][0] + perceptrons[1][0]:
        widest = max(widest, layer.shape[2])
    return np.empty(2 * chunk * widest, like.dtype)


@compiled
def take(rows, index):
    taken = np.empty((len(index), rows.shape[1]), rows.dtype)
    for e in range(len(index)):
        i = index[e]
        for k in range(rows.shape[1]):
            taken[e, k] = rows[i, k]
    return taken


@compiled
def forward(perceptrons, columns, ends, chunk, table, edges, basis, z, kept, sums):
    """Updates ``edges`` (E, W) and adds messages to ``sums`` (A, V); ``kept``: whether z holds all chunks, or the last."""
    centres, neighbours, targets = ends
    room, first = room_for(perceptrons, chunk, edges), width_of(perceptrons[0])
    each = first + width_of(perceptrons[1])
    for start in range(0, len(edges), chunk):
        part = slice(start, min(start + chunk, len(edges)))
        n = part.stop - start
        here = z[start * each : part.stop * each] if kept else z[: n * each]
        for which in range(2):
            perceptron = perceptrons[which]
            between = (table, columns[which][0], columns[which][1], centres[part], neighbours[part])
            update = np.empty((n, perceptron[2].shape[1]), edges.dtype)
            own = here[: n * first] if which == 0 else here[n * first :]
            _forward(perceptron, between, edges[part], basis[part], own, room, update)
            if which == 0:
                add(update, edges[part])
            else:
                add_rows(sums, targets[part], update)


@compiled
def backward(
    perceptrons, columns, ends, chunk, grad_sums, basis, z, hidden, kept, grad_table, grad_edges, between, grad_basis
):
    """Gradients by table, edges and basis; ``grad_edges`` comes in as that by the updated edges.

    ``hidden`` and ``between`` (E, W) are what :func:`backward_twice` reads.
    """
    centres, neighbours, targets = ends
    room, first = room_for(perceptrons, chunk, basis), width_of(perceptrons[0])
    each = first + width_of(perceptrons[1])
    for start in range(0, len(basis), chunk):
        part = slice(start, min(start + chunk, len(basis)))
        n = part.stop - start
        here = z[start * each : part.stop * each]
        keep = hidden[start * each : part.stop * each] if kept else hidden[: n * each]
        for which in (1, 0):
            own, own_keep = (
                (here[: n * first], keep[: n * first]) if which == 0 else (here[n * first :], keep[n * first :])
            )
            grad = grad_edges[part] if which == 0 else take(grad_sums, targets[part])
            x = _backward(perceptrons[which], grad, basis[part], own, own_keep, room, grad_basis[part])
            scatter(x, centres[part], neighbours[part], columns[which][0], columns[which][1], grad_table)
            to_edges(perceptrons[which], x, grad_edges[part])
            if which == 1:
                between[part] = grad_edges[part]


@compiled
def learn(
    perceptrons,
    columns,
    ends,
    chunk,
    grad_sums,
    edges,
    updated,
    basis,
    z,
    more,
    grad_table,
    grad_edges,
    grad_basis,
    totals,
):
    """As ``backward``, with the gradients ``more`` that come by z; those by the parameters are added to ``totals``."""
    centres, neighbours, targets = ends
    rooms = [room_for(perceptrons, chunk, basis) for _ in range(3)]
    first = width_of(perceptrons[0])
    each = first + width_of(perceptrons[1])
    for start in range(0, len(basis), chunk):
        part = slice(start, min(start + chunk, len(basis)))
        n = part.stop - start
        here, from_z = z[start * each : part.stop * each], more[start * each : part.stop * each]
        for which in (1, 0):
            own, own_more = (
                (here[: n * first], from_z[: n * first]) if which == 0 else (here[n * first :], from_z[n * first :])
            )
            grad = grad_edges[part] if which == 0 else take(grad_sums, targets[part])
            seen = edges[part] if which == 0 else updated[part]
            x = _learn(
                perceptrons[which], grad, seen, basis[part], own, own_more, rooms[0], rooms[1], rooms[2],
                grad_basis[part], totals[which],
            )  # fmt: skip
            scatter(x, centres[part], neighbours[part], columns[which][0], columns[which][1], grad_table)
            to_edges(perceptrons[which], x, grad_edges[part])


@compiled
def backward_twice(
    perceptrons, columns, ends, chunk, x_table, x_edges, x_basis, grad_sums, basis, z, hidden, between,
    by_grad_sums, by_basis, by_z, totals,
):  # fmt: skip
    """The gradient of ``backward``; ``x_edges`` comes in as what comes by its gradient of the edges, and goes out as the
    gradient by the one that it began with."""
    centres, neighbours, targets = ends
    rooms = [room_for(perceptrons, chunk, basis) for _ in range(3)]
    first = width_of(perceptrons[0])
    each = first + width_of(perceptrons[1])
    for start in range(0, len(basis), chunk):
        part = slice(start, min(start + chunk, len(basis)))
        n = part.stop - start
        cut = start * each + n * first
        for which in range(2):
            own = slice(start * each, cut) if which == 0 else slice(cut, part.stop * each)
            grad = between[part] if which == 0 else take(grad_sums, targets[part])
            reads = (x_table, columns[which][0], columns[which][1], centres[part], neighbours[part])
            by_grad = np.empty_like(grad)
            _twice(
                perceptrons[which], reads, x_edges[part], x_basis[part], grad, basis[part], z[own], hidden[own],
                rooms[0], rooms[1], rooms[2], by_z[own], by_basis[part], by_grad, totals[which],
            )  # fmt: skip
            if which == 0:
                add(by_grad, x_edges[part])
            else:
                add_rows(by_grad_sums, targets[part], by_grad)
