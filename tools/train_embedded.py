"""Trains `m3gnet-emt`, the small model that comes with mlzoo, on ASE's effective medium theory.

    python tools/train_embedded.py --out first                                              # a quarter of an hour
    python tools/train_embedded.py --start first --steps 3500 --seed 3 --rate 1e-3          # six minutes

The same seed gives the same structures, the same order and, on one thread of the same machine, the same weights. The
loss is the mean over structures or components of a Huber function, that is, quadratic near zero and absolute beyond:
energy per atom, forces, and virial per atom where there is a cell. Weights are averaged along the way (EMA), and the
averages are what is written, every so often, so that a run that is stopped leaves a model behind. It ends with the tables
of `tools/emt_report.py`. The second round has structures of its own and a lower rate.

The card has one source, `model_cards/m3gnet-emt.md`; it becomes the README.md of the folder.
"""

from __future__ import annotations

import argparse
import shutil
from importlib.metadata import version
from pathlib import Path

import ase
import numpy as np
import torch
from ase import Atoms
from emt_report import report
from emt_structures import ELEMENTS, draw
from torch.nn.functional import smooth_l1_loss
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mlzoo import weights
from mlzoo.derivatives import evaluate
from mlzoo.graph import Graph, graph_from_structure, join
from mlzoo.predictor import Predictor
from mlzoo.weights import Manifest
from mlzoo_m3gnet.config import EnergyReadout, M3GNetConfig
from mlzoo_m3gnet.model import M3GNetPotential

ROOT = Path(__file__).parents[1]
CARD = ROOT / "model_cards" / "m3gnet-emt.md"
TRAINING = {"solids": 1500, "alloys": 2500, "surfaces": 1000, "clusters": 700, "dynamics": 300}
CONFIG = M3GNetConfig(
    elements=tuple(ELEMENTS.tolist()),
    cutoff=5.5,  # Å; EMT itself ends at 5.38 Å, within a tenth of an Å
    threebody_cutoff=4.0,  # Å
    max_n=5,
    node_width=48,
    edge_width=32,
    hidden_width=32,
    blocks=2,
    readout=EnergyReadout(scale=1.0),  # eV; the spread of atomic energies and the mean force are both about one
)


def examples(structures: list[Atoms]) -> list[tuple[Graph, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Graph, energy, forces and virial of each; NaN where there is no virial."""
    nothing = np.full((3, 3), np.nan)
    return [
        (
            graph_from_structure(atoms, CONFIG.cutoff).to("cpu", torch.float32),
            torch.tensor([atoms.info["energy"]]),
            torch.tensor(atoms.arrays["reference_forces"]),
            torch.tensor(atoms.info.get("virial", nothing))[None],
        )
        for atoms in structures
    ]


def reference_energies(structures: list[Atoms]) -> torch.Tensor:
    """Energy of each element, from a fit to the energies per atom that outliers do not pull."""
    shares = np.array([(atoms.numbers[:, None] == ELEMENTS).mean(axis=0) for atoms in structures])
    energies = np.array([atoms.info["energy"] / len(atoms) for atoms in structures])
    bound = energies < 1.0  # eV an atom
    return torch.from_numpy(np.linalg.lstsq(shares[bound], energies[bound])[0])


def loss(model: M3GNetPotential, batch: list) -> torch.Tensor:
    graph = join([example[0] for example in batch])
    energy, forces, virial = (torch.cat([example[i] for example in batch]) for i in (1, 2, 3))
    found = evaluate(model, graph, ["energy", "forces", "virial"], create_graph=True)
    count = graph.structure_index.bincount()
    periodic = ~virial[:, 0, 0].isnan()
    calm = 1 / (1 + (energy / count).clamp(min=0))  # what lies high counts less, and relative to its height
    gentle = 1 / (1 + forces.norm(dim=1, keepdim=True))
    strain = ((found["virial"] - virial) * (calm / count)[:, None, None])[periodic]
    return (
        10 * smooth_l1_loss(found["energy"] / count * calm, energy / count * calm, beta=0.01)
        + smooth_l1_loss(found["forces"] * gentle, forces * gentle, beta=0.02)
        + (smooth_l1_loss(strain, torch.zeros_like(strain), beta=0.02) if periodic.any() else 0)
    )


def train(
    structures: dict[str, list[Atoms]], steps: int, seed: int, folder: Path, start: Path | None, rate: float
) -> Predictor:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    every = [atoms for family in structures.values() for atoms in family]
    data = examples(every)
    model = M3GNetPotential(CONFIG)
    model.references.energies.copy_(reference_energies(every))
    seen = len(every)
    if start:
        before, state = weights.read(start)
        model.load_state_dict(state)
        seen += before.provenance["structures"]
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.995))
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, amsgrad=True, weight_decay=1e-5, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.05)
    order, running = [], 0.0
    for step in range(1, steps + 1):
        if len(order) < 8:
            order = rng.permutation(len(data)).tolist()
        value = loss(model, [data[order.pop()] for _ in range(8)])
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
        running += (value.item() - running) / min(step, 200)
        if step % 250 == 0 or step == steps:
            print(f"step {step}: loss {running:.4f}", flush=True)
        if step % 1000 == 0 or step == steps:
            predictor = save(average.module, seen, folder)
    return predictor


def save(model: M3GNetPotential, seen: int, folder: Path) -> Predictor:
    taught = {"training": f"energies, forces and virials of ase.calculators.emt.EMT, ASE {ase.__version__}"}
    provenance = {**taught, "script": "tools/train_embedded.py", "structures": seen}
    config = CONFIG.model_dump(mode="json")
    manifest = Manifest("m3gnet", "mlzoo", version("mlzoo"), "float32", config, provenance)
    predictor = Predictor(model, manifest, "m3gnet-emt")
    predictor.save(folder)
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")
    shutil.copy(CARD, folder / "README.md")
    return predictor


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "mlzoo" / "embedded" / "m3gnet-emt")
    parser.add_argument("--start", type=Path, help="a folder that an earlier round has written")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    options = parser.parse_args()
    torch.set_num_threads(1)
    structures = draw(options.seed, TRAINING)
    report(train(structures, options.steps, options.seed, options.out, options.start, options.rate))
