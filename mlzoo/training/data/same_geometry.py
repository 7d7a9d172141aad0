"""Which structures are the same one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.geometry import complete_cell
from jaxtyping import Float

from mlzoo.structures import Structure

TOLERANCE = 1e-6  # Å, for each atom
SIGNATURE = 3e-5  # by which the signatures of such structures may differ
ALL_PAIRS = 300  # atoms up to which all distances of a molecule are compared

APART = ("charge", "spin", "head", "state", "temperature")
"""What makes one geometry several structures: ``mlzoo.conditions.COMMON``, without importing torch."""

WAVES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, 2, 3]])


def same_geometries(structures: Sequence[Structure]) -> list[list[int]]:
    """Groups of two and more that are the same to 1e-6 Å, by index.

    Molecules may be turned, moved, mirrored and their atoms reordered (above 300 atoms only moved). Periodic structures
    have the same lattice vectors; atoms may be reordered or stand in another cell, or all be moved together. Charge,
    spin, head, state and temperature have to agree as well.
    """
    alike: dict[tuple, list[int]] = {}
    for index, structure in enumerate(structures):
        species = tuple(np.sort(structure.atomic_numbers).tolist())
        told_apart = tuple(str(structure.conditions.get(name)) for name in APART)
        alike.setdefault((species, tuple(structure.pbc.tolist()), told_apart), []).append(index)
    groups = [group for indices in alike.values() for group in _groups(structures, indices)]
    return sorted(groups)


def _groups(structures: Sequence[Structure], indices: Sequence[int]) -> list[list[int]]:
    """Neighbours in the order of a number that does not change where the structure does not."""
    if len(indices) < 2:
        return []
    signatures = np.array([_signature(structures[index]) for index in indices])
    groups: list[tuple[float, list[int]]] = []
    for place in np.argsort(signatures, kind="stable"):
        signature, index = float(signatures[place]), indices[place]
        for first, group in reversed(groups):
            if signature - first > SIGNATURE:
                groups.append((signature, [index]))
                break
            if _is_same(structures[group[0]], structures[index]):
                group.append(index)
                break
        else:
            groups.append((signature, [index]))
    return [sorted(group) for _, group in groups if len(group) > 1]


def _signature(structure: Structure) -> float:
    weights = structure.atomic_numbers / structure.atomic_numbers.sum()
    if not structure.pbc.any():
        return float(weights @ np.linalg.norm(structure.positions - weights @ structure.positions, axis=1))
    lengths = np.linalg.norm(structure.cell, axis=1) @ np.sqrt([1, 2, 3]) + np.linalg.norm(structure.cell.sum(axis=0))
    phases = np.exp(2j * np.pi * (_fractions(structure) * structure.pbc) @ WAVES.T)
    return float(lengths + np.abs(weights @ phases).sum())


def _is_same(first: Structure, second: Structure) -> bool:
    if first.pbc.any():
        if np.abs(first.cell - second.cell).max() > TOLERANCE:
            return False
        return _is_same_crystal(first, second)
    if len(first.atomic_numbers) <= ALL_PAIRS:
        kinds, lengths = _distances(first)
        other_kinds, other_lengths = _distances(second)
        return bool((kinds == other_kinds).all() and (np.abs(lengths - other_lengths) <= 2 * TOLERANCE).all())
    moved = second.positions - first.positions
    in_order = np.array_equal(first.atomic_numbers, second.atomic_numbers)
    return in_order and bool(np.abs(moved - moved[0]).max() <= 2 * TOLERANCE)


def _distances(structure: Structure) -> tuple[np.ndarray, Float[np.ndarray, "P"]]:
    """Of all pairs, by the elements of the pair and by length: what they are of, and how long (Å)."""
    i, j = np.triu_indices(len(structure.atomic_numbers), k=1)
    numbers = structure.atomic_numbers
    kinds = np.minimum(numbers[i], numbers[j]) * 1000 + np.maximum(numbers[i], numbers[j])
    lengths = np.linalg.norm(structure.positions[i] - structure.positions[j], axis=1)
    order = np.lexsort((lengths, kinds))
    return kinds[order], lengths[order]


def _is_same_crystal(first: Structure, second: Structure) -> bool:
    one, other = _fractions(first), _fractions(second)
    if np.array_equal(first.atomic_numbers, second.atomic_numbers):
        moved = _nearest(other - one, first)
        if (np.linalg.norm(_nearest(other - one - (other - one)[0], first), axis=1) <= 2 * TOLERANCE).all():
            return True
        if (np.linalg.norm(moved, axis=1) <= TOLERANCE).all():
            return True
    for z in np.unique(first.atomic_numbers):
        here, there = one[first.atomic_numbers == z], other[second.atomic_numbers == z]
        between = np.linalg.norm(_nearest(there[None] - here[:, None], first), axis=-1)
        partner = between.argmin(axis=1)
        if between.min(axis=1).max() > TOLERANCE or len(set(partner.tolist())) < len(partner):
            return False
    return True


def _fractions(structure: Structure) -> Float[np.ndarray, "A 3"]:
    """Positions in units of the lattice vectors; in Å along directions without one."""
    return np.linalg.solve(complete_cell(structure.cell).T, structure.positions.T).T


def _nearest(moved: np.ndarray, structure: Structure) -> np.ndarray:
    """Differences of fractions in Å, up to lattice vectors."""
    return (moved - np.rint(moved) * structure.pbc) @ complete_cell(structure.cell)
