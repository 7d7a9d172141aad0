"""The model that comes with mlzoo holds molecules together that it has never seen: dynamics at 300 K.

Twenty drugs and the like, none of them among the molecules that it has learned from, start from where GFN2-xTB is at rest.
"""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.md.bussi import Bussi
from ase.md.velocitydistribution import Stationary
from ase.neighborlist import natural_cutoffs, neighbor_list

import mlzoo

TWENTY = Path(__file__).parents[1] / "reproductions" / "mace-xtb-organic" / "twenty.xyz"
KELVIN, STEP = 300, 1.0  # fs
LONGEST = 1.5  # times what a bond is at the start


def bonds(molecule: Atoms) -> np.ndarray:
    """Pairs of bonded atoms (B, 2)."""
    first, second = neighbor_list("ij", molecule, natural_cutoffs(molecule, mult=1.2))
    return np.stack([first, second], axis=1)[first < second]


def lengths(molecule: Atoms, pairs: np.ndarray) -> np.ndarray:
    return np.linalg.norm(molecule.positions[pairs[:, 0]] - molecule.positions[pairs[:, 1]], axis=1)


def moved(molecule: Atoms, calculator, length: float) -> tuple[np.ndarray, float]:
    """Temperature (K) after each step of so many fs, and how far the longest bond got, over what it was at the start."""
    atoms = Atoms(molecule.symbols, molecule.positions, calculator=calculator)
    pairs, rng = bonds(atoms), np.random.default_rng(0)
    start, worst, temperatures = lengths(atoms, pairs), 0.0, []
    thermal = np.sqrt(atoms.get_masses() * units.kB * 2 * KELVIN)  # half of it goes into potential energy
    atoms.set_momenta(rng.normal(size=(len(atoms), 3)) * thermal[:, None])
    Stationary(atoms)
    dynamics = Bussi(atoms, STEP * units.fs, temperature_K=KELVIN, taut=50 * units.fs, rng=rng)
    for _ in dynamics.irun(round(length / STEP)):
        worst = max(worst, float((lengths(atoms, pairs) / start).max()))
        temperatures.append(atoms.get_temperature())
        assert worst < LONGEST, f"a bond of {molecule.info['name']} broke after {dynamics.nsteps} steps"
    return np.array(temperatures), worst


def test_two_molecules_hold_together_for_a_tenth_of_a_picosecond():
    calculator = mlzoo.calculator("mace-xtb-organic", device="cpu")
    for molecule in sorted(ase.io.read(TWENTY, ":"), key=len)[:2]:
        temperatures, _ = moved(molecule, calculator, length=100)
        assert 100 < temperatures[50:].mean() < 700


@pytest.mark.long
def test_twenty_molecules_hold_together_for_ten_picoseconds():
    print(f"\nmace-xtb-organic, NVT, 10 ps, {KELVIN} K, step {STEP} fs, first picosecond left out of the mean")
    print(f"{'molecule':<24}{'atoms':>6}{'mean T (K)':>12}{'longest bond':>14}")
    calculator = mlzoo.calculator("mace-xtb-organic", device="cpu")
    for molecule in ase.io.read(TWENTY, ":"):
        temperatures, worst = moved(molecule, calculator, length=10_000)
        mean = temperatures[1000:].mean()
        print(f"{molecule.info['name']:<24}{len(molecule):>6}{mean:>12.1f}{worst:>14.2f}", flush=True)
        assert abs(mean - KELVIN) < 50
