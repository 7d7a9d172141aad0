"""The list in the order that MatGL 2.x saw, for weights whose numbers depend on it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from mlzoo.neighbors.pairs import Pairs


def pymatgen_pairs(
    positions: Float64[np.ndarray, "A 3"],
    cell: Float64[np.ndarray, "3 3"],
    pbc: Bool[np.ndarray, "3"],
    cutoff: float,
) -> Pairs:
    from pymatgen.optimization.neighbors import find_points_in_spheres

    c, n, images, d = find_points_in_spheres(
        positions, positions, r=float(cutoff), pbc=pbc.astype(np.int64), lattice=cell, tol=1e-8
    )
    kept = (c != n) | (d > 1e-8)
    return Pairs(n[kept], c[kept], -images[kept].astype(np.int64))
