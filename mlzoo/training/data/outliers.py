"""Energies and forces that stand out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from mlzoo.training.data.example import Example

ENERGY_SIGMAS = 8.0
SMALLEST_SIGMA = 1e-3  # eV/atom; where most energies agree, less is no outlier
FORCE_SIGMAS = 20.0
VANISHING = 0.05  # eV/Å; relaxed and symmetric structures say nothing of the width of forces
SMALLEST_FORCE = 1.0  # eV/Å; where forces are small, less is no outlier
LARGEST_FORCE = 30.0  # eV/Å; more is one everywhere
SIGMA = 1.4826  # of a normal distribution, over its median absolute deviation
AT_LEAST = 10  # energies more than elements, below which every one of them can be explained
COMPONENTS = 10_000_000  # of forces, from which sigma is estimated
ROUNDS = 20

Outliers = tuple[str, str, list[int]]
"""Kind, what to say of the structures, and their indices."""


def energy_outliers(examples: Sequence[Example]) -> Iterator[Outliers]:
    """Energies per atom that are far from the sum over elements which fits all best."""
    labelled = [index for index, example in enumerate(examples) if "energy" in example.labels]
    elements = sorted({int(z) for index in labelled for z in np.unique(examples[index].structure.atomic_numbers)})
    if len(labelled) < len(elements) + AT_LEAST:
        return
    place = {number: column for column, number in enumerate(elements)}
    fractions, energies = np.zeros((len(labelled), len(elements))), np.zeros(len(labelled))
    for row, index in enumerate(labelled):
        numbers = examples[index].structure.atomic_numbers
        for number, count in zip(*np.unique(numbers, return_counts=True), strict=True):
            fractions[row, place[int(number)]] = count / len(numbers)
        energies[row] = float(examples[index].labels["energy"]) / len(numbers)
    residuals = _residuals(fractions, energies)
    residuals -= np.median(residuals)
    sigma = max(SIGMA * float(np.median(np.abs(residuals))), SMALLEST_SIGMA)
    if len(which := np.flatnonzero(np.abs(residuals) > ENERGY_SIGMAS * sigma)):
        farthest = float(np.abs(residuals).max())
        what = (
            f"Energies more than {ENERGY_SIGMAS:g} σ away from what the composition explains, where σ is {sigma:.3g} "
            f"eV/atom and the farthest is {farthest:.3g} eV/atom away"
        )
        yield "energy outliers", what, [labelled[row] for row in which]


def _residuals(fractions: Float[np.ndarray, "S Z"], energies: Float[np.ndarray, "S"]) -> Float[np.ndarray, "S"]:
    """Of a fit of eV/atom by element that outliers hardly move: least squares, reweighted towards least moduli."""
    weights = np.ones(len(energies))
    residuals = energies
    for _ in range(ROUNDS):
        root = np.sqrt(weights)
        solution, *_ = np.linalg.lstsq(fractions * root[:, None], energies * root, rcond=None)
        residuals = energies - fractions @ solution
        weights = 1 / np.maximum(np.abs(residuals), SMALLEST_SIGMA)
    return residuals


def force_outliers(examples: Sequence[Example]) -> Iterator[Outliers]:
    """Structures with a component of a force that is very large, by itself or among these."""
    largest = {
        index: np.abs(each.labels["forces"]).max() for index, each in enumerate(examples) if "forces" in each.labels
    }
    if not largest:
        return
    sigma = _force_sigma([examples[index].labels["forces"] for index in largest])
    limit = min(LARGEST_FORCE, max(FORCE_SIGMAS * sigma, SMALLEST_FORCE))
    if which := [index for index, force in largest.items() if force > limit]:
        farthest = max(float(force) for force in largest.values())
        yield (
            "force outliers",
            f"Force components above {limit:.3g} eV/Å, of which the largest is {farthest:.3g} eV/Å",
            which,
        )


def _force_sigma(forces: Sequence[np.ndarray | float]) -> float:
    """Robust width of the components that do not vanish, from every so-many-th structure where there are very many."""
    every = 1 + sum(np.size(each) for each in forces) // COMPONENTS
    sizes = np.abs(np.concatenate([np.ravel(each) for each in forces[::every]]))
    sizes = sizes[sizes > VANISHING]
    return SIGMA * float(np.median(sizes)) if len(sizes) else 0.0
