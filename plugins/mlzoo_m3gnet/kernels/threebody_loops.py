"""The three-body sums of one block, bond by bond, compiled by Numba; float32 only.

Bonds are sorted by centre. Index b runs over (l, n) as l·N + n, harmonics over (l, m) as l² + m; notation as in
``mlzoo_m3gnet.threebody``. Each degree comes with its ``scale`` √(4π/(2l+1)).
"""

import numpy as np

from mlzoo.nn.compiled import compiled
from mlzoo_m3gnet.kernels.edge_loops import ONE, sigmoid


@compiled
def end_of_centre(centres, start):
    """The bonds from ``start`` up to here share a centre."""
    stop = start + 1
    while stop < len(centres) and centres[stop] == centres[start]:
        stop += 1
    return stop


@compiled
def supply(neighbours, gates, radial):
    """What each bond supplies to its centre (P, LN): its radial part times its neighbour's gates."""
    supplied = np.empty_like(radial)
    for p in range(len(radial)):
        for b in range(radial.shape[1]):
            supplied[p, b] = radial[p, b] * gates[neighbours[p], b]
    return supplied


@compiled
def collect(start, stop, rows, harmonics, scale, collected):
    """collected (b, m) = scale · Σ over the bonds of one centre of rows ⊗ harmonics."""
    count = rows.shape[1] // len(scale)
    collected[:] = 0
    for p in range(start, stop):
        for l in range(len(scale)):
            for n in range(count):
                value = rows[p, l * count + n] * scale[l]
                for m in range(2 * l + 1):
                    collected[l * count + n, m] += value * harmonics[p, l * l + m]


@compiled
def forward(centres, neighbours, gates, radial, harmonics, scale, sums):
    """Three-body sums (P, LN) before the cutoff of their own bond."""
    degrees, size = len(scale), radial.shape[1]
    count = size // degrees
    supplied = supply(neighbours, gates, radial)
    collected = np.empty((size, 2 * degrees - 1), np.float32)
    start = 0
    while start < len(centres):
        stop = end_of_centre(centres, start)
        collect(start, stop, supplied, harmonics, scale, collected)
        for p in range(start, stop):
            for l in range(degrees):
                for n in range(count):
                    b = l * count + n
                    total = -supplied[p, b] / scale[l]
                    for m in range(2 * l + 1):
                        total += collected[b, m] * harmonics[p, l * l + m]
                    sums[p, b] = total
        start = stop


@compiled
def backward(by_sums, centres, neighbours, gates, radial, harmonics, scale, grad_gates, grad_radial, grad_harmonics):
    """Gradients by gates (A, LN), radial (P, LN) and harmonics (P, LM) from that by the sums; all come in as zeros."""
    degrees, size = len(scale), radial.shape[1]
    count = size // degrees
    supplied = supply(neighbours, gates, radial)
    collected = np.empty((size, 2 * degrees - 1), np.float32)
    by_collected = np.empty_like(collected)
    start = 0
    while start < len(centres):
        stop = end_of_centre(centres, start)
        collect(start, stop, supplied, harmonics, scale, collected)
        collect(start, stop, by_sums, harmonics, scale, by_collected)
        for p in range(start, stop):
            for l in range(degrees):
                for n in range(count):
                    b = l * count + n
                    total = -by_sums[p, b] / scale[l]
                    for m in range(2 * l + 1):
                        total += by_collected[b, m] * harmonics[p, l * l + m]
                        grad_harmonics[p, l * l + m] += (
                            by_sums[p, b] * collected[b, m] + supplied[p, b] * by_collected[b, m]
                        )
                    grad_radial[p, b] = total * gates[neighbours[p], b]
                    grad_gates[neighbours[p], b] += total * radial[p, b]
        start = stop


@compiled
def update(x, targets, edges):
    """edges[target] += silu(value)·σ(gate), with value and gate the two halves of each row of x."""
    half = np.uint64(edges.shape[1])
    for p in range(len(targets)):
        target = targets[p]
        for k in range(half):
            v, g = x[p, k], x[p, half + k]
            edges[target, k] += v * sigmoid(v) * sigmoid(g)


@compiled
def downdate(x, targets, grad):
    """The gradient of ``update`` by x, in place of x."""
    half = np.uint64(grad.shape[1])
    for p in range(len(targets)):
        target = targets[p]
        for k in range(half):
            v, g = x[p, k], grad[target, k]
            s, t = sigmoid(v), sigmoid(x[p, half + k])
            y = v * s
            x[p, k] = g * t * (s + s * (v - y))
            x[p, half + k] = g * y * t * (ONE - t)
