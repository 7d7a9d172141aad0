"""How many molecules a second does MACE answer? 10,000 of 20 atoms, as one list and one by one, on one thread and on all.

The architecture of SPICE2 (random weights, ``../shared``); without that file the embedded model. Energy and forces of rattled
chains of carbon, nitrogen and oxygen, float32, neighbour lists included, after warm-up. One by one are the first 200 only,
and their energies are compared with those from the list.

    make bench
"""

import argparse
import os
import resource
import time
from pathlib import Path

import torch
from ase import Atoms
from molecules import rattled_chains

import mlzoo
from mlzoo.predictor import Predictor

SHARED = Path(os.environ.get("MLZOO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WEIGHTS = SHARED / "weights" / "mlip" / "v01_spice2.zip"
ALONE = 200
ASKED = ["energy", "forces"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--weights", default=str(WEIGHTS) if WEIGHTS.is_file() else "mace-xtb-organic")
    chosen = parser.parse_args()
    every = torch.get_num_threads()
    model = mlzoo.load(chosen.weights, dtype="float32", device="cpu")
    molecules = rattled_chains(chosen.count)
    edges = sum(len(model.graph(atoms).edges) for atoms in molecules[:ALONE]) / len(molecules[:ALONE])
    print(f"{Path(chosen.weights).name}: {len(molecules)} molecules of 20 atoms, {edges:.0f} edges each; ", end="")
    print("energy and forces, float32")
    for threads in dict.fromkeys((1, every)):
        torch.set_num_threads(threads)
        compared(model, molecules, threads)


def compared(model: Predictor, molecules: list[Atoms], threads: int) -> None:
    few = molecules[:ALONE]
    for atoms in few[:10]:
        model.predict(atoms, ASKED)
    model.predict(few, ASKED)

    start = time.perf_counter()
    single = [model.predict(atoms, ASKED) for atoms in few]
    alone = len(few) / (time.perf_counter() - start)
    start = time.perf_counter()
    together = model.predict(molecules, ASKED)
    listed = len(molecules) / (time.perf_counter() - start)

    gap = max(abs(a["energy"] - b["energy"]) for a, b in zip(single, together, strict=False))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"threads: {threads}; one list: {listed:.1f} structures a second ({1e3 / listed:.2f} ms each), at most {peak:.0f} MB; ",
        end="",
    )
    print(f"one by one: {alone:.1f} ({1e3 / alone:.2f} ms each); {listed / alone:.2f} times faster, ", end="")
    print(f"energies of the first {len(few)} differ by at most {gap:.1e} eV", flush=True)


if __name__ == "__main__":
    main()
