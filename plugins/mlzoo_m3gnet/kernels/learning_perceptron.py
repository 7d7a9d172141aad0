"""An edge perceptron that learns, for one chunk of n edges: forward, backward, and backward through that.

A perceptron is a tuple: its layers (2, W, H), (2, H, H) ..., (2, H, O), a bias (2, H) of each, zero for the first, whose bias
counts for the centre; (K, O) that turns the radial basis into weights on the output; and whether these go through SiLU. [value,
gate] come first throughout. ``z`` is flat: what each layer gives, one after the other. Gradients by parameters are added to a
tuple of the same build.
"""

import numpy as np

from mlzoo.nn.compiled import compiled
from mlzoo_m3gnet.kernels import learning_loops as loops

ONE, TWO = loops.ONE, loops.TWO
sigmoid, silu, gate, silu_back = loops.sigmoid, loops.silu, loops.gate, loops.silu_back
silu_back_adding, silu_back_twice = loops.silu_back_adding, loops.silu_back_twice
gate_back, gate_back_twice = loops.gate_back, loops.gate_back_twice


@compiled
def rows(flat, start, n, width):
    return flat[start : start + 2 * n * width].reshape((2, n, width))


@compiled
def add(x, out):
    for e in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[e, k] += x[e, k]


@compiled
def add_product(left, right, total):
    """total += leftᵀ·right."""
    add(np.dot(left.T, right), total)


@compiled
def add_columns(x, total):
    """total (2, H) += the sums of x (2, n, H)."""
    for b in range(2):
        for e in range(x.shape[1]):
            for k in range(x.shape[2]):
                total[b, k] += x[b, e, k]


@compiled
def activated_weights(product, activate):
    """Weights on the output from the product of basis and parameters."""
    if not activate:
        return product
    weights = np.empty_like(product)
    for e in range(product.shape[0]):
        for k in range(product.shape[1]):
            weights[e, k] = product[e, k] * sigmoid(product[e, k])
    return weights


@compiled
def times_slope(grad, product, activate):
    """grad becomes the gradient by the product."""
    if activate:
        for e in range(product.shape[0]):
            for k in range(product.shape[1]):
                s = sigmoid(product[e, k])
                grad[e, k] *= s * (ONE + product[e, k] * (ONE - s))


@compiled
def add_curvature(grad, first, second, product, activate):
    """grad += first·second·silu''(product), of what was activated."""
    if activate:
        for e in range(product.shape[0]):
            for k in range(product.shape[1]):
                v = product[e, k]
                s = sigmoid(v)
                grad[e, k] += first[e, k] * second[e, k] * s * (ONE - s) * (TWO + v * (ONE - TWO * s))


@compiled
def add_ends(x, table, of_centre, of_neighbour, centres, neighbours):
    """x (2, n, H) += what the rows of both ends hold in the columns from ``of_centre`` and ``of_neighbour``."""
    width = np.uint64(x.shape[2])
    for b in range(2):
        for e in range(x.shape[1]):
            c, n = centres[e], neighbours[e]
            first, second = np.uint64(of_centre) + np.uint64(b) * width, np.uint64(of_neighbour) + np.uint64(b) * width
            for k in range(width):
                x[b, e, k] += table[c, first + k] + table[n, second + k]


@compiled
def to_edges(perceptron, x, out):
    """The edges' share of the gradient by the first layer's output, added to ``out`` (n, W)."""
    for b in range(2):
        add(np.dot(x[b], perceptron[0][0][b].T), out)


@compiled
def forward(perceptron, ends, edges, basis, z, room, out):
    """out (n, O); ``ends``: the arguments of ``add_ends``; ``room``: for what lasts for a chunk."""
    layers, biases, to_weights, activate = perceptron
    n, position, last = len(edges), 0, len(layers) - 1
    activated = rows(room, 0, n, layers[0].shape[2])
    here = activated
    for layer in range(len(layers)):
        here = rows(z, position, n, layers[layer].shape[2])
        position += here.size
        for b in range(2):
            np.dot(edges if layer == 0 else activated[b], layers[layer][b], here[b])
        if layer == 0:
            add_ends(here, *ends)
        if layer < last:
            activated = rows(room, 0, n, layers[layer].shape[2])
            silu(here, biases[layer], activated)
    gate(here, biases[last], activated_weights(np.dot(basis, to_weights), activate), out)


