"""Dipoles and polarizabilities: mace-torch's numbers from files that it wrote, and what holds for any of them."""

import base64
import copy
import json
import lzma
from functools import cache
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from typer.testing import CliRunner

import mlzoo
from mlzoo import inert_pickle
from mlzoo.cli import app
from mlzoo.errors import PredictionError, UnreadableFile, UnsupportedProperty
from mlzoo.testing import PropertyContract
from mlzoo.testing.cells import Cells
from mlzoo.testing.handling import Handling
from mlzoo.testing.symmetry import Symmetry
from mlzoo_mace.config import MaceConfig
from mlzoo_mace.readers import mace_torch

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/mace_dielectric.json").read_text())
NETWORKS = REFERENCE["networks"]
DEBYE = 0.20819433270935603  # e·Å, of the exact constants of the SI

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dielectric")
    for name, network in NETWORKS.items():
        (folder / f"{name}.model").write_bytes(lzma.decompress(base64.b64decode(network["file"])))
    return {name: folder / f"{name}.model" for name in NETWORKS}


@pytest.fixture(scope="module")
def load(files):
    """Each network once, in float64 and its plain form unless told otherwise."""
    return cache(
        lambda name, dtype="float64", exact=True: mlzoo.load(files[name], dtype=dtype, device="cpu", exact=exact)
    )


def structure(name: str) -> Atoms:
    said = REFERENCE["structures"][name]
    return Atoms(said["numbers"], positions=said["positions"], info={"charge": said["charge"]})


def fixed_charges(name: str) -> np.ndarray:
    said = REFERENCE["structures"][name]
    return np.array(said["fixed"] or np.zeros(len(said["numbers"])))


def assert_close(found, expected, what, relative=1e-8):
    expected = np.array(expected)
    largest = max(np.abs(expected).max(), 1e-6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * largest, err_msg=str(what))


@pytest.mark.filterwarnings("ignore:this model does not know charge")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("structure_name", REFERENCE["structures"])
def test_the_numbers_of_mace_torch(load, network, structure_name):
    model, atoms = load(network), structure(structure_name)
    unit = 1.0 if network == "dielectric" else DEBYE
    found = model.predict(atoms)
    expected = NETWORKS[network]["answers"][structure_name]
    added = 0 if network == "dielectric" else fixed_charges(structure_name) @ atoms.positions
    assert_close(found["dipole"] + added, unit * np.array(expected["dipole"]), "dipole")
    for name in ("energy", "forces", "charges", "polarizability"):
        assert (name in found) == (name in expected)
        if name in found:
            assert_close(found[name], expected[name], name)


def test_where_the_numbers_come_from():
    assert REFERENCE["script"] == "benchmarks/mace_dielectric_references.py"
    assert REFERENCE["versions"]["mace-torch"] == "0.3.16"
    for network in NETWORKS.values():  # that nothing is compared with zero
        assert np.abs(network["answers"]["ethanol"]["dipole"]).max() > 0.1


@pytest.mark.parametrize("name", ["water", "acetate"])
def test_derivatives_of_dipole_and_polarizability_are_those_of_mace_torch(load, name):
    model, atoms, step = load("dielectric"), structure(name), 1e-4
    expected = NETWORKS["dielectric"]["answers"][name]
    for atom, axis in ((0, 0), (1, 1), (2, 2)):
        ends = []
        for shift in (step, -step):
            moved = atoms.copy()
            moved.positions[atom, axis] += shift
            ends.append(model.predict(moved))
        slopes = {key: (ends[0][key] - ends[1][key]) / (2 * step) for key in ("dipole", "polarizability")}
        np.testing.assert_allclose(slopes["dipole"], np.array(expected["dmu_dr"])[:, atom, axis], atol=1e-6)
        of_polarizability = np.array(expected["dalpha_dr"])[:, atom, axis].reshape(3, 3)
        np.testing.assert_allclose(slopes["polarizability"], of_polarizability, atol=1e-6)


# What holds for any of them


class OnFile:
    network: str

    @pytest.fixture
    def model(self, load):
        return load(self.network).model


class TestDipoles(OnFile, PropertyContract):
    network = "dipoles, gates open"


class TestDielectric(OnFile, PropertyContract):
    network = "dielectric"


class TestEnergyAndDipoles(OnFile, Symmetry, Cells, Handling):
    """As far as a dipole stands beside the energy; the energy itself is that of any MACE."""

    network = "energy and dipoles"


def test_the_last_layer_of_mace_torchs_dipoles_says_nothing_with_silu(load):
    """It hands on vectors only, and gates of no scalars are silu(0) = 0."""
    model, atoms = copy.deepcopy(load("dipoles")), structure("ethanol")
    before = model.predict(atoms)["dipole"]
    with torch.no_grad():
        for parameter in model.model.layers[-1].parameters():
            parameter.normal_()
    assert (model.predict(atoms)["dipole"] == before).all()


