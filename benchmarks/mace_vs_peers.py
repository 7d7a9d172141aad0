"""How fast is MACE beside mace-torch 0.3.16 and symmetrix-xl 0.1.1? Energy, forces and stress of rattled silicon.

Two layers, l_max 3, correlation 3, cutoff 6 Å (46 neighbours), with 128x0e and with 128x0e + 128x1o between the layers;
random weights that mace-torch made and wrote, read by mlzoo and turned into symmetrix-xl's JSON by its own converter. Each
side's ASE calculator is asked for all three at once, float32, one thread, neighbour lists included, after warm-up.
symmetrix-xl runs as it does by default, which was also its fastest way: code compiled for the model (C++, minutes for
each model the first time, then kept beside its environment), neighbour list with a skin of 0.5 Å that these positions
never leave. All run in processes of their own and take turns; positions are never the same twice. CPU time (the minimum)
stands beside wall time, as it says more where the machine does other work.

The end asks mlzoo alone on one and on two threads, whether energy, forces and stress have the same bits, and how much
faster two are.

    make bench
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import random_mace
from side import Side

MODELS = {"0e": "128x0e", "0e+1o": "128x0e + 128x1o"}
SIZES = {64: 2, 216: 3, 1000: 5}  # atoms: repeats of the cubic cell
TURNS = {64: 20, 216: 10, 1000: 5}
WARM_UP = 2

SIDE = """
import hashlib, importlib.metadata, json, resource, sys, time, warnings
warnings.filterwarnings("ignore")
from ase.build import bulk
from ase.calculators.calculator import all_changes
side, weights = sys.argv[1:]
if side == "symmetrix-xl":
    from symmetrix import Symmetrix, selected_backend
    calculator = Symmetrix(weights, dtype="float32")
    note = f"{selected_backend()['selector']}, {calculator.execution_plan['requested_algorithm']}"
else:
    import torch
    torch.set_num_threads(1)
    note = f"torch {torch.__version__}"
    if side == "mlzoo":
        import mlzoo
        calculator = mlzoo.load(weights, dtype="float32", device="cpu").calculator()
    else:
        from mace.calculators import MACECalculator
        calculator = MACECalculator(model_paths=weights, device="cpu", default_dtype="float32")
print(json.dumps({"version": importlib.metadata.version(side), "note": note}), flush=True)
for line in sys.stdin:
    repeat, turn, threads = map(int, line.split())
    atoms = bulk("Si", cubic=True) * ((repeat,) * 3)
    atoms.rattle(0.05, seed=0)
    atoms.positions[0, 0] += 1e-9 * turn
    if side == "mlzoo":
        torch.set_num_threads(threads)
    start, used = time.perf_counter(), time.process_time()
    calculator.calculate(atoms, ["energy", "forces", "stress"], all_changes)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    energy, *rest = (calculator.results[name] for name in ("energy", "forces", "stress"))
    bits = hashlib.sha256(b"".join([float(energy).hex().encode(), *(each.tobytes() for each in rest)])).hexdigest()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, used, float(energy) / len(atoms), peak, bits]), flush=True)
