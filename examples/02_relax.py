"""Relax atoms and cell: all that ASE does with a calculator works."""

from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

import mlzoo

crystal = bulk("Cu", a=3.8, cubic=True)
crystal.symbols[0] = "Au"
crystal.rattle(0.05, seed=1)
crystal.calc = mlzoo.calculator("m3gnet-emt")

BFGS(FrechetCellFilter(crystal)).run(fmax=0.01)
print(f"Cu3Au: a = {crystal.cell.lengths().mean():.3f} Å, {crystal.get_potential_energy() / len(crystal):.4f} eV/atom")
