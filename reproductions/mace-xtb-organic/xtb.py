"""GFN2-xTB by tblite in eV and Å: one calculation, a relaxation and dynamics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_masses
from scipy.optimize import minimize
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator

UNPAIRED = {1: 1, 6: 2, 7: 3, 8: 2, 9: 1, 16: 2, 17: 1}
"""Electrons of the free atoms' ground states without a partner."""

Failed = TBLiteRuntimeError
"""The electrons have not converged."""


class Xtb:
    """Energies (eV) and forces (eV/Å) of one molecule; each calculation begins with the last one's electrons."""

    def __init__(self, numbers: np.ndarray, unpaired: int = 0) -> None:
        self.numbers = numbers
        self._unpaired = unpaired
        self._calculator: Calculator | None = None
        self._last = None

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        if self._calculator is None:
            self._calculator = Calculator("GFN2-xTB", self.numbers, positions / units.Bohr, uhf=self._unpaired)
            self._calculator.set("verbosity", 0)
        self._calculator.update(positions / units.Bohr)
        self._last = self._calculator.singlepoint(self._last)
        energy = float(self._last.get("energy")) * units.Hartree
        return energy, -self._last.get("gradient") * units.Hartree / units.Bohr


def labelled(numbers: np.ndarray, positions: np.ndarray, kind: str, smiles: str, unpaired: int = 0) -> Atoms:
    """A frame with its energy and forces, calculated afresh. Raises ``Failed``."""
    energy, forces = Xtb(numbers, unpaired)(positions)
    smiles = "[H]F" if smiles == "F" else smiles  # a lone F is false in extxyz
    atoms = Atoms(numbers, positions, info={"config_type": kind, "smiles": smiles})
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


def relaxed(xtb: Xtb, positions: np.ndarray, steps: int) -> np.ndarray:
    """Positions after at most so many steps downhill, to 0.005 eV/Å, or the last before the electrons failed."""
    last = positions

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal last
        energy, forces = xtb(flat.reshape(-1, 3))
        last = flat.reshape(-1, 3).copy()
        return energy, -forces.ravel()

    limits = {"maxiter": steps, "gtol": 0.005}
    try:
        return minimize(value, positions.ravel(), jac=True, method="L-BFGS-B", options=limits).x.reshape(-1, 3)
    except Failed:
        return last


def dynamics(xtb: Xtb, positions: np.ndarray, kelvin: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Langevin dynamics (BAOAB) in steps of 1 fs, positions after each of them.

    Begins with velocities of twice the temperature, as half of that goes into the potential energy.
    """
    step, friction = 1.0 * units.fs, 0.01 / units.fs
    mass = atomic_masses[xtb.numbers][:, None]
    thermal = np.sqrt(units.kB * kelvin / mass)
    kept = np.exp(-friction * step)
    velocities = np.sqrt(2) * thermal * rng.normal(size=positions.shape)
    velocities -= (mass * velocities).sum(axis=0) / mass.sum()
    _, forces = xtb(positions)
    while True:
        velocities = velocities + step / 2 * forces / mass
        positions = positions + step / 2 * velocities
        velocities = kept * velocities + np.sqrt(1 - kept**2) * thermal * rng.normal(size=positions.shape)
        positions = positions + step / 2 * velocities
        _, forces = xtb(positions)
        velocities = velocities + step / 2 * forces / mass
        yield positions
