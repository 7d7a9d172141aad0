"""The convolution as loops over receivers, its radial functions read from a table: nothing of an edge is kept.

For a receiver and a path, what its edges send are the rows of a matrix: ``sent`` components for each edge, times the radial
function of the path, channel by channel. What is received is a small matrix, turned harmonics, times those rows. An atom's
edges are taken sixteen at a time and their rows four at a time, so that everything stays in the first cache and a sum is
read and written once for four products; rows that fill up the last four are zero.

``spans`` (A, 2) says which edges an atom receives: the first, and the first that is not its own any more. ``table``
(Z, K, P, 6, C) holds, for each kind of edge, each knot, path and channel, a polynomial of the way to the next knot;
``places`` (E,) are distances as the knots count them. ``paths`` has a row for each path: the first component of what is
sent and how many there are; where in ``out`` the rows of the path's first atom begin, how far those of the next atom are,
how many components are received and how far apart they are; the first column in ``turned``, which has ``sent`` columns for
each received component. All indices are unsigned: a signed one might count from the end, which keeps a loop from being
vectorised.
"""

import numpy as np

from mlzoo.nn.compiled import compiled

AT_ONCE = 16  # edges


@compiled
def turn(turned, lo, hi, sent, received, column, b, v):
    """b (J, N): what the rows of the edges from ``lo`` to ``hi`` are multiplied by. Gives N, a multiple of four.

    Rows of v (N, C) that no edge fills are zero.
    """
    n = np.uint64(0)
    for e in range(lo, hi):
        q = column
        for j in range(received):
            for i in range(sent):
                b[j, n + i] = turned[e, q]
                q += np.uint64(1)
        n += sent
    while n % np.uint64(4):
        for j in range(received):
            b[j, n] = 0
        for c in range(np.uint64(v.shape[1])):
            v[n, c] = 0
        n += np.uint64(1)
    return n


@compiled
def radial(table, z, place, p, w, n):
    """Row ``n`` of w (N, C): the radial function of path ``p`` at a place."""
    k = np.uint64(place)
    u = place - table.dtype.type(k)
    for c in range(np.uint64(table.shape[4])):
        value = table[z, k, p, 4, c] + u * table[z, k, p, 5, c]
        value = table[z, k, p, 3, c] + u * value
        value = table[z, k, p, 2, c] + u * value
        value = table[z, k, p, 1, c] + u * value
        w[n, c] = table[z, k, p, 0, c] + u * value


@compiled
def radial_with_slope(table, z, place, p, w, slope, n):
    """The same, and row ``n`` of its slope by the place."""
    k = np.uint64(place)
    u = place - table.dtype.type(k)
    for c in range(np.uint64(table.shape[4])):
        value, rise = table[z, k, p, 4, c] + u * table[z, k, p, 5, c], table[z, k, p, 5, c]
        rise = value + u * rise
        value = table[z, k, p, 3, c] + u * value
        rise = value + u * rise
        value = table[z, k, p, 2, c] + u * value
        rise = value + u * rise
        value = table[z, k, p, 1, c] + u * value
        slope[n, c] = value + u * rise
        w[n, c] = table[z, k, p, 0, c] + u * value


@compiled
def convolve_block(block, per_block, x, turned, places, table, senders, spans, kinds, paths, out):
    """The atoms of one block; ``out`` is flat and set."""
    channels, one, two, three, four = np.uint64(x.shape[2]), np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    most = np.uint64(AT_ONCE)
    rows = AT_ONCE * x.shape[1] + 3
    v, w = np.empty((rows, x.shape[2]), x.dtype), np.empty((1, x.shape[2]), x.dtype)
    b = np.empty((64, rows), x.dtype)
    last = min(np.uint64(len(spans)), (block + one) * per_block)
    for a in range(block * per_block, last):
        for p in range(np.uint64(len(paths))):
            for j in range(paths[p, 4]):
                o = paths[p, 2] + a * paths[p, 3] + j * paths[p, 5]
                for c in range(channels):
                    out[o + c] = 0
        lo, end = spans[a, 0], spans[a, 1]
        while lo < end:
            hi = min(lo + most, end)
            for p in range(np.uint64(len(paths))):
                first, sent, start, stride = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3]
                received, apart, column = paths[p, 4], paths[p, 5], paths[p, 6]
                n = np.uint64(0)
                for e in range(lo, hi):
                    radial(table, kinds[e], places[e], p, w, np.uint64(0))
                    s = senders[e]
                    for i in range(first, first + sent):
                        for c in range(channels):
                            v[n, c] = w[0, c] * x[s, i, c]
                        n += one
                filled = turn(turned, lo, hi, sent, received, column, b, v)
                o = start + a * stride
                for j in range(received):
                    for k in range(np.uint64(0), filled, four):
                        b0, b1, b2, b3 = b[j, k], b[j, k + one], b[j, k + two], b[j, k + three]
                        for c in range(channels):
                            out[o + c] += b0 * v[k, c] + b1 * v[k + one, c] + b2 * v[k + two, c] + b3 * v[k + three, c]
                    o += apart
            lo = hi