def test_a_proton_far_from_the_origin_has_the_dipole_of_its_place(load):
    found = load("dielectric").predict(Atoms("H", [[3.0, -20.0, 100.0]], info={"charge": 1}))
    np.testing.assert_allclose(found["charges"], [1.0], atol=1e-14)
    np.testing.assert_allclose(found["dipole"], [3.0, -20.0, 100.0], atol=1e-12)


@pytest.mark.parametrize("charge", [0, -1, 2])
def test_the_dipole_moves_with_the_charge_and_nothing_else(load, charge):
    model, atoms, by = load("dielectric"), structure("acetate"), np.array([4.0, -1.0, 7.0])
    here = model.predict(atoms, charge=charge)
    atoms.positions += by
    there = model.predict(atoms, charge=charge)
    np.testing.assert_allclose(there["dipole"] - here["dipole"], charge * by, atol=1e-12)
    np.testing.assert_allclose(there["polarizability"], here["polarizability"], atol=1e-12)
    assert here["charges"].sum() == pytest.approx(charge, abs=1e-13)


def test_a_molecule_with_a_centre_has_no_dipole_and_a_symmetric_polarizability(load):
    """Inversion turns vectors round and leaves tensors alone."""
    ethyne = molecule("C2H2")
    found = load("dielectric").predict(ethyne)
    np.testing.assert_allclose(found["dipole"], 0, atol=1e-12)
    assert np.array_equal(found["polarizability"], found["polarizability"].T)
    along, across = found["polarizability"][2, 2], found["polarizability"][0, 0]
    np.testing.assert_allclose(found["polarizability"], np.diag([across, across, along]), atol=1e-12)
    assert abs(along - across) > 1e-3


def test_a_polarizability_adds_up_over_molecules_that_are_far_apart(load):
    model, water = load("dielectric"), structure("water")
    other = water.copy()
    other.positions += 30.0
    both = model.predict(water + other)["polarizability"]
    np.testing.assert_allclose(both, 2 * model.predict(water)["polarizability"], atol=1e-12)


# Periodic structures


def boxed() -> Atoms:
    atoms = structure("water")
    atoms.info = {}
    atoms.center(vacuum=4.0)
    atoms.pbc = (False, False, True)
    return atoms


@pytest.mark.parametrize("network", ["dipoles", "dielectric"])
def test_a_periodic_structure_is_refused(load, network):
    model = load(network)
    with pytest.raises(UnsupportedProperty, match=r"pbc=\[False, False, True\].* has no dipole.* set pbc to False"):
        model.predict(boxed())
    kept = model.predict([boxed(), structure("water")], on_error="keep")
    assert isinstance(kept[0], PredictionError)
    assert "dipole" in kept[1]


def test_beside_an_energy_it_is_refused_where_it_is_asked_for(load):
    model = load("energy and dipoles")
    with pytest.raises(UnsupportedProperty, match="has no dipole as"):
        model.predict(boxed(), ["energy", "dipole"])
    crystal, water = model.predict([boxed(), structure("water")])
    assert "dipole" not in crystal
    assert "dipole" in water
    atoms = boxed()
    atoms.calc = model.calculator()
    assert atoms.get_potential_energy() == pytest.approx(crystal["energy"], abs=1e-9)
    with pytest.raises(UnsupportedProperty, match="has no dipole as"):
        atoms.get_dipole_moment()


# What is refused


def child(record, path):
    for name in path.split("."):
        record = record.state["_modules"][name]
    return record


