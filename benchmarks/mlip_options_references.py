"""What InstaDeep's mlip answers for options of its MACE that no other reference has: tiny networks with random weights.

The library builds and saves every network itself, and its ASE calculator answers in float64. Weights are drawn from a seed
by their names, as sixteenths: those compress. Version 0.1 writes the first generation of zips, 0.2 the second.

    .peers/mlip/bin/python benchmarks/mlip_options_references.py tests/reference/mlip_options_1.json
"""

import importlib.metadata
import io
import json
import os
import sys
import tarfile
import tempfile
import warnings
import zlib
from functools import partial
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiling takes longer than running

import ase
import flax.linen as linen
import jax
import numpy as np

warnings.filterwarnings("ignore")
jax.config.update("jax_enable_x64", True)

from mlip.data import DatasetInfo  # noqa: E402
from mlip.models import ForceField, Mace  # noqa: E402
from mlip.models.model_io import save_model_to_zip  # noqa: E402
from mlip.simulation.ase.mlip_ase_calculator import MLIPForceFieldASECalculator  # noqa: E402
from mlip.utils.dict_flatten import flatten_dict, unflatten_dict  # noqa: E402

INIT = linen.Module.init
VERSION = importlib.metadata.version("mlip")
ENERGIES = {1: -1.25, 6: -3.5, 8: -2.0}
BASE = {
    "num_layers": 2,
    "num_channels": 2,
    "l_max": 1,
    "node_symmetry": 1,
    "correlation": 2,
    "readout_irreps": ("3x0e", "0e"),
}
FIRST = {
    **{
        f"activation {name}": {"activation": name, "num_bessel": 4}
        for name in ("elu", "relu", "sigmoid", "swish", "none")
    },
    "correlation 4": {"correlation": 4, "num_bessel": 3},
    "correlation 4, symmetric_tensor_product_basis": {"correlation": 4, "symmetric_tensor_product_basis": True},
    "l_max 0": {"l_max": 0, "node_symmetry": None, "correlation": 3},
    "readout_irreps 1x0e": {"readout_irreps": ("1x0e", "0e"), "num_layers": 1},
    "together": {
        **{"gate_nodes": True, "species_embedding_dim": 3, "num_readout_heads": 2, "num_species": 5, "num_layers": 3},
        **{"symmetric_tensor_product_basis": True, "avg_num_neighbors": 2.5, "node_symmetry": None},
        "atomic_energies": {0: -1.0, 2: 3.0},
    },
}
SECOND = {
    **{
        f"activation {one}, radial {two}, embed {three}": {
            **{"activation": one, "radial_mlp_activation": two, "embed_activation": three},
            **{"use_total_charge_embedding": True, "radial_mlp_hidden": [5]},
        }
        for one, two, three in (
            ("elu", "relu", "tanh"),
            ("relu", "sigmoid", "elu"),
            ("sigmoid", "tanh", "relu"),
            ("swish", "none", "sigmoid"),
            ("none", "swish", "none"),
        )
    },
    "radial_mlp_hidden none": {"radial_mlp_hidden": []},
    "radial_mlp_hidden four": {"radial_mlp_hidden": [5, 4, 3, 4]},
    "correlation 4, e3j": {"correlation": 4},
    "correlation 4, e3nn": {"correlation": 4, "symmetric_contraction_backend": "e3nn"},
    "correlation 4, e3nn_symmetric": {"correlation": 4, "symmetric_contraction_backend": "e3nn_symmetric"},
    "correlation 3, gaunt_tp": {"correlation": 3, "symmetric_contraction_backend": "gaunt_tp"},
    "config of the data": {
        "avg_num_neighbors": 9.0,
        "avg_r_min": 0.5,
        "num_species": 7,
        "deterministic_scatter_ops": True,
    },
    "together": {
        **{"gate_nodes": True, "residual_connection_first_layer": True, "soft_normalization": 0.5, "num_layers": 3},
        **{"use_coulomb_term": True, "use_total_charge_embedding": True, "node_symmetry": None},
        **{"include_pseudotensors": True, "symmetric_contraction_backend": "e3nn"},
    },
}


