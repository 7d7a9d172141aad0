"""What comes of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from mlzoo.training.evaluation.alignment import Alignment
from mlzoo.training.evaluation.errors_of import ErrorsOf

DEFINITIONS = (
    "Error: prediction minus reference. MAE: mean of its absolute value; RMSE: root of the mean of its square; bias: "
    "its mean; largest: the largest absolute value.",
    "Energy: means over structures, of the whole structure (eV) and of each structure's energy over its number of atoms "
    "(meV/atom). Other numbers of a structure: means over structures.",
    "Forces, stress and other arrays: means over components, every structure in one sum; three components an atom for "
    "forces, six a structure for stress (positive in tension).",
    "Spread: the mean absolute deviation of the reference itself, from its mean for one number a structure and from "
    "zero for components: what a model errs by that has learned nothing. R²: 1 − sum of squared errors over sum of "
    "squared deviations from the mean; not given for total energies, where the size of the structures decides it.",
)
"""In words, for reports and documentation."""


@dataclass(frozen=True)
class Failure:
    """A structure that has no errors because there is no answer for it."""

    source: str  # empty where the reason says it
    kind: str  # name of the exception
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.kind, self.reason) if part)


@dataclass(frozen=True)
class Worst:
    """A structure among those with the largest errors of a quantity."""

    source: str
    formula: str
    group: str
    error: float  # absolute, in the quantity's unit; of an array that of its worst component
    reference: float | None = None  # where it is one number a structure
    prediction: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Errors of a model on labelled structures. Quantities are keys such as energy, energy_per_atom, forces, stress_GPa."""

    model: Mapping[str, Any]  # its provenance
    conditions: Mapping[str, Any]  # that were given for all structures
    structures: int  # that were read
    evaluated: int  # that have a label that the model predicts, and an answer
    atoms: int  # in those
    unlabelled: int  # structures without a label that the model predicts
    unanswered: Mapping[str, int]  # labels that the model has no answer for, such as the stress of a molecule
    errors: Mapping[str, ErrorsOf]
    by_group: Mapping[str, Mapping[str, ErrorsOf]]  # group -> quantity; empty where there is one group
    by_element: Mapping[str, Mapping[str, ErrorsOf]]  # quantity with values of atoms -> symbol
    worst: Mapping[str, tuple[Worst, ...]]  # the worst first
    pairs: Mapping[str, Float[np.ndarray, "_ 2"]]  # reference and prediction; a sample where there are many
    failures: tuple[Failure, ...] = ()
    alignment: Alignment | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pairs, as JSON has it; no number in it is NaN."""
        return {
            "model": dict(self.model),
            "conditions": dict(self.conditions),
            "structures": self.structures,
            "evaluated": self.evaluated,
            "atoms": self.atoms,
            "unlabelled": self.unlabelled,
            "unanswered": dict(self.unanswered),
            "alignment": self.alignment.as_dict() if self.alignment else None,
            "errors": {quantity: asdict(errors) for quantity, errors in self.errors.items()},
            "by_group": _nested(self.by_group),
            "by_element": _nested(self.by_element),
            "worst": {quantity: [asdict(each) for each in found] for quantity, found in self.worst.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "definitions": list(DEFINITIONS),
        }


def _nested(errors: Mapping[str, Mapping[str, ErrorsOf]]) -> dict[str, dict[str, Any]]:
    return {outer: {inner: asdict(each) for inner, each in found.items()} for outer, found in errors.items()}
