"""The judge of the other back ends: every atom against every image that could reach it. Short, slow, plain."""

import numpy as np
from jaxtyping import Bool, Float64

from mlzoo.neighbors.pairs import TOLERANCE, Pairs


def brute_force_pairs(
    positions: Float64[np.ndarray, "A 3"],
    cell: Float64[np.ndarray, "3 3"],
    pbc: Bool[np.ndarray, "3"],
    cutoff: float,
) -> Pairs:
    """Pairs within ``cutoff`` of A atoms, in canonical order; positions, lattice vectors (rows) and cutoff in Å.

    >>> len(brute_force_pairs(np.zeros((1, 3)), 3.0 * np.eye(3), np.array([True, True, False]), cutoff=3.0))
    4
    """
    lattice = cell[pbc]
    # Columns of the pseudo-inverse are the reciprocal vectors of the periodic directions alone; the length of one is
    # 1 / (distance between its lattice planes).
    reciprocal = np.linalg.pinv(lattice)
    spread = np.ptp(positions @ reciprocal, axis=0)
    reach = np.zeros(3, dtype=np.int64)
    reach[pbc] = np.floor(cutoff * np.linalg.norm(reciprocal, axis=0) + spread + 1e-6)
    images = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    offsets = images[:, pbc] @ lattice

    senders, receivers, shifts = [], [], []
    for receiver, position in enumerate(positions):
        lengths = np.linalg.norm(position - positions[:, None] + offsets, axis=-1)  # (senders, images)
        near = lengths <= cutoff + TOLERANCE
        near[receiver, len(images) // 2] = False  # the image with no shift: the atom itself
        sender, image = np.nonzero(near)
        senders.append(sender)
        receivers.append(np.full(len(sender), receiver))
        shifts.append(images[image])
    return Pairs(np.concatenate(senders), np.concatenate(receivers), np.concatenate(shifts))