REFUSED = {
    "a switch that takes a scalar for a vector": (
        lambda model: model.state.update(use_polarizability=False),
        "use_polarizability is False, of which mlzoo knows True only",
    ),
    "another basis": (
        lambda model: model.state["_buffers"].update(change_of_basis=torch.ones(6, 3, 3)),
        "change_of_basis is not the basis of symmetric matrices",
    ),
    "vectors before scalars": (
        lambda model: child(model, "readouts.1").state.update(hidden_irreps="4x1o+5x0e+2x2e"),
        r"readouts\.1 has other hidden features than its gate gives",
    ),
    "a readout of another class": (
        lambda model: child(model, "readouts.0").state.update(irreps_out="1x0e+1x1o"),
        r"readouts\.0 does not give what a model of its class predicts",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_says_something_else_is_refused(files, monkeypatch, case):
    change, reason = REFUSED[case]
    model = inert_pickle.load(files["dielectric"], mace_torch.RECORDS)
    change(model)
    monkeypatch.setattr(mace_torch.inert_pickle, "load", lambda *_, **__: model)
    with pytest.raises(UnreadableFile, match=reason):
        mace_torch.read(files["dielectric"])


@pytest.mark.parametrize(
    ("network", "change", "reason"),
    [
        ("dielectric", {"heads": ("a", "b"), "default_head": "a"}, "a dipole or polarizability has one head, not 2"),
        ("dielectric", {"energy": True}, "an energy must not see positions"),
        ("dielectric", {"charges": {"coulomb_cutoff": 9.0}}, "are of an energy"),
        ("dielectric", {"polarizability": False}, "nothing that is predicted is read from 2e"),
        ("dipoles", {"dipole": False}, "nothing else to predict"),
        ("energy and dipoles", {"energy": False}, "a layer has a readout of scalars"),
    ],
)
def test_a_network_that_cannot_be_is_refused(load, network, change, reason):
    fields = load(network).model.config.model_dump()
    with pytest.raises(ValueError, match=reason):
        MaceConfig(**fields | change)


# As users meet them


def test_ase(load):
    model, atoms = load("dielectric"), structure("acetate")
    atoms.calc = model.calculator()
    expected = model.predict(atoms)
    assert (atoms.get_dipole_moment() == expected["dipole"]).all()
    assert (atoms.get_charges() == expected["charges"]).all()
    assert (atoms.calc.get_property("polarizability", atoms) == expected["polarizability"]).all()
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_potential_energy()
    atoms.info["charge"] = 0
    assert atoms.get_charges().sum() == pytest.approx(0, abs=1e-12)


def test_ase_of_energy_and_dipole(load):
    atoms = structure("water")
    atoms.calc = load("energy and dipoles").calculator()
    atoms.get_forces()
    assert atoms.get_dipole_moment().shape == (3,)


def test_energies_sum_to_the_energy_which_mace_torchs_do_not(load):
    """There ``node_energy`` of this class has reference energies only."""
    found = load("energy and dipoles").predict(structure("ethanol"))
    assert found["energies"].sum() == pytest.approx(found["energy"], rel=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_form_that_answers_has_dipoles_too(load, dtype):
    plain, form = load("energy and dipoles"), load("energy and dipoles", dtype=dtype, exact=False)
    assert form.provenance["kernels"].startswith("numba")
    found, expected = (model.predict(structure("ethanol")) for model in (form, plain))
    for name in ("dipole", "forces"):
        assert_close(found[name], expected[name], name, {"float32": 1e-5, "float64": 1e-10}[dtype])


def test_without_an_energy_the_plain_form_answers_and_says_so(load):
    assert load("dielectric", exact=False).provenance["kernels"] == "plain"


@pytest.mark.parametrize("network", NETWORKS)
def test_a_saved_weight_gives_the_same_bits(load, network, tmp_path):
    model, atoms = load(network), structure("ethanol")
    folder = model.save(tmp_path / "weight")
    again = mlzoo.load(folder, dtype="float64", device="cpu", exact=True, verify=True)
    for name, value in model.predict(atoms).items():
        assert np.array_equal(again.predict(atoms)[name], value), name
    assert again.card.predicts["dipole"] == "e·Å"


@pytest.fixture
def command(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    water, acetate = structure("water"), structure("acetate")
    ase.io.write("molecules.extxyz", [water, acetate])
    ase.io.write("crystal.extxyz", bulk("C"))

    def run(*said):
        return CliRunner().invoke(app, ["predict", *said, "-m", str(files["dielectric"]), "--device", "cpu"])

    return run


def test_predict_on_the_command_line(command, load):
    expected = load("dielectric").predict(structure("water"))
    said = command("molecules.extxyz", "--json", "-o", "out.extxyz", "--dtype", "float64")
    assert said.exit_code == 0, said.output
    first = json.loads(next(line for line in said.stdout.splitlines() if line.startswith("{")))
    np.testing.assert_allclose(first["dipole"], expected["dipole"], rtol=1e-12)
    np.testing.assert_allclose(first["polarizability"], expected["polarizability"], rtol=1e-12, atol=1e-12)
    water = ase.io.read("out.extxyz", index=0)  # of three atoms: its matrix is none of vectors of atoms
    np.testing.assert_allclose(water.get_dipole_moment(), expected["dipole"], atol=1e-7)
    np.testing.assert_allclose(water.info["polarizability"], expected["polarizability"], atol=1e-7)
    np.testing.assert_allclose(water.get_charges(), expected["charges"], atol=1e-7)


def test_a_table_has_the_length_of_the_dipole_and_the_mean_polarizability(command, load):
    expected = load("dielectric").predict(structure("water"))
    assert command("molecules.extxyz", "crystal.extxyz", "-o", "out.jsonl", "--dtype", "float64").exit_code == 1
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    of_water = next(row for row in rows if row["formula"] == "H2O")
    assert of_water["dipole_moment"] == pytest.approx(np.linalg.norm(expected["dipole"]))
    assert of_water["mean_polarizability"] == pytest.approx(np.trace(expected["polarizability"]) / 3)
    assert "has no dipole" in next(row for row in rows if "crystal" in row["file"])["error"]
