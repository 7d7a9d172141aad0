"""What does a batch gain over one structure at a time? A thousand metal cells of about ten atoms, embedded model, one thread.

Energy, forces and stress with neighbour lists, after warm-up; both answers are compared.

    make bench
"""

import time

import numpy as np
import torch
from ase.build import bulk

import mlzoo

METALS = ["Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"]


def structures(count: int) -> list:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        atoms = bulk(rng.choice(METALS)) * [(3, 3, 1), (5, 2, 1), (2, 5, 1), (11, 1, 1)][rng.integers(4)]
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
    many = structures(1000)
    print(f"{len(many)} structures of {np.mean([len(atoms) for atoms in many]):.1f} atoms, one thread")
    for name, options in {"float32": {}, "float32, plain form": {"exact": True}}.items():
        model = mlzoo.load("m3gnet-emt", device="cpu", **options)
        model.predict(many[:50])
        alone, single = fastest(lambda model=model: [model.predict(atoms) for atoms in many])
        batch, together = fastest(lambda model=model: model.predict(many))
        gap = max(abs(a["energy"] - b["energy"]) for a, b in zip(single, together, strict=True))
        print(
            f"{name:20} one by one {alone:6.2f} s, in batches {batch:6.2f} s: {alone / batch:.1f} times faster; ",
            end="",
        )
        print(f"energies differ by {gap:.0e} eV")


if __name__ == "__main__":
    main()
