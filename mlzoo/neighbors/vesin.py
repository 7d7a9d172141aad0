"""The default back end: vesin's cell list, linear in the number of atoms."""

import numpy as np
from jaxtyping import Bool, Float64

from mlzoo.neighbors.pairs import Pairs, both_directions, separations, shift_offsets, within

SLACK = 1e-6  # Å; vesin measures wrapped copies of the atoms, so pairs this close to the cutoff are measured again


def vesin_pairs(
    positions: Float64[np.ndarray, "A 3"],
    cell: Float64[np.ndarray, "3 3"],
    pbc: Bool[np.ndarray, "3"],
    cutoff: float,
) -> Pairs:
    """Pairs within ``cutoff`` of A atoms, in canonical order; positions, lattice vectors (rows) and cutoff in Å.

    >>> len(vesin_pairs(np.zeros((1, 3)), 3.0 * np.eye(3), np.array([True, True, False]), cutoff=3.0))
    4
    """
    from vesin import NeighborList  # it imports torch, which this layer does without

    # One thread: by default vesin takes every core, also inside a data-loader worker. Naming each pair once and
    # mirroring it here is faster than vesin's own full list.
    search = NeighborList(cutoff=cutoff + SLACK, full_list=False, n_threads=1)
    ends, shifts, distances = search.compute(positions, cell, pbc, "PSd", copy=False)  # memory that `search` owns
    senders, receivers = ends.view(np.int64).T

    # vesin leaves out a pair exactly at the cutoff; ours is in, hence the wider search and a closer look.
    doubtful = np.flatnonzero(distances > cutoff - SLACK)
    if len(doubtful):
        offsets = shift_offsets(shifts[doubtful], cell)
        inside = within(separations(positions, senders[doubtful], receivers[doubtful], offsets), cutoff)
        keep = np.ones(len(senders), bool)
        keep[doubtful] = inside
        senders, receivers, shifts = senders[keep], receivers[keep], shifts[keep]
    return both_directions(senders, receivers, shifts, len(positions))
