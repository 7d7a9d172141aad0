"""Loops over the edges of a chunk, compiled by Numba: what stands between two matrix products, in one sweep each.

Rows hold the value branch in the first half of their columns and the gate branch in the second. float32 only. Compiled
code is cached beside this file or, where that cannot be written, in the user's cache folder.
"""

import numpy as np
from numba import njit

FAST = {"fastmath": {"contract", "nsz", "arcp", "reassoc"}, "error_model": "numpy", "cache": True}

# tanh(t) = t·P(t²)/Q(t²) for |t| < 7.9, beyond which it is ±1 in float32: the minimax coefficients of Eigen's float tanh
P0, P1, P2, P3, P4, P5, P6 = np.array(
    [
        -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
        1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
    ],
    dtype=np.float32,
)  # fmt: skip
Q0, Q1, Q2, Q3 = np.array([1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03], dtype=np.float32)
LIMIT, HALF, ONE = np.float32(7.90531110763549805), np.float32(0.5), np.float32(1)


@njit(inline="always", **FAST)
def sigmoid(x):
    t = min(max(HALF * x, -LIMIT), LIMIT)
    u = t * t
    p = ((((((P0 * u + P1) * u + P2) * u + P3) * u + P4) * u + P5) * u + P6) * t
    q = ((Q0 * u + Q1) * u + Q2) * u + Q3
    return HALF + HALF * (p / q)


@njit(**FAST)
def gather(x, centre_table, neighbour_table, centres, neighbours):
    """x = row of the centre + row of the neighbour."""
    for e in range(x.shape[0]):
        c, n = centres[e], neighbours[e]
        for k in range(x.shape[1]):
            x[e, k] = centre_table[c, k] + neighbour_table[n, k]


@njit(**FAST)
def silu(x, bias, slope):
    """x = silu(x + bias) in place; slope = its derivative."""
    for e in range(x.shape[0]):
        for k in range(x.shape[1]):
            v = x[e, k] + bias[k]
            s = sigmoid(v)
            y = v * s
            x[e, k] = y
            slope[e, k] = s + s * (v - y)


@njit(**FAST)
def gate(x, bias, weight, by_value, by_gate, by_weight, out):
    """out = silu(value)·σ(gate)·weight, with its derivative by each of the three."""
    half = out.shape[1]
    for e in range(x.shape[0]):
        for k in range(half):
            v, g, w = x[e, k] + bias[k], x[e, half + k] + bias[half + k], weight[e, k]
            s, t = sigmoid(v), sigmoid(g)
            y = v * s
            yt = y * t
            by_value[e, k] = (s + s * (v - y)) * t * w
            by_gate[e, k] = yt * (ONE - t) * w
            by_weight[e, k] = yt
            out[e, k] = yt * w


@njit(**FAST)
def add_to(total, index, rows):
    """total[index] += rows."""
    for e in range(rows.shape[0]):
        i = index[e]
        for k in range(rows.shape[1]):
            total[i, k] += rows[e, k]


@njit(**FAST)
def ungate(grad, by_value, by_gate, by_weight, x, weight):
    """Gradients of value and gate into x, of the weight into weight."""
    half = grad.shape[1]
    for e in range(grad.shape[0]):
        for k in range(half):
            g = grad[e, k]
            x[e, k] = g * by_value[e, k]
            x[e, half + k] = g * by_gate[e, k]
            weight[e, k] = g * by_weight[e, k]


@njit(**FAST)
def add_to_both(centre_table, neighbour_table, centres, neighbours, rows):
    """Gradients of an edge's first layer to the table rows of its two ends."""
    for e in range(rows.shape[0]):
        c, n = centres[e], neighbours[e]
        for k in range(rows.shape[1]):
            centre_table[c, k] += rows[e, k]
            neighbour_table[n, k] += rows[e, k]
