"""What mace-torch answers for every option of its MACE models: tiny networks with random weights, in float64.

Files of published weights use a few of the options only, so random weights stand in for the others. mace-torch builds and
saves every network itself, and its files are kept, without the compiled code that they carry and we do not read. So the
reader is tested on what mace-torch writes. Weights are drawn from a seed by their names, as sixteenths: those compress.

    .peers/mace/bin/python benchmarks/mace_options_references.py tests/reference/mace_options.json
"""

import io
import json
import sys
import tarfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch

warnings.filterwarnings("ignore")
torch.set_num_threads(1)

import ase  # noqa: E402
import e3nn  # noqa: E402
import mace  # noqa: E402
from e3nn import o3  # noqa: E402
from e3nn.util.codegen import CodeGenMixin  # noqa: E402
from mace import data, modules  # noqa: E402
from mace.tools import torch_geometric, utils  # noqa: E402

ELEMENTS = [1, 6, 8]
PLAIN, RESIDUAL = "RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"
DENSITY, DENSITY_RESIDUAL = "RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock"
ATTENTION, NON_LINEAR = "RealAgnosticAttResidualInteractionBlock", "RealAgnosticResidualNonLinearInteractionBlock"

BASE = {
    "r_max": 3.2,
    "num_bessel": 4,
    "num_polynomial_cutoff": 5,
    "max_ell": 2,
    "interaction_cls": RESIDUAL,
    "interaction_cls_first": RESIDUAL,
    "num_interactions": 2,
    "hidden_irreps": "4x0e+4x1o",
    "MLP_irreps": "3x0e",
    "correlation": 2,
    "gate": torch.nn.functional.silu,
    "radial_MLP": [5, 4],
    "avg_num_neighbors": 1.5,
    "atomic_energies": [-1.25, -3.5, -2.0],
    "atomic_inter_scale": 0.75,
    "atomic_inter_shift": -0.125,
}
TEMPERATURE = {"type": "continuous", "per": "graph", "in_dim": 1, "emb_dim": 3}
CHARGE = {"type": "categorical", "per": "graph", "num_classes": 5, "emb_dim": 2, "offset": 2}
SPIN = {"type": "categorical", "per": "graph", "num_classes": 4, "emb_dim": 3}
HEADS = {
    "heads": ["pbe", "r2scan"],
    "atomic_energies": [[-1.25, -3.5, -2.0], [-1.5, -3.0, -2.25]],
    "atomic_inter_scale": [0.75, 1.25],
    "atomic_inter_shift": [-0.125, 0.5],
}
LATE = {"apply_cutoff": False}
NETWORKS = {  # arguments besides those of the base
    "radial_type gaussian": {"radial_type": "gaussian", "num_bessel": 6},
    "radial_type gaussian, Agnesi": {"radial_type": "gaussian", "distance_transform": "Agnesi"},
    "radial_type gaussian, apply_cutoff": {"radial_type": "gaussian", **LATE},
    "radial_type chebyshev": {"radial_type": "chebyshev", "num_bessel": 3, "size": 0.6},
    "radial_type chebyshev, Agnesi": {"radial_type": "chebyshev", "distance_transform": "Agnesi", "num_bessel": 9},
    "distance_transform Agnesi, pair_repulsion": {"distance_transform": "Agnesi", "pair_repulsion": True},
    "distance_transform Soft": {"distance_transform": "Soft"},
    "distance_transform Soft, gaussian": {"distance_transform": "Soft", "radial_type": "gaussian", **LATE},
    "num_polynomial_cutoff 1": {"num_polynomial_cutoff": 1},
    "num_polynomial_cutoff 8": {"num_polynomial_cutoff": 8, "num_bessel": 3},
    "apply_cutoff": LATE,
    "apply_cutoff, density": {
        **{"interaction_cls": DENSITY_RESIDUAL, "interaction_cls_first": DENSITY, **LATE},
        "size": 1.2,
    },
    "interaction plain": {"interaction_cls": PLAIN, "interaction_cls_first": PLAIN, "size": 1.2},
    "interaction density": {"interaction_cls": DENSITY, "interaction_cls_first": DENSITY_RESIDUAL},
    "interaction attention": {"interaction_cls": ATTENTION},
    "interaction attention, first": {
        **{"interaction_cls": ATTENTION, "interaction_cls_first": ATTENTION, "edge_irreps": "2x0e+2x1o"},
        **LATE,
        "size": 0.75,
    },
    "interaction non-linear": {"interaction_cls": NON_LINEAR, "interaction_cls_first": NON_LINEAR, "size": 0.7},
    "interaction non-linear, mixed": {
        **{"interaction_cls": NON_LINEAR, "interaction_cls_first": DENSITY, "edge_irreps": "3x0e+3x1o"},
        **LATE,
        "size": 1.2,
    },
    "edge_irreps": {"edge_irreps": "2x0e+2x1o", "use_edge_irreps_first": True},
    "edge_irreps scalars": {"edge_irreps": "3x0e"},
    "edge_irreps more": {"edge_irreps": "2x0e+2x1o+2x2e"},
    "use_agnostic_product": {"use_agnostic_product": True},
    "use_reduced_cg": {"use_reduced_cg": True, "correlation": 3},
    "use_so3": {"use_so3": True, "hidden_irreps": "4x0e+4x1e"},
    "use_so3, non-linear": {
        **{"use_so3": True, "hidden_irreps": "4x0e+4x1e", "interaction_cls": NON_LINEAR},
        "interaction_cls_first": NON_LINEAR,
        "size": 0.7,
    },
    "correlation by layer": {"correlation": [3, 1], "num_interactions": 2},
    "correlation 4": {"correlation": [1, 4], "max_ell": 1},
    "use_last_readout_only": {"use_last_readout_only": True},
    "use_last_readout_only, heads": {"use_last_readout_only": True, **HEADS, "num_interactions": 3},
    "keep_last_layer_irreps": {"keep_last_layer_irreps": True},
    "hidden_irreps scalars": {"hidden_irreps": "4x0e", "max_ell": 3, "num_interactions": 3},
    "hidden_irreps pseudovectors": {"hidden_irreps": "3x0e+3x1o+3x1e", "correlation": 3},
    "hidden_irreps pseudoscalars": {
        **{"hidden_irreps": "2x0e+2x0o+2x1o+2x1e", "correlation": [3, 2, 2], "num_interactions": 3},
        "max_ell": 1,
    },
    "max_ell 4": {"max_ell": 4, "hidden_irreps": "3x0e", "correlation": 1},
    "num_interactions 1": {"num_interactions": 1},
    "radial_MLP short": {"radial_MLP": [5]},
    "radial_MLP none": {"radial_MLP": []},
    "radial_MLP long": {"radial_MLP": [3, 4, 5, 6]},
    "gate tanh": {"gate": torch.tanh},
    "gate abs": {"gate": torch.abs},
    "gate None": {"gate": None},
    "readout_cls bias": {"readout_cls": "NonLinearBiasReadoutBlock", **HEADS},
    "readout_cls bias, gate None": {"readout_cls": "NonLinearBiasReadoutBlock", "gate": None},
    "heads, MACE": {**HEADS, "atomic_inter_scale": None},
    "embedding_specs continuous": {"embedding_specs": {"elec_temp": TEMPERATURE}, "use_embedding_readout": True},
    "embedding_specs every kind": {
        "embedding_specs": {
            "total_charge": CHARGE,
            "pressure": {**TEMPERATURE, "use_bias": False},
            "total_spin": SPIN,
            "elec_temp": TEMPERATURE,
            "phase": {**SPIN, "num_classes": 3},
        },
        **HEADS,
        "use_embedding_readout": True,
    },
    "embedding_specs, MACE": {
        **{"embedding_specs": {"elec_temp": TEMPERATURE}, "use_embedding_readout": True},
        "atomic_inter_scale": None,
    },
}
GIVEN = {"total_charge": -1, "total_spin": 2, "elec_temp": 0.75, "pressure": -1.5, "phase": 1}


