"""What a network wants to know of the data before it is built, from one pass over them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from mlzoo.errors import InvalidTraining
from mlzoo.training.compositions import Compositions
from mlzoo.training.data.example import HEAD, Example

log = logging.getLogger("mlzoo")

References = Callable[[str, Compositions], Mapping[int, float]]
"""Energies of the elements of a head in eV, by atomic number, from its name and its structures."""


@dataclass(frozen=True)
class Head:
    """Zero and size of the energies of one level of theory."""

    references: Mapping[int, float]  # eV of each element of the data: the zero of the energy
    shift: float  # eV: the mean of what is left an atom
    scale: float  # eV: what energies of atoms deviate by, from the forces where there are any


@dataclass(frozen=True)
class Statistics:
    """Of the training data, in the units of ``mlzoo.properties``."""

    elements: tuple[int, ...]  # atomic numbers, ascending
    heads: Mapping[str, Head]
    targets: Mapping[str, tuple[float, float]]  # mean and standard deviation of each scalar
    mean_neighbours: float = math.nan  # within the network's cutoff, which is known when it is built

    @property
    def head(self) -> Head:
        """Where there is one."""
        (only,) = self.heads.values()
        return only

    @property
    def target(self) -> tuple[str, float, float]:
        """Name, mean and standard deviation of the scalar. Raises :class:`InvalidTraining` where there is not one."""
        if len(self.targets) != 1:
            said = ", ".join(self.targets) or "no such number"
            raise InvalidTraining(f"this model learns one number of a structure, and targets has {said}. Name one.")
        ((name, (mean, deviation)),) = self.targets.items()
        return name, mean, deviation


def survey(
    examples: Iterable[Example], heads: Sequence[str], references: References, scalars: Sequence[str]
) -> Statistics:
    """Statistics of structures that are read once, of which only a few numbers each are kept.

    A single head is that of all structures, whatever they carry. Raises :class:`InvalidTraining` for a head or a scalar
    without a structure, and for a structure of no head.
    """
    compositions = {name: Compositions() for name in heads}
    forces, scalar = {name: _Moments() for name in heads}, {name: _Moments() for name in scalars}
    for example in examples:
        head = example.head if len(heads) > 1 else heads[0]
        if head not in compositions:
            raise InvalidTraining(
                f"{example.source} is of head {head!r}, which is none of data.heads: {', '.join(heads)}. Add it, or "
                "leave the structure out."
            )
        compositions[head].add(example)
        if "forces" in example.labels:
            forces[head].add(example.labels["forces"])
        for name in scalars:
            if name in example.labels:
                scalar[name].add(example.labels[name])
    for name, moments in scalar.items():
        if not moments.count:
            raise InvalidTraining(f"no training structure has the label {name}. Look at data.keys.")
    elements = tuple(sorted({z for each in compositions.values() for z in each.elements}))
    return Statistics(
        elements,
        {name: _head(name, each, forces[name], references, elements) for name, each in compositions.items()},
        {name: (moments.mean, moments.deviation or 1.0) for name, moments in scalar.items()},
    )


def _head(name: str, known: Compositions, forces: _Moments, references: References, elements: Sequence[int]) -> Head:
    if not known.elements:
        raise InvalidTraining(f"data.heads.{name} has no structure to learn from. Give it files, or take it out.")
    if missing := [chemical_symbols[z] for z in elements if z not in known.elements]:
        log.warning("no structure of head %s has %s: its energies of them mean nothing", name, ", ".join(missing))
    energies = dict.fromkeys(elements, 0.0) | dict(references(name, known))
    rest = known.residuals(energies)
    scale = forces.size if forces.count else float(rest.std()) if len(rest) else 1.0
    return Head(energies, float(rest.mean()) if len(rest) else 0.0, scale or 1.0)


class _Moments:
    """Of numbers that come in parts."""

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0  # of deviations from the mean

    def add(self, numbers: float | np.ndarray) -> None:
        values = np.ravel(np.asarray(numbers, dtype=np.float64))
        count, mean = self.count + values.size, float(values.mean())
        between = (mean - self.mean) ** 2 * self.count * values.size / count
        self._squares += float(np.sum((values - mean) ** 2)) + between
        self.mean += (mean - self.mean) * values.size / count
        self.count = count

    @property
    def deviation(self) -> float:
        return math.sqrt(self._squares / self.count)

    @property
    def size(self) -> float:
        """Root of the mean of the squares."""
        return math.sqrt(self._squares / self.count + self.mean**2)


def least_squares(name: str, known: Compositions) -> dict[int, float]:
    """Raises :class:`InvalidTraining` without a single energy."""
    if not len(known):
        of = f" of head {name}" if name != HEAD else ""
        raise InvalidTraining(f"no training structure{of} has an energy: give references: none or look at data.keys.")
    return known.least_squares()


def given(energies: Mapping[str, float]) -> dict[int, float]:
    unknown = [symbol for symbol in energies if symbol not in atomic_numbers]
    if unknown:
        raise InvalidTraining(f"reference_energies names {', '.join(unknown)}, which are no elements.")
    return {atomic_numbers[symbol]: energy for symbol, energy in energies.items()}


def complete(references: Mapping[int, float], elements: Sequence[int], where: str) -> dict[int, float]:
    """As they are. Raises :class:`InvalidTraining` where one of the elements is missing."""
    missing = [chemical_symbols[z] for z in elements if z not in references]
    if missing:
        raise InvalidTraining(f"{where} has no reference energy of {', '.join(missing)}, which the data contain.")
    return dict(references)
