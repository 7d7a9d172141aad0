"""The three-body sums of one block, bond by bond, compiled by Numba; float32 only.

Bonds are sorted by centre. Index b runs over (l, n) as l·N + n, harmonics over (l, m) as l² + m; notation as in
``mlzoo_m3gnet.threebody``. W is the update's gated perceptron, (2, LN, W): no bias, one layer.
"""

import numpy as np
from numba import njit

from mlzoo_m3gnet.kernels.edge_loops import FAST, ONE, sigmoid


@njit(**FAST)
def collect(start, stop, rows, harmonics, degrees, count, scale, collected):
    """collected = Σ over the bonds of one centre of rows ⊗ harmonics, by (b, m); times ``scale`` of each degree."""
    collected[:] = 0
    for p in range(start, stop):
        for l in range(degrees):
            for n in range(count):
                value = rows[p, l * count + n] * scale[l]
                for m in range(2 * l + 1):
                    collected[l * count + n, m] += value * harmonics[p, l * l + m]


@njit(**FAST)
def forward(centres, neighbours, targets, gates, radial, cutoffs, harmonics, count, scale, own, weights, sums, edges):
    """Three-body sums (P, LN) before the cutoff of their own bond, and the update that they give added to ``edges``."""
    degrees, size, width = len(scale), radial.shape[1], edges.shape[1]
    supplied = np.empty_like(radial)
    for p in range(len(centres)):
        for b in range(size):
            supplied[p, b] = radial[p, b] * gates[neighbours[p], b]
    collected = np.empty((size, 2 * degrees - 1), np.float32)
    value, gate = np.empty(width, np.float32), np.empty(width, np.float32)
    start = 0
    while start < len(centres):
        stop = start + 1
        while stop < len(centres) and centres[stop] == centres[start]:
            stop += 1
        collect(start, stop, supplied, harmonics, degrees, count, scale, collected)
        for p in range(start, stop):
            value[:] = 0
            gate[:] = 0
            for l in range(degrees):
                for n in range(count):
                    b = l * count + n
                    total = -own[b] * supplied[p, b]
                    for m in range(2 * l + 1):
                        total += collected[b, m] * harmonics[p, l * l + m]
                    sums[p, b] = total
                    total *= cutoffs[p, 0]
                    for k in range(width):
                        value[k] += total * weights[0, b, k]
                        gate[k] += total * weights[1, b, k]
            target = targets[p]
            for k in range(width):
                edges[target, k] += value[k] * sigmoid(value[k]) * sigmoid(gate[k])
        start = stop


@njit(**FAST)
def backward(
    grad, centres, neighbours, targets, gates, radial, cutoffs, harmonics, count, scale, own, weights, sums,
    grad_gates, grad_radial, grad_cutoffs, grad_harmonics,
):  # fmt: skip
    """Gradients by gates (A, LN), radial (P, LN), cutoffs (P, 1) and harmonics (P, LM); all come in as zeros."""
    degrees, size, width = len(scale), radial.shape[1], grad.shape[1]
    supplied, by_sums = np.empty_like(radial), np.empty_like(radial)
    value, gate = np.empty(width, np.float32), np.empty(width, np.float32)
    for p in range(len(centres)):  # through the update: by_sums = dE/dsums
        value[:] = 0
        gate[:] = 0
        for b in range(size):
            supplied[p, b] = radial[p, b] * gates[neighbours[p], b]
            for k in range(width):
                value[k] += sums[p, b] * cutoffs[p, 0] * weights[0, b, k]
                gate[k] += sums[p, b] * cutoffs[p, 0] * weights[1, b, k]
        target = targets[p]
        for k in range(width):
            v, s, t = value[k], sigmoid(value[k]), sigmoid(gate[k])
            y = v * s
            g = grad[target, k]
            value[k] = g * t * (s + s * (v - y))
            gate[k] = g * y * t * (ONE - t)
        for b in range(size):
            total = np.float32(0)
            for k in range(width):
                total += value[k] * weights[0, b, k] + gate[k] * weights[1, b, k]
            grad_cutoffs[p, 0] += total * sums[p, b]
            by_sums[p, b] = total * cutoffs[p, 0]
    collected = np.empty((size, 2 * degrees - 1), np.float32)
    by_collected = np.empty_like(collected)
    start = 0
    while start < len(centres):
        stop = start + 1
        while stop < len(centres) and centres[stop] == centres[start]:
            stop += 1
        collect(start, stop, supplied, harmonics, degrees, count, scale, collected)
        collect(start, stop, by_sums, harmonics, degrees, count, scale, by_collected)
        for p in range(start, stop):
            for l in range(degrees):
                for n in range(count):
                    b = l * count + n
                    total = -own[b] * by_sums[p, b]
                    for m in range(2 * l + 1):
                        total += by_collected[b, m] * harmonics[p, l * l + m]
                        grad_harmonics[p, l * l + m] += (
                            by_sums[p, b] * collected[b, m] + supplied[p, b] * by_collected[b, m]
                        )
                    grad_radial[p, b] = total * gates[neighbours[p], b]
                    grad_gates[neighbours[p], b] += total * radial[p, b]
        start = stop
