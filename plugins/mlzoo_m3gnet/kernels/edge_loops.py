"""What stands between the matrix products of M3GNet, in one sweep each: loops compiled by Numba, float32 only.

Arrays of an edge perceptron are (2, n, H), [value, gate] first.
"""

import numpy as np

from mlzoo.nn.compiled import compiled

# tanh(t) = t·P(t²)/Q(t²) for |t| < 7.9, beyond which it is ±1 in float32: the minimax coefficients of Eigen's float tanh
P0, P1, P2, P3, P4, P5, P6 = np.array(
    [
        -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
        1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
    ],
    dtype=np.float32,
)  # fmt: skip
Q0, Q1, Q2, Q3 = np.array(
    [1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03], np.float32
)
LIMIT, HALF, ONE = np.float32(7.90531110763549805), np.float32(0.5), np.float32(1)


@compiled
def sigmoid(x):
    t = min(max(HALF * x, -LIMIT), LIMIT)
    u = t * t
    p = ((((((P0 * u + P1) * u + P2) * u + P3) * u + P4) * u + P5) * u + P6) * t
    q = ((Q0 * u + Q1) * u + Q2) * u + Q3
    return HALF + HALF * (p / q)


@compiled
def gather(table, of_centre, of_neighbour, centres, neighbours, x):
    """x = what the rows of an edge's centre and neighbour hold in the columns from ``of_centre`` and ``of_neighbour``."""
    width = np.uint64(x.shape[2])
    for b in range(2):
        for e in range(x.shape[1]):
            c, n = centres[e], neighbours[e]
            first, second = np.uint64(of_centre) + np.uint64(b) * width, np.uint64(of_neighbour) + np.uint64(b) * width
            for k in range(width):  # unsigned throughout: a signed index might count from the end, and stop vectorising
                x[b, e, k] = table[c, first + k] + table[n, second + k]


@compiled
def silu(x, bias, slopes):
    """x = silu(x + bias) in place, and its derivative."""
    for b in range(2):
        for e in range(x.shape[1]):
            for k in range(x.shape[2]):
                v = x[b, e, k] + bias[b, k]
                s = sigmoid(v)
                y = v * s
                x[b, e, k] = y
                slopes[b, e, k] = s + s * (v - y)


@compiled
def gate(x, bias, weights, by_value, by_gate, by_weight, out):
    """out = silu(value)·σ(gate)·weights, and its derivative by each of the three."""
    for e in range(out.shape[0]):
        for k in range(out.shape[1]):
            v, g, w = x[0, e, k] + bias[0, k], x[1, e, k] + bias[1, k], weights[e, k]
            s, t = sigmoid(v), sigmoid(g)
            y = v * s
            yt = y * t
            by_value[e, k] = (s + s * (v - y)) * t * w
            by_gate[e, k] = yt * (ONE - t) * w
            by_weight[e, k] = yt
            out[e, k] = yt * w


@compiled
def ungate(grad, weights, by_value, by_gate, by_weight, x, grad_basis):
    """Gradients of value and gate into x; that of the basis is added to ``grad_basis``."""
    w = np.empty(grad.shape[1], np.float32)
    for e in range(grad.shape[0]):
        for k in range(grad.shape[1]):
            g = grad[e, k]
            x[0, e, k] = g * by_value[e, k]
            x[1, e, k] = g * by_gate[e, k]
            w[k] = g * by_weight[e, k]
        for j in range(weights.shape[0]):
            total = np.float32(0)
            for k in range(grad.shape[1]):
                total += w[k] * weights[j, k]
            grad_basis[e, j] += total


@compiled
def scale(x, slopes):
    """x *= slopes."""
    for b in range(2):
        for e in range(x.shape[1]):
            for k in range(x.shape[2]):
                x[b, e, k] *= slopes[b, e, k]


@compiled
def add_rows(total, index, rows):
    """total[index] += rows."""
    for e in range(rows.shape[0]):
        i = index[e]
        for k in range(rows.shape[1]):
            total[i, k] += rows[e, k]


@compiled
def scatter(x, centres, neighbours, of_centre, of_neighbour, table):
    """The transpose of ``gather``: adds each edge to the rows of its two ends."""
    width = np.uint64(x.shape[2])
    for b in range(2):
        for e in range(x.shape[1]):
            c, n = centres[e], neighbours[e]
            first, second = np.uint64(of_centre) + np.uint64(b) * width, np.uint64(of_neighbour) + np.uint64(b) * width
            for k in range(width):
                table[c, first + k] += x[b, e, k]
            for k in range(width):
                table[n, second + k] += x[b, e, k]
