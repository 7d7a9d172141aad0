"""What the original codes answer for MACE weights, as ``../shared/references`` holds it."""

import json
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import ase.io
from ase import Atoms

MLIP = [
    "v01_corr3_full_basis",
    "v01_corr3_symmetric_basis",
    "v01_device_axis",
    "v01_e0_config_dict",
    "v01_e0_dict_large",
    "v01_gate_nodes",
    "v01_heads3_layers3",
    "v01_lmax3_corr3_symmetric_ns1",
    "v01_one_layer",
    "v01_predict_stress_flag",
    "v01_scalar_only_ns0_e0zero",
    "v01_softenv_tanh_scaled",
    "v01_species_embedding",
    "v01_spice2",
    "v01_tiny",
    "v02_charges",
    "v02_corr3_e3j",
    "v02_coulomb",
    "v02_e3nn",
    "v02_e3nn_symmetric_corr3",
    "v02_gate_nodes",
    "v02_gaunt_sc",
    "v02_gaunt_sc_mp",
    "v02_heads3",
    "v02_no_atomic_energies",
    "v02_pseudotensors",
    "v02_residual_first_layer",
    "v02_soft_normalization",
    "v02_softenv_tanh_scaled",
    "v02_spice2",
    "v02_tiny",
]
SINGLE = ("v01_e0_dict_large", "v01_spice2", "v01_tiny", "v02_charges", "v02_spice2", "v02_tiny")
"""Those that were run in float32 too."""


@cache
def mlip_structures(shared: Path) -> dict[str, Atoms]:
    frames = ase.io.read(shared / "references/mlip/structures.xyz", index=":")
    return {atoms.info["name"]: atoms for atoms in frames}


@cache
def mlip_answers(shared: Path, name: str, dtype: str = "f64") -> list[dict]:
    return json.loads((shared / f"references/mlip/{name}.{dtype}.json").read_text())["results"]


MACE_TORCH = [
    *("mace-torch/tiny-mace", "mace-torch/tiny-scaleshift", "mace-torch/large-like-l2", "mace-torch/mh-like"),
    *("mace-torch/mp0-medium-like", "mace-torch/mp0-small-like", "mace-torch/mp0b-small-like"),
    *(
        "mace-torch/mpa0-medium-like",
        "mace-torch/multihead-like",
        "mace-torch/off23-small-like",
        "mace-torch/omol-like",
    ),
    *("mace-real/mace01", "mace-real/mace01_swa"),
    *("mace-real/mace02_com1", "mace-real/mace02_com2", "mace-real/mace02_com3"),
]


@cache
def mace_torch_structures(shared: Path, family: str) -> dict[str, Atoms]:
    """By name; charge and spin in their ``info``."""
    folder = shared / "references" / family
    if family == "mace-real":
        return {atoms.info["name"]: atoms for atoms in ase.io.read(folder / "structures.extxyz", index=":")}
    said = json.loads((folder / "structures.json").read_text())
    return {name: Atoms(**each) for name, each in said.items()}


@cache
def mace_torch_answers(shared: Path, name: str) -> dict[str, dict]:
    """What the calculator gives for ``STRUCTURE`` or ``STRUCTURE@HEAD``, in float64 and float32."""
    return json.loads((shared / "references" / name / "results.json").read_text())["results"]


def mace_torch_cases(shared: Path, name: str, conditions: Collection[str]) -> Iterator[tuple[str, Atoms, dict, dict]]:
    """Key, structure with what of ``conditions`` it carries, head, and mace-torch's answers, for all that was recorded."""
    for key, answers in mace_torch_answers(shared, name).items():
        structure, _, head = key.partition("@")
        atoms = mace_torch_structures(shared, name.partition("/")[0])[structure].copy()
        atoms.info = {name: value for name, value in atoms.info.items() if name in conditions}
        yield key, atoms, {"head": head} if head else {}, answers
