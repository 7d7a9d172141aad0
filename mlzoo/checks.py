"""A few structures with the numbers that a weight gave when it was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii

from mlzoo.model import Model
from mlzoo.structures import Structure

if TYPE_CHECKING:
    from mlzoo.predictor import Predictor

TOLERANCES = {"float64": 1e-8, "float32": 1e-4}
"""Largest deviation from the reference values: eV an atom, eV/Å, eV/Å³, or the property's unit."""


def make(predictor: Predictor) -> dict[str, Any]:
    """Reference values of ``predictor`` for three small structures of its elements, as ``checks.json`` holds them."""
    structures = structures_of(predictor.model)
    dtype = str(predictor.dtype).removeprefix("torch.")
    return {
        "dtype": dtype,
        "tolerances": TOLERANCES,
        "checks": [
            {
                "numbers": atoms.numbers.tolist(),
                "positions": atoms.positions.tolist(),
                "cell": atoms.cell.array.tolist(),
                "pbc": atoms.pbc.tolist(),
                "conditions": atoms.info,
                "values": {name: np.asarray(value).tolist() for name, value in predictor.predict(atoms).items()},
            }
            for atoms in structures
        ],
    }


def deviations(predictor: Predictor, checks: Mapping[str, Any]) -> dict[str, float]:
    """Largest deviation of each property from the reference values; energies for each atom."""
    largest: dict[str, float] = {}
    for check in checks["checks"]:
        structure = Structure(
            np.array(check["numbers"]),
            np.array(check["positions"]),
            np.array(check["cell"]),
            np.array(check["pbc"]),
            check["conditions"],
        )
        answer = predictor.predict(structure)
        for name, expected in check["values"].items():
            size = len(check["numbers"]) if name == "energy" else 1
            deviation = float(np.abs(np.asarray(answer[name]) - np.asarray(expected)).max()) / size
            largest[name] = max(largest.get(name, 0.0), deviation)
    return largest


def structures_of(model: Model) -> list[Atoms]:
    """A rattled crystal, a slab and a molecule, from the first, the middle and the last element that a model knows."""
    elements = model.elements
    chosen = sorted({elements[0], elements[len(elements) // 2], elements[-1]})
    bond = 2.2 * float(np.mean([covalent_radii[z] for z in chosen]))  # Å
    crystal = bulk("X", "fcc", a=bond * 2**0.5, cubic=True)
    crystal.numbers = np.resize(chosen, len(crystal))
    crystal.rattle(0.05 * bond, seed=1)
    slab = crystal.copy()
    slab.center(vacuum=6.0, axis=2)
    slab.pbc = (True, True, False)
    molecule = Atoms(np.resize(chosen, 3), positions=np.array([[0, 0, 0], [bond, 0, 0], [0.3 * bond, 0.9 * bond, 0]]))
    for atoms in (crystal, slab, molecule):
        atoms.info = {condition.name: condition.example for condition in model.conditions}
    return [crystal, slab, molecule]
