"""The back ends by name, and the one signature they share."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float64

from mlzoo.errors import MlzooError
from mlzoo.neighbors.brute_force import brute_force_pairs
from mlzoo.neighbors.pairs import Pairs
from mlzoo.neighbors.pymatgen_order import pymatgen_pairs
from mlzoo.neighbors.vesin import vesin_pairs

Backend = Callable[[np.ndarray, np.ndarray, np.ndarray, float], Pairs]
"""``(positions, cell, pbc, cutoff) -> Pairs``: (A, 3) Å, (3, 3) Å with one lattice vector per row, (3,) bool, Å."""

SMALL = 200
"""Atoms up to which looking at every pair is quicker than a cell list."""


def small_pairs(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> Pairs:
    from mlzoo.neighbors import small  # imports Numba

    return small.small_pairs(positions, cell, pbc, cutoff)


def quickest_pairs(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> Pairs:
    """Whatever is quickest for so many atoms; the list is the same."""
    return (small_pairs if len(positions) <= SMALL else vesin_pairs)(positions, cell, pbc, cutoff)


BACKENDS: Mapping[str, Backend] = {
    "quickest": quickest_pairs,
    "small": small_pairs,
    "vesin": vesin_pairs,
    "brute_force": brute_force_pairs,
    "pymatgen": pymatgen_pairs,  # in MatGL's order
}
"""Numba, vesin and pymatgen are imported by the first search that needs them."""


def find_pairs(
    positions: Float64[np.ndarray, "A 3"],
    cell: Float64[np.ndarray, "3 3"],
    pbc: Bool[np.ndarray, "3"],
    cutoff: float,
    backend: str = "quickest",
) -> Pairs:
    """Every pair of A atoms within ``cutoff`` of one another; positions, lattice vectors (rows) and cutoff in Å.

    Atoms may lie outside the cell: shifts refer to the positions as given. Vectors of open directions may be anything.

    >>> len(find_pairs(np.zeros((1, 3)), 3.0 * np.eye(3), np.array([True, True, True]), cutoff=3.0))
    6
    """
    if not 0 < cutoff < np.inf:
        raise MlzooError(f"cutoff is {cutoff} Å, but a list of neighbours needs a positive, finite one.")
    if backend not in BACKENDS:
        raise MlzooError(f'there is no neighbour back end "{backend}". Choose one of {", ".join(BACKENDS)}.')
    return BACKENDS[backend](positions, cell, pbc, cutoff)
