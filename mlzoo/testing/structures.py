"""Small structures that suit a model: of its elements, at the bond lengths of those, within its cutoff."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from mlzoo.model import Model
from mlzoo.neighbors import find_pairs

MOLECULE = [[0, 0, 0], [1, 0, 0], [0.3, 0.95, 0], [0.4, 0.3, 0.9], [-0.6, 0.4, 0.5]]  # in bond lengths, as all below
SHEARED = [[1.15, 0, 0], [0.21, 1.2, 0], [-0.17, 0.13, 1.1]]
LEFT_HANDED = [[0, 1.3, 0.1], [1.25, 0.3, 0], [0.1, -0.2, 1.6]]
GAP = 2e-3  # Å
SHORT_OPEN_VECTOR = [[1.3, 0, 0], [0.2, 1.25, 0], [0.1, 0.3, 0.7]]


def structures_for(model: Model, seed: int = 0) -> dict[str, Atoms]:
    """A molecule, two crystals in cells smaller than most cutoffs, a slab and a wire, rattled; they carry conditions.

    Molecules of one to five atoms for a model that answers for nothing else.
    """
    rng = np.random.default_rng(seed)
    elements = rng.choice(model.elements, size=min(4, len(model.elements)), replace=False)
    bond = min(2.2 * float(np.mean(covalent_radii[elements])), 0.6 * model.cutoff)  # Å

    def made(places: Any, cell: Any = None, pbc: Any = False) -> Atoms:
        numbers = np.resize(elements, len(places))
        atoms = Atoms(
            numbers, cell=None if cell is None else bond * np.array(cell), pbc=pbc, info=conditions_for(model)
        )
        for _ in range(100):  # until no finite difference takes a pair through a cutoff
            atoms.positions = bond * (np.array(places) + rng.uniform(-0.04, 0.04, (len(places), 3)))
            if not any(_has_pair_at(atoms, cutoff) for cutoff in (model.cutoff, model.long_range_cutoff) if cutoff):
                break
        return atoms

    if model.molecular:
        return {
            "molecule": made(MOLECULE),
            "three atoms": made(MOLECULE[:3]),
            "dimer": made(MOLECULE[:2]),
            "atom": made(MOLECULE[:1]),
        }
    return {
        "molecule": made(MOLECULE),
        "sheared crystal": made([[0, 0, 0], [0.6, 0.65, 0.55]], SHEARED, True),
        "left-handed crystal": made([[0, 0, 0], [0.6, 0.7, 0.5], [0.8, 0.5, 1.3]], LEFT_HANDED, True),
        "slab": made([[0, 0, 0], [0.7, 0.6, 0.7], [0.1, 0.1, 1.4]], SHORT_OPEN_VECTOR, (True, True, False)),
        "wire": made([[0, 0, 0], [0.5, 0.8, 0.1]], SHORT_OPEN_VECTOR, (True, False, False)),
    }


def _has_pair_at(atoms: Atoms, cutoff: float) -> bool:
    inner, outer = (len(find_pairs(atoms.positions, atoms.cell.array, atoms.pbc, cutoff + gap)) for gap in (-GAP, GAP))
    return inner != outer


def conditions_for(model: Model) -> dict[str, Any]:
    """A value for each condition that the model knows: the first label, a charge of one, a singlet, room temperature."""
    values = {"charge": 1.0, "spin": 1.0, "temperature": 300.0}
    return {c.name: c.labels[0] if c.labels else values.get(c.name, c.default or 1.0) for c in model.conditions}
