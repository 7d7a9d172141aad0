"""Polynomials of an atom's features, with coefficients for its kind of atom, and their gradient.

Component k of what comes out is a sum over terms: a coefficient of the channel times x_i x_j x_l. Terms that share x_i x_j
stand side by side, a pair: ``pairs`` (Q, 4) has rows (i, j, first, stop) and ``terms`` (N, 2) rows (l, k). Lower orders have
a last component of x, which is one, among their factors. What comes out is flat, irrep after irrep; ``rows`` (K, 2) says where a
component of the first atom begins and how far that of the next one is. Indices are unsigned: a signed one might count from the
end, which keeps a loop from being vectorised.
"""

import numpy as np

from mlzoo.nn.compiled import compiled


@compiled
def evaluate_atom(a, x, coefficients, kinds, pairs, terms, rows, t, out):
    """Sets what comes out for atom ``a``; ``t`` (C,) is scratch."""
    channels, z = np.uint64(x.shape[2]), kinds[a]
    for k in range(np.uint64(len(rows))):
        o = rows[k, 0] + a * rows[k, 1]
        for c in range(channels):
            out[o + c] = 0
    for q in range(np.uint64(len(pairs))):
        i, j, first, stop = pairs[q, 0], pairs[q, 1], pairs[q, 2], pairs[q, 3]
        for c in range(channels):
            t[c] = x[a, i, c] * x[a, j, c]
        for n in range(first, stop):
            l, k = terms[n, 0], terms[n, 1]
            o = rows[k, 0] + a * rows[k, 1]
            for c in range(channels):
                out[o + c] += coefficients[z, n, c] * x[a, l, c] * t[c]


@compiled
def slope_of_atom(a, x, coefficients, kinds, pairs, terms, rows, gradient, t, by_t, by_x):
    """Sets by_x[a] (D, C); ``t`` and ``by_t`` (C,) are scratch."""
    channels, z = np.uint64(x.shape[2]), kinds[a]
    for i in range(np.uint64(x.shape[1])):
        for c in range(channels):
            by_x[a, i, c] = 0
    for q in range(np.uint64(len(pairs))):
        i, j, first, stop = pairs[q, 0], pairs[q, 1], pairs[q, 2], pairs[q, 3]
        for c in range(channels):
            t[c] = x[a, i, c] * x[a, j, c]
            by_t[c] = 0
        for n in range(first, stop):
            l, k = terms[n, 0], terms[n, 1]
            o = rows[k, 0] + a * rows[k, 1]
            for c in range(channels):
                weighted = coefficients[z, n, c] * gradient[o + c]
                by_x[a, l, c] += weighted * t[c]
                by_t[c] += weighted * x[a, l, c]
        for c in range(channels):
            by_x[a, i, c] += by_t[c] * x[a, j, c]
        for c in range(channels):
            by_x[a, j, c] += by_t[c] * x[a, i, c]


@compiled
def evaluate(first, stop, x, coefficients, kinds, pairs, terms, rows, out):
    """The atoms from ``first`` on."""
    t = np.empty(x.shape[2], x.dtype)
    for a in range(np.uint64(first), np.uint64(stop)):
        evaluate_atom(a, x, coefficients, kinds, pairs, terms, rows, t, out)


@compiled
def slope(first, stop, x, coefficients, kinds, pairs, terms, rows, gradient, by_x):
    t, by_t = np.empty(x.shape[2], x.dtype), np.empty(x.shape[2], x.dtype)
    for a in range(np.uint64(first), np.uint64(stop)):
        slope_of_atom(a, x, coefficients, kinds, pairs, terms, rows, gradient, t, by_t, by_x)
