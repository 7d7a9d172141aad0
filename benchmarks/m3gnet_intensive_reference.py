"""What MatGL's M3GNet answers in each of its readouts for properties: tiny networks with random weights, in float64.

Nobody has published weights for most of these readouts, so random ones stand in. Every network is saved by MatGL itself
and its folder kept byte for byte, so that the reader is tested on what MatGL writes.

    .peers/matgl/bin/python benchmarks/m3gnet_intensive_reference.py tests/reference/m3gnet_intensive.json
"""

import base64
import json
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch

warnings.filterwarnings("ignore")
torch.set_num_threads(1)

import matgl  # noqa: E402
from matgl.data.transformer import Normalizer  # noqa: E402
from matgl.models import M3GNet  # noqa: E402
from matgl.models._wrappers import TransformedTargetModel  # noqa: E402
from pymatgen.core import Lattice, Structure  # noqa: E402

SMALL = {
    "element_types": ("O", "Na", "Cl"),
    "dim_node_embedding": 5,
    "dim_edge_embedding": 6,
    "units": 4,
    "max_n": 2,
    "max_l": 3,
    "nblocks": 2,
    "use_smooth": True,  # the other basis has roots of Bessel functions that MatGL rounds to float32
    "is_intensive": True,
    "niters_set2set": 2,
    "nlayers_set2set": 2,
}
NETWORKS = {  # arguments besides the small ones; mean and std of the target
    "weighted_atom regression": ({"readout_type": "weighted_atom"}, (-1.25, 0.75)),
    "weighted_atom classification": ({"readout_type": "weighted_atom", "task_type": "classification"}, None),
    "set2set classification": ({"readout_type": "set2set", "task_type": "classification"}, None),
    "reduce_atom regression": ({"readout_type": "reduce_atom"}, None),
}


def structures() -> dict[str, Structure]:
    rng = np.random.default_rng(0)
    lattice = Lattice([[4.1, 0.2, 0.0], [0.1, 4.4, -0.3], [0.3, 0.0, 4.7]])
    places = np.array([[0, 0, 0], [0.5, 0.5, 0.05], [0.5, 0.0, 0.5], [0.0, 0.45, 0.5]]) + rng.normal(0, 0.02, (4, 3))
    crystal = Structure(lattice, ["Na", "Cl", "O", "Cl"], places)
    return {
        "crystal": crystal,
        "supercell": crystal * (2, 1, 1),
        "primitive": Structure(Lattice.cubic(3.2), ["Na"], [[0.2, 0.3, 0.4]]),
        "dimer in a box": Structure(Lattice.cubic(20), ["Na", "Cl"], [[0.4, 0.5, 0.5], [0.52, 0.5, 0.5]]),
    }


def network(seed: int, options: dict, scaling: tuple[float, float] | None) -> torch.nn.Module:
    torch.manual_seed(seed)
    model = M3GNet(**SMALL, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():  # larger than at the start of a training, so that structures differ
            parameter.normal_(0, 0.6)
    return model if scaling is None else TransformedTargetModel(model, Normalizer(*scaling))


def folder(model: torch.nn.Module) -> dict[str, str]:
    """The files that MatGL saves, compressed, in base64."""
    with tempfile.TemporaryDirectory() as place:
        model.save(place)
        files = sorted(Path(place).iterdir())
        return {file.name: base64.b64encode(zlib.compress(file.read_bytes(), 9)).decode() for file in files}


def main(path: str) -> None:
    matgl.set_default_dtype("float", 64)
    found = {
        "script": "benchmarks/m3gnet_intensive_reference.py",
        "versions": {"matgl": matgl.__version__, "torch": torch.__version__},
        "structures": {
            name: {
                "numbers": [*structure.atomic_numbers],
                "positions": structure.cart_coords.tolist(),  # Å
                "cell": structure.lattice.matrix.tolist(),  # Å
            }
            for name, structure in structures().items()
        },
        "networks": {},
    }
    for seed, (name, (options, scaling)) in enumerate(NETWORKS.items()):
        model = network(seed, options, scaling)
        values = {key: float(model.predict_structure(structure)) for key, structure in structures().items()}
        found["networks"][name] = {"values": values, "folder": folder(model)}
    Path(path).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
