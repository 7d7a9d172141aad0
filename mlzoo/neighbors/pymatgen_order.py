"""The pairs in the order in which MatGL 2.x saw them, for weights whose numbers depend on it (it is not canonical)."""

import numpy as np
from jaxtyping import Bool, Float64

from mlzoo.neighbors.brute_force import brute_force_pairs
from mlzoo.neighbors.pairs import Pairs


def pymatgen_pairs(
    positions: Float64[np.ndarray, "A 3"],
    cell: Float64[np.ndarray, "3 3"],
    pbc: Bool[np.ndarray, "3"],
    cutoff: float,
) -> Pairs:
    """Pairs within ``cutoff`` of A atoms, in MatGL's order; positions, lattice vectors (rows) and cutoff in Å.

    A MatGL edge (src, dst, n) has the bond vector r[dst] + n · cell − r[src] and starts at the centre: src is our
    receiver, dst our sender, and our shift is −n. MatGL treated a structure open in one direction as open in all;
    here the pairs are those that are there, in the order that it gave the same structure with vacuum and full pbc.
    """
    if not pbc.any():
        return brute_force_pairs(positions, cell, pbc, cutoff)  # MatGL went along the rows of the distance matrix
    from pymatgen.optimization.neighbors import find_points_in_spheres

    centres, neighbours, images, distances = find_points_in_spheres(
        positions, positions, r=float(cutoff), pbc=pbc.astype(np.int64), lattice=_completed(cell, pbc), tol=1e-8
    )
    others = (centres != neighbours) | (distances > 1e-8)
    senders, receivers = neighbours[others], centres[others]
    return Pairs(
        senders.astype(np.int64),  # from long long, which NumPy holds for another type of the same size
        receivers.astype(np.int64),
        -images[others].astype(np.int64),
    )


def _completed(cell: Float64[np.ndarray, "3 3"], pbc: Bool[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """The cell with unit vectors (Å) at right angles in the open directions: pymatgen inverts it."""
    completed = np.ascontiguousarray(cell).copy()
    if not pbc.all():
        _, _, directions = np.linalg.svd(cell[pbc])
        completed[~pbc] = directions[pbc.sum() :]
    return completed
