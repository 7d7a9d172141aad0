"""MACE with random weights, made and written by mace-torch, for benchmarks in which both sides read the same file."""

import json
import subprocess

WRITE = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np, torch
from e3nn import o3
from mace import modules
said = json.loads(sys.argv[2])
torch.manual_seed(0)
model = modules.ScaleShiftMACE(
    r_max=said["cutoff"], num_bessel=8, num_polynomial_cutoff=5, max_ell=3, num_interactions=2,
    interaction_cls=modules.RealAgnosticResidualInteractionBlock,
    interaction_cls_first=modules.RealAgnosticInteractionBlock,
    hidden_irreps=o3.Irreps(said["hidden"]), MLP_irreps=o3.Irreps("16x0e"), gate=torch.nn.functional.silu,
    num_elements=len(said["elements"]), atomic_numbers=said["elements"],
    atomic_energies=np.zeros(len(said["elements"])), avg_num_neighbors=said["neighbors"],
    correlation=3, radial_MLP=[64, 64, 64], radial_type="bessel", atomic_inter_scale=1.0, atomic_inter_shift=0.0)
torch.save(model, sys.argv[1])
"""


def write(file: str, python: str, *, hidden: str, cutoff: float, elements: list[int], neighbors: float) -> None:
    """Two layers, l_max 3, correlation 3; ``cutoff`` in Å, ``neighbors`` what sums over neighbours are divided by.

    ``python`` belongs to an environment with mace-torch.
    """
    said = json.dumps({"hidden": hidden, "cutoff": cutoff, "elements": elements, "neighbors": neighbors})
    quiet = subprocess.DEVNULL
    subprocess.run([python, "-c", WRITE, file, said], check=True, stdout=quiet, stderr=quiet)