@compiled
def backward(perceptron, grad, basis, z, kept, room, grad_basis):
    """Gradient by the first layer's output; that by the basis is added to ``grad_basis``.

    ``kept`` goes out as the gradients by each activated hidden layer, in the order of z.
    """
    layers, _, to_weights, activate = perceptron
    n, position = len(grad), z.size
    product = np.dot(basis, to_weights)
    width = layers[-1].shape[2]
    position -= 2 * n * width
    x, by_weights = rows(room, 0, n, width), np.empty_like(product)
    gate_back(grad, rows(z, position, n, width), activated_weights(product, activate), x, by_weights)
    times_slope(by_weights, product, activate)
    add(np.dot(by_weights, to_weights.T), grad_basis)
    for layer in range(len(layers) - 2, -1, -1):
        width = layers[layer].shape[2]
        position -= 2 * n * width
        by_activated = rows(kept, position, n, width)
        for b in range(2):
            np.dot(x[b], layers[layer + 1][b].T, by_activated[b])
        x = rows(room, 0, n, width)
        silu_back(by_activated, rows(z, position, n, width), x)
    return x


@compiled
def learn(perceptron, grad, edges, basis, z, more, room, other_room, third_room, grad_basis, total):
    """As ``backward``, with gradients ``more`` that come by z; those by the parameters are added to ``total``."""
    layers, _, to_weights, activate = perceptron
    total_layers, total_biases, total_to_weights, _ = total
    n, position = len(grad), z.size
    product = np.dot(basis, to_weights)
    width = layers[-1].shape[2]
    position -= 2 * n * width
    x, by_weights = rows(room, 0, n, width), np.empty_like(product)
    gate_back(grad, rows(z, position, n, width), activated_weights(product, activate), x, by_weights)
    from_z = rows(more, position, n, width)
    for b in range(2):
        add(from_z[b], x[b])
    times_slope(by_weights, product, activate)
    add_product(basis, by_weights, total_to_weights)
    add(np.dot(by_weights, to_weights.T), grad_basis)
    for layer in range(len(layers) - 2, -1, -1):
        width = layers[layer].shape[2]
        position -= 2 * n * width
        room, other_room = other_room, room
        behind, x, activated = x, rows(room, 0, n, width), rows(third_room, 0, n, width)
        add_columns(behind, total_biases[layer + 1])
        for b in range(2):
            np.dot(behind[b], layers[layer + 1][b].T, x[b])
        silu_back_adding(x, rows(z, position, n, width), rows(more, position, n, width), activated)
        for b in range(2):
            add_product(activated[b], behind[b], total_layers[layer + 1][b])
    for b in range(2):
        add_product(edges, x[b], total_layers[0][b])
    return x


@compiled
def backward_twice(
    perceptron,
    ends,
    x_edges,
    x_basis,
    grad,
    basis,
    z,
    kept,
    room,
    other_room,
    third_room,
    by_z,
    by_basis,
    by_grad,
    total,
):
    """The gradient of ``backward``: ``by_grad`` by its grad, ``by_z``, and those by basis and parameters, which are added.

    ``ends`` reads what comes by the gradient of the table, ``x_edges`` (n, W) and ``x_basis`` are what comes by those of edges
    and basis.
    """
    layers, _, to_weights, activate = perceptron
    total_layers, _, total_to_weights, _ = total
    n, position, last = len(grad), 0, len(layers) - 1
    left = rows(room, 0, n, layers[0].shape[2])
    for layer in range(len(layers)):
        width = layers[layer].shape[2]
        room, other_room = other_room, room
        x, back = rows(room, 0, n, width), rows(third_room, 0, n, width)
        here, by_here = rows(z, position, n, width), rows(by_z, position, n, width)
        for b in range(2):
            np.dot(x_edges if layer == 0 else left[b], layers[layer][b], x[b])
        if layer == 0:
            add_ends(x, *ends)
        if layer < last:
            silu_back_twice(x, rows(kept, position, n, width), here, by_here, back)
        else:
            product, x_product = np.dot(basis, to_weights), np.dot(x_basis, to_weights)
            x_weights, weights = x_product.copy(), activated_weights(product, activate)
            times_slope(x_weights, product, activate)
            by_weights, back_weights = np.empty_like(product), np.empty_like(product)
            gate_back_twice(x, x_weights, grad, here, weights, by_here, by_weights, by_grad, back, back_weights)
            times_slope(by_weights, product, activate)
            add_curvature(by_weights, x_product, back_weights, product, activate)
            times_slope(back_weights, product, activate)
            add_product(x_basis, back_weights, total_to_weights)
            add_product(basis, by_weights, total_to_weights)
            add(np.dot(by_weights, to_weights.T), by_basis)
        for b in range(2):
            add_product(x_edges if layer == 0 else left[b], back[b], total_layers[layer][b])
        left = x
        position += here.size
