"""Polynomials of an atom's features as loops over their monomials.

The sum over atoms a, entries n and channels c,

    S = Σ gradient[a, k(n), c] · coefficients[kind[a], n, c] · x[a, i(n), c] · x[a, j(n), c] · x[a, l(n), c],

gives the contraction as its derivative by the gradient. Lower orders have a last component of x, which is one, among
their factors. ``entries`` holds a row (k, i, j, l) for each entry.
"""

from mlzoo.nn.compiled import compiled


@compiled
def contract(x, coefficients, kinds, entries, out):
    """out (A, K, C) += ∂S/∂gradient."""
    channels = x.shape[2]
    for a in range(len(kinds)):
        for n in range(len(entries)):
            k, i, j, l = entries[n]
            o, w, p, q, r = out[a, k], coefficients[kinds[a], n], x[a, i], x[a, j], x[a, l]
            for c in range(channels):
                o[c] += w[c] * p[c] * q[c] * r[c]


@compiled
def slopes(x, coefficients, gradient, kinds, entries, by_x, by_coefficients):
    """by_x += ∂S/∂x, by_coefficients += ∂S/∂coefficients."""
    channels = x.shape[2]
    for a in range(len(kinds)):
        for n in range(len(entries)):
            k, i, j, l = entries[n]
            g, w, p, q, r = gradient[a, k], coefficients[kinds[a], n], x[a, i], x[a, j], x[a, l]
            dw, dp, dq, dr = by_coefficients[kinds[a], n], by_x[a, i], by_x[a, j], by_x[a, l]
            for c in range(channels):
                pq = p[c] * q[c]
                weighted = g[c] * w[c]
                dw[c] += g[c] * pq * r[c]
                dr[c] += weighted * pq
                dp[c] += weighted * q[c] * r[c]
                dq[c] += weighted * p[c] * r[c]


@compiled
def curvatures(x, coefficients, gradient, of_x, of_coefficients, kinds, entries, by_x, by_coefficients, by_gradient):
    """Derivatives of of_x · ∂S/∂x + of_coefficients · ∂S/∂coefficients by x, the coefficients and the gradient, added."""
    channels = x.shape[2]
    for a in range(len(kinds)):
        for n in range(len(entries)):
            k, i, j, l = entries[n]
            g, dg, w, cw = gradient[a, k], by_gradient[a, k], coefficients[kinds[a], n], of_coefficients[kinds[a], n]
            p, q, r, cp, cq, cr = x[a, i], x[a, j], x[a, l], of_x[a, i], of_x[a, j], of_x[a, l]
            dw, dp, dq, dr = by_coefficients[kinds[a], n], by_x[a, i], by_x[a, j], by_x[a, l]
            for c in range(channels):
                pq, pr, qr = p[c] * q[c], p[c] * r[c], q[c] * r[c]
                along = cp[c] * qr + cq[c] * pr + cr[c] * pq
                gw, gcw = g[c] * w[c], g[c] * cw[c]
                dg[c] += w[c] * along + cw[c] * pq * r[c]
                dw[c] += g[c] * along
                dp[c] += gcw * qr + gw * (cq[c] * r[c] + cr[c] * q[c])
                dq[c] += gcw * pr + gw * (cp[c] * r[c] + cr[c] * p[c])
                dr[c] += gcw * pq + gw * (cp[c] * q[c] + cq[c] * p[c])
