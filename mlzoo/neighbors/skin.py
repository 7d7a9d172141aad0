"""A neighbour list that lives through many steps of molecular dynamics, and is exact at each of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from mlzoo.errors import MlzooError
from mlzoo.neighbors.backends import BACKENDS
from mlzoo.neighbors.pairs import TOLERANCE, Pairs, separations, shift_offsets, within


@dataclass(frozen=True)
class _Candidates:
    """Every pair within cutoff + skin of the geometry at which it was searched."""

    positions: Float64[np.ndarray, "A 3"]  # Å
    cell: Float64[np.ndarray, "3 3"]  # Å
    pbc: Bool[np.ndarray, "3"]
    pairs: Pairs
    offsets: Float64[np.ndarray, "3 E"]  # Å, shift · cell, one row per Cartesian component


class SkinList:
    """Pairs within ``cutoff`` (Å), the very arrays of a fresh list, from candidates within ``cutoff + skin`` (Å).

    The candidates are reused while no pair can have come in from beyond them. Let F carry the lattice vectors of their
    geometry to today's (rows: lattice · F), and let u be what the atoms moved besides, r − r₀ · F. A pair at v today
    was at (v − Δu) · F⁻¹ then, hence no longer than ‖F⁻¹‖ (|v| + 2 max|u|), and it is a candidate as long as
    ‖F⁻¹‖ (cutoff + 2 max|u|) ≤ cutoff + skin. This holds for any F that carries one lattice to the other.

    ``rebuilds`` counts the searches; a ``skin`` of zero searches each time.
    """

    def __init__(self, cutoff: float, skin: float, backend: str = "quickest"):
        if skin > 0 and backend == "pymatgen":
            raise MlzooError(
                "the pymatgen back end orders pairs by the searched cutoff: use skin=0 or backend='vesin'."
            )
        self.cutoff = cutoff
        self.skin = skin
        self.rebuilds = 0
        self._search = BACKENDS[backend]
        self._candidates: _Candidates | None = None

    def pairs(
        self,
        positions: Float64[np.ndarray, "A 3"],
        cell: Float64[np.ndarray, "3 3"],
        pbc: Bool[np.ndarray, "3"],
    ) -> Pairs:
        """The pairs of A atoms in canonical order; positions and lattice vectors (rows) in Å."""
        if not self.skin > 0:
            self.rebuilds += 1
            return self._search(positions, cell, pbc, self.cutoff)
        known = self._candidates
        if known is None or not self._complete(known, positions, cell, pbc):
            known = self._candidates = self._search_wider(positions, cell, pbc)
        listed = known.pairs
        offsets = known.offsets if np.array_equal(cell, known.cell) else shift_offsets(listed.shifts, cell)
        return listed.keep(within(separations(positions, listed.senders, listed.receivers, offsets), self.cutoff))

    def _search_wider(
        self, positions: Float64[np.ndarray, "A 3"], cell: Float64[np.ndarray, "3 3"], pbc: Bool[np.ndarray, "3"]
    ) -> _Candidates:
        self.rebuilds += 1
        self._candidates = None  # nothing stale is left if the search fails
        pairs = self._search(positions, cell, pbc, self.cutoff + self.skin)
        return _Candidates(positions.copy(), cell.copy(), pbc.copy(), pairs, shift_offsets(pairs.shifts, cell))

    def _complete(
        self,
        known: _Candidates,
        positions: Float64[np.ndarray, "A 3"],
        cell: Float64[np.ndarray, "3 3"],
        pbc: Bool[np.ndarray, "3"],
    ) -> bool:
        """Whether the candidates provably hold every pair within the cutoff today; False where in doubt, or NaN."""
        if positions.shape != known.positions.shape or not np.array_equal(pbc, known.pbc):
            return False
        shrinkage = 1.0  # 1 / ‖F⁻¹‖, the smallest singular value of F
        then = known.positions
        lattice, was = cell[pbc], known.cell[pbc]
        if not np.array_equal(lattice, was):
            # The least change that carries the periodic vectors over; vectors of open directions do not matter.
            deformation = np.eye(3) + np.linalg.pinv(was) @ (lattice - was)
            if not np.isfinite(deformation).all():
                return False
            shrinkage = float(np.linalg.svd(deformation, compute_uv=False)[-1])
            then = then @ deformation
        moved = positions - then
        moved -= moved.mean(axis=0)  # a drift of the whole changes no distance
        furthest = float(np.sqrt(np.square(moved).sum(axis=1).max()))
        return self.cutoff + TOLERANCE + 2 * furthest <= shrinkage * (self.cutoff + self.skin)
