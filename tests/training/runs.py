"""Small runs: copper and aluminium labelled by effective medium theory, a network of a few hundred parameters."""

from pathlib import Path
from typing import Any

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from mlzoo.training.fit import Outcome
from mlzoo.training.log import read_log
from mlzoo.training.run import run
from mlzoo.training.settings import checked

SMALL = {"node_width": 8, "edge_width": 8, "hidden_width": 8, "blocks": 1, "cutoff": 4.0, "threebody_cutoff": 3.0}


def labelled(file: Path, count: int = 12) -> Path:
    """Rattled metals of four atoms with energies, forces and stress."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.symbols[: number % 4] = "Al"
        atoms.rattle(0.1, seed=int(rng.integers(1 << 30)))
        atoms.calc = EMT()
        energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=stress)
        frames.append(atoms)
    write(file, frames)
    return file


def settings(file: Path, output: Path, **changes: Any) -> dict[str, Any]:
    """Plain values of a run, for YAML or `checked`."""
    said = {
        "model": {"architecture": "m3gnet", "config": SMALL},
        "data": {"train": [str(file)], "batch_size": 4, "validation": {"fraction": 0.25}},
        "targets": {"energy": {}, "forces": {"weight": 5.0}, "stress": {"weight": 10.0}},
        "optimizer": {"learning_rate": 0.01, "ema": 0.9},
        "num_epochs": 3,
        "dtype": "float64",
        "output": str(output),
        "device": "cpu",
    }
    return said | changes


def trained(said: dict[str, Any]) -> Outcome:
    return run(checked(said, "test"))


def tensors(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


def rows(folder: Path) -> list[dict[str, float]]:
    return read_log(folder / "log.csv")
