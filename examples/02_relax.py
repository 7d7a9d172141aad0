"""Relax a molecule: all that ASE does with a calculator works."""

from ase.build import molecule
from ase.optimize import BFGS

import mlzoo

acid = molecule("CH3COOH")
acid.rattle(0.1, seed=1)
acid.calc = mlzoo.calculator("mace-xtb-organic")

BFGS(acid).run(fmax=0.01)
print(f"acetic acid: C=O {acid.get_distance(0, 1):.3f} Å, C-O {acid.get_distance(0, 2):.3f} Å")
