"""Polynomials of an atom's features as loops over their monomials.

The sum over atoms a, entries n and channels c,

    S = Σ gradient[a, k(n), c] · coefficients[kind[a], n, c] · x[a, i(n), c] · x[a, j(n), c] · x[a, l(n), c],

gives the contraction as its derivative by the gradient. Lower orders have a last component of x, which is one, among
their factors. ``entries`` holds a row (k, i, j, l) for each entry, unsigned: a signed index might count from the end,
which keeps a loop from being vectorised.
"""

import numpy as np

from mlzoo.nn.compiled import compiled


@compiled
def contract(x, coefficients, kinds, entries, out):
    """out (A, K, C) += ∂S/∂gradient."""
    channels = np.uint64(x.shape[2])
    for a in range(np.uint64(len(kinds))):
        z = kinds[a]
        for n in range(np.uint64(len(entries))):
            k, i, j, l = entries[n, 0], entries[n, 1], entries[n, 2], entries[n, 3]
            for c in range(channels):
                out[a, k, c] += coefficients[z, n, c] * x[a, i, c] * x[a, j, c] * x[a, l, c]


@compiled
def slopes(x, coefficients, gradient, kinds, entries, by_x, by_coefficients):
    """by_x += ∂S/∂x, by_coefficients += ∂S/∂coefficients."""
    channels = np.uint64(x.shape[2])
    for a in range(np.uint64(len(kinds))):
        z = kinds[a]
        for n in range(np.uint64(len(entries))):
            k, i, j, l = entries[n, 0], entries[n, 1], entries[n, 2], entries[n, 3]
            for c in range(channels):
                p, q, r, g = x[a, i, c], x[a, j, c], x[a, l, c], gradient[a, k, c]
                weighted = g * coefficients[z, n, c]
                by_coefficients[z, n, c] += g * p * q * r
                by_x[a, i, c] += weighted * q * r
                by_x[a, j, c] += weighted * p * r
                by_x[a, l, c] += weighted * p * q


@compiled
def curvatures(x, coefficients, gradient, of_x, of_coefficients, kinds, entries, by_x, by_coefficients, by_gradient):
    """Derivatives of of_x · ∂S/∂x + of_coefficients · ∂S/∂coefficients by x, the coefficients and the gradient, added."""
    channels = np.uint64(x.shape[2])
    for a in range(np.uint64(len(kinds))):
        z = kinds[a]
        for n in range(np.uint64(len(entries))):
            k, i, j, l = entries[n, 0], entries[n, 1], entries[n, 2], entries[n, 3]
            for c in range(channels):
                g, w, cw = gradient[a, k, c], coefficients[z, n, c], of_coefficients[z, n, c]
                p, q, r = x[a, i, c], x[a, j, c], x[a, l, c]
                cp, cq, cr = of_x[a, i, c], of_x[a, j, c], of_x[a, l, c]
                along = (cp * q + p * cq) * r + p * q * cr
                weighted, along_weighted = g * w, g * cw
                by_gradient[a, k, c] += w * along + cw * p * q * r
                by_coefficients[z, n, c] += g * along
                by_x[a, i, c] += along_weighted * q * r + weighted * (cq * r + cr * q)
                by_x[a, j, c] += along_weighted * p * r + weighted * (cp * r + cr * p)
                by_x[a, l, c] += along_weighted * p * q + weighted * (cp * q + cq * p)