def structures() -> dict[str, ase.Atoms]:
    rng = np.random.default_rng(0)
    places = np.array([[0, 0, 0], [1.2, 0, 0], [0, 1.1, 0], [0, 0, 1], [1, 1, 1]])
    molecule = ase.Atoms("COHHC", places + rng.normal(0, 0.1, (5, 3)))
    cell = [[3.1, 0.2, 0.0], [0.3, 3.4, -0.2], [0.1, 0.4, 3.3]]
    crystal = ase.Atoms("OHC", [[0.1, 0, 0], [1.4, 1.3, 0.2], [0.4, 1.5, 1.7]], cell=cell, pbc=True)
    return {"molecule": molecule, "crystal": crystal, "lone atom": ase.Atoms("C", [[1, 2, 3]])}


def network(options: dict) -> torch.nn.Module:
    said = BASE | options
    size = said.pop("size", 1)  # of the weights, so that forces are of the size of 1 eV/Å
    for name in ("interaction_cls", "interaction_cls_first", "readout_cls"):
        if name in said:
            said[name] = getattr(modules, said[name])
    for name in ("hidden_irreps", "MLP_irreps", "edge_irreps"):
        if name in said:
            said[name] = o3.Irreps(said[name])
    kind = modules.ScaleShiftMACE
    if said["atomic_inter_scale"] is None:
        kind = modules.MACE
        del said["atomic_inter_scale"], said["atomic_inter_shift"]
    energies = np.array(said.pop("atomic_energies"))
    model = kind(**said, atomic_energies=energies, atomic_numbers=ELEMENTS, num_elements=len(ELEMENTS))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            offset = 1 if name.endswith(("alpha", "net.1.weight", "net.4.weight")) else 0
            drawn = np.round(16 * (offset + rng.normal(0, size, tuple(parameter.shape)))) / 16
            if parameter.numel() > 2000:  # attention has widths of its own: most of them rest
                drawn *= 5 * (rng.random(drawn.shape) < 0.03)
            parameter.copy_(torch.as_tensor(drawn))
    return model


