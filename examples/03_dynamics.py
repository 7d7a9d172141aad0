"""A thermostat heats a crystal to 600 K; a skin keeps the neighbour list over several steps."""

from ase import units
from ase.build import bulk
from ase.md.langevin import Langevin

import mlzoo

crystal = bulk("Cu", cubic=True).repeat(3)
crystal.calc = mlzoo.load("m3gnet-emt").calculator(skin=0.5)

dynamics = Langevin(crystal, timestep=2 * units.fs, temperature_K=600, friction=0.02 / units.fs, fixcm=False)
for _ in dynamics.irun(100):
    if dynamics.nsteps % 20 == 0:
        time, energy = dynamics.get_time() / units.fs, crystal.get_potential_energy()
        print(f"{time:4.0f} fs {crystal.get_temperature():5.0f} K {energy:8.3f} eV")
