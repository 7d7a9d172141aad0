"""The convolution as loops over edges: nothing of an edge is written to memory but what is asked for.

The sum over edges e, paths p, components k of what is received and i of what is sent, and channels c,

    S = Σ gradient[receiver, row(p, k), c] · weights[rows[e], p, c] · turned[e, entry(p, k, i)] · x[sender, first(p) + i, c],

is linear in each of its four factors; its derivatives by one of them are the convolution and its gradients. ``paths``
holds a row for each path: the first component and the number of components of what is sent, the same of what is
received, and how far the rows of neighbouring components are apart. All indices are unsigned: a signed one might count
from the end, which keeps a loop from being vectorised.
"""

import numpy as np

from mlzoo.nn.compiled import compiled


@compiled
def convolve(x, turned, weights, senders, receivers, rows, paths, out):
    """out (A, K, C) += ∂S/∂gradient."""
    channels, one = np.uint64(x.shape[2]), np.uint64(1)
    for e in range(np.uint64(len(senders))):
        s, r, u, entry = senders[e], receivers[e], rows[e], np.uint64(0)
        for p in range(np.uint64(len(paths))):
            first, sent, row, received, apart = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3], paths[p, 4]
            for _ in range(received):
                for i in range(first, first + sent):
                    b = turned[e, entry]
                    for c in range(channels):
                        out[r, row, c] += b * x[s, i, c] * weights[u, p, c]
                    entry += one
                row += apart


@compiled
def slopes(x, turned, weights, gradient, senders, receivers, rows, paths, t, by_x, by_turned, by_weights):
    """by_x += ∂S/∂x, by_turned = ∂S/∂turned, by_weights += ∂S/∂weights; ``t`` (C,) is scratch."""
    channels, one = np.uint64(x.shape[2]), np.uint64(1)
    for e in range(np.uint64(len(senders))):
        s, r, u, entry = senders[e], receivers[e], rows[e], np.uint64(0)
        for p in range(np.uint64(len(paths))):
            first, sent, row, received, apart = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3], paths[p, 4]
            for _ in range(received):
                t[:] = 0
                for i in range(first, first + sent):
                    b, total = turned[e, entry], x.dtype.type(0)
                    for c in range(channels):
                        weighted = gradient[r, row, c] * weights[u, p, c]
                        t[c] += b * x[s, i, c]
                        by_x[s, i, c] += b * weighted
                        total += weighted * x[s, i, c]
                    by_turned[e, entry] = total
                    entry += one
                for c in range(channels):
                    by_weights[u, p, c] += gradient[r, row, c] * t[c]
                row += apart


@compiled
def curvatures(
    x, turned, weights, gradient, of_x, of_turned, of_weights, senders, receivers, rows, paths, t, v,
    by_x, by_turned, by_weights, by_gradient,
):  # fmt: skip
    """The derivatives of of_x · ∂S/∂x + of_turned · ∂S/∂turned + of_weights · ∂S/∂weights by all four factors.

    ``by_turned`` is set, the others are added to; ``t`` and ``v`` (C,) are scratch.
    """
    channels, one = np.uint64(x.shape[2]), np.uint64(1)
    for e in range(np.uint64(len(senders))):
        s, r, u, entry = senders[e], receivers[e], rows[e], np.uint64(0)
        for p in range(np.uint64(len(paths))):
            first, sent, row, received, apart = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3], paths[p, 4]
            for _ in range(received):
                t[:] = 0
                v[:] = 0
                for i in range(first, first + sent):
                    b, along, total = turned[e, entry], of_turned[e, entry], x.dtype.type(0)
                    for c in range(channels):
                        g = gradient[r, row, c]
                        weighted, along_weighted = g * weights[u, p, c], g * of_weights[u, p, c]
                        t[c] += b * x[s, i, c]
                        v[c] += along * x[s, i, c] + b * of_x[s, i, c]
                        by_x[s, i, c] += b * along_weighted + along * weighted
                        total += weighted * of_x[s, i, c] + along_weighted * x[s, i, c]
                    by_turned[e, entry] = total
                    entry += one
                for c in range(channels):
                    by_gradient[r, row, c] += weights[u, p, c] * v[c] + of_weights[u, p, c] * t[c]
                    by_weights[u, p, c] += gradient[r, row, c] * v[c]
                row += apart
