"""A thermostat heats a molecule to 300 K; a skin keeps the neighbour list over several steps."""

from pathlib import Path

import ase.io
from ase import units
from ase.md.langevin import Langevin

import mlzoo

molecule = ase.io.read(Path(__file__).parent / "paracetamol.xyz", 0)
molecule.calc = mlzoo.load("mace-xtb-organic").calculator(skin=0.5)

dynamics = Langevin(molecule, timestep=1 * units.fs, temperature_K=300, friction=0.02 / units.fs, fixcm=False)
for _ in dynamics.irun(200):
    if dynamics.nsteps % 40 == 0:
        time, energy = dynamics.get_time() / units.fs, molecule.get_potential_energy()
        print(f"{time:4.0f} fs {molecule.get_temperature():5.0f} K {energy:8.3f} eV")
