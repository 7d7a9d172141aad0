"""How fast does M3GNet learn beside MatGL 4.1.2? Training steps on a batch of 32 crystals of 8 atoms.

A step is the forward pass, energies, forces and stress, their mean squared errors, the gradient of all parameters through
the forces and the stress, and Adam. Same published weights (M3GNet-MP-2021.2.8-PES) in the same convention (``v4``), same
labels, same formula of the loss, float32, one thread; graphs are made beforehand, as in training. The two run in processes of
their own and take turns after warm-up; the minimum and the median of all turns are printed. The losses of the first and of the
last step stand beside them: after so many steps of Adam they are equal only if all gradients are.

    make bench
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import ase.io
import numpy as np
from ase.build import bulk
from side import Side
from steps import TURNS, race

SHARED = Path(os.environ.get("MLZOO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WEIGHTS = SHARED / "weights" / "matgl" / "M3GNet-MP-2021.2.8-PES"
CRYSTALS = 32
ELEMENTS = ["C", "Al", "Si", "P", "Ga", "Ge", "As", "Sn"]

SIDE = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import ase.io, numpy as np, torch
torch.set_num_threads(1)
side, weights, file = sys.argv[1:]
structures = ase.io.read(file, ":")
rng = np.random.default_rng(1)
sizes = torch.tensor([len(atoms) for atoms in structures])
energy = sizes * torch.tensor(rng.normal(-4, 1, len(structures)), dtype=torch.float32)  # eV
forces = torch.tensor(rng.normal(0, 1, (int(sizes.sum()), 3)), dtype=torch.float32)  # eV/Å
stress = torch.tensor(rng.normal(0, 0.1, (len(structures), 3, 3)), dtype=torch.float32)  # eV/Å³
volume = torch.tensor([atoms.get_volume() for atoms in structures], dtype=torch.float32)[:, None, None]
if side == "mlzoo":
    import mlzoo
    from mlzoo.training.memory import keep_freed_memory
    keep_freed_memory()  # as a run does
    from mlzoo.derivatives import evaluate
    from mlzoo.graph import graph_of, bonded
    from mlzoo_m3gnet.training import TRAINING
    model = mlzoo.load(weights, convention="v4", dtype="float32", device="cpu", trainable=True).model
    form = TRAINING.form(model)
    graph = graph_of([bonded(atoms, model.cutoff) for atoms in structures]).to("cpu", torch.float32)
    version = __import__("importlib.metadata").metadata.version("mlzoo")
    def answer():
        found = evaluate(form, graph, ["energy", "forces", "virial"], create_graph=True)
        return found["energy"], found["forces"], found["virial"] / volume
else:
    import matgl
    from matgl.ext.ase import Atoms2Graph
    from torch_geometric.data import Batch
    model = matgl.load_model(weights).train()
    converter = Atoms2Graph(model.model.element_types, model.model.cutoff)
    graphs, cells, states = zip(*[converter.get_graph(atoms) for atoms in structures])
    graph, cells = Batch.from_data_list(graphs), torch.cat(cells)
    version = matgl.__version__
    def answer():
        energy, forces, stress, _ = model(graph, cells)
        return energy, forces, stress.view(-1, 3, 3) / 160.21766208
learning = [each for each in model.parameters() if each.requires_grad]
optimizer = torch.optim.Adam(learning, lr=1e-5)
numbers = sum(each.numel() for each in learning)
print(json.dumps({"version": version, "torch": torch.__version__, "parameters": numbers}), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    optimizer.zero_grad()
    found = answer()
    loss = ((found[0] - energy) / sizes).square().mean() + (found[1] - forces).square().mean()
    loss = loss + 10 * (found[2] - stress).square().mean()
    loss.backward()
    optimizer.step()
    print(json.dumps([time.perf_counter() - start, float(loss)]), flush=True)
"""


def crystals() -> list:
    """Conventional cells of diamond with elements by lot, each with its own lattice constant, and rattled."""
    rng = np.random.default_rng(0)
    structures = []
    for seed in range(CRYSTALS):
        atoms = bulk("Si", a=5.43 * rng.uniform(0.97, 1.03), cubic=True)
        atoms.symbols = rng.choice(ELEMENTS, len(atoms))
        atoms.rattle(0.1, seed=seed)
        structures.append(atoms)
    return structures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="Python of an environment with matgl==4.1.2")
    parser.add_argument("--turns", type=int, default=TURNS)
    chosen = parser.parse_args()
    if not WEIGHTS.is_dir():
        sys.exit(f"needs the published weights at {WEIGHTS}; MLZOO_SHARED names the folder above")
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/crystals.json"
        ase.io.write(file, crystals(), format="json")
        sides = [Side("mlzoo", sys.executable, SIDE, str(WEIGHTS), file)]
        sides.append(Side("matgl", chosen.peer, SIDE, str(WEIGHTS), file))
    print(f"{CRYSTALS} crystals of 8 atoms, float32, one thread, v4; energy, forces and stress")
    race(*sides, chosen.turns)


if __name__ == "__main__":
    main()