"""


def sides(name: str, folder: str, mace: str, symmetrix: str) -> list[Side]:
    """The three of them, with the weights of model ``name``."""
    model, converted = f"{folder}/{name}.model", f"{folder}/{name}.json"
    random_mace.write(model, mace, hidden=MODELS[name], cutoff=6.0, elements=[14], neighbors=46.0)
    environment = Path(symmetrix).absolute().parents[1]
    converter = [str(environment / "bin" / "symmetrix_extract_mace"), "--model", model, "--output", converted]
    subprocess.run(converter, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.environ.setdefault("SYMMETRIX_JIT_CACHE", str(environment / "compiled"))
    return [
        Side("mlzoo", sys.executable, SIDE, model),
        Side("mace-torch", mace, SIDE, model),
        Side("symmetrix-xl", symmetrix, SIDE, converted),
    ]


def compare(racing: list[Side], atoms: int, turns: int) -> None:
    answers: dict[str, list] = {side.name: [] for side in racing}
    for turn in range(WARM_UP + turns):
        for side in racing:
            answers[side.name].append(side.ask(f"{SIZES[atoms]} {turn} 1"))
    wall = {name: [1e3 * seconds for seconds, *_ in given[WARM_UP:]] for name, given in answers.items()}
    used = {name: min(1e3 * cpu for _, cpu, *_ in given[WARM_UP:]) for name, given in answers.items()}
    last = {name: given[-1] for name, given in answers.items()}
    for name, (_, _, energy, peak, _) in last.items():
        print(
            f"{atoms:6} {name:>13} {min(wall[name]):8.1f} {statistics.median(wall[name]):9.1f} {used[name]:8.1f} ",
            end="",
        )
        print(f"{min(wall[name]) / atoms:8.3f} {energy:13.7f} {peak:8.0f}")
    ours = racing[0].name
    for peer in (side.name for side in racing[1:]):
        ratio = [kind(wall[peer]) / kind(wall[ours]) for kind in (min, statistics.median)]
        print(f"{atoms:6}  beside {peer}: {ratio[0]:.2f} times faster by minimum, {ratio[1]:.2f} by median, ", end="")
        print(f"{used[peer] / used[ours]:.2f} by CPU time; ", end="")
        print(
            f"it takes {last[peer][3] / last[ours][3]:.2f} times the memory; ",
            end="",
        )
        print(f"energies differ by {abs(last[peer][2] - last[ours][2]):.1e} eV/atom")


def two_threads(ours: Side, atoms: int, turns: int) -> None:
    """Same digits? How much faster?"""
    times: dict[int, list[float]] = {1: [], 2: []}
    same = True
    for turn in range(WARM_UP + turns):
        bits = set()
        for threads in times:
            seconds, *_, found = ours.ask(f"{SIZES[atoms]} {turn} {threads}")
            bits.add(found)
            if turn >= WARM_UP:
                times[threads].append(1e3 * seconds)
        same = same and len(bits) == 1
    one, two = ((min(times[each]), statistics.median(times[each])) for each in (1, 2))
    print(f"{atoms:6}  mlzoo on two threads: energy, forces and stress to the bit the same: {same}; ", end="")
    print(f"{one[0]:.1f} and {two[0]:.1f} ms by minimum, {one[0] / two[0]:.2f} times faster, ", end="")
    print(f"{one[1] / two[1]:.2f} by median, with {len(os.sched_getaffinity(0))} cores")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mace", required=True, help="Python of an environment with mace-torch==0.3.16")
    parser.add_argument("--symmetrix", required=True, help="Python of one with symmetrix-xl==0.1.1 and mace-torch")
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=list(SIZES), help="atoms")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--turns", type=int, help="of each side at each size, instead of " + str(TURNS))
    chosen = parser.parse_args()
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # e3nn 0.4 reads its own constants as a pickle
    print("rattled silicon; one thread, float32; energy, forces and stress")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.models:
            racing = sides(name, folder, chosen.mace, chosen.symmetrix)
            versions = (f"{side.name} {side.versions['version']} ({side.versions['note']})" for side in racing)
            print(f"\n{MODELS[name]}: {', '.join(versions)}")
            print(f"{'atoms':>6} {'side':>13} {'min ms':>8} {'median ms':>9} {'CPU ms':>8} ", end="")
            print(f"{'ms/atom':>8} {'eV/atom':>13} {'peak MB':>8}")
            for atoms in sorted(chosen.sizes):
                compare(racing, atoms, chosen.turns or TURNS[atoms])
            middle = sorted(chosen.sizes)[len(chosen.sizes) // 2]
            two_threads(racing[0], middle, chosen.turns or TURNS[middle])


if __name__ == "__main__":
    main()
