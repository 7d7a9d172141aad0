"""What stands between the matrix products of an edge perceptron that learns, in one sweep each, up to second derivatives.

Arrays are (2, n, H), [value, gate] first, of float32 or float64. ``z`` is what an activation is applied to: it is kept, and
activations and their derivatives are worked out from it again, which costs less than reading them.
"""

import inspect
import math

import numpy as np
from numba import types
from numba.extending import overload

from mlzoo.nn.compiled import compiled
from mlzoo_m3gnet.kernels import edge_loops

ONE, TWO = np.float32(1), np.float32(2)  # a Python number would turn float32 into float64


def sigmoid(x):
    """Of a number, as precise as its type."""


def _in_double(x):
    return 1.0 / (1.0 + math.exp(-x))


def _in_single(x):
    return edge_loops.sigmoid(x)


def _sigmoid(x):
    return inspect.unwrap(_in_single if x == types.float32 else _in_double)


sigmoid = inspect.unwrap(sigmoid)
overload(sigmoid)(inspect.unwrap(_sigmoid))


@compiled
def silu(z, bias, out):
    """z += bias; out = silu(z)."""
    for b in range(2):
        for e in range(z.shape[1]):
            for k in range(z.shape[2]):
                v = z[b, e, k] + bias[b, k]
                z[b, e, k] = v
                out[b, e, k] = v * sigmoid(v)


@compiled
def gate(z, bias, weights, out):
    """z += bias; out = silu(value)·σ(gate)·weights."""
    for e in range(out.shape[0]):
        for k in range(out.shape[1]):
            v, g = z[0, e, k] + bias[0, k], z[1, e, k] + bias[1, k]
            z[0, e, k], z[1, e, k] = v, g
            out[e, k] = v * sigmoid(v) * sigmoid(g) * weights[e, k]


@compiled
def silu_back(grad, z, out):
    """out = grad·silu'(z)."""
    for b in range(2):
        for e in range(z.shape[1]):
            for k in range(z.shape[2]):
                v = z[b, e, k]
                s = sigmoid(v)
                out[b, e, k] = grad[b, e, k] * s * (ONE + v * (ONE - s))


@compiled
def silu_back_adding(grad, z, more, activated):
    """grad = grad·silu'(z) + more; activated = silu(z)."""
    for b in range(2):
        for e in range(z.shape[1]):
            for k in range(z.shape[2]):
                v = z[b, e, k]
                s = sigmoid(v)
                grad[b, e, k] = grad[b, e, k] * s * (ONE + v * (ONE - s)) + more[b, e, k]
                activated[b, e, k] = v * s


@compiled
def silu_back_twice(x, grad, z, by_z, back):
    """Of back = grad·silu'(z) comes the gradient x: x becomes that by grad, by_z that by z."""
    for b in range(2):
        for e in range(z.shape[1]):
            for k in range(z.shape[2]):
                v, g, t = z[b, e, k], grad[b, e, k], x[b, e, k]
                s = sigmoid(v)
                c = ONE - s
                slope = s * (ONE + v * c)
                back[b, e, k] = g * slope
                x[b, e, k] = t * slope
                by_z[b, e, k] = t * g * s * c * (TWO + v * (c - s))


@compiled
def gate_back(grad, z, weights, by_z, by_weights):
    """The gradient of ``gate`` by z and weights."""
    for e in range(grad.shape[0]):
        for k in range(grad.shape[1]):
            v, a, w = z[0, e, k], grad[e, k], weights[e, k]
            s, t = sigmoid(v), sigmoid(z[1, e, k])
            y = v * s
            by_z[0, e, k] = a * w * t * s * (ONE + v * (ONE - s))
            by_z[1, e, k] = a * w * t * (ONE - t) * y
            by_weights[e, k] = a * y * t


@compiled
def gate_back_twice(x, x_weights, grad, z, weights, by_z, by_weights, by_grad, back, back_weights):
    """Of ``back`` and ``back_weights``, which are what ``gate_back`` gives, come the gradients x and x_weights."""
    for e in range(grad.shape[0]):
        for k in range(grad.shape[1]):
            v, a, w = z[0, e, k], grad[e, k], weights[e, k]
            p, q, r = x[0, e, k], x[1, e, k], x_weights[e, k]
            s, t = sigmoid(v), sigmoid(z[1, e, k])
            c, d = ONE - s, ONE - t
            y, y1, y2 = v * s, s * (ONE + v * c), s * c * (TWO + v * (c - s))
            t1 = t * d
            back[0, e, k] = a * w * t * y1
            back[1, e, k] = a * w * t1 * y
            back_weights[e, k] = a * y * t
            by_weights[e, k] = a * (p * y1 * t + q * y * t1)
            by_grad[e, k] = w * (p * y1 * t + q * y * t1) + r * y * t
            by_z[0, e, k] = a * (w * (p * y2 * t + q * y1 * t1) + r * y1 * t)
            by_z[1, e, k] = a * (w * (p * y1 * t1 + q * y * t1 * (d - t)) + r * y * t1)
