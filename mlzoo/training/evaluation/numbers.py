"""A label with one number a structure: all are kept, as the energies' alignment is known only behind the last."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from mlzoo.properties import Property
from mlzoo.training.evaluation.alignment import Align, Alignment, fitted
from mlzoo.training.evaluation.compared import Compared, Ranking, Seen
from mlzoo.training.evaluation.errors_of import ErrorsOf, Reservoir, errors_of_structures

PER_ATOM = "energy_per_atom"


class Numbers:
    """References and predictions of one label."""

    def __init__(self, what: Property, seen: Seen):
        self.what, self._seen = what, seen
        self._rows: list[tuple[int, float, float]] = []  # place, reference, prediction

    def add(self, place: int, reference: float, prediction: float) -> None:
        if np.isfinite(reference):
            self._rows.append((place, reference, prediction))

    @property
    def found(self) -> bool:
        return bool(self._rows)

    def alignment(self, align: Align) -> Alignment | None:
        """The shift of the energies that fits best; None where nothing is shifted."""
        places, reference, prediction = self._columns()
        return fitted(align, reference - prediction, [self._seen.compositions[place] for place in places])

    def compared(self, plotted: int, worst: int, alignment: Alignment | None = None) -> Compared:
        places, reference, prediction = self._columns()
        if alignment is not None:
            prediction = prediction + alignment.of([self._seen.compositions[place] for place in places])
        quantities = {self.what.name: (reference, prediction, self.what.unit)}
        if self.what.name == "energy":
            scale = 1000 / self._atoms(places)
            quantities[PER_ATOM] = reference * scale, prediction * scale, "meV/atom"
        groups = np.array(self._seen.groups)[places]
        main, (reference, prediction, _) = list(quantities.items())[-1]
        sample, ranking = Reservoir(plotted), Ranking(worst)
        sample.add(reference, prediction)
        for place, known, said in zip(places.tolist(), reference.tolist(), prediction.tolist(), strict=True):
            ranking.add(place, abs(said - known), known, said)
        return Compared(
            quantity=main,
            errors=_errors(quantities, np.ones(len(places), dtype=bool)),
            by_group={group: _errors(quantities, groups == group) for group in np.unique(groups).tolist()},
            by_element={},
            worst=ranking.worst(self._seen),
            pairs=sample.pairs,
        )

    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        places, reference, prediction = zip(*self._rows, strict=True)
        return np.array(places), np.array(reference), np.array(prediction)

    def _atoms(self, places: np.ndarray) -> Float[np.ndarray, "S"]:
        return np.array([sum(count for _, count in self._seen.compositions[place]) for place in places], dtype=float)


def _errors(quantities: dict[str, tuple[np.ndarray, np.ndarray, str]], rows: np.ndarray) -> dict[str, ErrorsOf]:
    found = {name: errors_of_structures(a[rows], b[rows], unit) for name, (a, b, unit) in quantities.items()}
    return {name: replace(each, r2=None) if name == "energy" else each for name, each in found.items()}
