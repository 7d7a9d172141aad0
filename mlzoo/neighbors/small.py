"""Small structures: every atom against every image that can reach it, in one compiled sweep.

A cell list pays from some hundred atoms on; below that it is the search's overhead that counts.
"""

import numpy as np
from jaxtyping import Bool, Float64

from mlzoo.neighbors.pairs import TOLERANCE, Pairs
from mlzoo.nn.compiled import compiled_to_the_bit

ROOM = 48  # pairs of each atom that there is room for at first


def small_pairs(
    positions: Float64[np.ndarray, "A 3"],
    cell: Float64[np.ndarray, "3 3"],
    pbc: Bool[np.ndarray, "3"],
    cutoff: float,
) -> Pairs:
    """Pairs within ``cutoff`` of A atoms, in canonical order; positions, lattice vectors (rows) and cutoff in Å.

    >>> len(small_pairs(np.zeros((1, 3)), 3.0 * np.eye(3), np.array([True, True, False]), cutoff=3.0))
    4
    """
    room = ROOM * len(positions)
    while True:
        ends, shifts = np.empty((2, room), np.int64), np.empty((room, 3), np.int64)
        found = _search(positions, cell, pbc, cutoff, (cutoff + TOLERANCE) ** 2, ends, shifts)
        if found <= room:
            return Pairs(ends[0, :found], ends[1, :found], shifts[:found])
        room = found


@compiled_to_the_bit
def _search(positions, cell, pbc, cutoff, limit, ends, shifts):
    """Write pairs as long as there is room; return how many there are.

    Along lattice vector k the image s of an atom is as many lattice planes away as s + (difference of their fractional
    coordinates): what is further than the cutoff is not looked at.
    """
    reciprocal = _reciprocal(cell, pbc)
    reach = cutoff * np.sqrt((reciprocal**2).sum(axis=1)) + 1e-6
    fractions = np.zeros((len(positions), 3))
    for atom in range(len(positions)):
        for k in range(3):
            for axis in range(3):
                fractions[atom, k] += positions[atom, axis] * reciprocal[k, axis]
    first, last = np.zeros(3, np.int64), np.zeros(3, np.int64)
    found = 0
    for receiver in range(len(positions)):
        for sender in range(len(positions)):
            x = positions[receiver, 0] - positions[sender, 0]
            y = positions[receiver, 1] - positions[sender, 1]
            z = positions[receiver, 2] - positions[sender, 2]
            for k in range(3):
                if pbc[k]:
                    f = fractions[receiver, k] - fractions[sender, k]
                    first[k], last[k] = np.int64(np.ceil(-reach[k] - f)), np.int64(np.floor(reach[k] - f))
            for i in range(first[0], last[0] + 1):
                for j in range(first[1], last[1] + 1):
                    # in the order of operations of `pairs.shift_offsets`
                    xij = i * cell[0, 0] + j * cell[1, 0]
                    yij = i * cell[0, 1] + j * cell[1, 1]
                    zij = i * cell[0, 2] + j * cell[1, 2]
                    for k in range(first[2], last[2] + 1):
                        dx = x + (xij + k * cell[2, 0])
                        dy = y + (yij + k * cell[2, 1])
                        dz = z + (zij + k * cell[2, 2])
                        if dx * dx + dy * dy + dz * dz > limit or (receiver == sender and i == 0 and j == 0 and k == 0):
                            continue
                        if found < ends.shape[1]:
                            ends[0, found], ends[1, found] = sender, receiver
                            shifts[found, 0], shifts[found, 1], shifts[found, 2] = i, j, k
                        found += 1
    return found


@compiled_to_the_bit
def _reciprocal(cell, pbc):
    """Row k turns a vector into its component along periodic lattice vector k; open directions are at right angles to all."""
    completed = cell.copy()
    periodic = pbc.sum()
    if periodic == 2:
        for k in range(3):
            if not pbc[k]:
                completed[k] = np.cross(cell[(k + 1) % 3], cell[(k + 2) % 3])
    if periodic == 1:
        for k in range(3):
            if pbc[k]:
                axis = np.zeros(3)
                axis[np.argmin(np.abs(cell[k]))] = 1.0
                completed[(k + 1) % 3] = np.cross(cell[k], axis)
                completed[(k + 2) % 3] = np.cross(cell[k], completed[(k + 1) % 3])
    if periodic == 0:
        completed = np.eye(3)
    rows = np.empty((3, 3))
    for k in range(3):
        rows[k] = np.cross(completed[(k + 1) % 3], completed[(k + 2) % 3])
    return rows / (completed[0] * rows[0]).sum()
