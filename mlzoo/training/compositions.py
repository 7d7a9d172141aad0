"""Compositions and energies of many structures, kept in a few numbers for each, and what elements contribute to them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float

from mlzoo.training.data import Example

BLOCK = 10_000  # structures whose counts of elements are in memory at once


class Compositions:
    """Of the structures of one head that have an energy, in the order in which they came."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[int, int], ...], int] = {}  # ((atomic number, how many), ...): its number
        self._of, self._energies = array("q"), array("d")
        self._elements: set[int] = set()

    def add(self, example: Example) -> None:
        numbers, counts = np.unique(example.structure.atomic_numbers, return_counts=True)
        self._elements.update(numbers.tolist())
        if "energy" in example.labels:
            composition = tuple(zip(numbers.tolist(), counts.tolist(), strict=True))
            self._of.append(self._known.setdefault(composition, len(self._known)))
            self._energies.append(float(example.labels["energy"]))

    def __len__(self) -> int:
        return len(self._of)

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers, ascending, of structures without an energy as well."""
        return tuple(sorted(self._elements))

    def least_squares(self) -> dict[int, float]:
        """Energies of the elements, eV, that leave the least of the energies; of least norm where the data leave it open.

        The factors of a QR decomposition are added to block by block, so that memory does not grow with the data.
        """
        columns = len(self.elements)
        reduced = np.empty((0, columns + 1))
        for counts, energies in self._blocks():
            reduced = np.linalg.qr(np.vstack([reduced, np.column_stack([counts, energies])]), "r")  # type: ignore[assignment]
        solution, *_ = np.linalg.lstsq(reduced[:, :columns], reduced[:, columns], rcond=None)
        return dict(zip(self.elements, solution.tolist(), strict=True))

    def residuals(self, references: Mapping[int, float]) -> Float[np.ndarray, "S"]:
        """Energies an atom beyond the references, eV."""
        zero = np.array([references.get(z, 0.0) for z in self.elements])
        parts = [(energies - counts @ zero) / counts.sum(axis=1) for counts, energies in self._blocks()]
        return np.concatenate([np.empty(0), *parts])

    def _blocks(self) -> Iterator[tuple[Float[np.ndarray, "B Z"], Float[np.ndarray, "B"]]]:
        """How many atoms of each element, and the energy, eV."""
        place = {z: column for column, z in enumerate(self.elements)}
        table = np.zeros((len(self._known), len(place)))
        for composition, row in self._known.items():
            for z, count in composition:
                table[row, place[z]] = count
        of, energies = np.frombuffer(self._of, np.int64), np.frombuffer(self._energies)
        for first in range(0, len(of), BLOCK):
            yield table[of[first : first + BLOCK]], energies[first : first + BLOCK]
