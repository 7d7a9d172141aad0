"""How fast does MACE learn beside mace-torch 0.3.16? Training steps on a batch of five molecules of 27 atoms.

A step is the forward pass, energies and forces, their weighted mean squared errors, the gradient of all parameters through the
forces, and Adam with AMSGrad. 64x0e + 64x1o, l_max 3, correlation 3, two layers, cutoff 5 Å; random weights that mace-torch
made and wrote, read by mlzoo; same labels (forces of 3BPA, energies by lot), same formula of the loss, float32, one thread;
graphs are made beforehand, as in training. The two run in processes of their own and take turns after warm-up; the minimum
and the median of all turns are printed, and the losses of the first and of the last step. Only the first must be the same: the
codes keep different factors beside their weights, and a step of Adam is as large for each.

    make bench
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import random_mace
from side import Side
from steps import TURNS, race

SHARED = Path(os.environ.get("MLZOO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
MOLECULES = SHARED / "data" / "3bpa" / "train_300K.xyz"

SIDE = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import ase.io, numpy as np, torch
torch.set_num_threads(1)
side, weights, file = sys.argv[1:]
structures = ase.io.read(file, ":5")
energy = torch.tensor(np.random.default_rng(0).normal(0, 1, len(structures)))  # eV
forces = torch.tensor(np.concatenate([atoms.get_forces() for atoms in structures]), dtype=torch.float64)  # eV/Å
sizes = torch.tensor([len(atoms) for atoms in structures])
if side == "mlzoo":
    import mlzoo
    from mlzoo.training.memory import keep_freed_memory
    keep_freed_memory()  # as a run does
    from mlzoo.derivatives import evaluate
    from mlzoo.graph import bonded, graph_of
    from mlzoo.structures import structure_from
    from mlzoo_mace.training import TRAINING
    model = mlzoo.load(weights, dtype="float32", device="cpu", trainable=True).model
    form = TRAINING.form(model)
    graph = graph_of([bonded(structure_from(atoms), model.cutoff) for atoms in structures]).to("cpu", torch.float32)
    version = __import__("importlib.metadata").metadata.version("mlzoo")
    def answer():
        return evaluate(form, graph, ["energy", "forces"], create_graph=True)
else:
    import mace
    from mace.data import AtomicData, config_from_atoms
    from mace.tools import AtomicNumberTable, torch_geometric
    model = torch.load(weights, weights_only=False).float()
    table = AtomicNumberTable([1, 6, 7, 8])
    data = [AtomicData.from_config(config_from_atoms(atoms), z_table=table, cutoff=5.0) for atoms in structures]
    batch = next(iter(torch_geometric.dataloader.DataLoader(data, batch_size=len(data)))).to_dict()
    batch = {key: v.float() if torch.is_tensor(v) and v.is_floating_point() else v for key, v in batch.items()}
    version = mace.__version__
    def answer():
        return model(batch, training=True, compute_force=True)
learning = [each for each in model.parameters() if each.requires_grad]
optimizer = torch.optim.Adam(learning, lr=1e-6, amsgrad=True)
numbers = sum(each.numel() for each in learning)
print(json.dumps({"version": version, "torch": torch.__version__, "parameters": numbers}), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    optimizer.zero_grad()
    found = answer()
    loss = ((found["energy"] - energy) / sizes).square().mean() + 100 * (found["forces"] - forces).square().mean()
    loss.backward()
    optimizer.step()
    print(json.dumps([time.perf_counter() - start, float(loss)]), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="Python of an environment with mace-torch==0.3.16")
    parser.add_argument("--turns", type=int, default=TURNS)
    chosen = parser.parse_args()
    if not MOLECULES.is_file():
        sys.exit(f"needs the molecules at {MOLECULES}; MLZOO_SHARED names the folder above")
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # e3nn 0.4 reads its own constants as a pickle
    with tempfile.TemporaryDirectory() as folder:
        weights = f"{folder}/random.model"
        random_mace.write(
            weights, chosen.peer, hidden="64x0e + 64x1o", cutoff=5.0, elements=[1, 6, 7, 8], neighbors=16.6
        )
        sides = [Side("mlzoo", sys.executable, SIDE, weights, str(MOLECULES))]
        sides.append(Side("mace-torch", chosen.peer, SIDE, weights, str(MOLECULES)))
    print("five molecules of 27 atoms, 64x0e + 64x1o, l_max 3, correlation 3, float32, one thread; energy and forces")
    race(*sides, chosen.turns)


if __name__ == "__main__":
    main()