def structures() -> dict[str, ase.Atoms]:
    rng = np.random.default_rng(0)
    places = np.array([[0, 0, 0], [1.2, 0, 0], [0, 1.1, 0], [0, 0, 1], [1, 1, 1]])
    molecule = ase.Atoms("COHHC", places + rng.normal(0, 0.1, (5, 3)), info={"charge": -1})
    cell = [[3.1, 0.2, 0.0], [0.3, 3.4, -0.2], [0.1, 0.4, 3.3]]
    crystal = ase.Atoms("OHC", [[0.1, 0, 0], [1.4, 1.3, 0.2], [0.4, 1.5, 1.7]], cell=cell, pbc=True, info={"charge": 1})
    return {"molecule": molecule, "crystal": crystal}


def shapes(module: linen.Module, *said: object, **more: object) -> object:
    """In place of first weights, which take a minute each."""
    key, *rest = said
    return jax.eval_shape(partial(INIT, module, key, *jax.tree.map(jax.numpy.asarray, rest), **more))


def network(options: dict) -> ForceField:
    data = {"atomic_energies_map": ENERGIES, "avg_num_neighbors": 2.0, "scaling_mean": -0.125, "scaling_stdev": 0.75}
    if VERSION.startswith("0.1"):
        data |= {"cutoff_distance_angstrom": 3.2}
    else:
        data |= {"graph_cutoff_angstrom": 3.2, "total_charge_set": {-1, 0, 1}}
        data |= {"long_range_cutoff_angstrom": 6.0} if options.get("use_coulomb_term") else {}
    linen.Module.init = shapes
    model = ForceField.from_mlip_network(Mace(Mace.Config(**(BASE | options)), DatasetInfo(**data)))
    linen.Module.init = INIT
    drawn = {}
    for name, array in flatten_dict(model.params).items():
        rng = np.random.default_rng(zlib.crc32("#".join(name).encode()))
        sixteenths = np.round(16 * rng.normal(0, 1, array.shape)) / 16
        if array.size > 2000:  # most of them rest
            sixteenths *= 5 * (rng.random(array.shape) < 0.03)
        drawn[name] = sixteenths.astype(np.float32)
    return ForceField(model.predictor, unflatten_dict(drawn))


def answers(model: ForceField) -> dict:
    """eV and Å, for each structure by the same compiled function."""
    exact = ForceField(model.predictor, jax.tree.map(lambda array: jax.numpy.asarray(array, dtype=float), model.params))
    every = structures()
    calculator = MLIPForceFieldASECalculator(every["crystal"], 2.0, exact, True, 2.0)
    found = {}
    for name in reversed(every):
        every[name].calc = calculator
        energy, forces = every[name].get_potential_energy(), every[name].get_forces()
        found[name] = {"energy": float(energy), "forces": np.asarray(forces).tolist()}
    return found


def main(path: str) -> None:
    found = {
        "script": "benchmarks/mlip_options_references.py",
        "versions": {name: importlib.metadata.version(name) for name in ("mlip", "jax", "e3nn-jax")},
        "structures": {
            name: {
                **{"numbers": each.numbers.tolist(), "positions": each.positions.tolist(), "cell": each.cell.tolist()},
                "info": each.info,
            }
            for name, each in structures().items()
        },
        "networks": {},
    }
    with (
        tarfile.open(Path(path).with_suffix(".tar.xz"), "w:xz", preset=9) as files,
        tempfile.TemporaryDirectory() as place,
    ):
        for name, options in (FIRST if VERSION.startswith("0.1") else SECOND).items():
            model = network(options)
            found["networks"][name] = answers(model)
            save_model_to_zip(Path(place) / "saved.zip", model)
            file = (Path(place) / "saved.zip").read_bytes()
            member = tarfile.TarInfo(f"{name}.zip")
            member.size = len(file)
            files.addfile(member, io.BytesIO(file))
            print(name, found["networks"][name], flush=True)
    Path(path).write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
