"""Vectors of pairs, in one compiled sweep; the bits are those of `pairs.separations` and `pairs.shift_offsets`."""

import numpy as np

from mlzoo.nn.compiled import compiled_to_the_bit


@compiled_to_the_bit
def edge_vectors(positions, cell, senders, receivers, shifts):
    """(E, 3): r[receiver] − r[sender] + shift · cell in Å."""
    vectors = np.empty((len(senders), 3))
    for e in range(len(senders)):
        i, j, k = np.float64(shifts[e, 0]), np.float64(shifts[e, 1]), np.float64(shifts[e, 2])
        for axis in range(3):
            offset = i * cell[0, axis] + j * cell[1, axis] + k * cell[2, axis]
            vectors[e, axis] = positions[receivers[e], axis] - positions[senders[e], axis] + offset
    return vectors


@compiled_to_the_bit
def shortest(vectors):
    """Which is the shortest vector, and its length in Å; −1 and infinity where there are none."""
    place, least = -1, np.inf
    for e in range(len(vectors)):
        square = vectors[e, 0] * vectors[e, 0] + vectors[e, 1] * vectors[e, 1] + vectors[e, 2] * vectors[e, 2]
        if square < least:
            place, least = e, square
    return place, np.sqrt(least)
