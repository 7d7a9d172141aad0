"""Lengths of edges and the spherical harmonics of their directions, and back: gradients by the edges' vectors.

Harmonics of each degree are products of those of the degree below with the components of the direction u: entry by entry,
Y[out] += factor Y[in] u[i], ``entries`` (N, 3) holding rows (out, in, i) in ascending degree. Edges are taken 64 at a time, side
by side, so that each step of the recursion is one vectorised loop.
"""

import numpy as np

from mlzoo.nn.compiled import compiled

AT_ONCE = 64  # edges


@compiled
def directions(vectors, lo, n, u, length):
    """u (3, n) and length (n,) of the edges from ``lo`` on."""
    for e in range(n):
        x, y, z = vectors[lo + e, 0], vectors[lo + e, 1], vectors[lo + e, 2]
        length[e] = np.sqrt(x * x + y * y + z * z)
        u[0, e], u[1, e], u[2, e] = x / length[e], y / length[e], z / length[e]


@compiled
def climb(u, n, entries, factors, y):
    """y (H, n): the harmonics, degree after degree."""
    y[:] = 0
    y[0] = 1
    for k in range(np.uint64(len(entries))):
        out, below, i = entries[k, 0], entries[k, 1], entries[k, 2]
        for e in range(n):
            y[out, e] += factors[k] * y[below, e] * u[i, e]


@compiled
def evaluate_part(lo, n, vectors, entries, factors, lengths, harmonics):
    """Sets the rows of ``n`` edges."""
    u, length = np.empty((3, AT_ONCE), vectors.dtype), np.empty(AT_ONCE, vectors.dtype)
    y = np.empty((harmonics.shape[1], AT_ONCE), vectors.dtype)
    directions(vectors, lo, n, u, length)
    climb(u, n, entries, factors, y)
    for e in range(n):
        lengths[lo + e] = length[e]
        for m in range(np.uint64(len(y))):
            harmonics[lo + e, m] = y[m, e]


@compiled
def evaluate(first, stop, vectors, entries, factors, lengths, harmonics):
    """Sets lengths (E,) and harmonics (E, H) of the parts from ``first`` on."""
    for part in range(first, stop):
        lo, n = np.uint64(part * AT_ONCE), np.uint64(min(AT_ONCE, len(vectors) - part * AT_ONCE))
        evaluate_part(lo, n, vectors, entries, factors, lengths, harmonics)


@compiled
def slope_part(lo, n, vectors, entries, factors, by_lengths, by_harmonics, by_vectors):
    u, length = np.empty((3, AT_ONCE), vectors.dtype), np.empty(AT_ONCE, vectors.dtype)
    y = np.empty((by_harmonics.shape[1], AT_ONCE), vectors.dtype)
    g, by_u = np.empty_like(y), np.zeros_like(u)
    directions(vectors, lo, n, u, length)
    climb(u, n, entries, factors, y)
    for e in range(n):
        for m in range(np.uint64(len(y))):
            g[m, e] = by_harmonics[lo + e, m]
    for k in range(np.uint64(len(entries)), np.uint64(0), np.int64(-1)):
        out, below, i = entries[np.uint64(k) - np.uint64(1)]
        factor = factors[np.uint64(k) - np.uint64(1)]
        for e in range(n):
            g[below, e] += factor * u[i, e] * g[out, e]
            by_u[i, e] += factor * y[below, e] * g[out, e]
    for e in range(n):
        along = u[0, e] * by_u[0, e] + u[1, e] * by_u[1, e] + u[2, e] * by_u[2, e]
        for i in range(np.uint64(3)):
            by_vectors[lo + e, i] = (by_u[i, e] - along * u[i, e]) / length[e] + by_lengths[lo + e] * u[i, e]


@compiled
def slope(first, stop, vectors, entries, factors, by_lengths, by_harmonics, by_vectors):
    """Sets by_vectors (E, 3) of the parts from ``first`` on."""
    for part in range(first, stop):
        lo, n = np.uint64(part * AT_ONCE), np.uint64(min(AT_ONCE, len(vectors) - part * AT_ONCE))
        slope_part(lo, n, vectors, entries, factors, by_lengths, by_harmonics, by_vectors)
