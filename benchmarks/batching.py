"""What does a batch gain over one structure at a time? A thousand structures of ten atoms, embedded model, one thread.

Molecules, layers and dense crystals differ in edges, and so in how much of the time is work that a batch cannot
save. Energy, forces and stress with neighbour lists, after warm-up; both answers are compared.

    make bench
"""

import time

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, graphene
from ase.build import molecule as built

import mlzoo

ELEMENTS = ["C", "N", "O"]


def molecule(element: str) -> Atoms:
    return built({"C": "C3H7Cl", "N": "CH3CH2NH2", "O": "CH3COCH3"}[element])


def layer(element: str) -> Atoms:
    atoms = graphene(size=(5, 1, 1), vacuum=8.0)
    atoms.symbols[0] = element
    return atoms


def crystal(element: str) -> Atoms:
    atoms = bulk("C") * (5, 1, 1)
    atoms.symbols[0] = element
    return atoms


def many(make, count: int) -> list[Atoms]:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        atoms = make(rng.choice(ELEMENTS))
        atoms.rattle(0.1, seed=int(rng.integers(1 << 30)))
        made.append(atoms)
    return made


def fastest(work) -> tuple[float, list]:
    """Seconds of the fastest of three, and the answers."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        answers = work()
        times.append(time.perf_counter() - start)
    return min(times), answers


def main() -> None:
    torch.set_num_threads(1)
    model = mlzoo.load("mace-xtb-organic", device="cpu")
    kinds = {kind.__name__ + "s": many(kind, 334) for kind in (molecule, layer, crystal)}
    kinds["all three"] = [atoms for same in zip(*kinds.values(), strict=True) for atoms in same][:1000]
    model.predict(kinds["all three"][:60])
    print(
        f"{'structures':>12} {'count':>6} {'edges':>6} {'one by one':>11} {'batches':>9}   ms a structure, one thread, float32"
    )
    for name, structures in kinds.items():
        alone, single = fastest(lambda structures=structures: [model.predict(atoms) for atoms in structures])
        batch, together = fastest(lambda structures=structures: model.predict(structures))
        edges = np.mean([len(model.graph(atoms).edges) for atoms in structures])
        gap = max(abs(a["energy"] - b["energy"]) for a, b in zip(single, together, strict=True))
        count = len(structures)
        print(f"{name:>12} {count:6} {edges:6.0f} {1e3 * alone / count:11.2f} {1e3 * batch / count:9.2f}   ", end="")
        print(f"{alone / batch:.1f} times faster; energies differ by at most {gap:.0e} eV")


if __name__ == "__main__":
    main()
