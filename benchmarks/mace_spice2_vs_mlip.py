"""How fast is the MACE of SPICE2 beside mlip 0.1.10, which trained it in JAX? Energy and forces of ethanol and aspirin.

A file of the published architecture (2 layers, 128 channels, l up to 3 in harmonics and features, correlation 2, cutoff
5 Å; 2,139,152 parameters) that mlip wrote with random weights, so that energies mean nothing but must be the same;
``--weights`` takes the published file. Each side's ASE calculator, float32, neighbour lists included; mlip after its
compilation, with no edge more than there are (``edge_capacity_multiplier=1``). All processes are held to one core, which
is what keeps JAX to one thread. They take turns; positions are never the same twice.

Beside it stands what a fresh process pays once: starting Python, imports and reading the weights, then the first call. mlip
compiles in it; mlzoo's loops were compiled by an earlier process and are kept on disk.

    make bench
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import molecule
from molecules import aspirin
from side import Side

SHARED = Path(os.environ.get("MLZOO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WEIGHTS = SHARED / "weights" / "mlip" / "v01_spice2.zip"
MOLECULES = {"ethanol": molecule("CH3CH2OH"), "aspirin": aspirin()}
WARM_UP, TURNS = 3, 40

SIDE = """
import importlib.metadata, json, sys, time, warnings
warnings.filterwarnings("ignore")
from ase import Atoms
from ase.calculators.calculator import all_changes
side, weights, said = sys.argv[1:]
atoms = Atoms(**json.loads(said))
if side == "mlzoo":
    import torch
    torch.set_num_threads(1)
    import mlzoo
    calculator = mlzoo.load(weights, dtype="float32", device="cpu").calculator()
    note = f"torch {torch.__version__}"
else:
    import jax
    from mlip.models import Mace
    from mlip.models.model_io import load_model_from_zip
    from mlip.simulation.ase.mlip_ase_calculator import MLIPForceFieldASECalculator
    calculator = MLIPForceFieldASECalculator(atoms, 1.0, load_model_from_zip(Mace, weights))
    note = f"jax {jax.__version__}"
print(json.dumps({"version": importlib.metadata.version(side), "note": note}), flush=True)
for line in sys.stdin:
    moved = atoms.copy()
    moved.positions[0, 0] += 1e-6 * int(line)
    start, used = time.perf_counter(), time.process_time()
    calculator.calculate(moved, ["energy", "forces"], all_changes)
    energy, forces = float(calculator.results["energy"]), calculator.results["forces"].tolist()
    print(json.dumps([time.perf_counter() - start, time.process_time() - used, energy, forces]), flush=True)
"""


def started(name: str, python: str, weights: Path, atoms: Atoms) -> tuple[Side, float]:
    """A side, and the seconds that it took to be ready."""
    said = json.dumps({"numbers": atoms.numbers.tolist(), "positions": atoms.positions.tolist()})
    start = time.perf_counter()
    side = Side(name, python, SIDE, str(weights), said)
    return side, time.perf_counter() - start


def compare(name: str, peer_python: str, weights: Path, turns: int) -> None:
    atoms = MOLECULES[name]
    racing, ready = [], {}
    for side, python in (("mlzoo", sys.executable), ("mlip", peer_python)):
        one, ready[side] = started(side, python, weights, atoms)
        racing.append(one)
    versions = (f"{side.name} {side.versions['version']} ({side.versions['note']})" for side in racing)
    print(f"\n{name}, {len(atoms)} atoms: {', '.join(versions)}")
    answers: dict[str, list] = {side.name: [] for side in racing}
    for turn in range(1 + WARM_UP + turns):
        for side in racing:
            answers[side.name].append(side.ask(str(turn)))
    times = {side: [1e3 * seconds for seconds, *_ in given[1 + WARM_UP :]] for side, given in answers.items()}
    used = {side: min(1e3 * cpu for _, cpu, *_ in given[1 + WARM_UP :]) for side, given in answers.items()}
    print(f"{'side':>6} {'min ms':>8} {'median ms':>10} {'CPU ms':>8} ", end="")
    print(f"{'eV':>13} {'ready after s':>14} {'first call s':>13}")
    for side, given in answers.items():
        print(f"{side:>6} {min(times[side]):8.2f} {statistics.median(times[side]):10.2f} {used[side]:8.2f} ", end="")
        print(f"{given[-1][2]:13.6f} {ready[side]:14.2f} {given[0][0]:13.3f}")
    ratio = [kind(times["mlip"]) / kind(times["mlzoo"]) for kind in (min, statistics.median)]
    first = [ready[side] + given[0][0] for side, given in answers.items()]
    (*_, energy, forces), (*_, other, others) = (given[-1] for given in answers.values())
    print(f"times faster: {ratio[0]:.2f} by minimum, {ratio[1]:.2f} by median, ", end="")
    print(f"{used['mlip'] / used['mlzoo']:.2f} by CPU time; ", end="")
    print(f"the first answer of a process {first[1] / first[0]:.2f} times sooner; energies differ by ", end="")
    print(f"{abs(energy - other):.1e} eV, forces by at most {np.abs(np.subtract(forces, others)).max():.1e} eV/Å")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="Python of an environment with mlip==0.1.10")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--molecules", nargs="+", choices=MOLECULES, default=list(MOLECULES))
    parser.add_argument("--turns", type=int, default=TURNS)
    chosen = parser.parse_args()
    if not chosen.weights.is_file():
        sys.exit(f"needs the weights at {chosen.weights}; MLZOO_SHARED names the folder above, --weights another file")
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    os.environ["JAX_PLATFORMS"] = "cpu"
    print(f"{chosen.weights.name}; energy and forces, float32, one thread on core {core}")
    earlier, _ = started("mlzoo", sys.executable, chosen.weights, MOLECULES["ethanol"])
    earlier.ask("0")  # its loops are compiled from now on
    for name in chosen.molecules:
        compare(name, chosen.peer, chosen.weights, chosen.turns)


if __name__ == "__main__":
    main()
