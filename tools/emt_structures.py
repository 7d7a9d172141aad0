"""Structures of the EMT metals, labelled by ASE's effective medium theory: what `m3gnet-emt` is trained and judged on.

Everything follows from a seed. The families overlap nowhere, so each has its own row in the model card.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase import Atoms, units
from ase.build import bulk, fcc100, fcc110, fcc111
from ase.calculators.emt import EMT, beta, parameters
from ase.data import atomic_numbers, chemical_symbols
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

ELEMENTS = np.array([atomic_numbers[symbol] for symbol in ("Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")])
BOND = {z: beta * parameters[chemical_symbols[z]][1] * units.Bohr for z in ELEMENTS}
"""Nearest neighbours in the fcc metal, Å."""

CELLS = [  # lattice, repeats of its conventional cell: 1 to 32 atoms
    *[("fcc", repeats) for repeats in ((1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2), (2, 2, 1), (2, 2, 2))],
    *[("bcc", repeats) for repeats in ((1, 1, 1), (2, 2, 1), (2, 2, 2))],
    *[("hcp", repeats) for repeats in ((1, 1, 1), (2, 2, 1))],
    *[("sc", repeats) for repeats in ((1, 1, 1), (2, 2, 2))],
]
ORDERED = {"L1_2": ("fcc", [0, 1, 1, 1]), "L1_0": ("fcc", [0, 1, 1, 0]), "B2": ("bcc", [0, 1])}


def draw(seed: int, counts: Mapping[str, int]) -> dict[str, list[Atoms]]:
    """So many labelled structures of each family: solids, alloys, surfaces, clusters, dynamics."""
    rng = np.random.default_rng(seed)
    families = {"solids": solid, "alloys": alloy, "surfaces": surface, "clusters": cluster}
    drawn = {}
    for name, count in counts.items():
        if name == "dynamics":
            drawn[name] = [snapshot for _ in range(0, count, 10) for snapshot in trajectory(rng)][:count]
        else:
            drawn[name] = [labelled(families[name](rng)) for _ in range(count)]
    return drawn


def labelled(atoms: Atoms) -> Atoms:
    """A copy that carries EMT's energy (eV), forces (eV/Å) and, where there is a cell, virial (eV)."""
    atoms = atoms.copy()
    atoms.calc = EMT()
    atoms.info["energy"] = atoms.get_potential_energy()
    atoms.arrays["reference_forces"] = atoms.get_forces()
    if atoms.cell.rank == 3:
        atoms.info["virial"] = atoms.get_stress(voigt=False) * atoms.get_volume()
    atoms.calc = None
    return atoms


def solid(rng: np.random.Generator) -> Atoms:
    """A pure metal, strained, sheared, rattled, some with a vacancy."""
    return deformed(rng, crystal(rng, rng.choice(ELEMENTS, 1)))


def alloy(rng: np.random.Generator) -> Atoms:
    """An ordered compound or a random alloy of two to seven metals, deformed in the same ways."""
    if rng.random() < 0.3:
        lattice, sites = ORDERED[rng.choice(list(ORDERED))]
        atoms = bulk("X", lattice, a=1.0, cubic=True)
        atoms.numbers = rng.choice(ELEMENTS, 2, replace=False)[sites]
        return deformed(rng, to_volume(atoms))
    elements = rng.choice(ELEMENTS, rng.choice([2, 2, 2, 3, 4, 7]), replace=False)
    return deformed(rng, crystal(rng, elements))


def surface(rng: np.random.Generator) -> Atoms:
    """A slab of one to seven metals, some with a vacancy or with the adatom that an unfilled layer leaves."""
    elements = rng.choice(ELEMENTS, rng.choice([1, 1, 1, 2, 3, 7]), replace=False)
    facet = [fcc111, fcc100, fcc110][rng.integers(3)]
    size = [(1, 1, 5), (1, 1, 7), (2, 1, 4), (2, 2, 3), (2, 2, 5)][rng.integers(5)]
    atoms = facet("Cu", size, a=2**0.5 * np.mean([BOND[z] for z in elements]), vacuum=4.0)
    atoms.numbers = rng.choice(elements, len(atoms))
    top = np.flatnonzero(atoms.positions[:, 2] > atoms.positions[:, 2].max() - 0.1)
    if len(top) > 1 and rng.random() < 0.5:
        del atoms[rng.permutation(top)[: rng.integers(1, len(top))]]
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + symmetric(rng, 0.02)), scale_atoms=True)
    return rattled(rng, atoms)


