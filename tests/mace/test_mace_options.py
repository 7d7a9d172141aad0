"""Every option of mace-torch's models against mace-torch, from tiny networks that it wrote itself (docs/mace-options.md)."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

import mlzoo
from mlzoo.derivatives import evaluate
from mlzoo.errors import InvalidCondition
from mlzoo.graph import bonded, graph_of
from mlzoo.structures import structure_from
from mlzoo_mace.kernels.answering.form import FrozenMace
from mlzoo_mace.kernels.learning.form import CompiledMace

PLACE = Path(__file__).parents[1] / "reference"
REFERENCE = json.loads((PLACE / "mace_options.json").read_text())
PROPERTIES = ["energies", "forces", "virial"]
NAMES = {"total_charge": "charge", "total_spin": "spin", "elec_temp": "temperature"}  # theirs: ours


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder of mace-torch's files, ``NAME.model``."""
    folder = tmp_path_factory.mktemp("mace")
    with tarfile.open(PLACE / "mace_options.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@cache
def structures() -> dict[str, Atoms]:
    return {name: Atoms(**each, pbc=bool(np.any(each["cell"]))) for name, each in REFERENCE["structures"].items()}


def cases(network, model):
    """Each structure that was recorded, with the conditions that the model knows, and mace-torch's answer."""
    given = {NAMES.get(name, name): value for name, value in REFERENCE["conditions"].items()}
    known = {condition.name for condition in model.model.conditions}
    for key, answer in REFERENCE["networks"][network].items():
        structure, _, head = key.partition("@")
        conditions = {name: value for name, value in (given | {"head": head}).items() if name in known}
        yield structures()[structure], conditions, answer


def compare(network, model, relative):
    for atoms, conditions, expected in cases(network, model):
        found = model.predict(atoms, ["energy", "energies", "forces", "virial"], **conditions)
        head = model.model.config.heads.index(conditions.get("head", model.model.config.heads[0]))
        zero = np.array([model.model.reference_energies[z][head] for z in atoms.numbers])
        largest = np.abs(expected["energies"] - zero).max()
        assert found["energy"] == pytest.approx(expected["energy"], abs=relative * len(atoms) * largest)
        if not model.model.config.embedding.readout:  # which mace-torch leaves out of the energies of atoms
            np.testing.assert_allclose(found["energies"], expected["energies"], rtol=0, atol=relative * largest)
        if expected["forces"] is not None:  # mace-torch's Chebyshev polynomials have no derivatives
            for name in ("forces", "virial"):
                size = max(np.abs(expected[name]).max(), 1e-6)
                np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=relative * size, err_msg=name)


def graph_for(network, model):
    """All that was recorded, in one graph."""
    parts = [
        bonded(structure_from(atoms, conditions), model.model.cutoff, conditions=model.model.conditions)
        for atoms, conditions, _ in cases(network, model)
    ]
    return graph_of(parts).to("cpu", torch.float64)


@pytest.mark.usefixtures("quiet")
def test_forces_of_chebyshev_polynomials_are_the_derivative_of_the_energy(files):
    """Which those of mace-torch are not."""
    model = mlzoo.load(files / "radial_type chebyshev, Agnesi.model", device="cpu")
    atoms, step = structures()["molecule"].copy(), 1e-4
    force = model.predict(atoms)["forces"][1, 0]
    ahead, behind = atoms.copy(), atoms.copy()
    ahead.positions[1, 0] += step
    behind.positions[1, 0] -= step
    slope = (model.predict(ahead)["energy"] - model.predict(behind)["energy"]) / (2 * step)
    assert force == pytest.approx(-slope, rel=1e-5)


@pytest.mark.usefixtures("quiet")
def test_radial_functions_of_features_are_said(files):
    said = mlzoo.load(files / "interaction attention.model", device="cpu", dtype="float32").provenance["kernels"]
    assert said == "numba, radial functions of features in layer 2"


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("network", ["interaction attention", "embedding_specs every kind", "radial_type gaussian"])
def test_they_come_back_from_our_own_layout(files, tmp_path, network):
    original = mlzoo.load(files / f"{network}.model", device="cpu")
    again = mlzoo.load(original.save(tmp_path / "weight"), device="cpu", verify=True)
    assert again.model.config == original.model.config
    for atoms, conditions, _ in cases(network, original):
        expected = original.predict(atoms, **conditions)
        assert again.predict(atoms, **conditions)["energy"] == expected["energy"]


@pytest.mark.usefixtures("quiet")
def test_a_number_that_has_no_default_has_to_be_given(files):
    model = mlzoo.load(files / "embedding_specs every kind.model", device="cpu")
    with pytest.raises(InvalidCondition, match="this model needs pressure"):
        model.predict(structures()["molecule"], head="pbe", phase=1)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(  # two options together are for make long
    "network", [pytest.param(name, marks=pytest.mark.long if ", " in name else ()) for name in REFERENCE["networks"]]
)
def test_the_numbers_of_mace_torch(files, network):
    """By the plain form, and by those that answer and learn to what they promise of the plain one."""
    model = mlzoo.load(files / f"{network}.model", device="cpu", exact=True)
    compare(network, model, 1e-8)
    graph = graph_for(network, model)
    expected = evaluate(model.model, graph, PROPERTIES)
    forms = {FrozenMace(model.model, splined=False): 1e-9, CompiledMace(model.model): 1e-9}
    if network.startswith(("radial_type", "distance_transform")):  # which splines stand for
        forms[FrozenMace(model.model, splined=True)] = 1e-4
    for form, relative in forms.items():
        found = evaluate(form, graph, PROPERTIES)
        for name in PROPERTIES:
            size = float(expected[name].abs().max())
            torch.testing.assert_close(found[name], expected[name], rtol=0, atol=relative * size, msg=form.kernels)
