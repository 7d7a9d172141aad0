"""Molecular dynamics at 600 K; a skin keeps the neighbour list over several steps."""

from ase import units
from ase.build import bulk
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

import mlzoo

crystal = bulk("Cu", cubic=True).repeat(3)
crystal.calc = mlzoo.load("m3gnet-emt").calculator(skin=0.5)

MaxwellBoltzmannDistribution(crystal, temperature_K=600)
dynamics = Langevin(crystal, timestep=2 * units.fs, temperature_K=600, friction=0.02 / units.fs)
for _ in dynamics.irun(100):
    if dynamics.nsteps % 20 == 0:
        print(
            f"{dynamics.nsteps * 2:4d} fs {crystal.get_temperature():5.0f} K {crystal.get_potential_energy():8.3f} eV"
        )