def cluster(rng: np.random.Generator) -> Atoms:
    """A few atoms in vacuum, down to a dimer and a single atom."""
    elements = rng.choice(ELEMENTS, rng.choice([1, 2, 3]), replace=False)
    count = rng.choice([1, 2, 2, 2, 3, 4, 6, 8, 10, 13])
    if count == 2:  # beyond 4.5 Å the teacher is cut off so steeply that there is nothing to learn
        return Atoms(rng.choice(elements, 2), positions=[[0, 0, 0], [0, 0, rng.uniform(1.7, 4.5)]])
    atoms = to_volume(Atoms(rng.choice(elements, 1), cell=bulk("X", "fcc", a=1.0).cell, pbc=True)).repeat(5)
    centre = atoms.get_center_of_mass() + rng.normal(size=3)
    atoms = atoms[np.argsort(np.linalg.norm(atoms.positions - centre, axis=1))[:count]]
    atoms.numbers = rng.choice(elements, count)
    bonds = np.mean([BOND[z] for z in atoms.numbers]) / BOND[atoms.numbers[0]]
    return rattled(rng, Atoms(atoms.numbers, positions=atoms.positions * rng.uniform(0.85, 1.1) * bonds))


def trajectory(rng: np.random.Generator) -> list[Atoms]:
    """Ten snapshots of Langevin dynamics on EMT, 300 to 1500 K, 75 fs apart."""
    elements = rng.choice(ELEMENTS, rng.integers(1, 4), replace=False)
    atoms = bulk("X", "fcc", a=1.0, cubic=True).repeat((2, 2, 1))
    atoms.numbers = rng.choice(elements, len(atoms))
    atoms = to_volume(atoms, rng.uniform(0.97, 1.04))
    atoms.calc, temperature = EMT(), rng.uniform(300, 1500)  # K
    MaxwellBoltzmannDistribution(atoms, temperature_K=2 * temperature, rng=rng)
    dynamics = Langevin(atoms, 5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, fixcm=False, rng=rng)
    snapshots = []
    for _ in range(10):
        dynamics.run(15)
        snapshots.append(labelled(atoms))
    return snapshots


def crystal(rng: np.random.Generator, elements: np.ndarray) -> Atoms:
    lattice, repeats = CELLS[rng.integers(len(CELLS))]
    atoms = bulk("X", lattice, a=1.0, cubic=lattice != "hcp").repeat(repeats)
    atoms.numbers = rng.choice(elements, len(atoms))
    return to_volume(atoms)


def to_volume(atoms: Atoms, factor: float = 1.0) -> Atoms:
    """Scaled to the volumes that its atoms have in their fcc metals, times ``factor`` in length."""
    volume = sum(BOND[z] ** 3 / 2**0.5 for z in atoms.numbers)
    atoms.set_cell(atoms.cell.array * factor * (volume / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
    return atoms


def deformed(rng: np.random.Generator, atoms: Atoms) -> Atoms:
    """−12 to +15 % in length, a few down to −25 %; sheared; most of them rattled; one in seven with a vacancy."""
    if len(atoms) >= 8 and rng.random() < 0.15:
        del atoms[rng.integers(len(atoms))]
    stretch = [rng.normal(0, 0.03), rng.uniform(-0.12, 0.15), rng.uniform(-0.25, -0.12)]
    strain = np.eye(3) * stretch[rng.choice(3, p=[0.5, 0.44, 0.06])] + symmetric(rng, rng.choice([0.0, 0.02, 0.04]))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return atoms if rng.random() < 0.2 else rattled(rng, atoms)


def rattled(rng: np.random.Generator, atoms: Atoms) -> Atoms:
    """Displacements of 0 to 0.35 Å, as up to 2000 K."""
    atoms.positions += rng.normal(0, rng.uniform(0, 0.2), atoms.positions.shape)
    return atoms


def symmetric(rng: np.random.Generator, size: float) -> np.ndarray:
    strain = rng.normal(0, size, (3, 3))
    return (strain + strain.T) / 2
