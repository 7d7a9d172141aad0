"""Labels beside predictions, structure by structure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlzoo.properties import Property
from mlzoo.training.data import Example
from mlzoo.training.evaluation.alignment import Align, Alignment
from mlzoo.training.evaluation.arrays import Arrays
from mlzoo.training.evaluation.compared import Compared, Seen
from mlzoo.training.evaluation.errors_of import ErrorsOf
from mlzoo.training.evaluation.numbers import Numbers


class Comparison:
    """All that has been compared so far."""

    def __init__(self, predicts: Mapping[str, Property], plotted: int, worst: int):
        self._predicts, self._plotted, self._worst = predicts, plotted, worst
        self._seen = Seen()
        self._numbers: dict[str, Numbers] = {}
        self._arrays: dict[str, Arrays] = {}
        self.atoms = 0
        self.unanswered: dict[str, int] = defaultdict(int)

    @property
    def structures(self) -> int:
        return len(self._seen.sources)

    def problem(self, example: Example, answer: Mapping[str, Any]) -> str | None:
        """Why a structure cannot be compared; None where it can."""
        for name, label in example.labels.items():
            if name not in answer:
                continue
            if not np.isfinite(answer[name]).all():
                return f"the model's {name} is not finite. Look at the structure, or load the model in float64."
            if np.shape(label) != np.shape(answer[name]):
                shapes = f"has the shape {np.shape(label)}, and the prediction {np.shape(answer[name])}"
                return f"the label {name} {shapes}. Look at how it was written, and under which key."
        return None

    def add(self, example: Example, answer: Mapping[str, Any]) -> None:
        """A structure that has no problem."""
        atoms = example.structure.atomic_numbers
        place = self._seen.add(example)
        self.atoms += len(atoms)
        for name in self._predicts.keys() & example.labels.keys():
            label = example.labels[name]
            if name not in answer:
                self.unanswered[name] += 1
            elif np.ndim(label) == 0:
                self._number(name).add(place, float(label), float(answer[name]))
            else:
                self._array(name).add(place, atoms, np.asarray(label, float), np.asarray(answer[name], float))

    def results(self, align: Align) -> dict[str, Any]:
        """Fields of an `Evaluation`: errors, by group and by element, the worst, pairs, and the alignment."""
        energy = self._numbers.get("energy")
        alignment = energy.alignment(align) if energy is not None and energy.found else None
        found = {name: each for name in self._predicts if (each := self._compared(name, alignment)) is not None}
        by_group: dict[str, dict[str, ErrorsOf]] = {group: {} for group in sorted(set(self._seen.groups))}
        for label in found.values():
            for group, errors in label.by_group.items():
                by_group[group] |= errors
        return {
            "errors": {quantity: errors for label in found.values() for quantity, errors in label.errors.items()},
            "by_group": by_group if len(by_group) > 1 else {},
            "by_element": {name: label.by_element for name, label in found.items() if label.by_element},
            "worst": {label.quantity: label.worst for label in found.values()},
            "pairs": {label.quantity: label.pairs for label in found.values()},
            "alignment": alignment,
        }

    def _compared(self, name: str, alignment: Alignment | None) -> Compared | None:
        if name in self._numbers and self._numbers[name].found:
            return self._numbers[name].compared(self._plotted, self._worst, alignment if name == "energy" else None)
        if name in self._arrays and self._arrays[name].found:
            return self._arrays[name].compared()
        return None

    def _number(self, name: str) -> Numbers:
        return self._numbers.setdefault(name, Numbers(self._predicts[name], self._seen))

    def _array(self, name: str) -> Arrays:
        if name not in self._arrays:
            self._arrays[name] = Arrays(self._predicts[name], self._seen, self._plotted, self._worst)
        return self._arrays[name]
