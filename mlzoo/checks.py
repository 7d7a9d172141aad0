"""A few structures with the numbers that a weight has to give, on any machine, in any dtype, from any kernel."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from mlzoo.errors import VerificationFailed
from mlzoo.model import Model
from mlzoo.structures import Structure

if TYPE_CHECKING:
    from mlzoo.predictor import Predictor

TOLERANCES = {"float64": 1e-8, "float32": 1e-4}
"""Largest deviation from the reference values: eV an atom, eV/Å, eV/Å³, or the property's unit."""

ROUNDING = {"float64": 1e-13, "float32": 2e-5}
"""And what a dtype's rounding makes of the largest force or virial, where that is more."""


@dataclass(frozen=True)
class Deviation:
    """How far a property is from its reference values, at worst; energies for each atom."""

    name: str
    unit: str
    largest: float
    tolerance: float

    @property
    def holds(self) -> bool:
        return self.largest <= self.tolerance  # NaN does not


def make(exact: Predictor) -> dict[str, Any]:
    """Reference values for three small structures of the model's elements, as ``checks.json`` holds them.

    ``exact`` is a predictor in float64.
    """
    checks = [
        {
            "numbers": atoms.numbers.tolist(),
            "positions": atoms.positions.tolist(),
            "cell": atoms.cell.array.tolist(),
            "pbc": atoms.pbc.tolist(),
            "conditions": atoms.info,
            "values": {name: np.asarray(value).tolist() for name, value in exact.predict(atoms).items()},
        }
        for atoms in structures_of(exact.model)
    ]
    slopes = [check["values"].get(name, [0.0]) for check in checks for name in ("forces", "virial")]
    largest = max(float(np.abs(value).max()) for value in slopes)
    tolerances = {dtype: max(least, ROUNDING[dtype] * largest) for dtype, least in TOLERANCES.items()}
    return {"origin": f"mlzoo {version('mlzoo')}, float64", "tolerances": tolerances, "checks": checks}


def applicable(checks: Mapping[str, Any], provenance: Mapping[str, Any], elements: Collection[int]) -> dict[str, Any]:
    """Those checks that were made with the reader options that a weight was loaded with, and of elements that it has."""
    chosen = [
        check
        for check in checks["checks"]
        if {*check["numbers"]} <= {*elements}
        and all(provenance.get(name) == value for name, value in check.get("options", {}).items())
    ]
    return {**checks, "checks": chosen}


def compare(predictor: Predictor, checks: Mapping[str, Any]) -> list[Deviation]:
    """Largest deviation of each property from the reference values."""
    largest: dict[str, float] = {}
    for check in checks["checks"]:
        structure = Structure(
            np.array(check["numbers"]),
            np.array(check["positions"], dtype=np.float64),
            np.array(check["cell"], dtype=np.float64),
            np.array(check["pbc"]),
            check.get("conditions", {}),
        )
        answer = predictor.predict(structure, list(check["values"]))
        for name, expected in check["values"].items():
            size = len(check["numbers"]) if name == "energy" else 1
            found = np.asarray(answer.get(name, np.nan))  # a stress that is not a number is left out of an answer
            deviation = float(np.abs(found - np.asarray(expected)).max()) / size
            largest[name] = float(np.maximum(largest.get(name, 0.0), deviation))  # NaN stays NaN
    units = {prediction.name: prediction.unit for prediction in predictor.model.predicts}
    tolerance = checks["tolerances"][str(predictor.dtype).removeprefix("torch.")]
    return [Deviation(name, units[name], worst, tolerance) for name, worst in largest.items()]


def demand(found: Sequence[Deviation], name: str, provenance: Mapping[str, Any]) -> None:
    """Raise :class:`VerificationFailed` for what does not hold, and where nothing was compared."""
    here = ", ".join(str(provenance[key]) for key in ("device", "dtype", "kernels"))
    if not found:
        raise VerificationFailed(f"{name} has no reference values for the way it was loaded. Leave out verify=True.")
    failed = [
        f"{each.name} by {each.largest:.2g} {each.unit} (at most {each.tolerance:.0e})"
        for each in found
        if not each.holds
    ]
    if failed:
        raise VerificationFailed(
            f"{name} does not give its reference values here ({here}): off in {', '.join(failed)}. "
            "Load it with exact=True or on another device, and please report this."
        )


def structures_of(model: Model) -> list[Atoms]:
    """A rattled crystal, a slab and a molecule, from the first, the middle and the last element that a model knows.

    The molecule alone where the model answers for nothing else.
    """
    elements = model.elements
    chosen = sorted({elements[0], elements[len(elements) // 2], elements[-1]})
    bond = 2.2 * float(np.mean([covalent_radii[z] for z in chosen]))  # Å
    a = bond * 2**0.5  # of an fcc crystal; ase.build would take a second to import
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    crystal = Atoms(np.resize(chosen, 4), corners * a, cell=[a, a, a], pbc=True)
    crystal.rattle(0.05 * bond, seed=1)
    slab = crystal.copy()
    slab.center(vacuum=6.0, axis=2)
    slab.pbc = (True, True, False)
    molecule = Atoms(np.resize(chosen, 3), positions=np.array([[0, 0, 0], [bond, 0, 0], [0.3 * bond, 0.9 * bond, 0]]))
    for atoms in (crystal, slab, molecule):
        atoms.info = {condition.name: condition.example for condition in model.conditions}
    return [molecule] if model.molecular else [crystal, slab, molecule]
