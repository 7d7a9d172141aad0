"""The convolution as loops over edges: nothing of an edge is written to memory but what is asked for.

The sum over edges e, paths p, components k of what is received and i of what is sent, and channels c,

    S = Σ gradient[receiver, row(p, k), c] · weights[rows[e], p, c] · turned[e, entry(p, k, i)] · x[sender, first(p) + i, c],

is linear in each of its four factors; its derivatives by one of them are the convolution and its gradients. ``paths``
holds a row for each path: the first component and the number of components of what is sent, the same of what is
received, and how far the rows of neighbouring components are apart.
"""

from mlzoo.nn.compiled import compiled


@compiled
def convolve(x, turned, weights, senders, receivers, rows, paths, out):
    """out (A, K, C) += ∂S/∂gradient."""
    channels = x.shape[2]
    for e in range(len(senders)):
        entry = 0
        for p in range(len(paths)):
            first, sent, row, received, apart = paths[p]
            w = weights[rows[e], p]
            for k in range(received):
                o = out[receivers[e], row + k * apart]
                for i in range(sent):
                    b = turned[e, entry]
                    v = x[senders[e], first + i]
                    for c in range(channels):
                        o[c] += b * v[c] * w[c]
                    entry += 1


@compiled
def slopes(x, turned, weights, gradient, senders, receivers, rows, paths, t, by_x, by_turned, by_weights):
    """by_x += ∂S/∂x, by_turned = ∂S/∂turned, by_weights += ∂S/∂weights; ``t`` (C,) is scratch."""
    channels = x.shape[2]
    for e in range(len(senders)):
        entry = 0
        for p in range(len(paths)):
            first, sent, row, received, apart = paths[p]
            w, dw = weights[rows[e], p], by_weights[rows[e], p]
            for k in range(received):
                g = gradient[receivers[e], row + k * apart]
                t[:] = 0
                for i in range(sent):
                    b = turned[e, entry]
                    v, dv = x[senders[e], first + i], by_x[senders[e], first + i]
                    total = t[0] * 0
                    for c in range(channels):
                        weighted = g[c] * w[c]
                        t[c] += b * v[c]
                        dv[c] += b * weighted
                        total += weighted * v[c]
                    by_turned[e, entry] = total
                    entry += 1
                for c in range(channels):
                    dw[c] += g[c] * t[c]


@compiled
def curvatures(
    x, turned, weights, gradient, of_x, of_turned, of_weights, senders, receivers, rows, paths, t, u,
    by_x, by_turned, by_weights, by_gradient,
):  # fmt: skip
    """The derivatives of of_x · ∂S/∂x + of_turned · ∂S/∂turned + of_weights · ∂S/∂weights by all four factors.

    ``by_turned`` is set, the others are added to; ``t`` and ``u`` (C,) are scratch.
    """
    channels = x.shape[2]
    for e in range(len(senders)):
        entry = 0
        for p in range(len(paths)):
            first, sent, row, received, apart = paths[p]
            w, cw, dw = weights[rows[e], p], of_weights[rows[e], p], by_weights[rows[e], p]
            for k in range(received):
                g, dg = gradient[receivers[e], row + k * apart], by_gradient[receivers[e], row + k * apart]
                t[:] = 0
                u[:] = 0
                for i in range(sent):
                    b, cb = turned[e, entry], of_turned[e, entry]
                    v, cv, dv = x[senders[e], first + i], of_x[senders[e], first + i], by_x[senders[e], first + i]
                    total = t[0] * 0
                    for c in range(channels):
                        gw, gcw = g[c] * w[c], g[c] * cw[c]
                        t[c] += b * v[c]
                        u[c] += cb * v[c] + b * cv[c]
                        dv[c] += b * gcw + cb * gw
                        total += gw * cv[c] + gcw * v[c]
                    by_turned[e, entry] = total
                    entry += 1
                for c in range(channels):
                    dg[c] += w[c] * u[c] + cw[c] * t[c]
                    dw[c] += g[c] * u[c]
