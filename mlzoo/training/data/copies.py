"""Structures that are there more than once, and whether their labels agree."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np

from mlzoo.training.data.example import Example
from mlzoo.training.data.same_geometry import same_geometries

ENERGY_PER_ATOM = 1e-3  # eV, by which energies of one structure may differ
RELATIVE, ABSOLUTE = 1e-2, 1e-2  # by which any other label may: forces in eV/Å, stress in eV/Å³, ...

ALIKE_ENERGY = 1e-8  # eV/atom
ALIKE_FORCE = 1e-3  # eV/Å


def copies(examples: Sequence[Example]) -> list[list[int]]:
    """Groups of examples of one geometry, by index."""
    return same_geometries([example.structure for example in examples])


def other_labels(same: Sequence[Example]) -> bool:
    """Whether examples of one geometry have different labels.

    Arrays are compared by their norm, which does not change when a molecule is turned or its atoms are reordered.
    """
    for name in {name for example in same for name in example.labels}:
        sizes = [float(np.linalg.norm(example.labels[name])) for example in same if name in example.labels]
        if name == "energy":
            values = [float(example.labels[name]) for example in same if name in example.labels]
            allowed = ENERGY_PER_ATOM * len(same[0].structure.atomic_numbers)
        elif any(np.ndim(example.labels[name]) for example in same if name in example.labels):
            values, allowed = sizes, max(ABSOLUTE, RELATIVE * max(sizes))
        else:
            values = [float(example.labels[name]) for example in same if name in example.labels]
            allowed = RELATIVE * max(sizes)
        if max(values) - min(values) > allowed:
            return True
    return False


def look_alikes(examples: Sequence[Example]) -> list[list[int]]:
    """Groups with the same reduced formula, energy per atom (to 1e-8 eV) and largest force (to 1e-3 eV/Å), by index.

    That is how a structure shows itself that is turned, or given in a larger cell.
    """
    by_formula: dict[tuple, list[int]] = {}
    for index, example in enumerate(examples):
        if "energy" in example.labels and "forces" in example.labels:
            by_formula.setdefault(_reduced_formula(example), []).append(index)
    groups: list[list[int]] = []
    for indices in by_formula.values():
        seen = sorted((*_energy_and_force(examples[index]), index) for index in indices)
        open_groups: list[tuple[float, float, list[int]]] = []
        for energy, force, index in seen:
            open_groups = [group for group in open_groups if energy - group[0] <= ALIKE_ENERGY]
            known = next((group for _, other, group in open_groups if abs(force - other) <= ALIKE_FORCE), None)
            if known is None:
                open_groups.append((energy, force, known := []))
                groups.append(known)
            known.append(index)
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reduced_formula(example: Example) -> tuple[tuple[int, int], ...]:
    numbers, counts = np.unique(example.structure.atomic_numbers, return_counts=True)
    divisor = gcd(*counts.tolist())
    return tuple((int(number), int(count) // divisor) for number, count in zip(numbers, counts, strict=True))


def _energy_and_force(example: Example) -> tuple[float, float]:
    per_atom = float(example.labels["energy"]) / len(example.structure.atomic_numbers)
    return per_atom, float(np.abs(example.labels["forces"]).max())