def answer(model: torch.nn.Module, atoms: ase.Atoms, head: str) -> dict:
    """eV and Å; the strain derivative of the energy in eV."""
    configuration = data.config_from_atoms(atoms, head_name=head)
    graph = data.AtomicData.from_config(
        configuration, z_table=utils.AtomicNumberTable(ELEMENTS), cutoff=float(model.r_max), heads=model.heads
    )
    batch = torch_geometric.Batch.from_data_list([graph]).to_dict()
    batch |= {name: torch.tensor([value]) for name, value in GIVEN.items()}
    batch |= {name: batch[name].double() for name in ("elec_temp", "pressure")}
    out = model(batch, compute_virials=True, compute_stress=True)
    # PyTorch's Chebyshev polynomials have no derivatives, and mace-torch's forces with them none of the radial functions
    differentiable = not isinstance(model.radial_embedding.bessel_fn, modules.radial.ChebychevBasis)
    return {
        "energy": out["energy"].item(),
        "energies": out["node_energy"].tolist(),
        "forces": out["forces"].tolist() if differentiable else None,
        "virial": (-out["virials"][0]).tolist() if differentiable else None,
    }


def file_of(model: torch.nn.Module) -> bytes:
    state_of = CodeGenMixin.__getstate__

    def without_code(self: CodeGenMixin) -> dict:
        state = state_of(self)
        return {**state, "__codegen__": dict.fromkeys(state.get("__codegen__", ()), b"")}

    CodeGenMixin.__getstate__ = without_code
    file = io.BytesIO()
    torch.save(model, file)
    CodeGenMixin.__getstate__ = state_of
    return file.getvalue()


def main(path: str) -> None:
    torch.set_default_dtype(torch.float64)
    found = {
        "script": "benchmarks/mace_options_references.py",
        "versions": {"mace-torch": mace.__version__, "e3nn": e3nn.__version__, "torch": torch.__version__},
        "conditions": GIVEN,
        "structures": {
            name: {"numbers": each.numbers.tolist(), "positions": each.positions.tolist(), "cell": each.cell.tolist()}
            for name, each in structures().items()
        },
        "networks": {},
    }
    with tarfile.open(Path(path).with_suffix(".tar.xz"), "w:xz", preset=9) as files:
        for name, options in NETWORKS.items():
            model = network(options)
            found["networks"][name] = {
                f"{key}@{head}": answer(model, atoms, head)
                for key, atoms in structures().items()
                for head in model.heads
            }
            file = file_of(model)
            member = tarfile.TarInfo(f"{name}.model")
            member.size = len(file)
            files.addfile(member, io.BytesIO(file))
    Path(path).write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
