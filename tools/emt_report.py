"""How far `m3gnet-emt` is from its teacher: prints the tables of its model card.

python tools/emt_report.py
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.data import chemical_symbols
from ase.units import GPa
from emt_structures import ELEMENTS, draw, to_volume

import mlzoo
from mlzoo.predictor import Predictor

SEED = 2  # the training structures are drawn from 1
UNSEEN = {"solids": 400, "alloys": 400, "surfaces": 400, "clusters": 400, "dynamics": 200}


def errors(predictor: Predictor, structures: dict[str, list[Atoms]]) -> dict[str, tuple[float, float]]:
    """Mean absolute errors of each family: energy in meV an atom, force components in meV/Å.

    One and two atoms are a row of their own, "dimers", and so are structures with a force above 10 eV/Å or an energy
    above 5 eV an atom, "violent".
    """
    rows: dict[str, list[tuple[float, np.ndarray]]] = {}
    for family, unseen in structures.items():
        for atoms, answer in zip(unseen, predictor.predict(unseen, properties=["energy", "forces"]), strict=True):
            forces = atoms.arrays["reference_forces"]
            missed = (abs(answer["energy"] - atoms.info["energy"]) / len(atoms), abs(answer["forces"] - forces))
            tiny = family == "clusters" and len(atoms) <= 2
            violent = abs(forces).max() > 10 or atoms.info["energy"] > 5 * len(atoms)
            rows.setdefault("dimers" if tiny else "violent" if violent else family, []).append(missed)
    return {
        row: (
            1e3 * float(np.mean([energy for energy, _ in missed])),
            1e3 * float(np.concatenate([forces for _, forces in missed]).mean()),
        )
        for row, missed in rows.items()
    }


def compounds() -> dict[str, Atoms]:
    """The seven fcc metals, Cu3Au and CuAu in conventional cells near their equilibrium."""
    patterns = {chemical_symbols[z]: [z] * 4 for z in ELEMENTS}
    patterns |= {"Cu3Au": [79, 29, 29, 29], "CuAu": [79, 29, 29, 79]}
    found = {}
    for name, numbers in patterns.items():
        atoms = bulk("X", "fcc", a=1.0, cubic=True)
        atoms.numbers = numbers
        found[name] = to_volume(atoms)
    return found


def equation_of_state(atoms: Atoms, calculator: Calculator) -> tuple[float, float]:
    """Length of the first lattice vector (Å) and bulk modulus (eV/Å³) at the energy minimum under uniform strain."""
    lengths, energies = np.linspace(0.97, 1.03, 13), []
    atoms = atoms.copy()
    atoms.calc = calculator
    cell = atoms.cell.array.copy()
    for length in lengths:
        atoms.set_cell(length * cell, scale_atoms=True)
        energies.append(atoms.get_potential_energy())
    curve = np.polynomial.Polynomial.fit(lengths, energies, 4)
    slopes = curve.deriv().roots()
    best = min((x.real for x in slopes if abs(x.imag) < 1e-9), key=lambda x: abs(x - 1))
    volume = abs(np.linalg.det(cell)) * best**3
    return float(np.linalg.norm(cell[0]) * best), float(curve.deriv(2)(best) * best**2 / 9 / volume)


def report(predictor: Predictor) -> None:
    for family, (energy, force) in errors(predictor, draw(SEED, UNSEEN)).items():
        print(f"| {family} | {energy:.1f} | {force:.0f} |")
    for name, atoms in compounds().items():
        values = [equation_of_state(atoms, calculator) for calculator in (EMT(), predictor.calculator())]
        (length, stiffness), (found_length, found_stiffness) = values
        print(f"| {name} | {length:.3f} | {found_length:.3f} | {stiffness / GPa:.0f} | {found_stiffness / GPa:.0f} |")


if __name__ == "__main__":
    report(mlzoo.load("m3gnet-emt"))
