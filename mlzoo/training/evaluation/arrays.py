"""A label with several numbers a structure, such as forces and stress: sums, a sample, and the worst."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from ase.data import chemical_symbols
from ase.units import GPa
from jaxtyping import Float, Int

from mlzoo.properties import Property
from mlzoo.training.evaluation.compared import Compared, Ranking, Seen
from mlzoo.training.evaluation.errors_of import ErrorsOf, Reservoir, Tally


class Arrays:
    """References and predictions of one label, added up as they come."""

    def __init__(self, what: Property, seen: Seen, plotted: int, worst: int):
        self.what, self._seen = what, seen
        self._all = Tally()
        self._of_group: dict[str, Tally] = defaultdict(Tally)
        self._of_element: dict[int, Tally] = defaultdict(Tally)
        self._sample, self._ranking = Reservoir(plotted), Ranking(worst)

    def add(
        self,
        place: int,
        numbers: Int[np.ndarray, "A"],
        reference: Float[np.ndarray, "..."],
        prediction: Float[np.ndarray, "..."],
    ) -> None:
        """A structure; components of the reference that are NaN are missing."""
        there = np.isfinite(reference)
        known, said = reference[there], prediction[there]
        if not len(known):
            return
        self._all.add(known, said)
        self._of_group[self._seen.groups[place]].add(known, said)
        self._sample.add(known, said)
        self._ranking.add(place, float(np.abs(said - known).max()))
        if self.what.per == "atom":
            for z in np.unique(numbers).tolist():
                rows = (numbers == z).reshape(-1, *(1,) * (there.ndim - 1)) & there
                self._of_element[z].add(reference[rows], prediction[rows])

    @property
    def found(self) -> bool:
        return self._all.count > 0

    def compared(self) -> Compared:
        unit = self.what.unit
        elements = sorted(z for z, tally in self._of_element.items() if tally.count)
        return Compared(
            quantity=self.what.name,
            errors=self._in_units(self._all),
            by_group={group: self._in_units(tally) for group, tally in self._of_group.items()},
            by_element={chemical_symbols[z]: self._of_element[z].errors(unit) for z in elements},
            worst=self._ranking.worst(self._seen),
            pairs=self._sample.pairs,
        )

    def _in_units(self, tally: Tally) -> dict[str, ErrorsOf]:
        errors = tally.errors(self.what.unit)
        if self.what.name == "stress":
            return {"stress": errors, "stress_GPa": errors.times(1 / GPa, "GPa")}
        return {self.what.name: errors}
