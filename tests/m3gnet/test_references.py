"""The published M3GNet weights give the original code's numbers."""

import logging

import numpy as np
import pytest
from ase.build import bulk
from ase.eos import EquationOfState
from m3gnet.references import POTENTIALS, answers, published_edges, structures

import mlzoo
from mlzoo.derivatives import evaluate

PROPERTIES = ["energy", "energies", "forces", "stress"]


@pytest.fixture(scope="module")
def load(shared):
    logging.getLogger("mlzoo").setLevel(logging.ERROR)
    yield lambda name, **options: mlzoo.load(shared / "weights/matgl" / name, device="cpu", **options)
    logging.getLogger("mlzoo").setLevel(logging.NOTSET)


def largest_deviations(answer, reference):
    """eV an atom, eV/Å, eV/Å³."""
    deviations = {
        "energy": abs(answer["energy"] - reference["energy"]) / reference["n"],
        "energies": np.abs(answer["energies"] - reference["atomic_energies"]).max(),
        "forces": np.abs(answer["forces"] - reference["forces"]).max(),
    }
    if "stress_voigt_eV_A3" in reference:
        deviations["stress"] = np.abs(answer["stress"] - reference["stress_voigt_eV_A3"]).max()
    return deviations


TOLERANCES = {"energy": 1e-6, "energies": 1e-6, "forces": 1e-6, "stress": 1e-7}


@pytest.mark.parametrize("convention", ["dstfix", "v4", "legacy"])
@pytest.mark.parametrize("name", POTENTIALS)
def test_potentials_in_float64_with_our_own_neighbour_list(shared, load, name, convention):
    model = load(name, convention=convention, dtype="float64")
    for structure, reference in answers(shared, name, convention).items():
        found = structures(shared)[structure]
        assert len(model.graph(found).edges) == reference["n_edges"], structure
        for key, deviation in largest_deviations(model.predict(found, PROPERTIES), reference).items():
            assert deviation < TOLERANCES[key], (structure, key)


@pytest.mark.parametrize("name", POTENTIALS)
def test_legacy_numbers_with_the_edge_order_that_matgl_had(shared, load, name):
    model = load(name, convention="legacy", dtype="float64")
    for structure, reference in answers(shared, name, "legacy").items():
        found = structures(shared)[structure]
        ours, published = model.graph(found), model.graph(found, pairs=published_edges(shared, structure))
        for part in ("senders", "receivers", "shifts"):
            assert getattr(ours.edges, part).equal(getattr(published.edges, part)), (structure, part)
        answer = evaluate(model.model, published, PROPERTIES)
        assert abs(float(answer["energy"]) - reference["energy"]) / reference["n"] < 1e-6, structure
        assert np.abs(answer["forces"].numpy() - reference["forces"]).max() < 1e-6, structure


def test_a_batch_of_legacy_structures_equals_them_one_by_one(shared, load):
    """The defect takes positions within each structure's own bond list, not within the batch's."""
    model = load(POTENTIALS[0], convention="legacy", dtype="float64")
    found = [structures(shared)[name] for name in ("nacl8", "ethanol", "isolated_fe", "lifepo4_28")]
    for together, alone in zip(model.predict(found), map(model.predict, found), strict=True):
        assert together["energy"] == pytest.approx(alone["energy"], abs=1e-10)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", POTENTIALS)
def test_potentials_in_float32(shared, load, name, exact):
    model = load(name, dtype="float32", exact=exact)
    assert model.provenance["kernels"] == ("plain" if exact else "numba")
    of_energy = 1e-4 if "ANI" in name else 1e-5  # total energies there are 1e3 eV an atom
    for structure, reference in answers(shared, name, "dstfix").items():
        deviations = largest_deviations(model.predict(structures(shared)[structure], PROPERTIES), reference)
        assert deviations["energy"] < of_energy, structure
        assert deviations["forces"] < 1e-4, structure


@pytest.mark.parametrize("convention", ["legacy", "v4"])
def test_formation_energies(shared, load, convention):
    name = "M3GNet-MP-2018.6.1-Eform"
    model = load(name, convention=convention, dtype="float64")
    for structure, reference in answers(shared, name, convention).items():
        if "value" not in reference:
            continue
        answer = model.predict(structures(shared)[structure])
        assert answer["formation_energy_per_atom"] == pytest.approx(reference["value"], abs=1e-6), structure


@pytest.mark.parametrize(
    ("name", "crystal", "published"),  # Å, from the README of M3GNet-MP-2021.2.8-PES, "Predicted a"
    [
        ("Nb", lambda a: bulk("Nb", "bcc", a=a), 3.32285),
        ("Mo", lambda a: bulk("Mo", "bcc", a=a), 3.16398),
        ("VN", lambda a: bulk("VN", "rocksalt", a=a), 4.11997),
        ("InSb", lambda a: bulk("InSb", "zincblende", a=a), 6.63599),
        ("Au", lambda a: bulk("Au", "fcc", a=a), 4.17198),
    ],
)
@pytest.mark.parametrize("convention", ["legacy", "dstfix"])
def test_lattice_constants_of_the_models_own_readme(load, name, crystal, published, convention):
    model = load("M3GNet-MP-2021.2.8-PES", convention=convention, dtype="float64")
    lengths = published * np.linspace(0.99, 1.01, 9)
    energies = [model.predict(crystal(a), ["energy"])["energy"] for a in lengths]
    volume, _, _ = EquationOfState([crystal(a).get_volume() for a in lengths], energies, eos="birchmurnaghan").fit()
    a = published * (volume / crystal(published).get_volume()) ** (1 / 3)
    assert a == pytest.approx(published, rel=5e-4)
