"""What a network wants to know of the data before it is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from mlzoo.errors import InvalidTraining
from mlzoo.training.data import Example


@dataclass(frozen=True)
class Statistics:
    """Of the training data, in the units of ``mlzoo.properties``."""

    elements: tuple[int, ...]  # atomic numbers, ascending
    references: Mapping[int, float]  # eV of each element: the zero of the energy
    shift: float  # eV: the mean of what is left an atom
    scale: float  # eV: what energies of atoms deviate by, from the forces where there are any
    mean_neighbours: float
    targets: Mapping[str, tuple[float, float]]  # mean and standard deviation of each scalar

    @classmethod
    def of(
        cls,
        examples: Sequence[Example],
        references: Mapping[int, float],
        mean_neighbours: float,
        scalars: Sequence[str],
    ) -> Statistics:
        elements = elements_of(examples)
        rest = _residuals(examples, references)
        forces = [np.asarray(each.labels["forces"]) for each in examples if "forces" in each.labels]
        if forces:
            scale = float(np.sqrt(np.mean(np.concatenate([array.ravel() for array in forces]) ** 2)))
        else:
            scale = float(rest.std()) if len(rest) else 1.0
        targets = {}
        for name in scalars:
            values = np.array([each.labels[name] for each in examples if name in each.labels], dtype=float)
            if not len(values):
                raise InvalidTraining(f"no training structure has the label {name}. Look at data.keys.")
            targets[name] = float(values.mean()), float(values.std()) or 1.0
        shift = float(rest.mean()) if len(rest) else 0.0
        return cls(elements, references, shift, scale or 1.0, mean_neighbours, targets)


def elements_of(examples: Sequence[Example]) -> tuple[int, ...]:
    return tuple(np.unique(np.concatenate([each.structure.atomic_numbers for each in examples])).tolist())


def least_squares(examples: Sequence[Example]) -> dict[int, float]:
    """Energies of the elements, eV, that leave the least of the energies; of least norm where the data leave it open.

    Raises :class:`InvalidTraining` without a single energy.
    """
    known = [each for each in examples if "energy" in each.labels]
    if not known:
        raise InvalidTraining("no training structure has an energy: give data.references: none or look at data.keys.")
    elements = elements_of(examples)
    solution, *_ = np.linalg.lstsq(_counts(known, elements), _energies(known), rcond=None)
    return dict(zip(elements, solution.tolist(), strict=True))


def given(energies: Mapping[str, float]) -> dict[int, float]:
    unknown = [symbol for symbol in energies if symbol not in atomic_numbers]
    if unknown:
        raise InvalidTraining(f"data.reference_energies names {', '.join(unknown)}, which are no elements.")
    return {atomic_numbers[symbol]: energy for symbol, energy in energies.items()}


def complete(references: Mapping[int, float], elements: Sequence[int], where: str) -> dict[int, float]:
    """Those of these elements. Raises :class:`InvalidTraining` where one is missing."""
    missing = [chemical_symbols[z] for z in elements if z not in references]
    if missing:
        raise InvalidTraining(f"{where} has no reference energy of {', '.join(missing)}, which the data contain.")
    return {z: references[z] for z in elements}


def _residuals(examples: Sequence[Example], references: Mapping[int, float]) -> np.ndarray:
    """Energies an atom beyond the references, eV."""
    known = [each for each in examples if "energy" in each.labels]
    if not known:
        return np.empty(0)
    elements = elements_of(known)
    energies = np.array([references.get(z, 0.0) for z in elements])
    counts = _counts(known, elements)
    return (_energies(known) - counts @ energies) / counts.sum(axis=1)


def _counts(examples: Sequence[Example], elements: Sequence[int]) -> np.ndarray:
    return np.array(
        [[np.count_nonzero(each.structure.atomic_numbers == z) for z in elements] for each in examples], float
    )


def _energies(examples: Sequence[Example]) -> np.ndarray:
    return np.array([float(each.labels["energy"]) for each in examples])
