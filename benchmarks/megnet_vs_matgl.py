"""How fast is MEGNet beside MatGL 4.1.2? Formation energies of 512 crystals of 2 to 40 atoms, from pymatgen structures.

Same published weights (MEGNet-MP-2018.6.1-Eform) in the same convention (``v4``), float32, one thread, neighbour lists
included, after warm-up, once with ideal and once with rattled sites: MatGL's ``predict_structure`` one by one, ours one by
one and in batches. The two run in processes of their own and take turns, so that both meet the same machine; the quickest of
all turns counts. MatGL 4 refuses the files of these weights (they pickle a class of its own), so its network is built from
their arguments and tensors.

    make bench
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from side import Side

SHARED = Path(os.environ.get("MLZOO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WEIGHTS = SHARED / "weights" / "matgl" / "MEGNet-MP-2018.6.1-Eform"
COUNT, TURNS = 512, 7
ELEMENTS = [
    "Li", "Be", "B", "C", "N", "O", "F", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "K", "Ca", "Ti", "V",
    "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Sr", "Zr", "Nb", "Ba",
]  # fmt: skip

SIDE = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import torch
torch.set_num_threads(1)
from pymatgen.core import Structure
side, weights, file = sys.argv[1:]
structures = [Structure.from_dict(said) for said in json.load(open(file))]
if side == "mlzoo":
    import mlzoo
    model = mlzoo.load(weights, convention="v4", dtype="float32", device="cpu")
    version = __import__("importlib.metadata").metadata.version("mlzoo")
    def one_by_one():
        return [model.predict(structure)["formation_energy_per_atom"] for structure in structures]
    def batched():
        return [answer["formation_energy_per_atom"] for answer in model.predict(structures)]
    ways = {"one by one": one_by_one, "batched": batched}
else:
    import matgl
    from matgl.models import MEGNet
    said = torch.load(weights + "/model.pt", weights_only=False)
    arguments = {k: v for k, v in said["model"]["init_args"].items() if k != "graph_transformations"}
    scaling = said["target_transformer"]
    model = MEGNet(**arguments)
    state = torch.load(weights + "/state.pt", weights_only=False)
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in state.items()})
    model.eval()
    version = matgl.__version__
    def one_by_one():
        with torch.no_grad():
            return [float(model.predict_structure(s)) * scaling.std + scaling.mean for s in structures]
    ways = {"one by one": one_by_one}
print(json.dumps({"version": version, "torch": torch.__version__}), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    values = ways[line.strip()]()
    print(json.dumps([time.perf_counter() - start, values]), flush=True)
"""


def prototypes() -> list[Structure]:
    """Common structure types and supercells of them."""

    def cell(group: str, lattice: Lattice, species: list[str], sites: list[list[float]]) -> Structure:
        return Structure.from_spacegroup(group, lattice, species, sites)

    cubic, hexagonal = Lattice.cubic(5.0), Lattice.hexagonal(3.2, 5.2)
    caesium_chloride = cell("Pm-3m", cubic, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    rock_salt = cell("Fm-3m", cubic, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    zinc_blende = cell("F-43m", cubic, ["Na", "Cl"], [[0, 0, 0], [0.25, 0.25, 0.25]])
    fluorite = cell("Fm-3m", cubic, ["Na", "Cl"], [[0, 0, 0], [0.25, 0.25, 0.25]])
    wurtzite = cell("P6_3mc", hexagonal, ["Na", "Cl"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.375]])
    rutile = cell("P4_2/mnm", Lattice.tetragonal(4.6, 3.0), ["Na", "Cl"], [[0, 0, 0], [0.305, 0.305, 0]])
    perovskite = cell("Pm-3m", cubic, ["Na", "Cl", "O"], [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0]])
    spinel = cell("Fd-3m", cubic, ["Na", "Cl", "O"], [[0.125] * 3, [0.5] * 3, [0.2625] * 3])
    copper = cell("Fm-3m", cubic, ["Na"], [[0, 0, 0]])
    magnesium = cell("P6_3/mmc", hexagonal, ["Na"], [[1 / 3, 2 / 3, 0.25]])
    primitive = [SpacegroupAnalyzer(each).find_primitive() for each in (rock_salt, zinc_blende, fluorite, spinel)]
    whole = [caesium_chloride, rock_salt, zinc_blende, fluorite, wurtzite, rutile, perovskite, copper, magnesium]
    larger = [
        rutile * (1, 1, 2),
        perovskite * (2, 1, 1),
        perovskite * (2, 2, 2),
        copper * (2, 2, 1),
        copper * (2, 2, 2),
    ]
    return [*primitive, *whole, *larger]


def crystals(count: int, rattled: float) -> list[Structure]:
    """Random elements on the prototypes' sites, 12 to 24 Å³ for each atom, sites off their places by ``rattled`` Å."""
    rng = np.random.default_rng(0)
    kinds, made = prototypes(), []
    for number in range(count):
        crystal = kinds[number % len(kinds)].copy()
        there = sorted(crystal.symbol_set)
        crystal.replace_species(dict(zip(there, rng.choice(ELEMENTS, len(there), replace=False), strict=True)))
        crystal.scale_lattice(len(crystal) * rng.uniform(12, 24))
        crystal.perturb(rattled, seed=number)
        made.append(crystal)
    return made


def compare(peer_python: str, rattled: float) -> None:
    structures = crystals(COUNT, rattled)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "structures.json"
        file.write_text(json.dumps([structure.as_dict() for structure in structures]))
        ours = Side("mlzoo", sys.executable, SIDE, str(WEIGHTS), str(file))
        peer = Side("matgl", peer_python, SIDE, str(WEIGHTS), str(file))
    ways = [(peer, "one by one"), (ours, "one by one"), (ours, "batched")]
    times: dict[tuple[str, str], list[float]] = {(side.name, way): [] for side, way in ways}
    values = {}
    for turn in range(TURNS + 1):
        for side, way in ways:
            seconds, values[side.name, way] = side.ask(way)
            if turn:
                times[side.name, way].append(seconds)

    atoms = [len(structure) for structure in structures]
    print(f"mlzoo {ours.versions['version']} (torch {ours.versions['torch']}), ", end="")
    print(f"matgl {peer.versions['version']} (torch {peer.versions['torch']}); one thread, float32, v4")
    print(f"{COUNT} crystals of {min(atoms)} to {max(atoms)} atoms, {np.mean(atoms):.1f} in the mean, ", end="")
    print(f"atoms {rattled} Å off their places")
    expected = np.array(values["matgl", "one by one"])
    slowest = min(times["matgl", "one by one"])
    print(f"{'side':>6} {'way':>11} {'ms/structure':>13} {'faster':>7} {'mean eV/atom':>13} {'largest difference':>19}")
    for (name, way), found in values.items():
        quickest = min(times[name, way])
        gap = np.abs(np.array(found) - expected).max()
        print(f"{name:>6} {way:>11} {1e3 * quickest / COUNT:13.3f} {slowest / quickest:6.1f}x ", end="")
        print(f"{np.mean(found):13.7f} {gap:19.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="Python of an environment with matgl==4.1.2")
    chosen = parser.parse_args()
    if not WEIGHTS.is_dir():
        sys.exit(f"needs the published weights at {WEIGHTS}; MLZOO_SHARED names the folder above")
    for rattled in (0.0, 0.05):
        compare(chosen.peer, rattled)


if __name__ == "__main__":
    main()