@compiled
def convolve(first, stop, per_block, x, turned, places, table, senders, spans, kinds, paths, out):
    for block in range(first, stop):
        convolve_block(np.uint64(block), per_block, x, turned, places, table, senders, spans, kinds, paths, out)


@compiled
def slopes_block(
    block, per_block, x, turned, places, table, senders, spans, kinds, paths, gradient, by_x, reach, by_turned, by_places
):  # fmt: skip
    """Of the edges of one block: ``by_turned`` and ``by_places`` are set.

    So is by_x[block] from the first to the last atom that sends something to the block, unless it is empty; ``reach`` (B, 2)
    tells where that is.
    """
    channels, one, two, three, four = np.uint64(x.shape[2]), np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    zero = x.dtype.type(0)
    most, wanted = np.uint64(AT_ONCE), len(by_x) > 0
    rows = AT_ONCE * x.shape[1] + 3
    v = np.empty((rows, x.shape[2]), x.dtype)
    w, slope = np.empty((AT_ONCE, x.shape[2]), x.dtype), np.empty((AT_ONCE, x.shape[2]), x.dtype)
    h = np.empty(x.shape[2], x.dtype)
    b = np.empty((64, rows), x.dtype)
    last = min(np.uint64(len(spans)), (block + one) * per_block)
    if wanted:
        s0, s1 = np.uint64(len(x)), np.uint64(0)
        for a in range(block * per_block, last):
            for e in range(spans[a, 0], spans[a, 1]):
                s0, s1 = min(s0, senders[e]), max(s1, senders[e] + one)
        reach[block, 0], reach[block, 1] = s0, s1
        for s in range(s0, s1):
            for i in range(np.uint64(x.shape[1])):
                for c in range(channels):
                    by_x[block, s, i, c] = 0
    for a in range(block * per_block, last):
        lo, end = spans[a, 0], spans[a, 1]
        for e in range(lo, end):
            by_places[e] = 0
        while lo < end:
            hi = min(lo + most, end)
            for p in range(np.uint64(len(paths))):
                first, sent, start, stride = paths[p, 0], paths[p, 1], paths[p, 2], paths[p, 3]
                received, apart, column = paths[p, 4], paths[p, 5], paths[p, 6]
                filled = turn(turned, lo, hi, sent, received, column, b, v)
                n = np.uint64(0)
                for e in range(lo, hi):
                    radial_with_slope(table, kinds[e], places[e], p, w, slope, e - lo)
                    s, m = senders[e], e - lo
                    total = zero
                    for i in range(first, first + sent):
                        o = start + a * stride
                        b0 = b[0, n]
                        for c in range(channels):
                            h[c] = b0 * gradient[o + c]
                        for j in range(one, received, two):
                            o += apart
                            b0, b1 = b[j, n], b[j + one, n]
                            for c in range(channels):
                                h[c] += b0 * gradient[o + c] + b1 * gradient[o + apart + c]
                            o += apart
                        for c in range(channels):
                            v[n, c] = w[m, c] * x[s, i, c]
                            total += slope[m, c] * x[s, i, c] * h[c]
                        if wanted:
                            for c in range(channels):
                                by_x[block, s, i, c] += w[m, c] * h[c]
                        n += one
                    by_places[e] += total
                o = start + a * stride
                for j in range(received):
                    for k in range(np.uint64(0), filled, four):
                        s0, s1, s2, s3 = zero, zero, zero, zero
                        for c in range(channels):
                            g = gradient[o + c]
                            s0 += g * v[k, c]
                            s1 += g * v[k + one, c]
                            s2 += g * v[k + two, c]
                            s3 += g * v[k + three, c]
                        b[j, k], b[j, k + one], b[j, k + two], b[j, k + three] = s0, s1, s2, s3
                    o += apart
                n = np.uint64(0)
                for e in range(lo, hi):
                    q = column
                    for j in range(received):
                        for i in range(sent):
                            by_turned[e, q] = b[j, n + i]
                            q += one
                    n += sent
            lo = hi


@compiled
def slopes(
    first, stop, per_block, x, turned, places, table, senders, spans, kinds, paths, gradient, by_x, reach, by_turned, by_places
):  # fmt: skip
    for block in range(first, stop):
        slopes_block(
            np.uint64(block), per_block, x, turned, places, table, senders, spans, kinds, paths, gradient, by_x, reach,
            by_turned, by_places,
        )  # fmt: skip


@compiled
def add_blocks(first, stop, by_x, reach, total):
    """Sets the atoms from ``first`` on of ``total`` (A, D, C) to what the blocks come to, always in their order."""
    for a in range(first, stop):
        s, components, channels = np.uint64(a), np.uint64(total.shape[1]), np.uint64(total.shape[2])
        for i in range(components):
            for c in range(channels):
                total[s, i, c] = 0
        for block in range(np.uint64(len(by_x))):
            if reach[block, 0] <= s < reach[block, 1]:
                for i in range(components):
                    for c in range(channels):
                        total[s, i, c] += by_x[block, s, i, c]
