"""How fast is M3GNet beside MatGL 4.1.2? Energy, forces and stress of rattled silicon through both ASE calculators.

Same published weights (M3GNet-MP-2021.2.8-PES) in the same convention (``v4``), float32, one thread, neighbour lists
included, after warm-up. The two run in processes of their own and take turns, so that both meet the same machine; the
minimum and the median of all turns are printed, with both energies and each process's peak memory. Beside them stands
the floor: the matrix products of the edge perceptrons alone, forward and backward, as this machine does them.

    make bench
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

from side import Side

SHARED = Path(os.environ.get("MLZOO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WEIGHTS = SHARED / "weights" / "matgl" / "M3GNet-MP-2021.2.8-PES"
SIZES = {64: 2, 512: 4, 4096: 8}  # atoms: repeats of the cubic cell
TURNS = {64: 40, 512: 20, 4096: 5}

SIDE = """
import json, resource, sys, time, warnings
warnings.filterwarnings("ignore")
import torch
torch.set_num_threads(1)
from ase.build import bulk
side, weights = sys.argv[1:]
if side == "mlzoo":
    import mlzoo
    calculator = mlzoo.load(weights, convention="v4", dtype="float32", device="cpu").calculator()
    version = __import__("importlib.metadata").metadata.version("mlzoo")
else:
    import matgl
    from matgl.ext.ase import PESCalculator
    calculator = PESCalculator(matgl.load_model(weights), stress_unit="eV/A3", use_voigt=True)
    version = matgl.__version__
print(json.dumps({"version": version, "torch": torch.__version__}), flush=True)
for line in sys.stdin:
    repeat = int(line)
    atoms = bulk("Si", cubic=True) * ((repeat,) * 3)
    atoms.rattle(0.05, seed=0)
    atoms.positions[0, 0] += 1e-9 * (time.time() % 1)  # never the same twice, so that nothing is cached
    atoms.calc = calculator
    start = time.perf_counter()
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, float(energy) / len(atoms), peak]), flush=True)
"""


def floor(edges: int) -> float:
    """Seconds that the matrix products of the edge perceptrons take for so many edges, split form, both directions."""
    import torch

    torch.set_num_threads(1)
    x, w = torch.randn(2, 1024, 64), torch.randn(2, 64, 64)
    out = torch.empty(2, 1024, 64)
    times = []
    for _ in range(200):
        start = time.perf_counter()
        torch.bmm(x, w, out=out)
        times.append(time.perf_counter() - start)
    products = 3 * 2 * 3 * 2  # blocks, perceptrons, layers, directions
    return min(times) / 1024 * edges * products


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="Python of an environment with matgl==4.1.2")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    chosen = parser.parse_args()
    if not WEIGHTS.is_dir():
        sys.exit(f"needs the published weights at {WEIGHTS}; MLZOO_SHARED names the folder above")
    ours = Side("mlzoo", sys.executable, SIDE, str(WEIGHTS))
    peer = Side("matgl", chosen.peer, SIDE, str(WEIGHTS))
    print(f"mlzoo {ours.versions['version']} (torch {ours.versions['torch']}), ", end="")
    print(f"matgl {peer.versions['version']} (torch {peer.versions['torch']}); one thread, float32, v4")
    print(f"{'atoms':>6} {'side':>6} {'min ms':>9} {'median ms':>9} {'ms/atom':>8} {'eV/atom':>13} {'peak MB':>8}")
    for atoms in chosen.sizes:
        turns = {side.name: [] for side in (ours, peer)}
        sides = (ours, peer) if atoms <= 512 else (ours,)
        for turn in range(TURNS[atoms] + 3):
            for side in sides:
                answer = side.ask(str(SIZES[atoms]))
                if turn >= 3:
                    turns[side.name].append(answer)
        for side in sides:
            times = [1e3 * seconds for seconds, _, _ in turns[side.name]]
            _, energy, peak = turns[side.name][-1]
            print(f"{atoms:6} {side.name:>6} {min(times):9.1f} {statistics.median(times):9.1f} ", end="")
            print(f"{min(times) / atoms:8.3f} {energy:13.7f} {peak:8.0f}")
        print(f"{atoms:6} {'floor':>6} {1e3 * floor(28 * atoms):9.1f}")
        if len(sides) == 2:
            ratio = [
                f(s for s, _, _ in turns["matgl"]) / f(s for s, _, _ in turns["mlzoo"])
                for f in (min, statistics.median)
            ]
            gap = abs(turns["matgl"][-1][1] - turns["mlzoo"][-1][1])
            print(f"{atoms:6}  times faster: {ratio[0]:.2f} by minimum, {ratio[1]:.2f} by median; ", end="")
            print(f"energies differ by {gap:.1e} eV/atom")


if __name__ == "__main__":
    main()
